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
    layer = Picture.new("RGBA", (size * _OVERSAMPLE, size * _OVERSAMPLE))
    draw = ImageDraw.Draw(layer)
    for m in sure:
        _ring(draw, m, size * _OVERSAMPLE)
    layer = layer.resize((size, size), Picture.Resampling.BOX)
    picture.paste(layer, (0, 0), layer)
    return np.asarray(picture)


def _glow(heat: FloatArray, size: int) -> Picture.Image:
    """Opacity of the colour: the heat relative to its peak, never so strong that the thing itself is hidden."""
    peak = float(heat.max())
    level = np.sqrt(np.clip(heat / peak, 0.0, 1.0)) if np.isfinite(peak) and peak > 0 else np.zeros_like(heat)
    return Picture.fromarray((level * 120).astype(np.uint8)).resize((size, size), Picture.Resampling.BICUBIC)


def _ring(draw: ImageDraw.ImageDraw, m: Mark, size: int) -> None:
    x, y, radius, line = m.u * size, m.v * size, size * 0.045, max(1, round(size * 0.009))
    box = (x - radius, y - radius, x + radius, y + radius)
    halo = (x - radius - line, y - radius - line, x + radius + line, y + radius + line)
    draw.ellipse(halo, outline=(20, 22, 26, 150), width=line * 3)
    draw.ellipse(box, outline=(*m.color, 255), width=line)
