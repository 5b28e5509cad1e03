import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from premotor.control.clock import MonotonicClock, VirtualClock
from premotor.control.loop import EpisodeRunner, Step, run_episode
from premotor.core.errors import PremotorError, SafetyError, SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, Command, FloatArray, JointState, Observation
from premotor.robots.embodiment import embodiment
from premotor.safety.guard import Guard
from premotor.safety.verdict import Hold, Pass, Stop

ARM = embodiment("so101")
PERIOD = 50_000_000


@dataclass
class Arm:
    """A robot on its own time that goes where it is told at once."""

    spec: EmbodimentSpec = ARM.spec
    ticks: int = 0
    joints: FloatArray = field(default_factory=ARM.home.copy)
    commands: list[Command] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)

    def joint_state(self) -> JointState:
        return JointState(stamp_ns=self.ticks * PERIOD, positions=self.joints, velocities=0 * self.joints, gripper=0.0)

    def observe(self, instruction: str) -> Observation:
        self.looks.append(self.ticks)
        state = np.append(self.joints, 0.0)
        return Observation(stamp_ns=self.ticks * PERIOD, images={}, state=state, instruction=instruction)

    def apply(self, command: Command) -> None:
        self.commands.append(command)
        self.joints = command.positions
        self.ticks += 1


@dataclass
class Planner:
    """Moves the first joint slowly; `act` may be replaced to misbehave."""

    spec: EmbodimentSpec = ARM.spec
    rows: int = 8
    resets: int = 0
    seen: list[Observation] = field(default_factory=list)
    trouble: Callable[[int], None] | None = None

    def reset(self) -> None:
        self.resets += 1

    def act(self, observation: Observation) -> ActionChunk:
        self.seen.append(observation)
        if self.trouble is not None:
            self.trouble(len(self.seen))
        actions = np.tile(observation.state, (self.rows, 1))
        actions[:, 0] += 0.01 * np.arange(1, self.rows + 1)
        return ActionChunk(stamp_ns=observation.stamp_ns, rate_hz=20.0, actions=actions)


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard(ARM)


def runner(arm: Arm, guard: Guard, **changes: Any) -> EpisodeRunner:
    options: dict[str, Any] = {"instruction": "go", "replan_every": 4, "max_ticks": 20}
    return EpisodeRunner(arm, guard, ARM.spec, **options | changes)


def test_an_episode_runs_looks_when_a_plan_is_due_and_ends(guard: Guard) -> None:
    arm, policy, steps = Arm(), Planner(), list[Step]()
    episode = runner(arm, guard, subscribers=[steps.append])
    run_episode(episode, policy)
    assert (episode.tick, episode.succeeded, episode.faults, policy.resets) == (20, False, [], 1)
    assert arm.looks == [0, 4, 8, 12, 16]
    assert [s.tick for s in steps] == list(range(20))
    assert [s.stamp_ns for s in steps] == [k * PERIOD for k in range(20)]
    assert [s.observation is not None for s in steps] == [k % 4 == 0 for k in range(20)]
    assert all(o.instruction == "go" for o in policy.seen)
    assert all(isinstance(s.verdict, Pass) for s in steps), [s.verdict for s in steps]
    # row 0 of the plan from tick 0 is executed at tick 0, so the joint moves every tick
    assert arm.joints[0] == pytest.approx(ARM.home[0] + 0.2)
    np.testing.assert_array_equal(steps[3].command.positions, np.asarray(steps[3].action)[:-1])
    with pytest.raises(PremotorError, match="over"):
        episode.advance(None)


def test_stepwise_and_whole_are_the_same(guard: Guard) -> None:
    whole, parts, policy = Arm(), Arm(), Planner()
    run_episode(runner(whole, guard), Planner())
    episode = runner(parts, guard)
    while not episode.finished:
        observation = episode.prepare()
        assert episode.prepare() is observation
        episode.advance(None if observation is None else policy.act(observation))
    assert len(whole.commands) == len(parts.commands) == 20
    for a, b in zip(whole.commands, parts.commands, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
        assert (a.stamp_ns, a.gripper) == (b.stamp_ns, b.gripper)


def test_many_worlds_with_one_batched_policy() -> None:
    arms = [Arm(), Arm(), Arm()]
    episodes = [runner(arm, Guard(ARM), max_ticks=8 + i, replan_every=3 + i) for i, arm in enumerate(arms)]
    policy = Planner()
    while any(not e.finished for e in episodes):
        live = [e for e in episodes if not e.finished]
        looks = [e.prepare() for e in live]
        chunks = [None if o is None else policy.act(o) for o in looks]
        for episode, chunk in zip(live, chunks, strict=True):
            episode.advance(chunk)
    assert [e.tick for e in episodes] == [8, 9, 10]
    assert [a.looks for a in arms] == [[0, 3, 6], [0, 4, 8], [0, 5]]


def test_done_ends_it_and_watching_sees_every_tick(guard: Guard) -> None:
    arm, policy, steps = Arm(), Planner(), list[Step]()
    episode = runner(arm, guard, done=lambda: arm.ticks == 7, watch=True, subscribers=[steps.append])
    run_episode(episode, policy)
    assert episode.succeeded
    assert episode.finished
    assert episode.tick == 7
    assert all(s.observation is not None for s in steps)
    assert len(policy.seen) == 2


def test_a_silent_policy_holds_the_arm(guard: Guard) -> None:
    arm, steps = Arm(), list[Step]()
    episode = runner(arm, guard, subscribers=[steps.append])
    while not episode.finished:
        assert episode.prepare() is not None  # a plan stays due
        episode.advance(None)
    assert all(isinstance(s.verdict, Hold) and s.action is None for s in steps)
    np.testing.assert_array_equal(arm.joints, ARM.home)


def test_a_chunk_that_runs_out_leads_to_a_hold(guard: Guard) -> None:
    arm, steps, policy = Arm(), list[Step](), Planner(rows=3)
    episode = runner(arm, guard, subscribers=[steps.append], max_ticks=10)
    first = episode.prepare()
    assert first is not None
    episode.advance(policy.act(first))
    while not episode.finished:
        episode.prepare()
        episode.advance(None)
    assert [isinstance(s.verdict, Hold) for s in steps] == [False] * 3 + [True] * 7


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failing_policy_leaves_the_arm_braked_and_the_error_told(guard: Guard, error: type[BaseException]) -> None:
    def trouble(calls: int) -> None:
        if calls == 3:
            raise error("no memory")

    arm, steps = Arm(), list[Step]()
    episode = runner(arm, guard, subscribers=[steps.append])
    with pytest.raises(error):
        run_episode(episode, Planner(trouble=trouble))
    assert guard.at_rest
    assert guard.stopped is not None
    assert episode.finished
    assert not episode.succeeded
    assert isinstance(steps[-1].verdict, Stop)
    speeds = np.diff([c.positions[0] for c in arm.commands])
    assert speeds[6] > 0.005
    assert speeds[-1] == 0.0


def test_a_failing_subscriber_is_told_once_and_changes_no_command(
    guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(step: Step) -> None:
        if step.tick >= 2:
            raise OSError("disk full")

    alone, watched, heard = Arm(), Arm(), list[Step]()
    run_episode(runner(alone, guard), Planner())
    episode = runner(watched, guard, subscribers=[broken, heard.append])
    with caplog.at_level(logging.ERROR):
        run_episode(episode, Planner())
    assert len(heard) == 20
    assert len(episode.faults) == 1
    assert "disk full" in episode.faults[0]
    assert "tick 2" in episode.faults[0]
    assert len(caplog.records) == 1
    for a, b in zip(alone.commands, watched.commands, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


def test_nothing_moves_unless_all_agree(guard: Guard) -> None:
    other = replace(ARM.spec, rate_hz=30.0)
    arm = Arm()
    with pytest.raises(SpecMismatch, match="rate_hz"):
        EpisodeRunner(arm, guard, other, instruction="", replan_every=1, max_ticks=1)
    with pytest.raises(SpecMismatch, match="rate_hz"):
        runner(Arm(spec=other), guard)
    with pytest.raises(SpecMismatch, match="rate_hz"):
        run_episode(runner(arm, guard), Planner(spec=other))
    with pytest.raises(SafetyError):
        runner(Arm(joints=ARM.home * np.nan), guard)
    assert not arm.commands


@dataclass
class RealArm(Arm):
    """An arm whose stamps come from a clock that others pace."""

    clock: VirtualClock = field(default_factory=VirtualClock)

    def joint_state(self) -> JointState:
        return replace(super().joint_state(), stamp_ns=self.clock.now_ns())

    def observe(self, instruction: str) -> Observation:
        return replace(super().observe(instruction), stamp_ns=self.clock.now_ns())


def test_a_clock_paces_the_loop_and_slow_plans_skip_rows(guard: Guard) -> None:
    clock = VirtualClock(10**12)
    arm, steps = RealArm(clock=clock), list[Step]()
    policy = Planner(trouble=lambda calls: clock.advance(0.1 if calls == 2 else 0.0))
    episode = runner(arm, guard, clock=clock, subscribers=[steps.append], max_ticks=8)
    run_episode(episode, policy)
    times = np.array([s.stamp_ns - 10**12 for s in steps]) / PERIOD
    # the second plan took two periods: that command came late, and nothing hurried to catch up
    np.testing.assert_allclose(np.diff(times), [1, 1, 1, 1, 2, 1, 1])
    late = steps[5]
    assert late.chunk is not None
    assert late.action is not None
    np.testing.assert_array_equal(late.action, late.chunk.actions[2])
    assert all(not isinstance(s.verdict, Hold) for s in steps), [s.verdict for s in steps]


@pytest.mark.parametrize(("delay", "every"), [(1, 1), (2, 3), (3, 3), (3, 9)])
def test_while_a_plan_is_made_the_last_one_is_carried_out(guard: Guard, delay: int, every: int) -> None:
    arm, policy, steps = Arm(), Planner(rows=8), list[Step]()
    episode = runner(arm, guard, delay=delay, replan_every=every, subscribers=[steps.append])
    run_episode(episode, policy)
    asked = [s for s in steps if s.chunk is not None]
    assert policy.seen[0].left is None
    assert len(asked) > 2
    for step, seen in zip(asked[1:], policy.seen[1:], strict=True):
        assert step.chunk is not None
        assert seen.left is not None
        rest, meanwhile = seen.left, steps[step.tick : step.tick + delay]
        assert rest.delay == delay
        for action, other in zip(rest.actions, meanwhile, strict=False):
            np.testing.assert_array_equal(action, other.action)
        if step.tick + delay < len(steps):
            np.testing.assert_array_equal(steps[step.tick + delay].action, step.chunk.actions[delay])
    # Plans that run out are replaced in time, so nothing stands still.
    assert all(isinstance(s.verdict, Pass) for s in steps), [s.verdict for s in steps]


def test_nothing_is_left_where_the_world_waits(guard: Guard) -> None:
    policy = Planner()
    run_episode(runner(Arm(), guard), policy)
    assert all(seen.left is None for seen in policy.seen)


def test_on_a_clock_a_plan_goes_on_from_the_row_that_is_under_way(guard: Guard) -> None:
    clock = VirtualClock(10**12)
    arm, policy, steps = RealArm(clock=clock), Planner(), list[Step]()
    run_episode(runner(arm, guard, clock=clock, subscribers=[steps.append], max_ticks=10), policy)
    asked = [s for s in steps if s.chunk is not None]
    assert len(asked) == 3
    for step, seen in zip(asked[1:], policy.seen[1:], strict=True):
        assert step.chunk is not None
        assert seen.left is not None
        assert seen.left.delay == 1
        np.testing.assert_array_equal(seen.left.actions[0], steps[step.tick - 1].action)
        np.testing.assert_array_equal(step.action, step.chunk.actions[1])


def test_clocks() -> None:
    clock = VirtualClock()
    clock.sleep_until(500)
    clock.sleep_until(100)
    assert clock.now_ns() == 500
    real = MonotonicClock()
    start = real.now_ns()
    real.sleep_until(start - 10**9)
    real.sleep_until(start + 2_000_000)
    assert real.now_ns() >= start + 2_000_000
