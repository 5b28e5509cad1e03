"""The Sawyer of Meta-World as data: what it sends and accepts, and how that becomes metaworld's own numbers.

metaworld moves a point that the hand is tied to: actions are shares of a centimetre a step, and the effort that closes
the gripper. Here they are metres and a ratio, as everywhere; both ways are exact up to rounding.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from premotor.core.errors import WorldError
from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec
from premotor.core.types import FloatArray

__all__ = ["NAME", "RATE_HZ", "REACH", "State", "View", "from_native", "sawyer", "to_native"]

NAME = "sawyer"
RATE_HZ = 80.0
REACH = 0.01
"""Metres that the commanded point moves in one step at most, along each axis."""
State = Literal["proprioception", "privileged"]
_HAND = (("x", -0.525, 0.525), ("y", 0.348, 1.025), ("z", -0.0525, 0.7))


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How the camera's picture comes about; it is always turned by half a turn, since metaworld hangs it upside down.

    size: pixels a side that are drawn. position: where the camera is moved to, metres; None leaves it where metaworld
    has it. keep: share of each side that is kept, around the centre. shown: pixels a side after resizing, None for as
    many as were kept.
    """

    camera: str = "corner2"
    size: int = 480
    position: tuple[float, float, float] | None = (0.75, 0.075, 0.7)
    keep: float = 1.0
    shown: int | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.keep <= 1 or (self.shown is not None and self.shown < 1):
            raise WorldError(f"{self} cannot be drawn; sizes must be at least 1, and keep above 0 and at most 1")

    @property
    def pixels(self) -> int:
        """Pixels a side of what the policy sees."""
        return max(1, round(self.size * self.keep)) if self.shown is None else self.shown


def sawyer(view: View, state: State = "proprioception") -> EmbodimentSpec:
    """The arm with one camera. "privileged" adds the true place of the object, as some published results have it."""
    dims = [DimSpec(name=f"hand.{axis}", unit="m", kind="absolute", low=low, high=high) for axis, low, high in _HAND]
    dims.append(DimSpec(name="gripper", unit="ratio", kind="absolute", low=0.0, high=1.0))
    if state == "privileged":
        dims += [DimSpec(name=f"object.{axis}", unit="m", kind="absolute", low=-1.0, high=1.5) for axis in "xyz"]
        dims.append(DimSpec(name="object.quaternion_x", unit="none", kind="absolute", low=-1.0, high=1.0))
    move = tuple(DimSpec(name=f"delta.{axis}", unit="m", kind="delta", low=-REACH, high=REACH) for axis in "xyz")
    return EmbodimentSpec(
        name=NAME,
        cameras=(CameraSpec(name=view.camera, height=view.pixels, width=view.pixels),),
        state=tuple(dims),
        action=ActionSpec(
            dims=(*move, DimSpec(name="gripper", unit="ratio", kind="absolute", low=0.0, high=1.0)),
            frame="base",
            rotation="none",
            hold="zero_delta",
        ),
        rate_hz=RATE_HZ,
    )


def to_native(action: FloatArray) -> FloatArray:
    """(4,) metres and gripper ratio -> metaworld's four numbers in -1..1; beyond the bounds they are clipped."""
    native: FloatArray = np.append(action[:3] / REACH, 1 - 2 * action[3])
    return native.clip(-1.0, 1.0)


def from_native(action: FloatArray) -> FloatArray:
    """(4,) metaworld's numbers, clipped to -1..1 -> metres and gripper ratio."""
    clipped = action.clip(-1.0, 1.0)
    return np.append(clipped[:3] * REACH, (1 - clipped[3]) / 2)
