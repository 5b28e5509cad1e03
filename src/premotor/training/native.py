"""Demonstrations in a benchmark whose actions are its own: its expert shows the way, and corrects a learner.

What is executed may be perturbed; labels never are. The experts are told where everything is; of that only the state
and the pictures of the published protocols are an input, and the places of object and goal are labels for pointing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from premotor.core.errors import DatasetError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Image, Observation
from premotor.training.drive import BatchPolicy, Driver, Turns, record_shard
from premotor.training.store import CROWD, Demonstration, unlabelled

__all__ = ["NativeCollect", "NativeWorld", "Stage", "shrunk"]

_FLIPPED = 0.2  # of the pushes open or close the gripper, too


class NativeWorld(Protocol):
    """A benchmark's world, of whose actions the last number is the gripper's and all the others are motion."""

    steps: int
    success: bool

    @property
    def spec(self) -> EmbodimentSpec:
        """What it sends and accepts."""

    def observe(self) -> Observation:
        """What a policy is shown now."""

    def observe_state(self) -> FloatArray:
        """The state alone, without drawing anything."""

    def places(self) -> FloatArray:
        """(2, 3) where object and goal truly are, metres in the frame of the state. Never for a policy."""

    def project(self, camera: str, points: FloatArray) -> FloatArray:
        """(N, 3) metres -> (N, 3) u, v and depth in a camera's picture."""

    def step(self, action: FloatArray) -> None:
        """Act for one control period."""

    def close(self) -> None:
        """Free the renderer."""


class Stage(Protocol):
    """A world with its expert, and what else differs between benchmarks. It is kept from episode to episode."""

    @property
    def world(self) -> NativeWorld:
        """The same one for every episode."""

    @property
    def gripper(self) -> float:
        """How far the gripper is open, or was told to be, 0..1."""

    def begin(self, name: str, seed: int) -> None:
        """Start an episode, and let the things come to rest where an evaluation does."""

    def expert(self) -> FloatArray:
        """What the expert does now."""

    def hand_over(self) -> None:
        """The expert goes on from where another has brought the arm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeCollect(ABC):
    """A benchmark, and how its episodes are driven. For stretches and pushes see drive.Stretches.

    noise: standard deviation of what is added to each executed action, in shares of the furthest step; drawn anew for
    each episode, up to so much. after: steps that the expert goes on once the task is achieved, so that the last
    chunks are whole. every: keep the frames of one expert step in so many. replan: steps between the learner's plans.
    patience: steps after which the learner has had its time. shrink: pictures are kept this many times smaller, as
    averages. worlds: side by side, for one batched learner.
    """

    noise: float
    pushes: float = 0.012
    push_steps: tuple[int, int] = (3, 10)
    learner_steps: tuple[int, int]
    expert_steps: tuple[int, int]
    after: int = 8
    every: int
    replan: int = 8
    patience: int
    shrink: int
    worlds: int

    def __post_init__(self) -> None:
        if self.noise < 0 or min(self.every, self.replan, self.shrink, self.worlds) < 1 or self.after < 0:
            raise DatasetError(f"{self}: noise and after are at least 0; every, replan, shrink and worlds at least 1")
        if self.side % self.shrink:
            fit = ", ".join(str(n) for n in range(1, self.side // 32) if self.side % n == 0)
            raise DatasetError(
                f"pictures of {self.side} pixels a side cannot be shrunk by {self.shrink}; take one of {fit}"
            )

    @property
    @abstractmethod
    def side(self) -> int:
        """Pixels a side of the protocols' pictures."""

    @property
    @abstractmethod
    def cameras(self) -> tuple[str, ...]:
        """Whose pictures are kept."""

    @property
    def thesaurus(self) -> Path | None:
        """There is none: a benchmark says the same few sentences always."""
        return None

    @property
    @abstractmethod
    def limit(self) -> int:
        """Steps after which an episode is given up."""

    @abstractmethod
    def spec(self, arm: str) -> EmbodimentSpec:
        """The arm as the protocols have it."""

    @abstractmethod
    def stage(self) -> Stage:
        """A new world that draws."""

    @abstractmethod
    def told(self, name: str) -> tuple[str, ...]:
        """Ways to say what is to be done in a task."""

    def shard(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], learner: BatchPolicy | None
    ) -> tuple[int, int]:
        """See drive.Collector. Raises WorldError for an unknown task, or when the benchmark is not installed."""
        if (folder / name).exists():
            return 0, 0
        stages = [self.stage() for _ in range(self.worlds if learner else 1)]

        def begin(slot: int, cell: tuple[str, int]) -> _Recording:
            return _Recording(stages[slot], self, cell, learner is not None)

        try:
            return record_shard(folder, name, cells, len(stages), begin, learner)
        finally:
            for stage in stages:
                stage.world.close()

    def stills(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], looks: int, *, asked: bool
    ) -> tuple[int, int]:
        """Raises DatasetError: what is known of a scene beyond the demonstrations would be more than those."""
        raise DatasetError("benchmarks have no still pictures, which are the tabletop's; set scenes to 0")


def shrunk(picture: Image, factor: int) -> Image:
    """(H, W, 3) -> (H / factor, W / factor, 3), means of factor x factor pixels."""
    high, wide, channels = picture.shape
    blocks = picture.reshape(high // factor, factor, wide // factor, factor, channels)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8)


class _Recording:
    """One world in the making of one demonstration."""

    def __init__(self, stage: Stage, config: NativeCollect, cell: tuple[str, int], learner: bool) -> None:
        self._task, seed = cell
        self._rng = np.random.default_rng([seed, 7919, int(learner)])
        self._stage, self._world, self._config = stage, stage.world, config
        stage.begin(self._task, seed)
        self._begun = self._world.steps
        self._turns = Turns(config, self._rng, learner=learner, patience=config.patience)
        self._noise = 0.0 if learner else config.noise * float(self._rng.random())
        self._furthest = self._world.spec.action.high[:-1]
        self._push = np.zeros(len(self._furthest) + 1)
        self._plan: list[FloatArray] = []
        self._achieved: int | None = None
        self._frames: dict[str, list[Image]] = {camera: [] for camera in config.cameras}
        self._rows: dict[str, list[FloatArray]] = {key: [] for key in ("at", "places", "points", "seen")}
        self._steps: dict[str, list[object]] = {key: [] for key in ("state", "action", "expert", "focus")}

    @property
    def _tick(self) -> int:
        return self._world.steps - self._begun

    @property
    def finished(self) -> bool:
        """Some steps after the task was achieved, or when it takes too long."""
        tick, achieved = self._tick, self._achieved
        return tick >= self._config.limit or (achieved is not None and tick >= achieved + self._config.after)

    def wants(self) -> Observation | None:
        """What the learner must plan from now, or None."""
        return self._world.observe() if self._turns.driver is Driver.LEARNER and not self._plan else None

    def step(self, plan: ActionChunk | None) -> None:
        """One control period."""
        world, driver = self._world, self._turns.driver
        labelled = driver is Driver.EXPERT
        if labelled and self._tick % self._config.every == 0:
            self._keep()
        if plan is not None:
            self._plan = list(plan.actions[: self._config.replan])
        state, focus = world.observe_state(), world.places()
        best = self._stage.expert()
        done = self._plan.pop(0) if driver is Driver.LEARNER else self._disturbed(best, pushed=driver is Driver.PUSH)
        bounds = world.spec.action
        row = {"state": state, "focus": focus, "expert": labelled, "action": best if labelled else done}
        for key, value in row.items():
            self._steps[key].append(value)
        world.step(np.clip(done, bounds.low, bounds.high))
        self._hand_over(driver)

    def result(self) -> Demonstration | None:
        """The demonstration; None when the task was not achieved, or the expert never drove."""
        if self._achieved is None or not self._rows["at"]:
            return None
        steps = {key: np.array(values) for key, values in self._steps.items()}
        return Demonstration(
            embodiment=self._world.spec.name,
            instructions=self._config.told(self._task),
            family=self._task,
            success=True,
            images={camera: np.stack(frames) for camera, frames in self._frames.items()},
            **(unlabelled(len(self._rows["at"]), len(self._frames)) | self._labels() | steps),
        )

    def _labels(self) -> dict[str, Any]:
        """What the frames are labelled with; see Demonstration. Nothing is named, but places can be remembered."""
        rows = {key: np.array(values) for key, values in self._rows.items()}
        crowd = np.zeros((len(rows["at"]), CROWD, 3))
        crowd[:, : rows["places"].shape[1]] = rows["places"]
        return rows | {"named": np.ones(rows["places"].shape[:2], bool), "crowd_places": crowd}

    def _keep(self) -> None:
        world, images = self._world, self._world.observe().images
        for camera, frames in self._frames.items():
            frames.append(shrunk(images[camera], self._config.shrink))
        places = world.places()
        found = np.stack([world.project(camera, places) for camera in self._frames])
        inside = ((found[..., :2] >= 0) & (found[..., :2] <= 1)).all(-1) & (found[..., 2] > 0)
        row = {"at": np.array(self._tick), "places": places, "points": found[..., :2], "seen": inside}
        for key, value in row.items():
            self._rows[key].append(value)

    def _disturbed(self, action: FloatArray, *, pushed: bool) -> FloatArray:
        """The expert's action as it is executed."""
        if pushed:
            return action + self._push
        return action + np.append(self._rng.normal(0, self._noise * self._furthest), 0.0)

    def _hand_over(self, before: Driver) -> None:
        world = self._world
        if self._achieved is None and world.success:
            self._achieved = self._tick
        if self._achieved is not None:
            # However it was achieved, the expert shows how to leave it.
            self._turns.driver = Driver.EXPERT
        elif self._turns.next(self._tick):
            self._push = np.append(self._rng.uniform(-self._furthest, self._furthest), 0.0)
            if self._rng.random() < _FLIPPED:
                self._push[-1] = 1.0 if self._stage.gripper < 0.5 else -1.0
        if self._turns.driver is not Driver.LEARNER:
            self._plan = []
        if self._turns.driver is Driver.EXPERT and before is not Driver.EXPERT:
            self._stage.hand_over()
