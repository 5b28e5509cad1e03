"""OpenVLA-OFT's action head (arXiv 2502.19645): each step's features become its action, by themselves."""

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PerStepHead"]

_BLOCKS = 2


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.think = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.think(self.norm(x)))


class PerStepHead(nn.Module):
    """Features (..., F) -> actions, or the noise in them (..., A)."""

    def __init__(self, features: int, width: int, action: int) -> None:
        super().__init__()
        self.before_into, self.into = nn.LayerNorm(features), nn.Linear(features, width)
        self.blocks = nn.ModuleList(_Residual(width) for _ in range(_BLOCKS))
        self.before_out, self.out = nn.LayerNorm(width), nn.Linear(width, action)

    def forward(self, features: Tensor) -> Tensor:
        """Predict; see the class for shapes."""
        x = F.relu(self.into(self.before_into(features)))
        for block in self.blocks:
            x = block(x)
        return self.out(self.before_out(x))
