"""mp4 in and out through PyAV: one thread, small groups of pictures, colours kept.

H.264 with full chroma (yuv444p): at 128x128 a coloured object is a few pixels wide, and yuv420p, which halves the
chroma resolution, costs 15 dB on such pixels (measured: 24 against 38 dB). The price is a profile that
players in web browsers may refuse; FFmpeg, PyAV, torchcodec and LeRobot read it.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from premotor.core.errors import DatasetError
from premotor.core.types import Image

__all__ = ["VideoEncoder", "decode_image", "decode_video", "video_info"]

_CODEC: Final = "libx264"
_PIXELS = "yuv444p"
_GROUP = 10  # a keyframe every 10: a random frame costs at most 10 decodes
_OPTIONS = {"preset": "ultrafast", "crf": "18", "g": str(_GROUP), "bf": "0"}


def video_info(fps: int) -> dict[str, Any]:
    """What info.json says of each video beside its size."""
    return {
        "video.codec": "h264",
        "video.pix_fmt": _PIXELS,
        "video.fps": fps,
        "video.channels": 3,
        "video.g": _GROUP,
        "video.crf": int(_OPTIONS["crf"]),
        "video.preset": _OPTIONS["preset"],
        "video.video_backend": "pyav",
        "has_audio": False,
        "is_depth_map": False,
    }


class VideoEncoder:
    """Writes (H, W, 3) uint8 RGB frames to one mp4, frame k at k / fps seconds. The file is whole after close()."""

    def __init__(self, path: Path, *, height: int, width: int, fps: int) -> None:
        """Open the file; whatever was there is replaced."""
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._container.add_stream(_CODEC, rate=fps, options=_OPTIONS)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, _PIXELS
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.time_base = Fraction(1, fps)
        self._convert = VideoReformatter()
        self._frames = 0

    def add(self, frame: Image) -> None:
        """Encode one frame."""
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = self._convert.reformat(rgb, format=_PIXELS)
        picture.pts, picture.time_base = self._frames, self._stream.codec_context.time_base
        self._container.mux(self._stream.encode(picture))
        self._frames += 1

    def close(self) -> None:
        """Encode what waits inside the encoder and write the index, without which no player can open the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def abort(self) -> None:
        """Let go of the file as it is."""
        self._container.close()


def decode_video(path: Path, *, start_s: float, first: int, count: int, fps: float, shape: tuple[int, ...]) -> Image:
    """Decode frames first .. first + count - 1 of the recording that begins at start_s: (count, H, W, 3) uint8 RGB.

    Raises DatasetError when the file is missing, damaged, of another size, or ends before the last wanted frame.
    """
    frames = np.empty((count, *shape), dtype=np.uint8)
    begin = round(start_s * fps) + first
    got = 0
    try:
        for position, picture in _pictures(path, begin, fps):
            if position < begin + got:
                continue
            if position > begin + got:
                break  # a frame is missing; the count below says so
            if picture.shape != shape:
                raise DatasetError(f"{path}: frames are {picture.shape}, info.json says {shape}; restore the video")
            frames[got] = picture
            got += 1
            if got == count:
                return frames
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing: restore the video from a copy, or record the episode again") from error
    except (av.error.FFmpegError, IndexError, OSError) as error:
        raise DatasetError(
            f"{path} is damaged or cut short ({error}): restore the video from a copy, or record the episode again"
        ) from error
    raise DatasetError(
        f"{path} gives {got} of {count} frames from frame {begin} on: it is cut short; "
        "restore the video from a copy, or record the episode again"
    )


def decode_image(data: bytes, what: str) -> Image:
    """Decode one PNG or JPEG held in memory to (H, W, 3) uint8 RGB. Raises DatasetError naming `what`."""
    try:
        with av.open(io.BytesIO(data), "r") as container:
            return _rgb(next(container.decode(video=0)))
    except (av.error.FFmpegError, IndexError, StopIteration) as error:
        raise DatasetError(f"{what} is not a readable picture ({error}): record the episode again") from error


def _pictures(path: Path, begin: int, fps: float) -> Iterator[tuple[int, Image]]:
    """Yield (position in the file in frames, picture) from the keyframe at or before frame `begin` on."""
    with av.open(str(path), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if stream.time_base is None:
            raise DatasetError(f"{path} says no time base: it is no recording of this layout")
        convert = VideoReformatter()  # one for all frames: each frame's own would set up the conversion again
        if begin > 0:
            container.seek(round(begin / fps / stream.time_base), stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts is None:
                continue
            position = round(float(frame.pts * stream.time_base) * fps)
            if position >= begin:
                yield position, _rgb(frame, convert)


def _rgb(frame: av.VideoFrame, convert: VideoReformatter | None = None) -> Image:
    return np.asarray((convert or VideoReformatter()).reformat(frame, format="rgb24").to_ndarray(), dtype=np.uint8)
