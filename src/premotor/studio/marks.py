"""Draw on a camera's picture what the policy believes it was asked about: a glow of heat and a ring at its peak."""

from dataclasses import dataclass

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from premotor.core.types import FloatArray, Image

__all__ = ["OBJECT", "TARGET", "Mark", "mark"]

OBJECT = (255, 176, 0)
"""Colour of the thing to act on."""
TARGET = (0, 190, 255)
"""Colour of where it should go. The pair stays apart for colour-blind eyes."""

_OVERSAMPLE = 3  # rings are drawn larger and shrunk: PIL's own lines are jagged
_SURE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One belief in one camera. heat: (G, G) probabilities, or None for a ring alone. u, v: 0..1 of the picture.

    seen: probability that it is in the picture at all; nothing is drawn below one half.
    """

    color: tuple[int, int, int]
    u: float
    v: float
    seen: float = 1.0
    heat: FloatArray | None = None


def mark(image: Image, size: int, marks: list[Mark]) -> Image:
    """The picture (H, W, 3) at size x size with every sure mark drawn on it: (size, size, 3)."""
    picture = Picture.fromarray(image)
    if picture.size != (size, size):
        picture = picture.resize((size, size), Picture.Resampling.LANCZOS)
    sure = [m for m in marks if m.seen > _SURE and np.isfinite((m.u, m.v)).all()]
    for m in sure:
        if m.heat is not None:
            picture.paste(m.color, (0, 0), _glow(m.heat, size))
    for m in sure:
        _ring(picture, m)
    return np.asarray(picture)


def _glow(heat: FloatArray, size: int) -> Picture.Image:
    """Opacity of the colour: the heat relative to its peak, never so strong that the thing itself is hidden."""
    peak = float(heat.max())
    level = np.sqrt(np.clip(heat / peak, 0.0, 1.0)) if np.isfinite(peak) and peak > 0 else np.zeros_like(heat)
    return Picture.fromarray((level * 80).astype(np.uint8)).resize((size, size), Picture.Resampling.BICUBIC)


def _ring(picture: Picture.Image, m: Mark) -> None:
    """A ring with a dark halo, so that it shows on any colour; drawn on a small patch, larger, and then shrunk."""
    size, n = picture.width, _OVERSAMPLE
    radius, line, half = size * 0.045, max(1.0, size * 0.009), round(size * 0.08)
    left, top = round(m.u * size) - half, round(m.v * size) - half
    x, y = (m.u * size - left) * n, (m.v * size - top) * n
    patch = Picture.new("RGBA", (2 * half * n, 2 * half * n))
    draw = ImageDraw.Draw(patch)
    for reach, color, width in ((radius + line, (20, 22, 26, 150), 3 * line), (radius, (*m.color, 255), line)):
        reach = reach * n
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=color, width=round(width * n))
    patch = patch.resize((2 * half, 2 * half), Picture.Resampling.BOX)
    picture.paste(patch, (left, top), patch)
