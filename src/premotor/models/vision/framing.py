"""How GR00T is shown a picture: letterboxed or not, resized, cropped to its middle, and resized once more."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from premotor.models.vision.area import area
from premotor.models.vision.squeeze import squeeze

__all__ = ["Resize", "boxed", "fitted", "middle"]

Resize = Literal["bicubic", "area", "area_edge"]
"""To a square, by Pillow's bicubic filter or by area; or by area until the shorter side fits, proportions kept."""


def boxed(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) -> a square with black beside it, as large as the longer side."""
    height, width = pictures.shape[-2:]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return F.pad(pictures, (left, side - width - left, top, side - height - top))


def fitted(pictures: Tensor, size: int, how: Resize) -> Tensor:
    """(N, 3, H, W) in 0..255 -> with a shorter side of `size`."""
    if how == "bicubic":
        return squeeze(pictures, size)
    height, width = pictures.shape[-2:]
    scale = size / min(height, width)
    sides = (round(height * scale), round(width * scale)) if how == "area_edge" else (size, size)
    return area(pictures, *sides)


def middle(pictures: Tensor, share: float, how: Resize) -> Tensor:
    """That share of each side. Sides are rounded, by those who resize by area down."""
    sides = [max(1, int(side * share) if how != "bicubic" else round(side * share)) for side in pictures.shape[-2:]]
    top, left = ((side - size) // 2 for side, size in zip(pictures.shape[-2:], sides, strict=True))
    return pictures[..., top : top + sides[0], left : left + sides[1]]
