"""Several episodes side by side in one thread: each runs until it needs a plan, then the policy is asked once for all.

Results must not depend on how the work was spread. A matrix product gives a row other last bits at another place in
the batch, and contact makes much of last bits; but at its place a row does not depend on the others. So an episode has
its place in the batch for good (`row_of`), and a batch is always full, with copies where nobody waits.
"""

import dataclasses
import hashlib
import time
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

from premotor.control.loop import EpisodeRunner, Step
from premotor.core.errors import PremotorError
from premotor.core.ports import Robot
from premotor.core.types import ActionChunk, Observation
from premotor.evaluation.film import Film
from premotor.evaluation.policies import Choice, Player, player
from premotor.evaluation.protocol import Job
from premotor.evaluation.results import EpisodeResult
from premotor.robots.embodiment import embodiment
from premotor.safety.guard import Guard
from premotor.safety.verdict import Clamp, Hold, Pass
from premotor.sim.perturb.axes import find
from premotor.sim.perturb.robot import PerturbedRobot
from premotor.sim.tabletop import perturbed
from premotor.sim.tabletop.episode import Family, Split
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["Done", "Failure", "Lane", "LaneSetup", "Lanes", "Setup", "row_of"]


def row_of(job: Job, width: int) -> int:
    """The place in batches of `width` that an episode always has; places are used alike."""
    return (zlib.crc32(repr(job.cell).encode()) + job.seed) % width


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A finished episode; film: mp4 bytes, empty when it was not filmed."""

    result: EpisodeResult
    film: bytes = b""


class Lane(Protocol):
    """A place for one episode after another, in some kind of world."""

    @property
    def job(self) -> Job | None:
        """The episode that is on."""

    @property
    def world(self) -> Hashable:
        """The world of the episode that is on; one object for a lane's whole life, or one for each arm."""

    @property
    def observation(self) -> Observation:
        """What the next plan is to be made from."""

    def begin(self, job: Job, who: Player) -> None:
        """Build the world of an episode and look at it."""

    def walk(self, plan: ActionChunk, share: float) -> Done | None:
        """Follow a plan until the next one is due or the episode is over; then say what became of it.

        share: seconds that the plan has cost.
        """

    def drop(self) -> None:
        """Give up the episode that is on, if any."""

    def close(self) -> None:
        """Free what the worlds hold."""


class Setup(Protocol):
    """What every worker is told once, to make its lanes and whoever plays in them."""

    @property
    def width(self) -> int:
        """Episodes side by side."""

    def lane(self) -> Lane:
        """One lane."""

    def player(self, arm: str) -> Player:
        """Who plays with that arm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSetup:
    """The tabletop's. width: episodes side by side. film: record both cameras of every episode.

    base: where splits of jobs are perturbations, the split whose episodes are perturbed.
    """

    choice: Choice
    replan_every: int
    base: Split | None = None
    width: int = 8
    film: bool = False

    def lane(self) -> "Lane":
        """A lane of tabletops."""
        return _Lane(self.replan_every, self.base, self.film)

    def player(self, arm: str) -> Player:
        """The policy that was chosen, set up for one arm."""
        return player(self.choice, arm)


class Failure(Exception):
    """Something in one episode raised what nobody raises on purpose; __cause__ says what."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"episode {job} failed")
        self.job = job


class Lanes:
    """The lanes of one worker. Add jobs with `begin`, call `round` while `busy`."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._players: dict[str, Player] = {}
        self._lanes = [setup.lane() for _ in range(setup.width)]
        self._refused: list[Done] = []

    @property
    def free(self) -> tuple[int, ...]:
        """Rows whose lanes are without an episode."""
        return tuple(row for row, lane in enumerate(self._lanes) if lane.job is None)

    @property
    def busy(self) -> bool:
        """Whether a round has anything to do."""
        return len(self.free) < len(self._lanes) or bool(self._refused)

    def close(self) -> None:
        """Free what the worlds hold."""
        for lane in self._lanes:
            lane.close()

    def begin(self, job: Job) -> None:
        """Build the episode's world in its lane, which must be free. What cannot be built, the next round reports."""
        lane = self._lanes[row_of(job, self._setup.width)]
        if lane.job is not None:
            raise ValueError(f"lane {row_of(job, self._setup.width)} is taken by {lane.job}; {job} must wait")
        arm = job.cell.embodiment
        if arm not in self._players:
            self._players[arm] = self._setup.player(arm)
        who = self._players[arm]
        done = _guarded(lane, job, lambda: lane.begin(job, who))
        self._refused += [done] if done else []

    def round(self) -> Iterator[Done]:
        """Ask the policy once for all lanes, then let each run until it needs the next plan. Yields what finished.

        Raises Failure naming the episode when something else than a PremotorError was raised in it.
        """
        yield from self._refused
        self._refused = []
        jobs = {row: lane.job for row, lane in enumerate(self._lanes) if lane.job is not None}
        for arm in dict.fromkeys(job.cell.embodiment for job in jobs.values()):
            group = {row: self._lanes[row] for row, job in jobs.items() if job.cell.embodiment == arm}
            plans, share = self._ask(self._players[arm], group)
            for (row, lane), plan in zip(group.items(), plans, strict=True):
                done = _guarded(lane, jobs[row], partial(lane.walk, plan, share))
                if done is not None:
                    yield done

    def _ask(self, who: Player, group: Mapping[int, Lane]) -> tuple[list[ActionChunk], float]:
        """One plan for each lane, and the seconds that each has to pay for it."""
        start = time.perf_counter()
        if not who.sees:
            plans = who.batch([lane.observation for lane in group.values()], [lane.world for lane in group.values()])
            return plans, (time.perf_counter() - start) / len(group)
        # Only what a network computes depends on its place.
        copy = next(iter(group.values())).observation
        seen = [group[row].observation if row in group else copy for row in range(self._setup.width)]
        # A copy is of no world: what is remembered of a world must come from its own place.
        worlds = [group[row].world if row in group else row for row in range(self._setup.width)]
        plans = who.batch(seen, worlds)
        return [plans[row] for row in group], (time.perf_counter() - start) / len(group)


def _guarded(lane: Lane, job: Job, step: Callable[[], Done | None]) -> Done | None:
    """What an episode raises ends that episode and no other."""
    try:
        return step()
    except PremotorError as error:
        lane.drop()
        return Done(result=EpisodeResult(job=job, error=f"{type(error).__name__}: {error}"))
    except Exception as error:
        raise Failure(job) from error


@dataclass(slots=True)
class _Run:
    """An episode on its way."""

    job: Job
    robot: Robot
    runner: EpisodeRunner
    result: EpisodeResult
    observation: Observation
    film: Film | None
    verdicts: Counter[type] = field(default_factory=Counter)
    actions: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    wall_s: float = 0.0

    def hear(self, step: Step) -> None:
        """Count what the guard did and remember what was commanded."""
        self.verdicts[type(step.verdict)] += 1
        self.actions.update(step.command.positions.tobytes())
        self.actions.update(repr(step.command.gripper).encode())
        if self.film is not None and step.observation is not None:
            self.film.add(step.observation.images)


class _Lane:
    """A world and a guard of each arm, kept from episode to episode, and the episode that is on."""

    def __init__(self, replan_every: int, base: Split | None, film: bool) -> None:
        self._replan_every, self._base, self._film = replan_every, base, film
        self._kept: dict[str, tuple[TabletopWorld, Guard]] = {}
        self._world: TabletopWorld | None = None
        self._run: _Run | None = None

    @property
    def job(self) -> Job | None:
        """The episode that is on."""
        return None if self._run is None else self._run.job

    @property
    def world(self) -> TabletopWorld:
        """The world of the episode that is on."""
        if self._world is None:
            raise PremotorError("the lane has no episode; begin one first")
        return self._world

    @property
    def observation(self) -> Observation:
        """What the next plan is to be made from."""
        if self._run is None:
            raise PremotorError("the lane has no episode; begin one first")
        return self._run.observation

    def begin(self, job: Job, who: Player) -> None:
        """Build the world of an episode and look at it."""
        start = time.perf_counter()
        cell = job.cell
        if cell.embodiment not in self._kept:
            world = TabletopWorld(cell.embodiment, render=who.sees or self._film)
            self._kept[cell.embodiment] = world, Guard(embodiment(cell.embodiment))
        self._world, guard = self._kept[cell.embodiment]
        split = cast(Split, cell.split) if self._base is None else self._base
        change = None if self._base is None else find(cell.split)
        episode = sample(cell.embodiment, cast(Family, cell.family), split, job.seed)
        robot: Robot = self._world
        if change is None:
            self._world.reset(episode)
        else:
            episode = perturbed.begin(self._world, episode, change)
            robot = PerturbedRobot(self._world, change, perturbed.key(episode))
        instruction = who.instruction(episode)
        film = Film(rate_hz=self._world.spec.rate_hz) if self._film else None
        subscribers: list[Callable[[Step], None]] = [lambda step: run.hear(step)]
        runner = EpisodeRunner(
            robot,
            guard,
            who.spec,
            instruction=instruction,
            replan_every=who.every or self._replan_every,
            max_ticks=episode.max_steps,
            done=self._world.success,
            subscribers=subscribers,
            watch=self._film,
            late=0 if change is None else int(change.amount("steps")),
        )
        observation = runner.prepare()
        if observation is None:
            raise PremotorError("a new episode did not ask for a plan")
        scene = hashlib.sha256(repr(episode).encode()).hexdigest()[:16]
        result = EpisodeResult(job=job, instruction=instruction, scene=scene)
        run = self._run = _Run(job=job, robot=robot, runner=runner, result=result, observation=observation, film=film)
        run.wall_s = time.perf_counter() - start

    def drop(self) -> None:
        """Give up the episode that is on."""
        self._run = None

    def close(self) -> None:
        """Free what the worlds hold."""
        for world, _ in self._kept.values():
            world.close()

    def walk(self, plan: ActionChunk, share: float) -> Done | None:
        """Follow a plan until the next one is due or the episode is over; then say what became of it."""
        run = self._run
        if run is None:
            return None
        start = time.perf_counter()
        runner = run.runner
        runner.advance(plan)
        seen: Observation | None = None
        while not runner.finished and (seen := runner.prepare()) is None:
            runner.advance()
        run.wall_s += time.perf_counter() - start + share
        if seen is not None and not runner.finished:
            run.observation = seen
            return None
        self._run = None
        return self._done(run)

    def _done(self, run: _Run) -> Done:
        if run.runner.faults:
            raise PremotorError("the episode was not counted right: " + "; ".join(run.runner.faults))
        counts = run.verdicts
        passed, clamped, held = counts[Pass], counts[Clamp], counts[Hold]
        result = dataclasses.replace(
            run.result,
            success=run.runner.succeeded,
            seconds=run.runner.tick / run.runner.spec.rate_hz,
            passed=passed,
            clamped=clamped,
            held=held,
            stopped=counts.total() - passed - clamped - held,
            wall_s=round(run.wall_s, 4),
            actions=run.actions.hexdigest()[:16],
        )
        if run.film is None:
            return Done(result=result)
        run.film.add(run.robot.observe(run.result.instruction).images)
        return Done(result=result, film=run.film.mp4())
