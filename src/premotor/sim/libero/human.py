"""The demonstrations that people gave in LIBERO, read from the HDF5 files that its authors publish (CC BY 4.0).

A file <task>_demo.hdf5 holds data/demo_<n> with actions (T, 7), and obs with ee_pos (T, 3), ee_ori (T, 3),
gripper_states (T, 2), agentview_rgb and eye_in_hand_rgb (T, H, H, 3), whose pictures are upside down and mirrored to
what a policy is shown in an evaluation; here they are turned.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from premotor.core.errors import DatasetError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import FloatArray, Observation
from premotor.sim.libero.robot import RATE_HZ, View, from_native, panda
from premotor.sim.libero.tasks import task

__all__ = ["Human"]

_PICTURES = {"agentview": "agentview_rgb", "wrist": "eye_in_hand_rgb"}
_STATE = {"ee_pos": 3, "ee_ori": 3, "gripper_states": 2}
_SUFFIX = "_demo.hdf5"


class Human:
    """Demonstrations of `tasks` in a folder, or in its folders; tasks without a file are left out.

    Raises DatasetError when there is none, when a file has another layout, or when h5py is not installed.
    """

    def __init__(self, folder: Path, tasks: Sequence[str]) -> None:
        self._h5py = _h5py()
        files = {path.name.removesuffix(_SUFFIX): path for path in sorted(folder.rglob(f"*{_SUFFIX}"))}
        self._where: list[tuple[str, Path, str]] = []
        sizes: set[int] = set()
        for name in tasks:
            if name in files:
                with self._open(files[name]) as file:
                    demos = sorted(_part(file, "data", files[name]), key=lambda demo: int(demo.rpartition("_")[2]))
                    for demo in demos:
                        part = _part(file, f"data/{demo}/obs/{_PICTURES['agentview']}", files[name])
                        sizes.add(int(part.shape[1]))
                self._where += [(name, files[name], demo) for demo in demos]
        if not self._where:
            raise DatasetError(
                f"{folder} holds none of {', '.join(f'{name}{_SUFFIX}' for name in tasks)}; give the folder into which "
                "LIBERO's demonstrations were unpacked"
            )
        if len(sizes) > 1:
            raise DatasetError(f"{folder}: pictures of {', '.join(map(str, sorted(sizes)))} pixels; read them apart")
        self._spec = panda(View(size=sizes.pop()))

    def __len__(self) -> int:
        """How many demonstrations there are."""
        return len(self._where)

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm and what was recorded of it."""
        return self._spec

    def frames(self, number: int) -> Iterator[tuple[Observation, FloatArray]]:
        """What was seen and done at each step of a demonstration; (7,) actions in metres, radians and ratio."""
        name, path, demo = self._where[number]
        with self._open(path) as file:
            actions = np.asarray(_part(file, f"data/{demo}/actions", path), np.float64)
            obs = {
                key: np.asarray(_part(file, f"data/{demo}/obs/{key}", path)) for key in (*_STATE, *_PICTURES.values())
            }
        length = len(actions)
        for key, found in obs.items():
            if len(found) != length or (key in _STATE and found.shape[1:] != (_STATE[key],)):
                raise DatasetError(f"{path}: {demo}/obs/{key} is {found.shape} beside {length} actions; get it anew")
        for step in range(length):
            images = {ours: np.ascontiguousarray(obs[key][step, ::-1, ::-1]) for ours, key in _PICTURES.items()}
            state = np.concatenate([obs[key][step] for key in _STATE]).astype(np.float64)
            stamp = round(step * 1e9 / RATE_HZ)
            yield (
                Observation(stamp_ns=stamp, images=images, state=state, instruction=task(name).instruction),
                from_native(actions[step]),
            )

    def _open(self, path: Path) -> Any:
        try:
            return self._h5py.File(path, "r")
        except OSError as damage:
            raise DatasetError(f"{path} is not a whole HDF5 file ({damage}); get it anew") from damage


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as missing:
        raise DatasetError("LIBERO's demonstrations need the package h5py: pip install 'premotor[libero]'") from missing
    return h5py  # type: ignore[no-any-return, unused-ignore]


def _part(file: Any, name: str, path: Path) -> Any:
    if name not in file:
        raise DatasetError(f"{path} has no {name}; is it a demonstration file of LIBERO?")
    return file[name]
