"""Resize a picture and keep its proportions: what remains of the square is filled."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["letterbox"]


def letterbox(pictures: Tensor, size: int, *, fill: float, antialias: bool, centred: bool = True) -> Tensor:
    """(N, C, H, W) -> (N, C, size, size), bilinear. antialias: pictures that shrink are smoothed first.

    centred: filled evenly on both sides, else on the left and at the top.

    jax.image.resize and Pillow smooth; torch's own default, which some published policies act with, does not.
    """
    height, width = pictures.shape[-2:]
    if height == width == size:
        return pictures
    scale = max(width, height) / size
    inner = (int(height / scale), int(width / scale))
    fitted = F.interpolate(pictures, inner, mode="bilinear", align_corners=False, antialias=antialias)
    top, left = ((size - part) // (2 if centred else 1) for part in inner)
    return F.pad(fitted, (left, size - inner[1] - left, top, size - inner[0] - top), value=fill)
