"""One picture that tells an episode: moments side by side, the front camera above, the wrist camera below."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from premotor.core.types import Image
from premotor.studio.marks import OBJECT, TARGET

__all__ = ["Keyframes", "Moment", "strip", "write_picture"]

_PAPER, _INK, _QUIET = (250, 249, 246), (28, 30, 34), (118, 120, 126)
_GOOD, _BAD = (26, 127, 85), (186, 60, 44)
_MARGIN, _GAP, _HEAD, _FOOT = 36, 10, 92, 62


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What the cameras showed at one time. seconds since the start; front and wrist (N, N, 3), marked."""

    seconds: float
    front: Image
    wrist: Image


class Keyframes:
    """Keeps a few moments of an episode of any length: evenly spread ones, and the last."""

    def __init__(self, wanted: int = 6) -> None:
        """wanted: how many to tell the episode with."""
        self._wanted, self._stride, self._seen = wanted, 1, 0
        self._kept: list[Moment] = []
        self._last: Moment | None = None

    def add(self, moment: Moment) -> None:
        """Hear of the next moment."""
        self._last = moment
        if self._seen % self._stride == 0:
            self._kept.append(moment)
            if len(self._kept) > 8 * self._wanted:
                self._kept, self._stride = self._kept[::2], 2 * self._stride
        self._seen += 1

    def chosen(self) -> list[Moment]:
        """Up to the wanted number, the first and the last among them."""
        kept = self._kept if self._last is None or self._last is self._kept[-1] else [*self._kept, self._last]
        count = min(self._wanted, len(kept))
        return [kept[round(i)] for i in np.linspace(0, len(kept) - 1, count)]


def strip(
    moments: Sequence[Moment], *, title: str, detail: str, outcome: str, good: bool, legend: bool = True
) -> Image:
    """Compose the picture (H, W, 3). title: the instruction. outcome: a few words, green when `good`, else red.

    legend: explain the marks. Needs at least one moment.
    """
    side = moments[0].front.shape[0]
    width = 2 * _MARGIN + len(moments) * side + (len(moments) - 1) * _GAP
    height = _HEAD + 2 * side + _GAP + _FOOT
    page = Picture.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    verdict_at = width - _MARGIN
    draw.text((verdict_at, 30), outcome, fill=_GOOD if good else _BAD, font=_font(24), anchor="ra")
    room = verdict_at - draw.textlength(outcome, font=_font(24)) - _MARGIN - 24
    draw.text((_MARGIN, 24), _fit(draw, title, 30, room), fill=_INK, font=_font(30))
    draw.text((_MARGIN, 63), _fit(draw, detail, 16, width - 2 * _MARGIN), fill=_QUIET, font=_font(16))
    for i, moment in enumerate(moments):
        x = _MARGIN + i * (side + _GAP)
        _tile(page, moment.front, x, _HEAD)
        _tile(page, moment.wrist, x, _HEAD + side + _GAP)
        foot = _HEAD + 2 * side + _GAP + 10
        draw.text((x + side / 2, foot), f"{moment.seconds:.1f} s", fill=_INK, font=_font(17), anchor="ma")
    if legend:
        _legend(draw, width - _MARGIN, height - 16)
    return np.asarray(page)


def write_picture(path: Path, image: Image) -> None:
    """Write a PNG, whole or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    Picture.fromarray(image).save(temporary, format="PNG")
    temporary.replace(path)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(draw: ImageDraw.ImageDraw, text: str, size: int, room: float) -> str:
    """The text, cut with an ellipsis where it would not fit."""
    if draw.textlength(text, font=_font(size)) <= room:
        return text
    while text and draw.textlength(text + "...", font=_font(size)) > room:
        text = text[:-1]
    return text.rstrip() + "..."


def _tile(page: Picture.Image, image: Image, x: int, y: int) -> None:
    side = image.shape[0]
    mask = Picture.new("L", (side * 2, side * 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side * 2 - 1, side * 2 - 1), radius=20, fill=255)
    page.paste(Picture.fromarray(image), (x, y), mask.resize((side, side), Picture.Resampling.BOX))


def _legend(draw: ImageDraw.ImageDraw, right: float, baseline: float) -> None:
    """Explain the two colours, right-aligned, from right to left."""
    for words, color in (("the target", TARGET), ("what it believes it should act on", OBJECT)):
        draw.text((right, baseline), words, fill=_QUIET, font=_font(14), anchor="rs")
        right -= draw.textlength(words, font=_font(14)) + 18
        draw.ellipse((right, baseline - 11, right + 11, baseline), outline=color, width=3)
        right -= 22
