"""What the expert looks at: the true state of the world at one moment, in the measures that its skills need."""

import math
from dataclasses import dataclass

import numpy as np

from premotor.core.types import FloatArray
from premotor.sim.tabletop.objects import DRAWER, Shape, shape
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["HANDS", "Hand", "View"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hand:
    """Measures of a gripper, in metres.

    below: how far the fingertips reach below the tool point. fixed: distance from the tool point to the jaw that does
    not move, along -y of the tool; None when both fingers move. slope, at_zero: gripper ratio = slope * width + at_zero.
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
    """The world at this moment."""

    def __init__(self, world: TabletopWorld) -> None:
        self.world = world
        self.hand = HANDS[world.embodiment.name]
        self.tool, rotation = world.tool()
        self.yaw = math.atan2(rotation[1, 0], rotation[0, 0])
        self.gripper = world.joint_state().gripper
        self.commanded_gripper = world.commanded()[1]

    def shape(self, name: str) -> Shape:
        """Measures of a thing."""
        thing = self.world.thing(name)
        return shape(thing.kind, thing.size)

    def half_height(self, name: str) -> float:
        """Half the vertical extent of a thing as it lies now."""
        rotation, measures, kind = self.world.pose(name)[1], self.shape(name), self.world.thing(name).kind
        half = measures.height / 2
        if kind == "ball":
            return half
        if kind == "block":
            return float(np.abs(rotation[2]).sum()) * half
        upright = abs(float(rotation[2, 2]))
        return upright * half + math.sqrt(max(0.0, 1 - upright**2)) * measures.radius

    def bottom(self, name: str) -> float:
        """Height of a thing's lowest point above the table."""
        return float(self.world.pose(name)[0][2]) - self.half_height(name)

    def lies(self, name: str) -> bool:
        """Whether a cup or bottle has fallen over."""
        return self.world.thing(name).kind in ("cup", "bottle") and abs(float(self.world.pose(name)[1][2, 2])) < 0.8

    def tops(self, exclude: tuple[str, ...], points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distances (K,) from the nearest of `points` (N, 2) to the edge of each of K obstacles, and their heights (K,).

        Obstacles are the things that are not in `exclude`, the drawer unit and its open drawer.
        """
        gaps, heights = [], []
        for thing in self.world.episode.things:
            if thing.name in exclude:
                continue
            position = self.world.pose(thing.name)[0]
            gaps.append(float(np.hypot(*(points - position[:2]).T).min()) - self.shape(thing.name).radius)
            heights.append(float(position[2]) + self.half_height(thing.name))
        if self.world.episode.drawer is not None:
            unit = self.world.pose("drawer_unit")[0]
            front = float(self.world.handle_position()[0]) - 0.018
            middle = np.array([(front + unit[0] + DRAWER.length / 2) / 2, unit[1]])
            half = np.array([(unit[0] + DRAWER.length / 2 - front) / 2, DRAWER.width / 2])
            out = np.maximum(np.abs(points - middle) - half, 0.0)
            gaps.append(float(np.hypot(*out.T).min()))
            heights.append(DRAWER.height)
        return np.array(gaps), np.array(heights)

    def clearance(self, goal: FloatArray, exclude: tuple[str, ...]) -> float:
        """Height that whatever the hand carries must keep on the straight way to `goal` (2,) or (3,)."""
        points = np.linspace(self.tool[:2], goal[:2], 9)
        gaps, heights = self.tops(exclude, points)
        lift, reach, _ = self.hand.palm
        needed = np.where(gaps < 0.035, heights + 0.012, np.where(gaps < reach, heights - lift + 0.01, 0.0))
        return float(needed.max(initial=0.0))
