"""Laws of the kinematics, on both arms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premotor.core.errors import SpecMismatch
from premotor.robots.embodiment import EMBODIMENTS, WORK_REGION
from premotor.robots.kinematics import Kinematics, tool_down

KINEMATICS = {name: Kinematics(arm) for name, arm in EMBODIMENTS.items()}
arms = st.sampled_from(sorted(KINEMATICS))
unit = st.floats(-1.0, 1.0)


@settings(max_examples=60, deadline=None)
@given(name=arms, x=unit, y=unit, z=st.floats(0.012, 0.115), yaw=st.floats(-0.75, 0.75))
def test_solve_reaches_the_work_region_from_home(name: str, x: float, y: float, z: float, yaw: float) -> None:
    kinematics = KINEMATICS[name]
    arm = kinematics.arm
    position = np.array([x * WORK_REGION[0], y * WORK_REGION[1], z]) - arm.mount
    solution = kinematics.solve(position, tool_down(yaw), arm.home, iterations=40)
    reached, rotation = kinematics.forward(solution.positions)
    assert solution.reached
    assert np.linalg.norm(reached - position) < 1e-3
    assert -rotation[2, 2] > np.cos(np.radians(31.0))
    assert np.all(solution.positions >= arm.position_low)
    assert np.all(solution.positions <= arm.position_high)


@settings(max_examples=60, deadline=None)
@given(name=arms, seed=st.integers(0, 10_000))
def test_forward_of_solve_is_the_identity_where_a_pose_exists(name: str, seed: int) -> None:
    """Poses made by forward from joints near home are found again, position and rotation."""
    kinematics = KINEMATICS[name]
    arm = kinematics.arm
    spread = np.random.default_rng(seed).uniform(-0.3, 0.3, len(arm.home))
    joints = np.clip(arm.home + spread, arm.position_low, arm.position_high)
    position, rotation = kinematics.forward(joints)
    solution = kinematics.solve(position, rotation, arm.home, iterations=60)
    assert solution.position_error < 1e-3
    assert solution.rotation_error < 0.02


@pytest.mark.parametrize("name", sorted(KINEMATICS))
def test_unreachable_stays_inside_the_limits_and_is_reported(name: str) -> None:
    kinematics = KINEMATICS[name]
    arm = kinematics.arm
    for far in ([2.0, 0.0, 0.3], [0.0, 0.0, 2.0], [-1.0, 1.0, 0.0]):
        solution = kinematics.solve(np.array(far), tool_down(0.0), arm.home)
        assert not solution.reached
        assert np.all(np.isfinite(solution.positions))
        assert np.all(solution.positions >= arm.position_low)
        assert np.all(solution.positions <= arm.position_high)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), gripper=st.floats(0.0, 1.0))
def test_zero_delta_keeps_the_joints_exactly(seed: int, gripper: float) -> None:
    kinematics = KINEMATICS["panda"]
    arm = kinematics.arm
    joints = np.random.default_rng(seed).uniform(arm.position_low, arm.position_high)
    targets, ratio = kinematics.targets(np.array([0, 0, 0, 0, 0, 0, gripper]), joints)
    assert np.array_equal(targets, joints)
    assert ratio == gripper


@settings(max_examples=40, deadline=None)
@given(delta=st.tuples(*[st.floats(-0.02, 0.02)] * 3), turn=st.tuples(*[st.floats(-0.1, 0.1)] * 3))
def test_panda_delta_moves_and_turns_the_commanded_tool(
    delta: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    kinematics = KINEMATICS["panda"]
    home = kinematics.arm.home
    position, rotation = kinematics.forward(home)
    targets, _ = kinematics.targets(np.array([*delta, *turn, 0.5]), home)
    moved, turned = kinematics.forward(targets)
    assert np.linalg.norm(moved - (position + delta)) < 2e-4
    angle = np.arccos(np.clip((np.trace(turned @ rotation.T) - 1) / 2, -1, 1))
    assert abs(angle - np.linalg.norm(turn)) < 2e-3


def test_panda_stays_inside_the_workspace_however_long_it_is_pushed() -> None:
    kinematics = KINEMATICS["panda"]
    joints = kinematics.arm.home
    for _ in range(60):
        joints, _ = kinematics.targets(np.array([0.0, 0.0, -0.03, 0, 0, 0, 0.0]), joints)
    position, _ = kinematics.forward(joints)
    assert abs(position[2] - kinematics.arm.workspace_low[2]) < 1e-3


def test_joint_actions_pass_through_clipped() -> None:
    kinematics = KINEMATICS["so101"]
    arm = kinematics.arm
    targets, gripper = kinematics.targets(np.array([9.0, -9.0, 0.1, 0.2, 0.3, 7.0]), arm.home)
    assert np.array_equal(targets, [arm.position_high[0], arm.position_low[1], 0.1, 0.2, 0.3])
    assert gripper == 1.0


@pytest.mark.parametrize("name", sorted(KINEMATICS))
def test_wrong_shape_is_refused(name: str) -> None:
    with pytest.raises(SpecMismatch, match="shape"):
        KINEMATICS[name].targets(np.zeros(3), KINEMATICS[name].arm.home)
