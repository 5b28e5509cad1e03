"""What a robot sends and accepts, as data: names, units, frames, bounds, rate. There are no defaults for meaning."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from premotor.core.errors import SpecMismatch
from premotor.core.types import FloatArray

__all__ = ["ActionSpec", "CameraSpec", "DimSpec", "EmbodimentSpec", "HoldRule", "Kind", "Unit"]

Unit = Literal["rad", "m", "ratio", "none"]
Kind = Literal["absolute", "delta"]
HoldRule = Literal["zero_delta", "measured_position"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DimSpec:
    """One number of a state or action vector. Bounds are in `unit`; a gripper is a ratio, 0 closed .. 1 open."""

    name: str
    unit: Unit
    kind: Kind
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise SpecMismatch(
                f"dimension {self.name!r}: bounds [{self.low}, {self.high}] must be finite and low < high"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraSpec:
    """One camera: uint8 RGB frames of (height, width, 3)."""

    name: str
    height: int
    width: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionSpec:
    """An action vector.

    frame: the frame that Cartesian parts are expressed in ("base"), or "joint".
    rotation: form of the rotation part ("rotvec"), or "none".
    hold: what "stand still" means; repeating a delta keeps moving, so it has no default.
    """

    dims: tuple[DimSpec, ...]
    frame: Literal["base", "joint"]
    rotation: Literal["rotvec", "none"]
    hold: HoldRule

    @property
    def low(self) -> FloatArray:
        """(A,) lower bounds."""
        return np.array([d.low for d in self.dims])

    @property
    def high(self) -> FloatArray:
        """(A,) upper bounds."""
        return np.array([d.high for d in self.dims])


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbodimentSpec:
    """Everything that a policy and a robot must agree about before the first tick."""

    name: str
    cameras: tuple[CameraSpec, ...]
    state: tuple[DimSpec, ...]
    action: ActionSpec
    rate_hz: float
