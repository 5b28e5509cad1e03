"""Resize a picture and keep its proportions: what remains of the square is filled evenly on both sides."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["letterbox"]


def letterbox(pictures: Tensor, size: int, *, fill: float, antialias: bool) -> Tensor:
    """(N, C, H, W) -> (N, C, size, size), bilinear. antialias: pictures that shrink are smoothed first.

    jax.image.resize and Pillow smooth; torch's own default, which some published policies act with, does not.
    """
    height, width = pictures.shape[-2:]
    if height == width == size:
        return pictures
    scale = max(width, height) / size
    inner = (int(height / scale), int(width / scale))
    fitted = F.interpolate(pictures, inner, mode="bilinear", align_corners=False, antialias=antialias)
    top, left = (size - inner[0]) // 2, (size - inner[1]) // 2
    return F.pad(fitted, (left, size - inner[1] - left, top, size - inner[0] - top), value=fill)
