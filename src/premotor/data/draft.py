"""One episode on its way: frames are checked and encoded as they come, and whoever keeps the dataset takes it over.

A draft is made anywhere, by another process too, as long as its folder is on the dataset's file system: its videos are
moved, not copied. What it is in the dataset (its index, the numbers of its tasks) is decided when it is taken over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from premotor.core.errors import SpecMismatch
from premotor.core.types import Image
from premotor.data import format as layout
from premotor.data.format import Feature
from premotor.data.statistics import ImageStatistics, Statistics
from premotor.data.video import VideoEncoder

__all__ = ["Draft", "DraftWriter"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A recorded episode of T frames that no dataset holds yet.

    columns: name -> (T, D). tasks: the instruction of each frame. statistics: camera name -> those of its pictures.
    videos: camera name -> a finished mp4.
    """

    columns: Mapping[str, NDArray[Any]]
    tasks: tuple[str, ...]
    statistics: Mapping[str, Statistics]
    videos: Mapping[str, Path]

    def __len__(self) -> int:
        return len(self.tasks)


class DraftWriter:
    """Records one episode after another into files in `folder`; a finished one must be gone before the next begins."""

    def __init__(self, folder: Path, features: Iterable[Feature], fps: int) -> None:
        """features: of the dataset that will take it over."""
        features = list(features)
        self._folder, self._fps = folder, fps
        self._given = [
            feature for feature in features if not feature.is_camera and feature.name not in layout.BOOKKEEPING
        ]
        self._cameras = {feature.camera: feature for feature in features if feature.is_camera}
        self._begin()

    def __len__(self) -> int:
        return len(self._tasks)

    def add_frame(
        self, images: Mapping[str, Image], state: ArrayLike, action: ArrayLike, task: str, **extra: ArrayLike
    ) -> None:
        """Add one frame; see DatasetWriter.add_frame."""
        self._check_images(images)
        values = {layout.STATE: state, layout.ACTION: action, **extra}
        wanted = {column.name for column in self._given}
        if set(values) != wanted:
            raise SpecMismatch(f"frame has {sorted(values)}; this dataset has {sorted(wanted)}")
        row = {column.name: _checked(column, values[column.name]) for column in self._given}
        if not task.strip():
            raise SpecMismatch(f"task {task!r}: every frame needs an instruction in words")
        for name, feature in self._cameras.items():
            self._encoder(name, feature).add(images[name])
            self._statistics[name].add(images[name])
        for name, value in row.items():
            self._columns[name].append(value)
        self._tasks.append(task)

    def finish(self) -> Draft:
        """The episode, which must have a frame; what is added from now on is another one."""
        for encoder in self._encoders.values():
            encoder.close()
        draft = Draft(
            columns={name: np.stack(values) for name, values in self._columns.items()},
            tasks=tuple(self._tasks),
            statistics={name: found.statistics() for name, found in self._statistics.items()},
            videos={name: self._video(name) for name in self._encoders},
        )
        self._begin()
        return draft

    def drop(self) -> None:
        """Forget the frames added so far."""
        for name, encoder in self._encoders.items():
            encoder.abort()
            self._video(name).unlink(missing_ok=True)
        self._begin()

    def _begin(self) -> None:
        self._columns: dict[str, list[NDArray[Any]]] = {column.name: [] for column in self._given}
        self._tasks: list[str] = []
        self._encoders: dict[str, VideoEncoder] = {}
        self._statistics = {name: ImageStatistics() for name in self._cameras}

    def _check_images(self, images: Mapping[str, Image]) -> None:
        if set(images) != set(self._cameras):
            raise SpecMismatch(f"frame has cameras {sorted(images)}; this dataset has {sorted(self._cameras)}")
        for name, feature in self._cameras.items():
            image = images[name]
            if image.dtype != np.uint8 or image.shape != feature.shape:
                raise SpecMismatch(f"camera {name!r} gives {image.dtype} {image.shape}, wanted uint8 {feature.shape}")

    def _encoder(self, name: str, feature: Feature) -> VideoEncoder:
        if name not in self._encoders:
            height, width, _ = feature.shape
            self._encoders[name] = VideoEncoder(self._video(name), height=height, width=width, fps=self._fps)
        return self._encoders[name]

    def _video(self, name: str) -> Path:
        return self._folder / f"{name}.mp4"


def _checked(column: Feature, value: ArrayLike) -> NDArray[Any]:
    """One frame's value of a column in its stored type. Raises SpecMismatch."""
    array = np.asarray(value)
    if array.shape != column.shape and not (column.shape == (1,) and array.shape == ()):
        raise SpecMismatch(f"{column.name!r} has shape {array.shape}, wanted {column.shape}")
    kind = np.dtype(column.dtype)
    if not np.can_cast(array.dtype, kind, "same_kind") or array.dtype.kind not in "biuf":
        raise SpecMismatch(f"{column.name!r} is {array.dtype}, wanted {column.dtype}")
    stored = array.astype(kind).reshape(column.shape)
    if stored.dtype.kind == "f" and not np.all(np.isfinite(stored)):
        raise SpecMismatch(f"{column.name!r} is {stored.tolist()}: only finite numbers are recorded")
    return stored
