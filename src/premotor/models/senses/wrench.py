"""Forces and torques at the wrist, by convolutions over the last readings.

As in "Making Sense of Vision and Touch" (arXiv 1810.10191) they are causal: a token says what was felt up to its
moment, and nothing of what came after.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Wrench"]

_WIDTHS = (16, 32, 64, 128)
_READINGS = 32


class Wrench(nn.Module):
    """(B, T, 6) newtons and newton metres, oldest first, T a multiple of 16 -> (B, T / 16, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(inside, out, 2, stride=2) for inside, out in zip((6, *_WIDTHS), _WIDTHS, strict=False)
        )
        self.out = nn.Linear(_WIDTHS[-1], width)

    @staticmethod
    def fake(batch: int) -> Tensor:
        """32 readings of some newtons."""
        return torch.randn(batch, _READINGS, 6)

    def forward(self, readings: Tensor) -> Tensor:
        """See the class for shapes."""
        # A blow is hundreds of newtons, a touch is one: the logarithm tells both.
        x = (readings.sign() * readings.abs().log1p()).to(self.out.weight.dtype).transpose(1, 2)
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
        return self.out(x.transpose(1, 2))
