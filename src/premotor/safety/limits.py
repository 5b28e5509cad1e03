"""What the guard keeps, checked once: a limit that cannot be kept refuses to start and names the joint."""

from dataclasses import dataclass

import numpy as np

from premotor.core.errors import SafetyError
from premotor.core.types import FloatArray
from premotor.robots.embodiment import Embodiment

__all__ = ["GuardConfig", "check_embodiment"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardConfig:
    """What the guard allows beyond the limits of the arm itself. There is no value that turns a check off.

    action_age: s, oldest observation that an action may come from.
    state_age: s, oldest measured joint state.
    leash: rad, farthest that a joint may be from where it was commanded.
    box_tolerance: m, how far outside the workspace box the arm may come to rest.
    gap: control periods without a step after which the arm is taken to stand at its last command.
    bad_in_a_row: unusable actions, one after the other, that latch a stop.
    """

    action_age: float = 2.0
    state_age: float = 0.25
    leash: float = 0.3
    box_tolerance: float = 0.002
    gap: float = 2.5
    bad_in_a_row: int = 3

    def __post_init__(self) -> None:
        bounds = {
            "action_age": (0.0, 10.0),
            "state_age": (0.0, 2.0),
            "leash": (0.0, 1.0),
            "box_tolerance": (0.0, 0.05),
            "gap": (1.0, 20.0),
            "bad_in_a_row": (0, 100),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high:
                raise SafetyError(f"guard: {name} = {value!r} must be a number above {low} and at most {high}")


def check_embodiment(arm: Embodiment) -> None:
    """Raise SafetyError, naming the joint or bound, unless every limit of `arm` is one that can be kept."""
    names = arm.joint_names
    for field in ("position_low", "position_high", "velocity", "acceleration", "jerk", "home"):
        values = _vector(arm, field, len(names))
        for name, value in zip(names, values, strict=True):
            if not np.isfinite(value):
                raise SafetyError(f"{arm.name}: {field} of {name} is {value}; it must be a finite number")
            if field in ("velocity", "acceleration", "jerk") and value <= 0:
                raise SafetyError(f"{arm.name}: {field} limit of {name} is {value}; it must be above zero")
    for name, low, high in zip(names, arm.position_low, arm.position_high, strict=True):
        if not low < high:
            raise SafetyError(f"{arm.name}: position limits of {name} are [{low}, {high}]; low must be below high")
    box = zip("xyz", _vector(arm, "workspace_low", 3), _vector(arm, "workspace_high", 3), strict=True)
    for axis, low, high in box:
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise SafetyError(f"{arm.name}: workspace along {axis} is [{low}, {high}]; need finite, low below high")
    numbers: tuple[tuple[str, object], ...] = (("gripper_speed", arm.gripper_speed), ("rate_hz", arm.spec.rate_hz))
    for field, value in numbers:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
            raise SafetyError(f"{arm.name}: {field} is {value!r}; it must be a finite number above zero")


def _vector(arm: Embodiment, field: str, size: int) -> FloatArray:
    values: object = getattr(arm, field)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fi" or values.shape != (size,):
        raise SafetyError(f"{arm.name}: {field} is {values!r}; it must be an array of {size} numbers")
    return np.asarray(values, dtype=np.float64)
