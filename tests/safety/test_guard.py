from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from premotor.core.errors import SafetyError
from premotor.core.types import FloatArray, JointState
from premotor.robots.embodiment import embodiment
from premotor.robots.kinematics import Kinematics
from premotor.safety.guard import Guard
from premotor.safety.verdict import Clamp, Hold, Pass, Stop

from .conftest import PERIOD, Drive

POISON = [np.nan, np.inf, -np.inf]


def minimum_jerk(s: float) -> float:
    return s**3 * (10 - 15 * s + 6 * s * s)


def sweep(drive: Drive, kinematics: Kinematics, speed: float) -> tuple[list[FloatArray], list[FloatArray]]:
    """Actions and tool positions of a minimum-jerk motion of 0.2 m with that peak speed (m/s)."""
    start, _ = kinematics.forward(drive.arm.home)
    way = np.array([0.0, 0.2, -0.03])
    n = int(20 * 1.875 * np.linalg.norm(way) / speed) + 1
    shares = [minimum_jerk(k / n) for k in range(n + 1)]
    goals = [start + way * s for s in shares[1:]]
    if drive.arm.spec.action.frame == "base":
        steps = np.diff(shares)[:, None] * way
        return [np.array([*step, 0.0, 0.0, 0.0, 0.5]) for step in steps], goals
    joints, actions = drive.arm.home, []
    for goal in goals:
        joints = kinematics.solve(goal, None, joints).positions
        actions.append(np.append(joints, 0.5))
    return actions, goals


def get_moving(drive: Drive) -> None:
    """A few ticks of steady motion, so that there is something to stop."""
    drive.start()
    for k in range(6):
        if drive.arm.spec.action.frame == "base":
            drive.step(np.array([0.0, 0.012, 0.0, 0.0, 0.0, 0.0, 0.5]))
        else:
            drive.step(np.append(drive.arm.home + 0.04 * (k + 1), 0.5))
    assert not drive.guard.at_rest


def assert_brakes(drive: Drive, before: int) -> None:
    """From `before` commands on, the arm does what a jerk-limited stop does: slow down, and no further than that."""
    drive.check()
    p, dt, arm = np.array(drive.commands), 1.0 / drive.arm.spec.rate_hz, drive.arm
    v0 = np.abs(p[before - 1] - p[before - 2]) / dt
    a0 = np.abs(p[before - 1] - 2 * p[before - 2] + p[before - 3]) / dt**2
    # speed can still rise while a forward acceleration is taken back, and half a period of it is not yet in v0
    peak = v0 + a0 * dt + a0**2 / (2 * arm.jerk)
    farthest = peak**2 / (2 * arm.acceleration) + peak * (dt + 2 * arm.acceleration / arm.jerk)
    assert np.all(np.abs(p[before:] - p[before - 1]).max(axis=0) <= farthest + 1e-9)


# -- what passes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [0.1, 0.2, 0.3])
def test_smooth_motion_passes_untouched_and_without_lag(drive: Drive, kinematics: Kinematics, speed: float) -> None:
    drive.start()
    actions, goals = sweep(drive, kinematics, speed)
    for action, goal in zip(actions, goals, strict=True):
        wanted, _ = kinematics.targets(action, drive.guard.commanded)
        verdict = drive.step(action)
        assert isinstance(verdict, Pass), verdict
        assert np.array_equal(drive.commands[-1], wanted)
        assert np.linalg.norm(kinematics.forward(drive.commands[-1])[0] - goal) < 1e-3
    drive.check()


def test_motion_faster_than_the_arm_is_followed_and_reached(drive: Drive, kinematics: Kinematics) -> None:
    drive.start()
    actions, _ = sweep(drive, kinematics, 1.2)
    verdicts = [drive.step(action) for action in actions]
    assert any(isinstance(v, Clamp) for v in verdicts)
    if drive.arm.spec.action.frame == "joint":
        for _ in range(20):
            drive.step(actions[-1])
        np.testing.assert_allclose(drive.commands[-1], actions[-1][:-1], atol=1e-9)
    drive.check()


def test_the_gripper_travels_at_its_speed_and_that_is_no_intervention(drive: Drive) -> None:
    drive.start()
    action = drive.zero
    action[-1] = 1.0
    travel = drive.arm.gripper_speed / drive.arm.spec.rate_hz
    for k in range(1, 12):
        assert drive.step(action) == Pass()
        assert drive.grippers[-1] == pytest.approx(min(1.0, 0.5 + k * travel))


def test_too_large_actions_are_clamped_and_named(drive: Drive) -> None:
    drive.start()
    action = drive.zero
    action[0] = 1e300
    verdict = drive.step(action)
    assert isinstance(verdict, Clamp)
    assert drive.arm.spec.action.dims[0].name in verdict.reason
    drive.check()


# -- what does not --------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_action_however_bad_breaks_a_limit(drive: Drive, data: st.DataObject) -> None:
    size = len(drive.arm.spec.action.dims)
    wild = arrays(np.float64, size, elements=st.floats(allow_nan=True, allow_infinity=True))
    tame = arrays(np.float64, size, elements=st.floats(-0.1, 0.1))
    get_moving(drive)
    for action in data.draw(st.lists(st.one_of(wild, tame, st.none()), min_size=1, max_size=12)):
        verdict = drive.step(action)
        if action is not None and not np.isfinite(action).all():
            assert isinstance(verdict, Hold | Stop)
    for _ in range(30):
        drive.step(None)
    assert drive.guard.at_rest
    drive.check()


@settings(max_examples=25, deadline=None)
@given(
    bad=st.one_of(
        st.sampled_from(["nan", "inf", "short", "long", "batch", "empty", "list", "int", "object", "text", "masked"]),
        st.just("none"),
        st.just("stale"),
    )
)
def test_bad_silent_and_stale_policies_only_ever_brake(drive: Drive, bad: str) -> None:
    get_moving(drive)
    before = len(drive.commands)
    good = drive.zero
    values: dict[str, Any] = {
        "nan": np.where(np.arange(len(good)) == 2, np.nan, good),
        "inf": np.where(np.arange(len(good)) == len(good) - 1, np.inf, good),
        "short": good[:-1],
        "long": np.append(good, 0.0),
        "batch": good[None],
        "empty": np.zeros(0),
        "list": good.tolist(),
        "int": good.astype(int),
        "object": good.astype(object),
        "text": "forward",
        "masked": np.ma.masked_array(good, mask=True),
        "none": None,
        "stale": good,
    }
    verdicts = []
    for _ in range(40):
        stamp = (drive.tick - 100) * PERIOD if bad == "stale" else None
        verdicts.append(drive.step(values[bad], stamp=stamp))
    if bad in ("none", "stale"):
        assert all(isinstance(v, Hold) for v in verdicts)
    else:
        assert [type(v) for v in verdicts[:2]] == [Hold, Hold]
        assert all(isinstance(v, Stop) for v in verdicts[2:])
    assert drive.guard.at_rest
    assert_brakes(drive, before)


@pytest.mark.parametrize("poison", POISON)
def test_a_joint_state_that_is_not_a_number_brakes_and_is_never_used(drive: Drive, poison: float) -> None:
    get_moving(drive)
    before = len(drive.commands)
    broken = drive.guard.commanded
    broken[1] = poison
    for _ in range(40):
        verdict = drive.step(drive.zero, positions=broken)
        assert isinstance(verdict, Hold)
        assert "measured" in verdict.reason
    assert_brakes(drive, before)
    assert isinstance(drive.step(drive.zero), Pass)


def test_an_arm_that_is_held_back_is_given_way_and_works_again(drive: Drive) -> None:
    drive.start()
    stuck = drive.arm.home + 0.35 * (np.arange(len(drive.arm.home)) == 0)
    verdict = drive.step(drive.zero, positions=stuck)
    assert isinstance(verdict, Hold)
    assert drive.arm.joint_names[0] in verdict.reason
    for _ in range(40):
        drive.step(None, positions=stuck)
    assert abs(drive.guard.commanded[0] - stuck[0]) <= drive.guard.config.leash
    drive.check()
    assert isinstance(drive.step(drive.zero, positions=drive.guard.commanded), Pass)


def test_one_bad_action_is_survived(drive: Drive) -> None:
    get_moving(drive)
    bad = drive.zero * np.nan
    for _ in range(10):
        assert isinstance(drive.step(bad), Hold)
        assert isinstance(drive.step(bad), Hold)
        assert not isinstance(drive.step(drive.zero), Hold | Stop)
    assert drive.guard.stopped is None


def test_silence_between_bad_actions_does_not_forgive_them(drive: Drive) -> None:
    drive.start()
    for _ in range(2):
        drive.step(drive.zero * np.nan)
        drive.step(None)
    assert isinstance(drive.step(drive.zero * np.nan), Stop)


# -- stop -----------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(events=st.lists(st.sampled_from(["go", "bad", "none", "stop", "gap", "lost"]), min_size=1, max_size=25))
def test_a_stop_is_latched_until_reset_and_reset_moves_nothing(drive: Drive, events: list[str]) -> None:
    get_moving(drive)
    drive.guard.stop("test")
    before = len(drive.commands)
    for event in events:
        if event == "stop":
            drive.guard.stop("again")
        drive.tick += 10 if event == "gap" else 0
        actions = {"go": drive.zero, "bad": drive.zero * np.nan}
        lost = drive.guard.commanded * np.nan if event == "lost" else None
        verdict = drive.step(actions.get(event), positions=lost)
        assert verdict == Stop("test")
    if "gap" not in events:
        assert_brakes(drive, before)
    standing = drive.guard.commanded
    drive.guard.reset(drive.state(standing))
    drive.step(None)
    np.testing.assert_array_equal(drive.commands[-1], standing)
    assert isinstance(drive.step(drive.zero), Pass)


def test_reset_refuses_an_arm_it_cannot_trust(drive: Drive) -> None:
    home = drive.arm.home
    for positions in (home * np.nan, home[:-1], home + 10.0):
        with pytest.raises(SafetyError):
            drive.guard.reset(drive.state(positions))
    outside = home.copy()
    outside[2] = drive.arm.position_high[2] + 0.2
    with pytest.raises(SafetyError, match=drive.arm.joint_names[2]):
        drive.guard.reset(drive.state(outside))
    with pytest.raises(SafetyError, match="reset"):
        Guard(drive.arm).step(None, drive.state(), 0)


# -- time -----------------------------------------------------------------------------------------------------------


def test_old_joint_states_and_backward_clocks_hold(drive: Drive) -> None:
    drive.start()
    drive.step(drive.zero)
    old = drive.state()
    drive.tick += 7
    drive.step(None)
    drive.tick += 1
    _, verdict = drive.guard.step(drive.zero, old, drive.tick * PERIOD)
    assert isinstance(verdict, Hold)
    assert "old" in verdict.reason
    _, verdict = drive.guard.step(drive.zero, drive.state(), (drive.tick - 3) * PERIOD)
    assert isinstance(verdict, Hold)
    assert "clock" in verdict.reason


def test_after_a_gap_the_arm_starts_from_standing(drive: Drive) -> None:
    get_moving(drive)
    standing = drive.guard.commanded
    drive.tick += 20
    verdict = drive.step(drive.zero)
    assert isinstance(verdict, Hold)
    np.testing.assert_array_equal(drive.commands[-1], standing)


# -- workspace ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_tool_stays_in_its_box_however_hard_it_is_pushed(
    drive: Drive, kinematics: Kinematics, axis: int, sign: float
) -> None:
    drive.start()
    tool, rotation = kinematics.forward(drive.arm.home)
    joints, box, noted = drive.arm.home, [], False
    for _ in range(60):
        if drive.arm.spec.action.frame == "base":
            action = np.zeros(7)
            action[axis] = 0.02 * sign
        else:
            tool = tool + 0.015 * sign * (np.arange(3) == axis)
            joints = kinematics.solve(tool, rotation, joints).positions
            action = np.append(joints, 0.5)
        verdict = drive.step(action)
        noted |= "workspace box" in verdict.reason
        box.append(kinematics.forward(drive.commands[-1])[0])
    slack = drive.guard.config.box_tolerance + 1e-3
    assert np.all(np.array(box) >= drive.arm.workspace_low - slack)
    assert np.all(np.array(box) <= drive.arm.workspace_high + slack)
    drive.check()
    reach = np.array(box)[-1][axis]
    wall = (drive.arm.workspace_low if sign < 0 else drive.arm.workspace_high)[axis]
    assert noted or abs(reach - wall) > 0.01  # either the wall was met and told, or the arm does not reach it


def test_an_arm_that_is_sent_through_the_floor_of_its_box_slides_along_it(drive: Drive, kinematics: Kinematics) -> None:
    drive.start()
    tool, rotation = kinematics.forward(drive.arm.home)
    down = tool[2] - drive.arm.workspace_low[2] + 0.03
    joints, places = drive.arm.home, []
    for k in range(80):
        # First down through the floor, then on along it, 4 mm a step.
        way = np.array([0.0, 0.004 * max(0, k - 40), -down * min(1.0, k / 40)])
        if drive.arm.spec.action.frame == "base":
            action = np.array([0.0, 0.004 if k > 40 else 0.0, -0.02, 0.0, 0.0, 0.0, 0.5])
        else:
            joints = kinematics.solve(tool + way, rotation, joints).positions
            action = np.append(joints, 0.5)
        verdict = drive.step(action)
        places.append(kinematics.forward(drive.commands[-1])[0])
    assert "workspace box" in verdict.reason
    drive.check()
    floor, moved = drive.arm.workspace_low[2], np.diff(np.array(places)[45:], axis=0)
    np.testing.assert_allclose(np.array(places)[45:, 2], floor, atol=drive.guard.config.box_tolerance)
    np.testing.assert_allclose(moved[:, 1], 0.004, atol=5e-4)


# -- its own parts failing ------------------------------------------------------------------------------------------


class Broken:
    """Kinematics that fail in one of several ways."""

    def __init__(self, real: Kinematics, way: str) -> None:
        self.real, self.way = real, way

    def forward(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        place, turn = self.real.forward(positions)
        return (place * np.nan if self.way == "lost tool" else place), turn

    def targets(self, action: FloatArray, commanded: FloatArray) -> tuple[FloatArray, float]:
        if self.way == "raises":
            raise ValueError("no solution")
        if self.way == "nan":
            return commanded * np.nan, 0.0
        if self.way == "nan gripper":
            return commanded, float("nan")
        if self.way == "shape":
            return commanded[:-1], 0.0
        if self.way == "jump":
            return commanded + 3.0, 0.0
        return commanded + 0.01, 0.0

    def reach(self, position: FloatArray, near: FloatArray) -> FloatArray:
        return self.real.reach(position, near)


@pytest.mark.parametrize("way", ["raises", "nan", "nan gripper", "shape", "lost tool", "jump"])
def test_failing_kinematics_do_not_move_the_arm_beyond_its_limits(
    drive: Drive, kinematics: Kinematics, way: str
) -> None:
    broken = Drive(Guard(drive.arm, kinematics=Broken(kinematics, way))).start()
    for _ in range(20):
        verdict = broken.step(broken.zero)
        # a place that the tool cannot be told to be in is refused by the limiter, a far one is approached
        assert isinstance(verdict, Clamp if way in ("lost tool", "jump") else Hold), verdict
    broken.check()
    if way != "jump":
        np.testing.assert_array_equal(broken.commands[-1], broken.arm.home)


def test_a_guard_that_finds_itself_wrong_repeats_the_last_good_command_and_stops(drive: Drive) -> None:
    own = Drive(Guard(drive.arm)).start()
    good = own.guard.commanded
    own.guard._limiter.rest(good * np.nan)
    for _ in range(3):
        assert isinstance(own.step(own.zero), Stop)
        np.testing.assert_array_equal(own.commands[-1], good)


def test_two_guards_given_the_same_give_the_same(drive: Drive) -> None:
    arm = embodiment(drive.arm.name)
    one, two = Drive(Guard(arm)).start(), Drive(Guard(replace(arm))).start()
    rng = np.random.default_rng(0)
    for _ in range(50):
        action = rng.uniform(arm.spec.action.low, arm.spec.action.high)
        assert one.step(action) == two.step(action)
    np.testing.assert_array_equal(one.commands, two.commands)


def test_joint_state_type_is_what_robots_send(drive: Drive) -> None:
    state = JointState(stamp_ns=0, positions=drive.arm.home.astype(np.float32), velocities=drive.arm.home, gripper=0.0)
    drive.guard.reset(state)
    assert drive.guard.commanded.dtype == np.float64
