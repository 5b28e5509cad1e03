"""Demonstrations on the tabletop: the expert drives, is pushed off its path, or corrects a learner (drive.py).

Everything passes the guard.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from premotor.control.loop import EpisodeRunner
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Image, Observation
from premotor.robots.embodiment import embodiment
from premotor.safety.guard import Guard
from premotor.sim.tabletop.episode import Disturbance, Episode, Family
from premotor.sim.tabletop.expert import Expert
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.tasks import MOVED_FAMILIES, SLIP_FAMILIES
from premotor.sim.tabletop.vocabulary import THESAURUS
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld
from premotor.training.drive import BatchPolicy, Driver, Turns, record_shard
from premotor.training.grounding import Cell, collect_scenes, labels, places, wordings
from premotor.training.store import LABELS, Demonstration

__all__ = ["CollectConfig", "collect_shard"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectConfig:
    """The tabletop, and how its episodes are driven. For stretches and pushes see drive.Stretches.

    every: keep the frames of one expert step
    in so many. replan: control steps between the learner's plans. disturbed: share of the episodes in which, where the
    family allows it, something is moved or slips. wordings: ways in which each task is said. worlds: side by side, for
    one batched learner.
    """

    pushes: float = 0.012
    push_steps: tuple[int, int] = (3, 10)
    learner_steps: tuple[int, int] = (15, 70)
    expert_steps: tuple[int, int] = (14, 30)
    every: int = 2
    replan: int = 4
    disturbed: float = 0.3
    wordings: int = 6
    worlds: int = 8

    @property
    def cameras(self) -> tuple[str, ...]:
        """Of every arm."""
        return CAMERAS

    @property
    def thesaurus(self) -> Path:
        """What its sentences do not hold is looked up there."""
        return THESAURUS

    def spec(self, arm: str) -> EmbodimentSpec:
        """The arm's own."""
        return embodiment(arm).spec

    def shard(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], learner: BatchPolicy | None
    ) -> tuple[int, int]:
        """See drive.Collector."""
        return collect_shard(folder, name, arm, _known(cells), self, learner)

    def stills(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], looks: int, *, asked: bool
    ) -> tuple[int, int]:
        """See drive.Collector."""
        return collect_scenes(folder, name, arm, _known(cells), looks, asked=asked)


def _known(cells: Sequence[tuple[str, int]]) -> list[Cell]:
    return [(cast(Family, family), seed) for family, seed in cells]


class _Recording:
    """One world in the making of one demonstration."""

    def __init__(self, world: TabletopWorld, guard: Guard, config: CollectConfig, cell: Cell, learner: bool) -> None:
        family, seed = cell
        arm = world.embodiment.name
        self._rng = np.random.default_rng([seed, 7919, int(learner)])
        self._world, self._config = world, config
        self._episode = _disturbed(sample(arm, family, "train", seed), self._rng, config.disturbed)
        world.reset(self._episode)
        self._expert = Expert(world)
        limit = self._episode.max_steps * (2 if learner else 1)
        self._runner = EpisodeRunner(
            world,
            guard,
            world.spec,
            instruction=self._episode.instruction,
            replan_every=config.replan,
            max_ticks=limit,
            done=world.success,
        )
        self._turns = Turns(config, self._rng, learner=learner, patience=self._episode.max_steps)
        self._push = np.zeros(len(world.spec.action.dims))
        self._frames: dict[str, list[Image]] = {c: [] for c in CAMERAS}
        self._rows: dict[str, list[object]] = {k: [] for k in ("at", *LABELS)}
        self._steps: dict[str, list[object]] = {k: [] for k in ("state", "action", "expert", "focus")}

    @property
    def finished(self) -> bool:
        return self._runner.finished

    def wants(self) -> Observation | None:
        """What the learner must plan from now, or None."""
        if self._turns.driver is not Driver.LEARNER:
            return None
        return self._runner.prepare()

    def step(self, plan: ActionChunk | None) -> None:
        """One control period."""
        world, tick = self._world, self._runner.tick
        driver = self._turns.driver
        labelled = driver is Driver.EXPERT
        if labelled and tick % self._config.every == 0:
            self._keep(tick)
        state, focus = world.observe_state(), places(world, self._expert.focus())
        if driver is not Driver.LEARNER:
            action = self._expert.action() + (self._push if driver is Driver.PUSH else 0.0)
            # Two equal rows: the buffer then never asks for a picture that nobody needs.
            plan = ActionChunk(stamp_ns=world.stamp_ns, rate_hz=world.spec.rate_hz, actions=np.stack([action] * 2))
        done = self._runner.advance(plan)
        self._steps["state"].append(state)
        self._steps["focus"].append(focus)
        self._steps["action"].append(np.zeros_like(self._push) if done.action is None else done.action)
        self._steps["expert"].append(labelled)
        if self._turns.next(self._runner.tick):
            self._push = _push(world, self._rng)

    def result(self) -> Demonstration | None:
        """The demonstration; None when the expert could not bring it to an end, or never drove."""
        if not self._runner.succeeded or not self._rows["at"]:
            return None
        arrays: dict[str, Any] = {k: np.array(v) for k, v in (self._rows | self._steps).items()}
        return Demonstration(
            embodiment=self._world.embodiment.name,
            instructions=wordings(self._episode, self._rng, self._config.wordings),
            family=self._episode.family,
            success=self._runner.succeeded,
            images={c: np.stack(f) for c, f in self._frames.items()},
            **arrays,
        )

    def _keep(self, tick: int) -> None:
        world = self._world
        seen = world.observe()
        for camera in CAMERAS:
            self._frames[camera].append(seen.images[camera])
        for key, value in ({"at": tick} | labels(world, self._expert.focus())).items():
            self._rows[key].append(value)


def collect_shard(
    folder: Path, name: str, arm: str, cells: Sequence[Cell], config: CollectConfig, learner: BatchPolicy | None = None
) -> tuple[int, int]:
    """Drive the cells, write one shard, return (demonstrations kept, cells tried). Skips a shard that is there."""
    if (folder / name).exists():
        return 0, 0
    worlds = [TabletopWorld(arm) for _ in range(config.worlds if learner else 1)]
    guards = [Guard(embodiment(arm)) for _ in worlds]

    def begin(slot: int, cell: Cell) -> _Recording:
        return _Recording(worlds[slot], guards[slot], config, cell, learner is not None)

    found = record_shard(folder, name, cells, len(worlds), begin, learner)
    for world in worlds:
        world.close()
    return found


def _disturbed(episode: Episode, rng: np.random.Generator, share: float) -> Episode:
    """Sometimes the same episode with something going wrong, so that recovering is learned too."""
    movable = [
        *episode.goal.objects[:1],
        *([episode.goal.target] if episode.goal.target not in (None, "drawer") else []),
    ]
    kinds = [k for k, families in (("moved", MOVED_FAMILIES), ("slip", SLIP_FAMILIES)) if episode.family in families]
    if not kinds or not movable or rng.random() >= share:
        return episode
    kind, angle = str(rng.choice(kinds)), rng.uniform(0, 2 * np.pi)
    thing = str(rng.choice(movable)) if kind == "moved" else None
    reach = rng.uniform(0.02, 0.06)
    wrong = Disturbance(
        kind="moved" if kind == "moved" else "slip", thing=thing, dx=reach * np.cos(angle), dy=reach * np.sin(angle)
    )
    return dataclasses.replace(episode, disturbance=wrong)


def _push(world: TabletopWorld, rng: np.random.Generator) -> FloatArray:
    """A constant offset to the expert's action: up to 12 mm or 0.06 rad a step, or 0.15 rad on absolute joints."""
    offset = np.zeros(len(world.spec.action.dims))
    for i, dim in enumerate(world.spec.action.dims):
        if dim.unit == "m":
            offset[i] = rng.uniform(-0.012, 0.012)
        elif dim.unit == "rad":
            offset[i] = rng.uniform(-0.06, 0.06) if dim.kind == "delta" else rng.uniform(-0.15, 0.15)
        elif rng.random() < 0.2:
            offset[i] = 1.0 if world.commanded()[1] < 0.5 else -1.0
    return offset
