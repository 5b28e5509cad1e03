"""Small networks of which every embodiment has its own, to read its state and actions and write its actions.

From GR00T N1 (arXiv 2503.14734); between them, all embodiments share one transformer.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ActionEncoder", "EmbodimentLinear", "EmbodimentMlp"]


class EmbodimentLinear(nn.Module):
    """x (B, T, I) of embodiments (B,) -> (B, T, O)."""

    def __init__(self, embodiments: int, inside: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(embodiments, inside, out))
        self.bias = nn.Parameter(torch.zeros(embodiments, out))

    def forward(self, x: Tensor, embodiment: Tensor) -> Tensor:
        """See the class for shapes."""
        return torch.baddbmm(self.bias[embodiment][:, None], x, self.weight[embodiment])


class EmbodimentMlp(nn.Module):
    """x (B, T, I) of embodiments (B,) -> (B, T, O), over one hidden layer."""

    def __init__(self, embodiments: int, inside: int, hidden: int, out: int) -> None:
        super().__init__()
        self.into = EmbodimentLinear(embodiments, inside, hidden)
        self.out = EmbodimentLinear(embodiments, hidden, out)

    def forward(self, x: Tensor, embodiment: Tensor) -> Tensor:
        """See the class for shapes."""
        return self.out(F.relu(self.into(x, embodiment)), embodiment)


class ActionEncoder(nn.Module):
    """Noisy actions (B, H, A) at steps (B,) of denoising, of embodiments (B,) -> (B, H, D)."""

    def __init__(self, embodiments: int, actions: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.into = EmbodimentLinear(embodiments, actions, width)
        self.mix = EmbodimentLinear(embodiments, 2 * width, width)
        self.out = EmbodimentLinear(embodiments, width, width)

    def forward(self, actions: Tensor, steps: Tensor, embodiment: Tensor) -> Tensor:
        """See the class for shapes."""
        x = self.into(actions, embodiment)
        when = self.code(steps).to(x.dtype)[:, None].expand_as(x)
        return self.out(F.silu(self.mix(torch.cat([x, when], -1), embodiment)), embodiment)

    def code(self, steps: Tensor) -> Tensor:
        """Steps (B,) -> (B, D): all sines, then all cosines."""
        half = self.width // 2
        rate = torch.exp(torch.arange(half, device=steps.device) * -(math.log(10000) / half))
        angle = steps[:, None] * rate
        return torch.cat([angle.sin(), angle.cos()], -1)
