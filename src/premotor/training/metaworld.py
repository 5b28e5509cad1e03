"""Demonstrations of Meta-World's scripted experts: a policy learns from them, and from what they do in its own states.

What is executed may be perturbed; labels never are. The experts are told where everything is; of that only the state
and the picture of the published protocols are an input, and the places of object and goal are labels for pointing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from premotor.core.errors import DatasetError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Image, Observation
from premotor.sim.metaworld.robot import REACH, View, sawyer
from premotor.sim.metaworld.wordings import wordings
from premotor.sim.metaworld.world import LIMIT, MetaWorld
from premotor.training.drive import BatchPolicy, Driver, Turns, record_shard
from premotor.training.store import CROWD, Demonstration, unlabelled

__all__ = ["MetaWorldCollect", "collect_metaworld", "shrunk"]

_VIEW = View()
_FLIPPED = 0.2  # of the pushes open or close the gripper, too


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaWorldCollect:
    """Meta-World, and how its episodes are driven. For stretches and pushes see drive.Stretches.

    noise: standard deviation of what is added to each executed action, in shares of the furthest step; drawn anew for
    each episode, up to so much. after: steps that the expert goes on once the task is achieved, so that the last
    chunks are whole. every: keep the frames of one expert step in so many. replan: steps between the learner's plans.
    patience: steps after which the learner has had its time. shrink: pictures are kept this many times smaller, as
    averages, and drawn as drafts. varied: tell each task in other words, too. worlds: side by side, for one batched
    learner.
    """

    noise: float = 0.4
    pushes: float = 0.012
    push_steps: tuple[int, int] = (3, 10)
    learner_steps: tuple[int, int] = (24, 96)
    expert_steps: tuple[int, int] = (24, 56)
    after: int = 8
    every: int = 4
    replan: int = 8
    patience: int = 250
    shrink: int = 5
    varied: bool = True
    worlds: int = 8

    def __post_init__(self) -> None:
        if self.noise < 0 or min(self.every, self.replan, self.shrink, self.worlds) < 1 or self.after < 0:
            raise DatasetError(f"{self}: noise and after are at least 0; every, replan, shrink and worlds at least 1")
        if _VIEW.pixels % self.shrink:
            raise DatasetError(f"pictures of {_VIEW.pixels} pixels a side cannot be shrunk by {self.shrink}; take 5")

    @property
    def cameras(self) -> tuple[str, ...]:
        """The one that published results look through."""
        return (_VIEW.camera,)

    @property
    def thesaurus(self) -> Path | None:
        """There is none: its fifty sentences are all that is said."""
        return None

    def spec(self, arm: str) -> EmbodimentSpec:
        """The Sawyer as the protocols `metaworld-ours` and `metaworld-lerobot` have it: 480 pixels, 4 state numbers."""
        return sawyer(_VIEW)

    def shard(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], learner: BatchPolicy | None
    ) -> tuple[int, int]:
        """See drive.Collector."""
        return collect_metaworld(folder, name, cells, self, learner)

    def stills(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], looks: int, *, asked: bool
    ) -> tuple[int, int]:
        """Raises DatasetError: what is known of a scene beyond the demonstrations would be more than those."""
        raise DatasetError("Meta-World's recipes have no still pictures, which are the tabletop's; set scenes to 0")


def collect_metaworld(
    folder: Path, name: str, cells: Sequence[tuple[str, int]], config: MetaWorldCollect, learner: BatchPolicy | None
) -> tuple[int, int]:
    """Drive the cells (task and seed), write one shard, return (demonstrations kept, cells tried).

    Skips a shard that is there. Raises WorldError for an unknown task, or when metaworld is not installed.
    """
    if (folder / name).exists():
        return 0, 0
    worlds = [MetaWorld(_VIEW, draft=True) for _ in range(config.worlds if learner else 1)]

    def begin(slot: int, cell: tuple[str, int]) -> _Recording:
        return _Recording(worlds[slot], config, cell, learner is not None)

    try:
        return record_shard(folder, name, cells, len(worlds), begin, learner)
    finally:
        for world in worlds:
            world.close()


def shrunk(picture: Image, factor: int) -> Image:
    """(H, W, 3) -> (H / factor, W / factor, 3), means of factor x factor pixels."""
    high, wide, channels = picture.shape
    blocks = picture.reshape(high // factor, factor, wide // factor, factor, channels)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8)


class _Recording:
    """One world in the making of one demonstration."""

    def __init__(self, world: MetaWorld, config: MetaWorldCollect, cell: tuple[str, int], learner: bool) -> None:
        name, seed = cell
        self._rng = np.random.default_rng([seed, 7919, int(learner)])
        self._world, self._config = world, config
        world.reset(name, seed)
        self._turns = Turns(config, self._rng, learner=learner, patience=config.patience)
        self._noise = 0.0 if learner else config.noise * float(self._rng.random())
        self._push = np.zeros(len(world.spec.action.dims))
        self._plan: list[FloatArray] = []
        self._achieved: int | None = None
        self._frames: list[Image] = []
        self._rows: dict[str, list[FloatArray]] = {key: [] for key in ("at", "places", "points", "seen")}
        self._steps: dict[str, list[object]] = {key: [] for key in ("state", "action", "expert", "focus")}

    @property
    def finished(self) -> bool:
        """Some steps after the task was achieved, or when the world ends the episode."""
        steps, achieved = self._world.steps, self._achieved
        return steps >= LIMIT or (achieved is not None and steps >= achieved + self._config.after)

    def wants(self) -> Observation | None:
        """What the learner must plan from now, or None."""
        return self._world.observe() if self._turns.driver is Driver.LEARNER and not self._plan else None

    def step(self, plan: ActionChunk | None) -> None:
        """One control period."""
        world, driver = self._world, self._turns.driver
        labelled = driver is Driver.EXPERT
        if labelled and world.steps % self._config.every == 0:
            self._keep()
        if plan is not None:
            self._plan = list(plan.actions[: self._config.replan])
        best = world.expert_action()
        done = self._plan.pop(0) if driver is Driver.LEARNER else self._disturbed(best, pushed=driver is Driver.PUSH)
        bounds = world.spec.action
        row = {"state": world.observe_state(), "focus": world.places(), "expert": labelled}
        for key, value in (row | {"action": best if labelled else done}).items():
            self._steps[key].append(value)
        world.step(np.clip(done, bounds.low, bounds.high))
        self._hand_over()

    def result(self) -> Demonstration | None:
        """The demonstration; None when the task was not achieved, or the expert never drove."""
        if self._achieved is None or not self._frames:
            return None
        told, steps = self._world.task, {key: np.array(values) for key, values in self._steps.items()}
        return Demonstration(
            embodiment=self._world.spec.name,
            instructions=wordings(told.name) if self._config.varied else (told.instruction,),
            family=told.name,
            success=True,
            images={self._config.cameras[0]: np.stack(self._frames)},
            **(unlabelled(len(self._frames), 1) | self._labels() | steps),
        )

    def _labels(self) -> dict[str, Any]:
        """What the frames are labelled with; see Demonstration. Nothing is named, but places can be remembered."""
        rows = {key: np.array(values) for key, values in self._rows.items()}
        crowd = np.zeros((len(self._frames), CROWD, 3))
        crowd[:, : rows["places"].shape[1]] = rows["places"]
        return rows | {"named": np.ones(rows["places"].shape[:2], bool), "crowd_places": crowd}

    def _keep(self) -> None:
        world = self._world
        (picture,) = world.observe().images.values()
        self._frames.append(shrunk(picture, self._config.shrink))
        places = world.places()
        found = world.project(places)
        inside = ((found[:, :2] >= 0) & (found[:, :2] <= 1)).all(1) & (found[:, 2] > 0)
        row = {"at": np.array(world.steps), "places": places, "points": found[None, :, :2], "seen": inside[None]}
        for key, value in row.items():
            self._rows[key].append(value)

    def _disturbed(self, action: FloatArray, *, pushed: bool) -> FloatArray:
        """The expert's action as it is executed."""
        if pushed:
            return action + self._push
        return action + np.append(self._rng.normal(0, self._noise * REACH, 3), 0.0)

    def _hand_over(self) -> None:
        world = self._world
        if self._achieved is None and world.success:
            self._achieved = world.steps
        if self._achieved is not None:
            # However it was achieved, the expert shows how to leave it.
            self._turns.driver = Driver.EXPERT
        elif self._turns.next(world.steps):
            self._push = np.append(self._rng.uniform(-REACH, REACH, 3), 0.0)
            if self._rng.random() < _FLIPPED:
                self._push[3] = 1.0 if world.observe_state()[3] < 0.5 else -1.0
        if self._turns.driver is not Driver.LEARNER:
            self._plan = []
