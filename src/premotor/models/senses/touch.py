"""What a tactile pad feels: how its picture differs from the one at rest, by a few convolutions.

As the GelSight of "See, Hear, and Feel" (arXiv 2212.03858), but nothing is added to what is felt, so that who touches
nothing says nothing.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Touch"]

_WIDTHS = (16, 32, 64)
_SIDE = 32


class Touch(nn.Module):
    """(B, H, W, 3) pictures of a gel, or shear and pressure of taxels, less what it is at rest -> (B, 16, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(inside, out, 3, stride=2, padding=1, bias=False)
            for inside, out in zip((3, *_WIDTHS), _WIDTHS, strict=False)
        )
        self.out = nn.Linear(_WIDTHS[-1], width, bias=False)

    @staticmethod
    def fake(batch: int) -> Tensor:
        """Of a pad of 32 x 32."""
        return torch.randn(batch, _SIDE, _SIDE, 3)

    def forward(self, felt: Tensor) -> Tensor:
        """See the class for shapes; any H and W will do."""
        x = F.adaptive_avg_pool2d(felt.permute(0, 3, 1, 2).to(self.out.weight.dtype), (_SIDE, _SIDE))
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.out(x.flatten(2).transpose(1, 2))
