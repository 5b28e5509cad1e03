"""What is wrong with a dataset, all of it at once, so that it can be mended before hours of training."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from premotor.core.errors import DatasetError
from premotor.core.types import Image
from premotor.data.reader import Dataset, EpisodeData

__all__ = ["Finding", "Problem", "check"]

Problem = Literal["unreadable", "missing", "damaged", "not_finite", "time", "constant_action", "frozen_camera"]

_CHANGED = 24  # levels; re-encoding a still picture moves no pixel that far
_MOVED = 0.1  # of a number's range over the episode: the robot really moved
_STILL = 1e-4  # rad or m: below it nothing moved


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong. episode: None where it concerns the whole dataset."""

    problem: Problem
    episode: int | None
    message: str


def check(root: str | Path, *, videos: bool = True) -> list[Finding]:
    """Look for all damage; an empty list means that nothing was found. videos: decode every frame, which takes time."""
    try:
        dataset = Dataset(root, check_files=False)
    except DatasetError as error:
        return [Finding(problem="unreadable", episode=None, message=str(error))]
    found = [
        Finding(problem="missing", episode=episode, message=f"{path} is missing or empty; restore it from a copy")
        for episode, path in dataset.missing_files()
    ]
    missing = {path for _, path in dataset.missing_files()}
    for row in dataset.episodes:
        found += _check_episode(dataset, row.index, videos, missing)
    return found


def _check_episode(dataset: Dataset, index: int, videos: bool, missing: set[Path]) -> Iterator[Finding]:
    try:
        episode = dataset.episode(index, cameras=())
    except DatasetError as error:
        if not any(str(path) in str(error) for path in missing):
            yield Finding(problem="damaged", episode=index, message=str(error))
        return
    yield from _check_numbers(dataset, episode)
    for camera in dataset.cameras if videos else ():
        try:
            images = dataset.episode(index, cameras=(camera,)).images[camera]
        except DatasetError as error:
            if not any(str(path) in str(error) for path in missing):
                yield Finding(problem="damaged", episode=index, message=str(error))
            continue
        since = _frozen(images, episode.state, round(dataset.fps))
        if since is not None:
            message = f"camera {camera!r} shows the same picture from frame {since} on while the robot moves"
            yield Finding(problem="frozen_camera", episode=index, message=f"{message}; leave the episode out")


def _check_numbers(dataset: Dataset, episode: EpisodeData) -> Iterator[Finding]:
    for name, values in {"observation.state": episode.state, "action": episode.action, **episode.extras}.items():
        bad = np.flatnonzero(~np.isfinite(values.astype(np.float64)).all(axis=1))
        if bad.size:
            message = f"{name!r} is not finite in {bad.size} frames, first in frame {bad[0]}; leave the episode out"
            yield Finding(problem="not_finite", episode=episode.index, message=message)
    expected = np.arange(len(episode)) / dataset.fps
    wrong = np.flatnonzero(~(np.abs(episode.timestamps - expected) <= 1e-3))
    if wrong.size:
        message = f"frame {wrong[0]} is stamped {episode.timestamps[wrong[0]]} s, wanted {expected[wrong[0]]:.4f} s"
        yield Finding(problem="time", episode=episode.index, message=f"{message}: record again, or drop the episode")
    # Comparisons with a NaN are false: what is not finite was reported above.
    if len(episode) > dataset.fps and np.ptp(episode.action, axis=0).max() <= _STILL:
        message = f"the action never changes in {len(episode)} frames; leave the episode out unless that was the task"
        yield Finding(problem="constant_action", episode=episode.index, message=message)


def _frozen(images: Image, state: NDArray[Any], window: int) -> int | None:
    """The first frame of a second in which the picture stands still and the robot does not; None if there is none."""
    reach = np.ptp(state, axis=0)
    for start in range(0, len(images) - window + 1, window):
        part = images[start : start + window].astype(np.int16)
        moved = np.ptp(state[start : start + window], axis=0) > np.maximum(_MOVED * reach, _STILL)
        if moved.any() and np.abs(part - part[0]).max() < _CHANGED:
            return start
    return None
