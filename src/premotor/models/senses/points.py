"""A point cloud as one token, whatever the order of its points.

Each goes through the same layers, and of every feature the largest remains: PointNet (arXiv 1612.00593), in the small
form of DP3 (arXiv 2403.03954).
"""

import torch
from torch import Tensor, nn

__all__ = ["Points"]

_WIDTHS = (64, 128, 256)


class Points(nn.Module):
    """(B, P, 3) metres in the base frame, NaN for points that there are not -> (B, 1, D). Any P will do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, out in zip((3, *_WIDTHS), _WIDTHS, strict=False):
            layers += [nn.Linear(inside, out), nn.LayerNorm(out), nn.ReLU()]
        self.each = nn.Sequential(*layers)
        self.tell, self.norm = nn.Linear(_WIDTHS[-1], width), nn.LayerNorm(width)

    @staticmethod
    def fake(batch: int) -> Tensor:
        """512 of them within half a metre."""
        return torch.rand(batch, 512, 3) - 0.5

    def forward(self, points: Tensor) -> Tensor:
        """See the class for shapes; of a cloud without points the token says just that."""
        there = points.isfinite().all(-1, keepdim=True)
        features = self.each(points.nan_to_num(0.0, 0.0, 0.0).to(self.tell.weight.dtype))
        # Features are not below 0, so what is not there is not the largest.
        return self.norm(self.tell((features * there).amax(1, keepdim=True)))
