"""A chunk of actions by plain L1 regression, as in ACT (arXiv 2304.13705) and OpenVLA-OFT (arXiv 2502.19645).

The expert is a function of the state, so there is one right answer and its median is the answer.
"""

from torch import Tensor, nn

__all__ = ["RegressionHead"]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class RegressionHead(nn.Module):
    """Features (B, F) -> actions (B, H, A), normalised."""

    def __init__(self, features: int, width: int, blocks: int, horizon: int, action: int) -> None:
        super().__init__()
        self.horizon, self.action = horizon, action
        self.trunk = nn.Sequential(
            nn.Linear(features, width), *(_Residual(width) for _ in range(blocks)), nn.LayerNorm(width)
        )
        self.out = nn.Linear(width, horizon * action)

    def forward(self, features: Tensor) -> Tensor:
        """Predict the chunk; see the class for shapes."""
        return self.out(self.trunk(features)).view(-1, self.horizon, self.action)

    def loss(self, features: Tensor, actions: Tensor, weight: Tensor) -> Tensor:
        """Mean absolute error over weight > 0; actions and weight (B, H, A)."""
        error = (self(features) - actions).abs() * weight
        return error.sum() / weight.sum().clamp(min=1.0)
