"""Finds room on the table: positions that keep things, lanes and the gripper's fingers out of each other's way."""

import math
from dataclasses import dataclass, field

import numpy as np

from premotor.core.types import FloatArray
from premotor.robots.embodiment import WORK_REGION
from premotor.sim.tabletop.episode import CONTAINERS, Kind, Size
from premotor.sim.tabletop.objects import shape

__all__ = ["Footprint", "NoRoom", "Table", "footprint"]

_EDGE = 0.02
"""Containers stay this much further inside, since their rims reach out."""
_TRIES = 48
_YAW = {"block": math.pi / 4, "cup": math.pi, "tray": 0.3, "bin": 0.3}


class NoRoom(Exception):
    """No free place was found; draw another scene."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a thing covers on the table: a disc of `radius`, or a rectangle where `half` (x, y) is given."""

    radius: float
    half: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Obstacle:
    x: float
    y: float
    yaw: float
    footprint: Footprint
    gap: float

    def gaps(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """(N,) distance of points to the footprint, m; negative or zero inside."""
        dx, dy = x - self.x, y - self.y
        if self.footprint.half is None:
            return np.hypot(dx, dy) - self.footprint.radius
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        along = np.abs(cos * dx + sin * dy) - self.footprint.half[0]
        across = np.abs(cos * dy - sin * dx) - self.footprint.half[1]
        return np.hypot(np.maximum(along, 0), np.maximum(across, 0)) + np.minimum(np.maximum(along, across), 0)


def footprint(kind: Kind, size: Size) -> Footprint:
    """What a thing of this kind and size covers."""
    measures = shape(kind, size)
    if kind not in ("tray", "bin"):
        return Footprint(measures.radius)
    # The inside's shape gives the ratio of the sides, the circumscribed radius the measure.
    scale = measures.radius / math.hypot(*measures.inside)
    return Footprint(measures.radius, (measures.inside[0] * scale, measures.inside[1] * scale))


@dataclass(slots=True)
class Table:
    """The work region while it is being filled."""

    rng: np.random.Generator
    obstacles: list[_Obstacle] = field(default_factory=list)

    def yaw(self, kind: Kind) -> float:
        """A random turn about the vertical, within what looks different for the kind."""
        return float(self.rng.uniform(-1, 1)) * _YAW.get(kind, 0.0)

    def put(self, x: float, y: float, yaw: float, covered: Footprint, gap: float) -> None:
        """Mark a place as taken; later things stay `gap` metres away from its edge."""
        self.obstacles.append(_Obstacle(x, y, yaw, covered, gap))

    def is_free(self, x: float, y: float, yaw: float, covered: Footprint, gap: float) -> bool:
        """Whether `covered` fits there."""
        return bool(self._free(np.array([x]), np.array([y]), yaw, covered, gap)[0])

    def place(self, kind: Kind, size: Size, gap: float) -> tuple[float, float, float]:
        """Take a random free place for a thing: x, y, yaw. Raises NoRoom."""
        covered, yaw = footprint(kind, size), self.yaw(kind)
        x, y = self.spot(covered, yaw, gap, edge=_EDGE if kind in CONTAINERS else 0.0)
        self.put(x, y, yaw, covered, gap)
        return x, y, yaw

    def spot(self, covered: Footprint, yaw: float, gap: float, *, edge: float = 0.0) -> tuple[float, float]:
        """A random free place, not yet taken. Raises NoRoom."""
        x = self.rng.uniform(-1, 1, _TRIES) * (WORK_REGION[0] - edge)
        y = self.rng.uniform(-1, 1, _TRIES) * (WORK_REGION[1] - edge)
        free = np.flatnonzero(self._free(x, y, yaw, covered, gap))
        if not len(free):
            raise NoRoom
        return round(float(x[free[0]]), 5), round(float(y[free[0]]), 5)

    def _free(self, x: FloatArray, y: FloatArray, yaw: float, covered: Footprint, gap: float) -> FloatArray:
        """(N,) bool. Two rectangles are kept apart as a rectangle and the other's circle, whichever allows more."""
        free = np.ones(len(x), dtype=bool)
        for other in self.obstacles:
            room = other.gaps(x, y) - covered.radius
            if covered.half is not None:
                turned = _Obstacle(0.0, 0.0, yaw, covered, 0.0)
                room = np.maximum(room, turned.gaps(other.x - x, other.y - y) - other.footprint.radius)
            free &= room >= max(gap, other.gap) - 1e-9
        return free
