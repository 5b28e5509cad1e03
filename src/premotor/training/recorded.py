"""Recorded demonstrations, as LeRobot v3 datasets hold them, laid out for training.

They say what was seen and done and not where things are, so whoever learns from them is not taught to point.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from premotor.core.agree import agree
from premotor.core.errors import DatasetError
from premotor.core.spec import EmbodimentSpec
from premotor.data import Dataset, EpisodeData
from premotor.training.store import REFERENCES, Demonstration, unlabelled, write_shard

__all__ = ["is_recorded", "write_recorded"]

_EVERY = 2  # one frame in so many is learned from, as of what a recipe collects
_SHARD = 10


def is_recorded(folder: Path) -> bool:
    """Whether the folder looks like a LeRobot v3 dataset."""
    return (folder / "meta" / "info.json").is_file()


def write_recorded(folder: Path, out: Path, robots: Mapping[str, EmbodimentSpec]) -> None:
    """Write the dataset's episodes as shards in `out`; those that are there already are left alone.

    Raises DatasetError for a dataset that does not say its robot, or says one that is not among `robots`; SpecMismatch
    listing every difference between the robot that was recorded and the one that is known.
    """
    dataset = Dataset(folder)
    spec = dataset.spec
    if spec is None:
        raise DatasetError(f"{folder} does not say which robot it is of; `premotor record` writes datasets that do")
    if spec.name not in robots:
        raise DatasetError(f"{folder} is of {spec.name!r}; the policy knows {', '.join(robots)}")
    agree(spec, robots[spec.name])
    if not dataset.episodes:
        raise DatasetError(f"{folder} has no episodes; record some first")
    for first in range(0, len(dataset.episodes), _SHARD):
        name = f"{spec.name}-recorded-{first:07d}"
        if not (out / name).exists():
            numbers = range(first, min(first + _SHARD, len(dataset.episodes)))
            write_shard(out, name, [_demonstration(dataset.episode(number), spec) for number in numbers])


def _demonstration(episode: EpisodeData, spec: EmbodimentSpec) -> Demonstration:
    at = np.arange(0, len(episode), _EVERY)
    return Demonstration(
        embodiment=spec.name,
        instructions=(episode.task,),
        family="recorded",
        success=True,
        images={camera.name: episode.images[camera.name][at] for camera in spec.cameras},
        at=at,
        state=episode.state.astype(np.float64),
        action=episode.action.astype(np.float64),
        expert=np.ones(len(episode), bool),
        focus=np.zeros((len(episode), REFERENCES, 3)),
        **unlabelled(len(at), len(spec.cameras)),
    )
