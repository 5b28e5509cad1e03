"""What stays of an episode: a strip of moments, a film, and the outcome as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image as Picture

from premotor.core.types import Image
from premotor.studio.film import Film, side_by_side
from premotor.studio.rollout import Glimpse
from premotor.studio.strip import Keyframes, Moment, strip, write_picture

__all__ = ["Keepsake"]

_STRIP_PX = 256


class Keepsake:
    """Hears every moment of an episode. A context manager: leaving it finishes the film, `write` adds the rest."""

    def __init__(self, folder: Path, *, rate_hz: float, title: str, detail: str) -> None:
        """title: the instruction. detail: who did it where, for the line below."""
        self.folder = folder
        self.last: Glimpse | None = None
        self._marked = False
        self._title, self._detail = title, detail
        self._film, self._keys = Film(folder / "film.mp4", rate_hz), Keyframes()

    def add(self, glimpse: Glimpse) -> None:
        """Keep one moment."""
        self.last = glimpse
        self._marked = self._marked or any(glimpse.thought.marks.values())
        front, wrist = (glimpse.pictures[camera] for camera in ("front", "wrist"))
        self._film.add(side_by_side(front, wrist))
        self._keys.add(Moment(seconds=glimpse.seconds, front=_small(front), wrist=_small(wrist)))

    def write(self, words: str, *, good: bool, guard: str, facts: Mapping[str, Any]) -> list[Path]:
        """Write strip.png and outcome.json beside the film and return all paths. words: how it ended."""
        moments = self._keys.chosen()
        if not moments:
            return []
        self.folder.mkdir(parents=True, exist_ok=True)
        detail = f"{self._detail} \u00b7 {guard}"
        page = strip(moments, title=self._title, detail=detail, outcome=words, good=good, legend=self._marked)
        paths = [self.folder / name for name in ("strip.png", "film.mp4", "outcome.json")]
        write_picture(paths[0], page)
        paths[2].write_text(json.dumps(dict(facts), indent=1) + "\n")
        return paths

    def __enter__(self) -> Self:
        """Start."""
        self._film.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the film."""
        self._film.__exit__(kind, error, trace)


def _small(image: Image) -> Image:
    return np.asarray(Picture.fromarray(image).resize((_STRIP_PX, _STRIP_PX), Picture.Resampling.LANCZOS))
