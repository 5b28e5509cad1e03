"""The arms as data and their models: limits agree, servos settle without sag, the gripper spans its ratio."""

import mujoco
import numpy as np
import pytest

from premotor.core.errors import SpecMismatch
from premotor.robots.embodiment import EMBODIMENTS, Embodiment, embodiment
from premotor.robots.kinematics import Kinematics


@pytest.fixture(params=sorted(EMBODIMENTS))
def arm(request: pytest.FixtureRequest) -> Embodiment:
    return EMBODIMENTS[request.param]


def _settle(arm: Embodiment, joints: np.ndarray, ratio: float, seconds: float) -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_path(str(arm.model_file))
    model.opt.timestep = 0.0025
    data = mujoco.MjData(model)
    for name, home, goal in zip(arm.joint_names, arm.home, joints, strict=True):
        data.joint(name).qpos = home
        data.actuator(name).ctrl = goal
    data.actuator("gripper").ctrl = arm.gripper_closed + ratio * (arm.gripper_open - arm.gripper_closed)
    mujoco.mj_step(model, data, int(seconds / 0.0025))
    return model, data


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SpecMismatch, match="panda, so101"):
        embodiment("ur5")


def test_shapes_and_limits_agree_with_the_spec(arm: Embodiment) -> None:
    joints = len(arm.joint_names)
    for limits in (arm.velocity, arm.acceleration, arm.jerk):
        assert limits.shape == (joints,)
        assert np.all(limits > 0)
    assert np.all(arm.position_low < arm.home)
    assert np.all(arm.home < arm.position_high)
    low = np.array([d.low for d in arm.spec.state[:joints]])
    assert np.array_equal(low, arm.position_low)
    assert arm.spec.state[joints].name == "gripper"
    assert arm.spec.action.dims[-1].name == "gripper"


def test_commandable_range_is_inside_the_models_stops(arm: Embodiment) -> None:
    model = mujoco.MjModel.from_xml_path(str(arm.model_file))
    stops = np.array([model.joint(name).range for name in arm.joint_names])
    assert np.all(arm.position_low > stops[:, 0])
    assert np.all(arm.position_high < stops[:, 1])
    assert [model.actuator(k).name for k in range(model.nu)] == [*arm.joint_names, "gripper"]


def test_model_is_light_and_arm_shapes_never_meet_each_other(arm: Embodiment) -> None:
    model = mujoco.MjModel.from_xml_path(str(arm.model_file))
    assert model.nmeshface < 4000
    touching = (model.geom_contype[:, None] & model.geom_conaffinity[None, :]) != 0
    assert not np.any(touching | touching.T)
    assert np.any(model.geom_conaffinity & 1)  # but they do meet the world's default contype 1


def test_servos_reach_their_targets_and_come_to_rest(arm: Embodiment) -> None:
    goal = np.clip(arm.home + 0.25, arm.position_low, arm.position_high)
    _, data = _settle(arm, goal, 0.5, 2.0)
    kinematics = Kinematics(arm)
    wanted, _ = kinematics.forward(goal)
    assert np.linalg.norm(data.site("tcp").xpos - wanted) < 2e-3
    assert np.abs(data.qvel).max() < 1e-2


def test_tool_points_down_at_home(arm: Embodiment) -> None:
    _, rotation = Kinematics(arm).forward(arm.home)
    assert rotation[2, 2] < -0.999
    assert rotation[0, 0] > 0.999  # the camera's side is away from the base


def test_gripper_ratio_spans_closed_to_open(arm: Embodiment) -> None:
    pads = {"panda": ("left_pad", "right_pad"), "so101": ("fixed_jaw_pad", "moving_jaw_pad")}[arm.name]
    gaps = []
    for ratio in (0.0, 0.5, 1.0):
        _, data = _settle(arm, arm.home, ratio, 1.5)
        gaps.append(float(np.linalg.norm(data.geom(pads[0]).xpos - data.geom(pads[1]).xpos)))
    assert gaps[0] < 0.02
    assert gaps[0] + 0.02 < gaps[1] < gaps[2] - 0.01


def test_tool_is_between_the_pads_and_on_their_axis(arm: Embodiment) -> None:
    """At 30 mm between the pads the tool point lies between them and its y axis joins them."""
    pads = {"panda": ("left_pad", "right_pad"), "so101": ("fixed_jaw_pad", "moving_jaw_pad")}[arm.name]
    ratio = {"panda": 0.375, "so101": (0.265 + 0.174533) / (1.74533 + 0.174533)}[arm.name]
    _, data = _settle(arm, arm.home, ratio, 1.5)
    middle = (data.geom(pads[0]).xpos + data.geom(pads[1]).xpos) / 2
    tool = data.site("tcp")
    assert np.linalg.norm(middle - tool.xpos) < 3e-3
    axis = data.geom(pads[1]).xpos - data.geom(pads[0]).xpos
    assert abs(axis @ tool.xmat.reshape(3, 3)[:, 1]) / np.linalg.norm(axis) > 0.99
