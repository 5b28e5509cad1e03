"""Demonstrations laid out for training: raw frames in memory-mapped files, everything small in RAM.

A store is a folder of shards. A shard is written whole and renamed into place, so a killed run leaves only
complete shards, and collecting again with the same plan skips those that are there.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from premotor.core.codec import Codec
from premotor.core.errors import DatasetError
from premotor.core.types import FloatArray, Image

__all__ = [
    "ATTRIBUTES",
    "CROWD",
    "LABELS",
    "REFERENCES",
    "Demonstration",
    "Store",
    "Table",
    "unlabelled",
    "write_shard",
]

REFERENCES = 2  # the object and the target
ATTRIBUTES = (9, 8, 2)
"""How many kinds (with the drawer), colours and sizes there are to be named."""
CROWD = 8
"""Things of a scene that are named at most."""
LABELS = ("points", "seen", "places", "named", "asked", "crowd", "crowd_points", "crowd_seen", "crowd_places")
"""What a frame is labelled with besides actions."""
_SMALL = ("at", *LABELS)
_STEPS = ("state", "action", "expert", "focus")
_PLAN = 8  # control steps from one plan to the next


@dataclass(frozen=True, kw_only=True, slots=True)
class Demonstration:
    """One episode. T control steps, F of them kept with frames, C cameras, R references.

    instructions: ways to say the same task; or questions, and then as many answers.
    images: camera -> (F, H, W, 3). at: (F,) step of each frame.
    state: (T, S). action: (T, A), executed; or what the expert meant, where that was disturbed. expert: (T,) True
    where the expert drove.
    points: (F, C, R, 2) image points, 0..1. seen: (F, C, R). places: (F, R, 3) metres in the base frame.
    named: (F, R). asked: (F, R, 3) kind, colour and size of object and target, -1 where there is none.
    crowd: (F, N, 3) the same of everything in the scene; crowd_points (F, C, N, 2), crowd_seen (F, C, N) and
    crowd_places (F, N, 3): where. focus: (T, R, 3) places of object and target in every step.
    """

    embodiment: str
    instructions: tuple[str, ...]
    family: str
    success: bool
    images: Mapping[str, Image]
    at: NDArray[np.int64]
    state: FloatArray
    action: FloatArray
    expert: NDArray[np.bool_]
    points: FloatArray
    seen: NDArray[np.bool_]
    places: FloatArray
    named: NDArray[np.bool_]
    asked: NDArray[np.int64]
    crowd: NDArray[np.int64]
    crowd_points: FloatArray
    crowd_seen: NDArray[np.bool_]
    crowd_places: FloatArray
    focus: FloatArray
    answers: tuple[str, ...] = ()


def unlabelled(frames: int, cameras: int) -> dict[str, Any]:
    """LABELS of frames of which nothing is known but what was done."""
    return {
        "points": np.zeros((frames, cameras, REFERENCES, 2)),
        "seen": np.zeros((frames, cameras, REFERENCES), bool),
        "places": np.zeros((frames, REFERENCES, 3)),
        "named": np.zeros((frames, REFERENCES), bool),
        "asked": np.full((frames, REFERENCES, len(ATTRIBUTES)), -1),
        "crowd": np.full((frames, CROWD, len(ATTRIBUTES)), -1),
        "crowd_points": np.zeros((frames, cameras, CROWD, 2)),
        "crowd_seen": np.zeros((frames, cameras, CROWD), bool),
        "crowd_places": np.zeros((frames, CROWD, 3)),
    }


def write_shard(folder: Path, name: str, demonstrations: Sequence[Demonstration]) -> None:
    """Write one shard atomically; a shard of that name that is already there is left alone. Without demonstrations it
    says that there was nothing to be learned there.
    """
    if (folder / name).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for camera in demonstrations[0].images if demonstrations else ():
        np.save(temporary / f"{camera}.npy", np.concatenate([d.images[camera] for d in demonstrations]))
    small = {f"{i}.{key}": getattr(d, key) for i, d in enumerate(demonstrations) for key in _SMALL + _STEPS}
    np.savez(temporary / "steps.npz", **small)
    head = [
        {
            "embodiment": d.embodiment,
            "instructions": d.instructions,
            "family": d.family,
            "success": d.success,
            **({"answers": d.answers} if d.answers else {}),
        }
        for d in demonstrations
    ]
    (temporary / "episodes.json").write_text(json.dumps(head))
    temporary.rename(folder / name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Everything but pixels, one row a frame, ready for batching (see models.batch for the meanings).

    state and actions are raw here; `encode` of a Store normalises them. text: (N,) index into `texts` and `answers`,
    which hold the wordings of each demonstration, or its questions and their answers.
    shard, row: where the frame's pixels lie. earlier: (N, K - 1) was there a moment so long ago, oldest first;
    earlier_row, earlier_state: of it, or of this frame where there was none. before: (N, R, 3) where object and target
    were when a policy at work would have planned last, or at the beginning.
    """

    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    embodiment: NDArray[np.int64]
    family: NDArray[np.int64]
    text: NDArray[np.int64]
    state: NDArray[np.float32]
    earlier: NDArray[np.bool_]
    earlier_row: NDArray[np.int64]
    earlier_state: NDArray[np.float32]
    before: NDArray[np.float32]
    actions: NDArray[np.float32]
    weight: NDArray[np.bool_]
    points: NDArray[np.float32]
    seen: NDArray[np.bool_]
    places: NDArray[np.float32]
    named: NDArray[np.bool_]
    asked: NDArray[np.int64]
    crowd: NDArray[np.int64]
    crowd_points: NDArray[np.float32]
    crowd_seen: NDArray[np.bool_]
    crowd_places: NDArray[np.float32]


class Store:
    """All shards of one or more folders, opened for reading."""

    def __init__(
        self, folders: Sequence[Path], cameras: Sequence[str], embodiments: Sequence[str], families: Sequence[str] = ()
    ) -> None:
        """Open what there is of these robots and families (all, when none is named).

        Raises DatasetError when there is nothing, or when a shard is damaged.
        """
        self.embodiments = tuple(embodiments)
        self.cameras = tuple(cameras)
        self.texts: list[tuple[str, ...]] = []
        self.answers: list[tuple[str, ...]] = []
        self.families: list[str] = []
        self._wanted = tuple(families)
        self.demonstrations: list[Demonstration] = []
        self._where: list[tuple[int, int]] = []
        self._frames: list[dict[str, np.memmap[Any, np.dtype[np.uint8]]]] = []
        shards = [s for f in folders for s in sorted(f.glob("[!.]*")) if (s / "episodes.json").is_file()]
        if not shards:
            raise DatasetError(f"no demonstrations in {', '.join(map(str, folders))}; collect some first")
        for shard in shards:
            self._open(shard)
        if not self.demonstrations:
            wanted = f"{', '.join(self.embodiments)}; families: {', '.join(families) or 'all'}"
            raise DatasetError(f"no demonstrations of {wanted} in {', '.join(map(str, folders))}; collect some more")

    def _open(self, shard: Path) -> None:
        try:
            if not (head := json.loads((shard / "episodes.json").read_text())):
                return
            frames = {c: np.load(shard / f"{c}.npy", mmap_mode="r") for c in self.cameras}
            with np.load(shard / "steps.npz") as small:
                steps = dict(small)
        except (OSError, ValueError, KeyError) as damage:
            raise DatasetError(f"shard {shard} is damaged ({damage}); delete it and collect again") from damage
        row = 0
        for i, facts in enumerate(head):
            count = len(steps[f"{i}.at"])
            if facts["embodiment"] not in self.embodiments or (self._wanted and facts["family"] not in self._wanted):
                row += count
                continue
            arrays = {key: steps[f"{i}.{key}"] for key in _SMALL + _STEPS}
            views = {c: frames[c][row : row + count] for c in self.cameras}
            self._where.append((len(self._frames), row))
            facts |= {key: tuple(facts[key]) for key in ("instructions", "answers") if key in facts}
            self.demonstrations.append(Demonstration(images=views, **facts, **arrays))
            row += count
        self._frames.append(frames)

    def chunks(self, embodiment: str, horizon: int) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        """Raw chunks of one robot: actions (N, H, A), the states they start from (N, S), validity (N, H)."""
        mine = [d for d in self.demonstrations if d.embodiment == embodiment]
        if not mine:
            raise DatasetError(f"no demonstrations of {embodiment!r} in this store")
        parts = [_windows(d, range(horizon)) for d in mine]
        actions, valid = (np.concatenate([p[i] for p in parts]) for i in range(2))
        return actions, np.concatenate([d.state[d.at] for d in mine]), valid

    def table(
        self,
        codecs: Mapping[str, Codec],
        taught: range,
        ages: Sequence[float] = (0.0,),
        *,
        grounded: bool = True,
        speaks: bool = False,
    ) -> Table:
        """Normalise every frame's state and chunk with its robot's codec. Frames that teach nothing are left out.

        taught, ages, grounded: see models.contract.SystemConfig. speaks: it learns answers.
        """
        wide_s = max(len(c.spec.state) for c in codecs.values())
        wide_a = max(len(c.spec.action.dims) for c in codecs.values())
        now = -taught.start
        columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in Table.__slots__}
        for demonstration, (shard, row) in zip(self.demonstrations, self._where, strict=True):
            d, codec = demonstration, codecs[demonstration.embodiment]
            actions, valid = _windows(d, taught)
            keep = valid[:, now] | (d.named.any(1) & grounded) | (speaks and bool(d.answers))
            count = int(keep.sum())
            states = d.state[d.at][keep]
            encoded = codec.encode_actions(actions[keep], states, now)
            weight = np.zeros((count, len(taught), wide_a), dtype=bool)
            there, when = _earlier(d.at, [age * codec.spec.rate_hz for age in ages[:-1]])
            weight[:, :, : encoded.shape[-1]] = valid[keep][:, :, None]
            columns["shard"].append(np.full(count, shard))
            columns["row"].append(row + np.flatnonzero(keep))
            columns["embodiment"].append(np.full(count, self.embodiments.index(d.embodiment)))
            columns["family"].append(np.full(count, _index(self.families, d.family)))
            columns["text"].append(np.full(count, len(self.texts)))
            self.texts.append(d.instructions)
            self.answers.append(d.answers)
            columns["state"].append(_pad(codec.encode_states(states), wide_s))
            columns["earlier"].append(there[keep])
            columns["earlier_row"].append(row + when[keep])
            columns["earlier_state"].append(_pad(codec.encode_states(d.state[d.at[when[keep]]]), wide_s))
            columns["before"].append(d.focus[np.maximum(d.at - _PLAN, 0)][keep].astype(np.float32))
            columns["actions"].append(_pad(encoded, wide_a))
            columns["weight"].append(weight)
            for name in LABELS:
                column = getattr(d, name)[keep]
                columns[name].append(column.astype(np.float32) if column.dtype.kind == "f" else column)
        return Table(**{name: np.concatenate(parts) for name, parts in columns.items()})

    def frames(self, shard: NDArray[np.int64], row: NDArray[np.int64]) -> dict[str, Image]:
        """Camera -> (B, H, W, 3) pixels of the given rows."""
        out = {}
        for camera in self.cameras:
            first = self._frames[0][camera]
            pixels = np.empty((len(row), *first.shape[1:]), np.uint8)
            for i, (s, r) in enumerate(zip(shard, row, strict=True)):
                _read(self._frames[s][camera], int(r), pixels[i])
            out[camera] = pixels
        return out


def _read(pictures: np.memmap[Any, np.dtype[np.uint8]], row: int, out: Image) -> None:
    """One picture (H, W, 3) of a file. Through the map, a system reads ahead from the disk, often megabytes: where the
    pictures do not fit into memory, that throws out others which will be wanted.
    """
    with open(str(pictures.filename), "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        file.seek(pictures.offset + row * out.nbytes)
        if file.readinto(out.data) != out.nbytes:
            raise DatasetError(f"{pictures.filename} ends in the middle; delete its shard and collect again")


def _windows(d: Demonstration, rows: range) -> tuple[FloatArray, NDArray[np.bool_]]:
    """(F, P, A) actions around each frame and (F, P) validity: the expert drove without a break between frame and row.

    rows: which, in control steps from the frame.
    """
    steps = d.at[:, None] + np.array(rows)
    clipped = np.clip(steps, 0, len(d.action) - 1)
    valid = d.expert[clipped] & (steps == clipped)
    now = -rows.start
    valid[:, now:] = np.logical_and.accumulate(valid[:, now:], axis=1)
    valid[:, :now] = np.logical_and.accumulate(valid[:, :now][:, ::-1], axis=1)[:, ::-1]
    return d.action[clipped], valid


def _earlier(at: NDArray[np.int64], steps: Sequence[float]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(F, K) for each frame and each of so many steps before it: the newest frame that is as old, if there is one.

    A policy at work chooses among what it saw in the same way. Frames without one stand in for it themselves.
    """
    own = np.arange(len(at))[:, None]
    wanted = at[:, None] - np.array(steps).reshape(1, -1)
    # Half a step of grace, since seconds times a rate need not be whole.
    found = np.searchsorted(at, wanted + 0.5, side="right") - 1
    return found >= 0, np.where(found >= 0, found, own)


def _pad(values: NDArray[np.floating], width: int) -> NDArray[np.float32]:
    missing = width - values.shape[-1]
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)]).astype(np.float32)


def _index(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)
