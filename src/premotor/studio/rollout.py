"""One episode in a simulated world, watched: the loop, the guard, and what people see of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from premotor.control.loop import EpisodeRunner, Step
from premotor.core.types import Image, Observation
from premotor.safety.guard import Guard
from premotor.safety.verdict import Clamp, Hold, Stop, Verdict
from premotor.sim.tabletop.episode import Episode, Thing
from premotor.sim.tabletop.language import resolve
from premotor.sim.tabletop.tasks import MAX_STEPS
from premotor.sim.tabletop.world import TabletopWorld
from premotor.studio.eyes import Eyes
from premotor.studio.marks import mark
from premotor.studio.minds import Mind, Thought

__all__ = ["Glimpse", "Outcome", "Stage", "carry_on", "guard_in_words", "now_on_the_table", "number_of"]

_IN_DRAWER = 0.06  # m from the middle of the drawer, sideways


@dataclass(frozen=True, kw_only=True, slots=True)
class Glimpse:
    """One moment for people. pictures: camera -> (N, N, 3), marked. verdicts: so far, see number_of."""

    seconds: float
    limit_s: float
    thought: Thought
    pictures: dict[str, Image]
    verdicts: tuple[int, ...]
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an episode ended. seconds: simulated. verdicts: one number a step. stopped: why it was halted, if it was."""

    success: bool
    seconds: float
    verdicts: tuple[int, ...]
    stopped: str | None = None

    @property
    def guard(self) -> str:
        """What the guard did, in a few words."""
        return guard_in_words(self.verdicts)


def guard_in_words(verdicts: Sequence[int]) -> str:
    """Such as "the guard reduced 2 and held 0 of 143 actions"."""
    reduced, held = verdicts.count(1), verdicts.count(2) + verdicts.count(3)
    if not reduced + held:
        return f"the guard passed all {len(verdicts)} actions"
    return f"the guard reduced {reduced} and held {held} of {len(verdicts)} actions"


def number_of(verdict: Verdict) -> int:
    """0 pass, 1 clamp, 2 hold, 3 stop."""
    return {Clamp: 1, Hold: 2, Stop: 3}.get(type(verdict), 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A world with somebody who acts in it, the guard between them, and eyes for people.

    replan_every: control steps between two plans. delay: that pass while one is made, see EpisodeRunner.
    """

    world: TabletopWorld
    guard: Guard
    mind: Mind
    eyes: Eyes
    replan_every: int
    delay: int = 0

    def close(self) -> None:
        """Free the renderers."""
        self.eyes.close()
        self.world.close()

    def roll_out(self, show: Callable[[Glimpse], None], halt: Callable[[], str | None] = lambda: None) -> Outcome:
        """Run the world's episode to its end. show: hears of every control step. halt: a reason to stop now, or None.

        When anything raises, Ctrl-C too, the arm is braked to a standstill and the exception goes on.
        """
        episode, heard = self.world.episode, _Verdicts()
        runner = EpisodeRunner(
            self.world,
            self.guard,
            self.mind.spec,
            instruction=episode.instruction,
            replan_every=self.replan_every,
            delay=self.delay,
            max_ticks=episode.max_steps,
            done=self.world.success,
            subscribers=(heard,),
        )
        self.mind.reset()
        stopped: str | None = None
        try:
            while not runner.finished:
                observation = runner.prepare()
                chunk = None if observation is None else self.mind.act(observation)
                show(self._glimpse(runner.tick, observation, heard))
                if (stopped := halt()) is not None:
                    runner.halt(stopped)
                    break
                runner.advance(chunk)
            show(self._glimpse(runner.tick, None, heard))
        except BaseException as error:
            runner.halt(f"{type(error).__name__}: {error}")
            raise
        success = runner.succeeded and stopped is None
        seconds = runner.tick / self.world.spec.rate_hz
        return Outcome(success=success, seconds=seconds, verdicts=tuple(heard.numbers), stopped=stopped)

    def _glimpse(self, tick: int, seen: Observation | None, heard: "_Verdicts") -> Glimpse:
        """What to show of this moment. seen: the policy's own observation of it, if it just looked."""
        episode, rate = self.world.episode, self.world.spec.rate_hz
        thought = self.mind.think(self.world.observe(episode.instruction) if seen is None else seen)
        large = self.eyes.look(self.world)
        return Glimpse(
            seconds=tick / rate,
            limit_s=episode.max_steps / rate,
            thought=thought,
            pictures={name: mark(image, self.eyes.size, thought.marks.get(name, [])) for name, image in large.items()},
            verdicts=tuple(heard.numbers),
            reason=heard.reason,
        )


class _Verdicts:
    """Subscriber: what the guard did so far, and why it last did something."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.reason = ""

    def __call__(self, step: Step) -> None:
        self.numbers.append(number_of(step.verdict))
        self.reason = step.verdict.reason or self.reason


def now_on_the_table(world: TabletopWorld) -> tuple[Thing, ...]:
    """The things where they are at this moment, for words that name places."""
    return tuple(_now(world, thing) for thing in world.episode.things)


def _now(world: TabletopWorld, thing: Thing) -> Thing:
    x, y, _ = world.position(thing.name)
    inside = False
    if world.episode.drawer is not None and world.touches(thing.name, "drawer"):
        away = np.abs(world.pose(thing.name)[0] - world.pose("drawer")[0])
        inside = bool(away[1] < _IN_DRAWER and away[0] < _IN_DRAWER)
    return replace(thing, x=float(x), y=float(y), in_drawer=inside)


def carry_on(world: TabletopWorld, text: str) -> Episode:
    """Ask for something else in the scene as it is; the arm goes on from where it stands.

    Raises InstructionError when the words make no sense in it; the world is then as before.
    """
    old, things = world.episode, now_on_the_table(world)
    drawer = None if old.drawer is None else replace(old.drawer, opening=world.drawer_opening())
    goal = resolve(text, things, drawer)
    episode = replace(
        old,
        family=goal.family,
        things=things,
        drawer=drawer,
        goal=goal,
        instruction=text,
        max_steps=MAX_STEPS[goal.family],
        disturbance=None,
    )
    physics = world.snapshot().physics
    # A reset counts from nothing and puts everything back at its place; the physics of this moment is laid over it.
    world.reset(episode)
    world.restore(replace(world.snapshot(), physics=physics))
    return episode
