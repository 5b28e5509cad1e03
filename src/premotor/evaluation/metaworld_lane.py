"""Meta-World beside the tabletop in an evaluation: how one episode runs, and who may play.

No guard stands between policy and world. Actions here move a point that the hand is tied to, not motors, and the
benchmark's own clipping is part of what is measured; a guard would make it another benchmark.
"""

import dataclasses
import hashlib
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from premotor.control.late import Late
from premotor.core.agree import agree
from premotor.core.errors import EvaluationError
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation.film import Film
from premotor.evaluation.lanes import Done, Lane
from premotor.evaluation.metaworld import MetaWorldProtocol
from premotor.evaluation.policies import Choice, HoldStill, Player, bundle_player
from premotor.evaluation.protocol import Job
from premotor.evaluation.results import EpisodeResult
from premotor.sim.metaworld import perturbed
from premotor.sim.metaworld.robot import sawyer
from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.metaworld.world import MetaWorld
from premotor.sim.perturb.axes import NAMES, Perturbation, find
from premotor.sim.perturb.noise import noisy

__all__ = ["MetaWorldSetup", "told_otherwise"]

_FILM_RATE_HZ = 20.0


def told_otherwise(name: str) -> str:
    """The sentence of another task, always the same one: the next in the list that says something else."""
    names = list(TASKS)
    begin = names.index(name)
    turned = names[begin + 1 :] + names[:begin]
    return next(TASKS[other].instruction for other in turned if TASKS[other].instruction != TASKS[name].instruction)


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaWorldSetup:
    """What every worker is told once. film: record every episode."""

    choice: Choice
    protocol: MetaWorldProtocol
    width: int = 8
    film: bool = False

    def lane(self) -> Lane:
        """One world."""
        return _Lane(self.protocol, self.film)

    def player(self, arm: str) -> Player:
        """Who was chosen. Raises BundleError, SpecMismatch when a bundle is not for this arm or this protocol."""
        spec = sawyer(self.protocol.view, self.protocol.state)
        if self.choice.kind == "expert":
            return Player(spec=spec, batch=_experts, sees=False, every=1)
        if self.choice.kind == "hold":
            still = HoldStill(spec)
            return Player(spec=spec, batch=lambda seen, _: [still.act(one) for one in seen], sees=False)
        found = bundle_player(self.choice, arm)
        agree(found.spec, spec)
        return found


def _experts(seen: Sequence[Observation], worlds: Sequence[Hashable]) -> list[ActionChunk]:
    plans = []
    for observation, world in zip(seen, worlds, strict=True):
        if not isinstance(world, MetaWorld):
            raise EvaluationError(f"the expert of Meta-World plays in its worlds, not in {type(world).__name__}")
        row = world.expert_action()[None]
        plans.append(ActionChunk(stamp_ns=observation.stamp_ns, rate_hz=world.spec.rate_hz, actions=row))
    return plans


@dataclass(slots=True)
class _Run:
    """An episode on its way."""

    result: EpisodeResult
    observation: Observation
    line: Late[FloatArray]
    every: int
    begun: int
    film: Film | None
    verdicts: Counter[str]
    actions: "hashlib._Hash"
    wall_s: float


class _Lane:
    """A world, kept from episode to episode, and the episode that is on."""

    def __init__(self, protocol: MetaWorldProtocol, film: bool) -> None:
        self._protocol, self._film = protocol, film
        self._world: MetaWorld | None = None
        self._run: _Run | None = None

    @property
    def job(self) -> Job | None:
        """The episode that is on."""
        return None if self._run is None else self._run.result.job

    @property
    def world(self) -> MetaWorld:
        """The world of every episode of this lane."""
        if self._world is None:
            raise EvaluationError("the lane has no world yet; begin an episode first")
        return self._world

    @property
    def observation(self) -> Observation:
        """What the next plan is to be made from."""
        if self._run is None:
            raise EvaluationError("the lane has no episode; begin one first")
        return self._run.observation

    def begin(self, job: Job, who: Player) -> None:
        """Reset the world to an episode and look at it."""
        start, protocol = time.perf_counter(), self._protocol
        if self._world is None:
            self._world = MetaWorld(protocol.view, state=protocol.state, render=who.sees or self._film)
        world = self._world
        change = _change(job)
        world.reset(job.cell.family, job.seed, change)
        told = told_otherwise(job.cell.family) if who.deaf else world.task.instruction
        if change is not None:
            told = perturbed.told(job.cell.family, job.seed, change, told)
        # Rounded, since other processors may give other last bits.
        scene = hashlib.sha256(f"{job.cell.family} {np.round(world.seen, 6).tolist()}".encode()).hexdigest()[:16]
        for _ in range(protocol.settle):
            world.step(_hold(world))
        result = EpisodeResult(job=job, instruction=told, scene=scene)
        self._run = _Run(
            result=result,
            observation=self._see(result),
            line=Late(0 if change is None else int(change.amount("steps")), _hold(world)),
            every=who.every or protocol.replan_every,
            begun=world.steps,
            film=Film(rate_hz=_FILM_RATE_HZ) if self._film else None,
            verdicts=Counter(),
            actions=hashlib.sha256(),
            wall_s=time.perf_counter() - start,
        )

    def walk(self, plan: ActionChunk, share: float) -> Done | None:
        """Carry out as much of a plan as the protocol says; then say what became of the episode, if it is over."""
        run, world = self._run, self.world
        if run is None:
            return None
        if not len(plan.actions):
            raise EvaluationError("the policy's plan has no row; it must have at least one")
        start = time.perf_counter()
        for row in plan.actions[: run.every]:
            if run.film is not None and world.steps % round(world.spec.rate_hz / _FILM_RATE_HZ) == 0:
                run.film.add(self._see(run.result).images)
            action = self._allowed(run, row)
            run.actions.update(action.tobytes())
            world.step(run.line(action))
            if world.success or world.steps - run.begun >= self._protocol.max_steps:
                run.wall_s += time.perf_counter() - start + share
                self._run = None
                return self._done(run)
        run.observation = self._see(run.result)
        run.wall_s += time.perf_counter() - start + share
        return None

    def drop(self) -> None:
        """Give up the episode that is on."""
        self._run = None

    def close(self) -> None:
        """Free the renderer."""
        if self._world is not None:
            self._world.close()

    def _allowed(self, run: _Run, row: FloatArray) -> FloatArray:
        """What the world accepts of an action, and a note of what had to be changed."""
        if not np.isfinite(row).all():
            run.verdicts["held"] += 1
            return _hold(self.world)
        bounds = self.world.spec.action
        cut = np.clip(row, bounds.low, bounds.high)
        run.verdicts["passed" if np.allclose(cut, row, rtol=0, atol=1e-9) else "clamped"] += 1
        return cut

    def _see(self, result: EpisodeResult) -> Observation:
        """What the policy is shown now."""
        seen, job = self.world.observe(result.instruction), result.job
        change = _change(job)
        return (
            seen if change is None else noisy(seen, self.world.spec, change, perturbed.key(job.cell.family, job.seed))
        )

    def _done(self, run: _Run) -> Done:
        world = self.world
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
        run.film.add(self._see(result).images)
        return Done(result=result, film=run.film.mp4())


def _hold(world: MetaWorld) -> FloatArray:
    """Metres of no motion, and the gripper as open as it is."""
    return np.append(np.zeros(3), world.seen[3])


def _change(job: Job) -> Perturbation | None:
    """Where the split is a perturbation; elsewhere it is a tier."""
    return find(job.cell.split) if job.cell.split in NAMES else None
