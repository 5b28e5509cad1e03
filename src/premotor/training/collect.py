"""Demonstrations from simulation: the expert drives, is pushed off its path, or corrects a learner.

Only what the expert does is a label. Between its stretches a perturbation or the learner drives, so that the
expert is recorded from the states that a learner really gets into (DAgger, arXiv 1011.0686, in the form where
the expert takes over; noise injection as in DART, arXiv 1703.09327). Everything passes the guard.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from premotor.control.loop import EpisodeRunner
from premotor.core.types import ActionChunk, FloatArray, Image, Observation
from premotor.robots.embodiment import embodiment
from premotor.safety.guard import Guard
from premotor.sim.tabletop.episode import Disturbance, Episode
from premotor.sim.tabletop.expert import Expert
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.tasks import MOVED_FAMILIES, SLIP_FAMILIES
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld
from premotor.training.grounding import Cell, labels, places, wordings
from premotor.training.store import LABELS, Demonstration, write_shard

__all__ = ["BatchPolicy", "CollectConfig", "collect_shard"]


class BatchPolicy(Protocol):
    """A learner that plans for several worlds at once."""

    def act_batch(self, observations: Sequence[Observation], worlds: Sequence[int]) -> list[ActionChunk]:
        """One chunk an observation. worlds: which one each is of; one whose time jumps back has begun anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectConfig:
    """How episodes are driven. Stretches are drawn uniformly between (low, high) control steps.

    pushes: chance per expert step that a stretch of perturbed motion begins. every: keep the frames of one expert step
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


class _Driver(Enum):
    EXPERT = 0
    PUSH = 1
    LEARNER = 2


class _Recording:
    """One world in the making of one demonstration."""

    def __init__(self, world: TabletopWorld, guard: Guard, config: CollectConfig, cell: Cell, learner: bool) -> None:
        family, seed = cell
        arm = world.embodiment.name
        self._rng = np.random.default_rng([seed, 7919, int(learner)])
        self._world, self._config, self._learner = world, config, learner
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
        self._driver, self._left = (
            (_Driver.LEARNER, self._draw(config.learner_steps)) if learner else (_Driver.EXPERT, 0)
        )
        self._push = np.zeros(len(world.spec.action.dims))
        self._frames: dict[str, list[Image]] = {c: [] for c in CAMERAS}
        self._rows: dict[str, list[object]] = {k: [] for k in ("at", *LABELS)}
        self._steps: dict[str, list[object]] = {k: [] for k in ("state", "action", "expert", "focus")}

    @property
    def finished(self) -> bool:
        return self._runner.finished

    def wants(self) -> Observation | None:
        """What the learner must plan from now, or None."""
        if self._driver is not _Driver.LEARNER:
            return None
        return self._runner.prepare()

    def step(self, plan: ActionChunk | None) -> None:
        """One control period."""
        world, tick = self._world, self._runner.tick
        labelled = self._driver is _Driver.EXPERT
        if labelled and tick % self._config.every == 0:
            self._keep(tick)
        state, focus = world.observe_state(), places(world, self._expert.focus())
        if self._driver is not _Driver.LEARNER:
            action = self._expert.action() + (self._push if self._driver is _Driver.PUSH else 0.0)
            # Two equal rows: the buffer then never asks for a picture that nobody needs.
            plan = ActionChunk(stamp_ns=world.stamp_ns, rate_hz=world.spec.rate_hz, actions=np.stack([action] * 2))
        done = self._runner.advance(plan)
        self._steps["state"].append(state)
        self._steps["focus"].append(focus)
        self._steps["action"].append(np.zeros_like(self._push) if done.action is None else done.action)
        self._steps["expert"].append(labelled)
        self._hand_over()

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

    def _hand_over(self) -> None:
        self._left -= 1
        if self._learner:
            if self._runner.tick >= self._episode.max_steps:
                # It had its time. Where it got stuck is what it most needs to be shown the way out of.
                self._driver = _Driver.EXPERT
            elif self._left <= 0:
                to_expert = self._driver is _Driver.LEARNER
                self._driver = _Driver.EXPERT if to_expert else _Driver.LEARNER
                self._left = self._draw(self._config.expert_steps if to_expert else self._config.learner_steps)
        elif self._driver is _Driver.PUSH and self._left <= 0:
            self._driver = _Driver.EXPERT
        elif self._driver is _Driver.EXPERT and self._rng.random() < self._config.pushes:
            self._driver, self._left = _Driver.PUSH, self._draw(self._config.push_steps)
            self._push = _push(self._world, self._rng)

    def _draw(self, steps: tuple[int, int]) -> int:
        return int(self._rng.integers(steps[0], steps[1] + 1))


def collect_shard(
    folder: Path, name: str, arm: str, cells: Sequence[Cell], config: CollectConfig, learner: BatchPolicy | None = None
) -> tuple[int, int]:
    """Drive the cells, write one shard, return (demonstrations kept, cells tried). Skips a shard that is there."""
    if (folder / name).exists():
        return 0, 0
    worlds = [TabletopWorld(arm) for _ in range(config.worlds if learner else 1)]
    guards = [Guard(embodiment(arm)) for _ in worlds]
    waiting, kept = list(reversed(cells)), []
    active: dict[int, _Recording] = {}
    while waiting or active:
        for slot in range(len(worlds)):
            if slot not in active and waiting:
                active[slot] = _Recording(worlds[slot], guards[slot], config, waiting.pop(), learner is not None)
        asked = {slot: seen for slot, r in active.items() if (seen := r.wants()) is not None}
        plans = learner.act_batch(list(asked.values()), list(asked)) if learner is not None and asked else []
        answers = dict(zip(asked, plans, strict=True))
        for slot, recording in list(active.items()):
            recording.step(answers.get(slot))
            if recording.finished:
                demonstration = active.pop(slot).result()
                if demonstration is not None:
                    kept.append(demonstration)
    for world in worlds:
        world.close()
    write_shard(folder, name, kept)
    return len(kept), len(cells)


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
