"""The only loop that moves anything: simulation, evaluation and a real arm run this one.

It comes in two forms with one body. `EpisodeRunner` is an episode in steps, so that somebody who runs many worlds
can gather their observations and ask the policy for all of them at once; `run_episode` walks one with one policy.

    observation = runner.prepare()     # None while the present chunk still serves
    step = runner.advance(chunk)       # chunk or None; one control period: buffer -> guard -> robot -> subscribers
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from premotor.control.chunks import ChunkBuffer
from premotor.control.clock import Clock
from premotor.control.late import Late
from premotor.core.agree import agree
from premotor.core.errors import PremotorError
from premotor.core.ports import Policy, Robot
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, Command, FloatArray, JointState, Observation
from premotor.safety.guard import Guard
from premotor.safety.verdict import Verdict

__all__ = ["EpisodeRunner", "Step", "Subscriber", "run_episode"]

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000
_HALT_TICKS = 200  # periods granted to brake; every arm stands long before


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What happened in one control period.

    state: the joints before the command. observation: what was seen at its start, when the loop looked.
    chunk: the plan that arrived in it. action: (A,) the row meant for now, None when there was none.
    """

    tick: int
    stamp_ns: int
    state: JointState
    observation: Observation | None
    chunk: ActionChunk | None
    action: FloatArray | None
    command: Command
    verdict: Verdict


Subscriber = Callable[[Step], None]
"""Hears every step after its command is out. One that raises is reported and not called again; it must not be slow."""


class EpisodeRunner:
    """One episode on one robot, in steps.

    policy_spec: what the policy was built for; raises SpecMismatch, before anything moves, unless it equals the
    robot's and the guard's. replan_every: periods between plans. max_ticks: end of the episode at the latest.
    done: asked after every step; True ends the episode. watch: look in every period, not only when a plan is due,
    for subscribers that record. clock: paces a real arm; None takes time from the robot's own stamps (simulation).
    delay: periods that making a plan takes. So many are carried out of the one before, and the policy is told what is
    left of that (Observation.left); the new plan comes into play after them. On a clock commands go out on the beat, so
    it is 1 at least, and longer when a plan is late. In simulation time stands still while a plan is made, so it is 0
    unless a slow policy is to be shown.
    late: periods by which every action reaches the guard later than it was meant for, and nobody is told: a fault to
    test policies with.
    """

    def __init__(
        self,
        robot: Robot,
        guard: Guard,
        policy_spec: EmbodimentSpec,
        *,
        instruction: str,
        replan_every: int,
        max_ticks: int,
        done: Callable[[], bool] | None = None,
        subscribers: Sequence[Subscriber] = (),
        watch: bool = False,
        clock: Clock | None = None,
        delay: int = 0,
        late: int = 0,
    ) -> None:
        agree(policy_spec, robot.spec)
        agree(robot.spec, guard.arm.spec)
        self.spec = robot.spec
        self.instruction = instruction
        self.tick = 0
        self.succeeded = False
        self.faults: list[str] = []
        self._robot, self._guard, self._clock = robot, guard, clock
        delay = delay if clock is None else max(1, delay)
        self._buffer = ChunkBuffer(rate_hz=robot.spec.rate_hz, replan_every=replan_every, delay=delay)
        self._line: Late[tuple[FloatArray, int] | None] = Late(late, None)
        self._period_ns = round(_NS / robot.spec.rate_hz)
        self._max_ticks, self._done, self._watch = max_ticks, done, watch
        self._subscribers = list(subscribers)
        self._state = robot.joint_state()
        self._observation: Observation | None = None
        self._prepared = False
        self._next_ns = 0 if clock is None else clock.now_ns()
        guard.reset(self._state)

    @property
    def finished(self) -> bool:
        """Whether the episode is over: done, or out of time."""
        return self.succeeded or self.tick >= self._max_ticks

    def prepare(self) -> Observation | None:
        """Start a period: read the arm, look if a plan is due, and return what to plan from, or None.

        Safe to ask twice; the period starts once.
        """
        if not self._prepared:
            self._state = self._robot.joint_state()
            self._due = self._buffer.due(self._now())
            self._observation = self._observe() if self._due or self._watch else None
            self._prepared = True
        return self._observation if self._due else None

    def advance(self, chunk: ActionChunk | None = None) -> Step:
        """End the period: take over `chunk`, if any, and send what the guard lets through.

        Raises PremotorError when the episode is over.
        """
        if self.finished:
            raise PremotorError(f"the episode is over after {self.tick} steps; make a new runner for another one")
        return self._advance(chunk)

    def halt(self, reason: str) -> None:
        """Latch the guard's stop and brake the arm to a standstill; ends the episode, without success."""
        self._guard.stop(reason)
        for _ in range(_HALT_TICKS):
            self._advance(None)
            if self._guard.at_rest:
                break
        self._max_ticks, self.succeeded = self.tick, False

    def _advance(self, chunk: ActionChunk | None) -> Step:
        self.prepare()
        if chunk is not None:
            self._buffer.put(chunk)
        if self._clock is not None:
            self._pace(self._clock)
            self._state = self._robot.joint_state()
        now = self._now()
        row = self._line(self._buffer.at(now))
        action, source = row if row is not None else (None, None)
        command, verdict = self._guard.step(action, self._state, now, stamp_ns=source)
        self._robot.apply(command)
        step = Step(
            tick=self.tick,
            stamp_ns=now,
            state=self._state,
            observation=self._observation,
            chunk=chunk,
            action=action,
            command=command,
            verdict=verdict,
        )
        self.tick += 1
        self._prepared = False
        self._publish(step)
        self.succeeded = self._done is not None and self._done()
        return step

    def _observe(self) -> Observation:
        seen = self._robot.observe(self.instruction)
        return replace(seen, left=self._buffer.left(seen.stamp_ns))

    def _now(self) -> int:
        return self._state.stamp_ns if self._clock is None else self._clock.now_ns()

    def _pace(self, clock: Clock) -> None:
        clock.sleep_until(self._next_ns)
        now = clock.now_ns()
        # Periods that were missed are not made up for: commands closer together would be faster than the guard allows.
        late = now - self._next_ns > self._period_ns // 10
        self._next_ns = (now if late else self._next_ns) + self._period_ns

    def _publish(self, step: Step) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(step)
            except Exception as error:  # noqa: BLE001 - whoever listens must not be able to stop the arm half way
                self._subscribers.remove(subscriber)
                self.faults.append(f"tick {step.tick}: {subscriber!r} raised {type(error).__name__}: {error}")
                _LOG.exception("subscriber %r failed at tick %d and is not called again", subscriber, step.tick)


def run_episode(runner: EpisodeRunner, policy: Policy) -> None:
    """Run the episode to its end with one policy; `runner` then knows how it went (tick, succeeded, faults).

    When the policy or the robot raises, or somebody interrupts, the arm is braked to a standstill first.
    Raises SpecMismatch, before anything moves, when the policy is not for this robot.
    """
    agree(policy.spec, runner.spec)
    policy.reset()
    try:
        while not runner.finished:
            observation = runner.prepare()
            runner.advance(None if observation is None else policy.act(observation))
    except BaseException as error:
        runner.halt(f"{type(error).__name__}: {error}")
        raise
