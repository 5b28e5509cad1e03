from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from premotor.core.errors import SafetyError
from premotor.robots.embodiment import EMBODIMENTS, embodiment
from premotor.safety.guard import Guard
from premotor.safety.limits import GuardConfig, check_embodiment


@pytest.mark.parametrize("name", sorted(EMBODIMENTS))
def test_the_arms_we_have_are_accepted(name: str) -> None:
    check_embodiment(embodiment(name))


@pytest.mark.parametrize("field", ["velocity", "acceleration", "jerk"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", sorted(EMBODIMENTS))
def test_limits_that_cannot_be_kept_name_the_joint(name: str, field: str, value: float) -> None:
    arm = embodiment(name)
    for joint, joint_name in enumerate(arm.joint_names):
        values = getattr(arm, field).copy()
        values[joint] = value
        with pytest.raises(SafetyError, match=f"{field}.* of {joint_name} is"):
            Guard(replace(arm, **{field: values}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("velocity", np.ones(3)),
        ("velocity", [1.0] * 5),
        ("velocity", None),
        ("jerk", np.array(["fast"] * 5)),
        ("position_low", np.full(5, 9.0)),
        ("position_high", np.full(5, np.nan)),
        ("workspace_low", np.array([0.0, np.nan, 0.0])),
        ("workspace_high", np.array([-1.0, 1.0, 1.0])),
        ("gripper_speed", 0.0),
        ("gripper_speed", float("nan")),
        ("gripper_speed", None),
    ],
)
def test_other_limits_that_cannot_be_kept(field: str, value: Any) -> None:
    with pytest.raises(SafetyError, match=field.split("_")[0]):
        Guard(replace(embodiment("so101"), **{field: value}))


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), True, "no", None, 1e9])
@pytest.mark.parametrize("field", ["action_age", "state_age", "leash", "box_tolerance", "gap", "bad_in_a_row"])
def test_no_setting_turns_a_check_off(field: str, value: Any) -> None:
    with pytest.raises(SafetyError, match=field):
        GuardConfig(**{field: value})
