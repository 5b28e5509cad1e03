"""Grounding: a query points at a place in a feature map.

The heat map is the dot product of the query with each cell; its softmax gives the point (soft-argmax, sub-cell)
and the features found there. Simulation labels the points for free.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Pointer", "Pointing", "heat_target"]


class Pointing(NamedTuple):
    """What a pointer says. logits (B, R, G, G); uv (B, R, 2) in 0..1, u to the right, v down;
    seen (B, R) logit of "it is in the picture"; features (B, R, C) found at the point."""

    logits: Tensor
    uv: Tensor
    seen: Tensor
    features: Tensor


class Pointer(nn.Module):
    """Queries (B, R, D) over a map (B, C, G, G) -> Pointing."""

    centres: Tensor

    def __init__(self, width: int, channels: int, grid: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, channels + 1)
        self.scale = channels**-0.5
        self.seen = nn.Linear(channels + width, 1)
        axis = (torch.arange(grid) + 0.5) / grid
        v, u = torch.meshgrid(axis, axis, indexing="ij")
        self.register_buffer("centres", torch.stack([u, v], -1).view(-1, 2), persistent=False)

    def forward(self, queries: Tensor, fine: Tensor) -> Pointing:
        """Point; see the class for shapes."""
        b, c, g, _ = fine.shape
        cells = fine.permute(0, 2, 3, 1).reshape(b, g * g, c)
        asked = self.query(queries)
        temperature = F.softplus(asked[..., -1:])
        logits = torch.einsum("brc,bmc->brm", asked[..., :-1], cells) * self.scale * (1.0 + temperature)
        heat = logits.masked_fill(~self._near_peak(logits), -torch.inf).softmax(-1)
        features = heat @ cells
        uv = heat @ self.centres
        seen = self.seen(torch.cat([features, queries], -1)).squeeze(-1)
        return Pointing(logits.view(b, -1, g, g), uv, seen, features)

    def _near_peak(self, logits: Tensor) -> Tensor:
        """(B, R, G * G) True within two cells of the highest.

        In doubt between two things, the mean of their places is neither: the likelier one is taken.
        """
        peak = self.centres[logits.argmax(-1)]
        away = (self.centres - peak[..., None, :]).abs().amax(-1)
        return away < 2.5 / logits.shape[-1] ** 0.5


def heat_target(uv: Tensor, grid: int, sigma: float = 0.6) -> Tensor:
    """(..., 2) points in 0..1 -> (..., grid * grid) Gaussian heat that sums to one; sigma in cells."""
    axis = (torch.arange(grid, device=uv.device) + 0.5) / grid
    du = (axis - uv[..., 0:1]) * grid / sigma
    dv = (axis - uv[..., 1:2]) * grid / sigma
    return (-0.5 * (dv[..., :, None] ** 2 + du[..., None, :] ** 2)).flatten(-2).softmax(-1)
