"""What the expert looks at: the true state of the world at one moment, in the measures that its skills need."""

import math
from dataclasses import dataclass

import numpy as np

from premotor.core.types import FloatArray
from premotor.sim.tabletop.objects import DRAWER, Shape, shape
from premotor.sim.tabletop.steer import Steer
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["HANDS", "Hand", "View"]


_HIGHEST = 0.11  # metres; nothing that stands on the table reaches higher


@dataclass(frozen=True, kw_only=True, slots=True)
class Hand:
    """Measures of a gripper, in metres.

    below: how far the fingertips reach below the tool point. fixed: distance from the tool point to the jaw that does
    not move, along -y of the tool; None when both fingers move. slope, at_zero: ratio = slope * width + at_zero.
    finger: thickness of a finger. nose: half thickness of the closed gripper along x of the tool.
    palm: height of the hand above the tool point, half width of the hand along y and along x.
    rest: height of the tool when there is nothing left to do. turns: yaws, relative to the arm's bearing
    (five joints) or to the base, between which the gripper can point down.
    """

    below: float
    fixed: float | None
    slope: float
    at_zero: float
    finger: float
    nose: float
    palm: tuple[float, float, float]
    rest: float
    turns: tuple[float, float]

    def ratio(self, width: float) -> float:
        """Gripper ratio at which the pads are `width` metres apart."""
        return min(max(self.slope * width + self.at_zero, 0.0), 1.0)


HANDS = {
    "panda": Hand(
        below=0.0087,
        fixed=None,
        slope=12.5,
        at_zero=0.0,
        finger=0.0147,
        nose=0.0105,
        palm=(0.038, 0.105, 0.028),
        rest=0.14,
        turns=(-1.65, 1.65),
    ),
    "so101": Hand(
        below=0.0088,
        fixed=0.015,
        slope=6.90,
        at_zero=0.022,
        finger=0.0120,
        nose=0.0115,
        palm=(0.058, 0.03, 0.03),
        rest=0.12,
        turns=(-1.0, 2.4),
    ),
}


class View:
    """The world at this moment. `aim` is the commanded, not the measured, tool point (3,)."""

    def __init__(self, world: TabletopWorld, steer: Steer) -> None:
        self.world = world
        joints, self.commanded_gripper = world.commanded()
        self.aim, _ = steer.tool(joints)
        self.hand = HANDS[world.embodiment.name]
        self.tool, rotation = world.tool()
        self.yaw = steer.yaw(self.tool, rotation)
        state = world.joint_state()
        self.gripper = state.gripper
        # Something is in the way: the arm stands although it is told to go on.
        self.blocked = bool(np.linalg.norm(self.aim - self.tool) > 0.006 and np.abs(state.velocities).max() < 0.05)
        self._poses: dict[str, tuple[FloatArray, FloatArray]] = {}
        self._names, self._centres, self._halves, self._radii, self._heights = self._obstacles()

    def pose(self, name: str) -> tuple[FloatArray, FloatArray]:
        """World position (3,) and rotation (3, 3) of a body."""
        if name not in self._poses:
            self._poses[name] = self.world.pose(name)
        return self._poses[name]

    def shape(self, name: str) -> Shape:
        """Measures of a thing."""
        thing = self.world.thing(name)
        return shape(thing.kind, thing.size)

    def half_height(self, name: str) -> float:
        """Half the vertical extent of a thing as it lies now."""
        rotation, measures, kind = self.pose(name)[1], self.shape(name), self.world.thing(name).kind
        half = measures.height / 2
        if kind == "ball":
            return half
        if kind == "block":
            return float(np.abs(rotation[2]).sum()) * half
        upright = abs(float(rotation[2, 2]))
        return upright * half + math.sqrt(max(0.0, 1 - upright**2)) * measures.radius

    def bottom(self, name: str) -> float:
        """Height of a thing's lowest point above the table."""
        return float(self.pose(name)[0][2]) - self.half_height(name)

    def top(self, name: str) -> float:
        """Height of a thing's highest point above the table."""
        return float(self.pose(name)[0][2]) + self.half_height(name)

    def lies(self, name: str) -> bool:
        """Whether a cup or bottle has fallen over."""
        return self.world.thing(name).kind in ("cup", "bottle") and abs(float(self.pose(name)[1][2, 2])) < 0.8

    def width(self, name: str) -> float:
        """What the gripper must open for, as the thing lies now."""
        measures = self.shape(name)
        return 2 * measures.radius if self.lies(name) else measures.grasp_width

    @property
    def bearing(self) -> float:
        """Direction in which a turning base sees the tool; 0 for an arm that turns its hand freely."""
        return self.bearing_of(self.tool)

    def bearing_of(self, position: FloatArray) -> float:
        """Direction in which a turning base sees `position`; 0 for an arm that turns its hand freely."""
        if self.hand.fixed is None:
            return 0.0
        base = self.world.embodiment.mount
        return math.atan2(position[1] - base[1], position[0] - base[0] - 0.0388)

    def gaps(self, points: FloatArray, exclude: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
        """Distances (K, N) of K obstacles' edges to `points` (N, 2), and the obstacles' heights (K,).

        Obstacles are the things that are not in `exclude` and the drawer unit with its open drawer.
        """
        keep = [k for k, name in enumerate(self._names) if name not in exclude]
        out = np.maximum(np.abs(points[None] - self._centres[keep, None]) - self._halves[keep, None], 0.0)
        return np.hypot(out[..., 0], out[..., 1]) - self._radii[keep, None], self._heights[keep]

    def clearance(self, goal: FloatArray, exclude: tuple[str, ...]) -> float:
        """Height that whatever the hand carries must keep on the straight way to `goal` (2,) or (3,)."""
        gaps, heights = self.gaps(np.linspace(self.tool[:2], goal[:2], 9), exclude)
        nearest = gaps.min(axis=1)
        lift, reach, _ = self.hand.palm
        needed = np.where(nearest < 0.035, heights + 0.012, np.where(nearest < reach, heights - lift + 0.01, 0.0))
        return min(float(needed.max(initial=0.0)), _HIGHEST)

    def _obstacles(self) -> tuple[list[str], FloatArray, FloatArray, FloatArray, FloatArray]:
        """Names, centres (K, 2), half extents (K, 2), radii (K,) and heights (K,): discs, and a box for the unit."""
        names = [thing.name for thing in self.world.episode.things]
        centres = [self.pose(name)[0][:2] for name in names]
        radii = [
            float(np.hypot(self.shape(n).height / 2, self.shape(n).radius)) if self.lies(n) else self.shape(n).radius
            for n in names
        ]
        halves = [np.zeros(2) for _ in names]
        heights = [self.top(name) for name in names]
        if self.world.episode.drawer is not None:
            unit = self.pose("drawer_unit")[0]
            back, front = float(unit[0]) + DRAWER.length / 2, float(self.world.handle_position()[0]) - 0.018
            names.append("drawer")
            centres.append(np.array([(front + back) / 2, unit[1]]))
            halves.append(np.array([(back - front) / 2, DRAWER.width / 2]))
            radii.append(0.0)
            heights.append(DRAWER.height)
        shape2 = (len(names), 2)
        return (
            names,
            np.array(centres).reshape(shape2),
            np.array(halves).reshape(shape2),
            np.array(radii),
            np.array(heights),
        )
