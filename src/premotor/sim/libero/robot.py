"""The Panda of LIBERO as data: what it sends and accepts, and how that becomes robosuite's own numbers.

robosuite's controller OSC_POSE takes shares of 5 cm and of half a radian; here they are metres and radians, as
everywhere. Its gripper knows three commands, by the sign of a number: open further, close further, stay.
"""

from dataclasses import dataclass

import numpy as np

from premotor.core.errors import WorldError
from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec
from premotor.core.types import FloatArray

__all__ = [
    "CAMERAS",
    "NAME",
    "RATE_HZ",
    "REACH",
    "TURN",
    "View",
    "from_native",
    "panda",
    "settling",
    "standing",
    "to_native",
]

NAME = "libero_panda"
RATE_HZ = 20.0
REACH, TURN = 0.05, 0.5
"""Metres and radians that one action moves and turns the goal of the hand, at most, along and about each axis."""
CAMERAS = {"agentview": "agentview", "wrist": "robot0_eye_in_hand"}
"""Our names of the cameras, and robosuite's."""
_SCALE = np.repeat([REACH, TURN], 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """size: pixels a side of both pictures, which are turned by half a turn, as every published evaluation has them."""

    size: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 1024:
            raise WorldError(f"pictures of {self.size} pixels a side cannot be drawn; choose 1 to 1024")


def panda(view: View) -> EmbodimentSpec:
    """The arm with both cameras: 8 numbers of proprioception and 7 of action, as published."""
    hand = [DimSpec(name=f"hand.{axis}", unit="m", kind="absolute", low=-1.5, high=2.0) for axis in "xyz"]
    # The rotation vector is not brought back below half a turn.
    full = 2 * np.pi
    turned = [DimSpec(name=f"hand.rotvec_{axis}", unit="rad", kind="absolute", low=-full, high=full) for axis in "xyz"]
    fingers = [DimSpec(name=f"finger.{side}", unit="m", kind="absolute", low=-0.05, high=0.05) for side in ("1", "2")]
    move = [DimSpec(name=f"delta.{axis}", unit="m", kind="delta", low=-REACH, high=REACH) for axis in "xyz"]
    turn = [DimSpec(name=f"delta.rotvec_{axis}", unit="rad", kind="delta", low=-TURN, high=TURN) for axis in "xyz"]
    return EmbodimentSpec(
        name=NAME,
        cameras=tuple(CameraSpec(name=name, height=view.size, width=view.size) for name in CAMERAS),
        state=(*hand, *turned, *fingers),
        action=ActionSpec(
            dims=(*move, *turn, DimSpec(name="gripper", unit="ratio", kind="absolute", low=0.0, high=1.0)),
            frame="base",
            rotation="rotvec",
            hold="zero_delta",
        ),
        rate_hz=RATE_HZ,
    )


def to_native(action: FloatArray) -> FloatArray:
    """(7,) metres, radians and gripper ratio -> robosuite's numbers in -1..1; beyond the bounds they are clipped.

    A ratio above a half opens the gripper, below it closes, and a half leaves it as it was told last.
    """
    native: FloatArray = np.append(action[:6] / _SCALE, 1 - 2 * action[6])
    return native.clip(-1.0, 1.0)


def from_native(action: FloatArray) -> FloatArray:
    """(7,) robosuite's numbers, clipped to -1..1 -> metres, radians and gripper ratio."""
    clipped = action.clip(-1.0, 1.0)
    return np.append(clipped[:6] * _SCALE, (1 - clipped[6]) / 2)


def settling() -> FloatArray:
    """(7,) no motion and an open gripper: what published evaluations do while the things come to rest."""
    return np.append(np.zeros(6), 1.0)


def standing() -> FloatArray:
    """(7,) no motion, and the gripper as it was told last."""
    return np.append(np.zeros(6), 0.5)
