"""A lane of a benchmark whose actions are its own and not motors': episodes run by its rules, without a guard.

The benchmark's own clipping is part of what is measured; a guard would make it another benchmark.
"""

import dataclasses
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from premotor.control.late import Late
from premotor.core.errors import EvaluationError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation.film import Film
from premotor.evaluation.lanes import Done
from premotor.evaluation.policies import Player
from premotor.evaluation.protocol import Job
from premotor.evaluation.results import EpisodeResult

__all__ = ["Arena", "Begun", "NativeLane", "World", "experts", "scene_digest", "told_otherwise"]

_FILM_RATE_HZ = 20.0


def scene_digest(name: str, seen: FloatArray) -> str:
    """What an episode's beginning is known by; rounded, since other processors may give other last bits."""
    return hashlib.sha256(f"{name} {np.round(seen, 6).tolist()}".encode()).hexdigest()[:16]


def told_otherwise(name: str, instructions: Mapping[str, str]) -> str:
    """The sentence of another task, always the same one: the next of `instructions` that says something else."""
    names = list(instructions)
    begin = names.index(name)
    turned = (instructions[other] for other in names[begin + 1 :] + names[:begin])
    return next(told for told in turned if told != instructions[name])


class World(Hashable, Protocol):
    """A benchmark's world."""

    steps: int
    success: bool

    @property
    def spec(self) -> EmbodimentSpec:
        """What it sends and accepts."""

    def step(self, action: FloatArray) -> None:
        """Act for one control period."""

    def close(self) -> None:
        """Free the renderer."""


_Kind = TypeVar("_Kind", bound=World)


def experts(kind: type[_Kind], act: Callable[[_Kind], FloatArray]) -> Callable[..., list[ActionChunk]]:
    """Plays as the scripted expert of each world, one action at a time. kind: whose worlds. act: its action now."""

    def batch(seen: Sequence[Observation], worlds: Sequence[Hashable]) -> list[ActionChunk]:
        plans = []
        for observation, world in zip(seen, worlds, strict=True):
            if not isinstance(world, kind):
                raise EvaluationError(f"this expert plays in a {kind.__name__}, not in a {type(world).__name__}")
            rows = act(world)[None]
            plans.append(ActionChunk(stamp_ns=observation.stamp_ns, rate_hz=world.spec.rate_hz, actions=rows))
        return plans

    return batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """How an episode begins. late: steps by which actions come late. limit: steps that it lasts at most.

    settle: steps before the policy is asked for the first time; they do not count.
    """

    instruction: str
    scene: str
    limit: int
    late: int = 0
    settle: int = 0


class Arena(Protocol):
    """One world with a protocol's conditions."""

    @property
    def world(self) -> World:
        """The same one for every episode."""

    def begin(self, job: Job, deaf: bool) -> Begun:
        """Reset the world. deaf: whether the policy is told something else than what is to be done."""

    def see(self, job: Job, instruction: str) -> Observation:
        """What the policy is shown now."""

    def hold(self) -> FloatArray:
        """What standing still means now."""

    def rest(self) -> FloatArray:
        """What is done while the world settles."""


@dataclass(slots=True)
class _Run:
    """An episode on its way."""

    result: EpisodeResult
    observation: Observation
    line: Late[FloatArray]
    every: int
    limit: int
    begun: int
    film: Film | None
    verdicts: Counter[str]
    actions: "hashlib._Hash"
    wall_s: float


class NativeLane:
    """A world, kept from episode to episode, and the episode that is on. make: an arena that draws, or does not."""

    def __init__(self, make: Callable[[bool], Arena], replan_every: int, film: bool) -> None:
        self._make, self._replan_every, self._film = make, replan_every, film
        self._arena: Arena | None = None
        self._run: _Run | None = None

    @property
    def job(self) -> Job | None:
        """The episode that is on."""
        return None if self._run is None else self._run.result.job

    @property
    def world(self) -> Hashable:
        """The world of every episode of this lane."""
        return self._there.world

    @property
    def observation(self) -> Observation:
        """What the next plan is to be made from."""
        if self._run is None:
            raise EvaluationError("the lane has no episode; begin one first")
        return self._run.observation

    def begin(self, job: Job, who: Player) -> None:
        """Reset the world to an episode and look at it."""
        start = time.perf_counter()
        if self._arena is None:
            self._arena = self._make(who.sees or self._film)
        arena, world = self._arena, self._arena.world
        begun = arena.begin(job, who.deaf)
        for _ in range(begun.settle):
            world.step(arena.rest())
        result = EpisodeResult(job=job, instruction=begun.instruction, scene=begun.scene)
        self._run = _Run(
            result=result,
            observation=arena.see(job, begun.instruction),
            line=Late(begun.late, arena.hold()),
            every=who.every or self._replan_every,
            limit=begun.limit,
            begun=world.steps,
            film=Film(rate_hz=_FILM_RATE_HZ) if self._film else None,
            verdicts=Counter(),
            actions=hashlib.sha256(),
            wall_s=time.perf_counter() - start,
        )

    def walk(self, plan: ActionChunk, share: float) -> Done | None:
        """Carry out as much of a plan as the protocol says; then say what became of the episode, if it is over."""
        run = self._run
        if run is None:
            return None
        if not len(plan.actions):
            raise EvaluationError("the policy's plan has no row; it must have at least one")
        start, world = time.perf_counter(), self._there.world
        for row in plan.actions[: run.every]:
            if run.film is not None and world.steps % round(world.spec.rate_hz / _FILM_RATE_HZ) == 0:
                run.film.add(self._see(run).images)
            action = self._allowed(run, row)
            run.actions.update(action.tobytes())
            world.step(run.line(action))
            if world.success or world.steps - run.begun >= run.limit:
                run.wall_s += time.perf_counter() - start + share
                self._run = None
                return self._done(run)
        run.observation = self._see(run)
        run.wall_s += time.perf_counter() - start + share
        return None

    def drop(self) -> None:
        """Give up the episode that is on."""
        self._run = None

    def close(self) -> None:
        """Free the renderer."""
        if self._arena is not None:
            self._arena.world.close()

    @property
    def _there(self) -> Arena:
        if self._arena is None:
            raise EvaluationError("the lane has no world yet; begin an episode first")
        return self._arena

    def _allowed(self, run: _Run, row: FloatArray) -> FloatArray:
        """What the world accepts of an action, and a note of what had to be changed."""
        if not np.isfinite(row).all():
            run.verdicts["held"] += 1
            return self._there.hold()
        bounds = self._there.world.spec.action
        cut = np.clip(row, bounds.low, bounds.high)
        run.verdicts["passed" if np.allclose(cut, row, rtol=0, atol=1e-9) else "clamped"] += 1
        return cut

    def _see(self, run: _Run) -> Observation:
        return self._there.see(run.result.job, run.result.instruction)

    def _done(self, run: _Run) -> Done:
        world = self._there.world
        result = dataclasses.replace(
            run.result,
            success=world.success,
            seconds=(world.steps - run.begun) / world.spec.rate_hz,
            passed=run.verdicts["passed"],
            clamped=run.verdicts["clamped"],
            held=run.verdicts["held"],
            wall_s=round(run.wall_s, 4),
            actions=run.actions.hexdigest()[:16],
        )
        if run.film is None:
            return Done(result=result)
        run.film.add(self._see(run).images)
        return Done(result=result, film=run.film.mp4())
