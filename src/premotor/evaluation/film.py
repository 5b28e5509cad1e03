"""Short films for people: the cameras side by side, twice their size, in an mp4 that every browser plays.

Datasets keep full chroma (data/video.py), which browsers refuse; enlarging before the chroma is halved keeps the
colours of small things here too.
"""

import io
from collections.abc import Mapping

import av
import numpy as np

from premotor.core.types import Image

__all__ = ["Film"]

_SCALE = 2
_GAP = 4
_OPTIONS = {"preset": "veryfast", "crf": "24"}


class Film:
    """Collects frames; `mp4` encodes them."""

    def __init__(self, *, rate_hz: float) -> None:
        self._rate = round(rate_hz)
        self._frames: list[Image] = []

    def add(self, images: Mapping[str, Image]) -> None:
        """One frame: camera -> (H, W, 3) uint8 RGB, all of one height."""
        height = next(iter(images.values())).shape[0]
        gap = np.full((height, _GAP, 3), 255, np.uint8)
        parts = [part for image in images.values() for part in (gap, image)][1:]
        self._frames.append(np.concatenate(parts, axis=1))

    def mp4(self) -> bytes:
        """The film as the bytes of a file; empty without frames."""
        if not self._frames:
            return b""
        memory = io.BytesIO()
        with av.open(memory, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=self._rate, options=_OPTIONS)
            height, width = (_SCALE * side for side in self._frames[0].shape[:2])
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            stream.codec_context.thread_count = 1
            for frame in self._frames:
                large = frame.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(large, format="rgb24")))
            container.mux(stream.encode(None))
        return memory.getvalue()
