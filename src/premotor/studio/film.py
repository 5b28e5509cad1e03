"""An mp4 for people: plays in every browser, both cameras side by side, as it was seen."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from premotor.core.types import Image

__all__ = ["Film", "side_by_side"]


def side_by_side(front: Image, wrist: Image) -> Image:
    """(N, N, 3) twice -> (N, 2 N, 3)."""
    return np.concatenate([front, wrist], axis=1)


class Film:
    """Writes frames (H, W, 3) to `path`. The file has its name only once it is whole; after an error it is kept too,
    up to the last frame, since that is what one wants to see then. Context manager."""

    def __init__(self, path: Path, fps: float) -> None:
        """Nothing is written before the first frame."""
        self._path, self._part = path, path.with_suffix(".part")
        self._rate = Fraction(fps).limit_denominator(1000)
        self._frames = 0
        self._convert = VideoReformatter()

    def add(self, frame: Image) -> None:
        """Append one frame; height and width must be even and stay the same."""
        if not self._frames:
            self._open(*frame.shape[:2])
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        # Other pixel formats keep colours sharper, but Safari and Firefox play only this one.
        picture = self._convert.reformat(rgb, format="yuv420p")
        picture.pts, picture.time_base = self._frames, 1 / self._rate
        self._container.mux(self._stream.encode(picture))
        self._frames += 1

    def __enter__(self) -> Self:
        """Return the film itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file; without a frame there is none."""
        if self._frames:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._part.replace(self._path)

    def _open(self, height: int, width: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "faststart"})
        self._stream = self._container.add_stream(
            "libx264", rate=self._rate, options={"preset": "veryfast", "crf": "20"}
        )
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.time_base = 1 / self._rate
