"""The nouns that flow from camera to motor. Frozen; arrays inside are read-only by convention."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ActionChunk", "Command", "FloatArray", "Image", "JointState", "Leftover", "Observation"]

Image = NDArray[np.uint8]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """What is still to come of the last plan, for policies that go on where it led.

    actions: (L, A) float64 in embodiment units, the first for the moment of the observation. delay: so many of them
    are carried out whatever the next plan says, since it comes into play only then; 1 to L.
    """

    actions: FloatArray
    delay: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What a robot knew at one moment.

    stamp_ns: monotonic nanoseconds at capture.
    images: camera name -> (H, W, 3) uint8 RGB.
    state: (S,) float64 proprioception in the order of the embodiment's state spec.
    instruction: the plain-language task.
    left: of the last plan, while the robot goes on with it; None when it does nothing until the next plan is there.
    """

    stamp_ns: int
    images: Mapping[str, Image]
    state: FloatArray
    instruction: str
    left: Leftover | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionChunk:
    """Consecutive actions in embodiment units; row k is meant for stamp_ns + k / rate_hz.

    stamp_ns: stamp of the observation it was made from.
    actions: (H, A) float64.
    """

    stamp_ns: int
    rate_hz: float
    actions: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class JointState:
    """Measured joints of an arm.

    positions: (J,) rad. velocities: (J,) rad/s. gripper: 0 closed .. 1 open.
    """

    stamp_ns: int
    positions: FloatArray
    velocities: FloatArray
    gripper: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What the guard lets through to the motors: joint targets for one control period.

    positions: (J,) rad. gripper: 0 closed .. 1 open.
    """

    stamp_ns: int
    positions: FloatArray
    gripper: float
