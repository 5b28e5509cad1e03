"""A second, closer look: what is around a point, from the finest map that there is (after arXiv 1406.6247).

Where to look is decided on a coarse grid, a cell of which is some centimetres of table. How a thing is turned and where
exactly its edge is, is read from the few finely resolved cells around that place, for next to no time.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.vision.cnn import conv

__all__ = ["Glimpse"]

_SIDE = 8


class Glimpse(nn.Module):
    """A map (B, C, G, G) and points (B, R, 2) in 0..1 -> (B, R, W): the 8 x 8 cells around each."""

    window: Tensor

    def __init__(self, channels: int, inner: int, width: int) -> None:
        super().__init__()
        self.look = nn.Sequential(conv(channels, inner, 3, 2), conv(inner, inner, 3, 2), nn.Flatten())
        self.out = nn.Linear(inner * (_SIDE // 4) ** 2, width)
        axis = torch.arange(_SIDE) - (_SIDE - 1) / 2
        v, u = torch.meshgrid(axis, axis, indexing="ij")
        self.register_buffer("window", torch.stack([u, v], -1), persistent=False)

    def forward(self, seen: Tensor, points: Tensor) -> Tensor:
        """Look; see the class for shapes."""
        b, r, _ = points.shape
        where = (points[:, :, None, None] + self.window / seen.shape[-1]) * 2 - 1
        crops = F.grid_sample(seen, where.flatten(1, 2), padding_mode="border", align_corners=False)
        crops = crops.view(b, -1, r, _SIDE, _SIDE).transpose(1, 2).flatten(0, 1)
        found: Tensor = self.out(self.look(crops))
        return found.view(b, r, -1)
