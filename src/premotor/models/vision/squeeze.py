"""Resize a picture, to a square or so, and let its proportions go: Pillow's bicubic filter, to the last bit."""

from functools import cache

import torch
from torch import Tensor

__all__ = ["squeeze"]

_ONE = 1 << 22  # Pillow counts the weight of a pixel in whole parts of this


def squeeze(pictures: Tensor, size: int | tuple[int, int]) -> Tensor:
    """(N, 3, H, W) in 0..255 -> (N, 3, *size). Bytes are rounded after each direction, as Pillow does.

    size: height and width, or one number for both.
    """
    sides = (size, size) if isinstance(size, int) else size
    if tuple(pictures.shape[-2:]) == sides:
        return pictures
    x = pictures.double()
    for axis in (-1, -2):
        if x.shape[axis] == sides[axis]:
            continue
        weights = _weights(x.shape[axis], sides[axis]).to(x.device)
        x = (x.movedim(axis, -1) @ weights.T).movedim(-1, axis) / _ONE
        if not pictures.is_floating_point():
            x = (x + 0.5).floor()
        x = x.clamp(0, 255)
    return x.to(pictures.dtype)


@cache
def _weights(before: int, after: int) -> Tensor:
    """(after, before) how much each pixel has of the earlier ones; what shrinks is smoothed."""
    scale = before / after
    wide = max(scale, 1.0)
    centre = (torch.arange(after, dtype=torch.float64, device="cpu")[:, None] + 0.5) * scale
    at = torch.arange(before, dtype=torch.float64, device="cpu")
    reach = (at >= (centre - 2 * wide + 0.5).floor()) & (at < (centre + 2 * wide + 0.5).floor())
    t = ((at - centre + 0.5) / wide).abs()
    near, far = (1.5 * t - 2.5) * t * t + 1, ((2.5 - 0.5 * t) * t - 4) * t + 2
    weights = torch.where(t < 1, near, torch.where(t < 2, far, 0.0)) * reach
    return (weights / weights.sum(1, keepdim=True) * _ONE).round()
