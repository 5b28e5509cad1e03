"""How far away everything is, patch by patch: depth becomes disparity first (Omnivore, arXiv 2201.08377).

What is near is told finely and what is far coarsely, and what has no echo, at infinity, is 0.
"""

import torch
from torch import Tensor, nn

__all__ = ["Depth"]

_NEAREST = 0.05  # metres; whatever is nearer is as near
_PATCH, _SIDE = 16, 64


class Depth(nn.Module):
    """(B, H, W) metres along the optical axis, inf where nothing is -> (B, 16, D), row by row. Any H and W will do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, _PATCH, stride=_PATCH)
        self.places = nn.Parameter(torch.randn((_SIDE // _PATCH) ** 2, width) * 0.02)

    @staticmethod
    def fake(batch: int) -> Tensor:
        """Between 0.2 and 1.5 metres."""
        return 0.2 + 1.3 * torch.rand(batch, _SIDE, _SIDE)

    def forward(self, metres: Tensor) -> Tensor:
        """See the class for shapes."""
        near = 1 / metres.clamp(min=_NEAREST)
        # Averages of disparity, not of depth: an edge between near and far is no thing in the middle.
        near = nn.functional.adaptive_avg_pool2d(near[:, None].to(self.patch.weight.dtype), (_SIDE, _SIDE))
        return self.patch(near).flatten(2).transpose(1, 2) + self.places
