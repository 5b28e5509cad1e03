"""Hand-made episodes and a hand for tests."""

import numpy as np

from premotor.core.types import Command, FloatArray
from premotor.robots.kinematics import Kinematics, tool_down
from premotor.sim.tabletop.episode import Color, Drawer, Episode, Family, Goal, Kind, Size, Thing
from premotor.sim.tabletop.world import TabletopWorld

ARMS = ("panda", "so101")


def thing(
    name: str, kind: Kind, x: float, y: float, *, color: Color = "red", size: Size = "small", yaw: float = 0.3
) -> Thing:
    return Thing(name=name, kind=kind, color=color, size=size, x=x, y=y, yaw=yaw)


CROWD = (
    thing("red_cup", "cup", 0.07, -0.13),
    thing("blue_block", "block", -0.06, -0.13, color="blue"),
    thing("green_bowl", "bowl", 0.05, -0.02, color="green", size="large"),
    thing("white_ball", "ball", -0.07, -0.06, color="white"),
    thing("black_bottle", "bottle", -0.05, 0.01, color="black", size="large"),
)
UNIT = Drawer(color="orange", x=0.06, y=0.13, opening=0.9)


def episode(
    arm: str,
    family: Family = "pick_up",
    objects: tuple[str, ...] = ("red_cup",),
    target: str | None = None,
    *,
    things: tuple[Thing, ...] = CROWD,
    drawer: Drawer | None = UNIT,
    **more: object,
) -> Episode:
    return Episode(
        embodiment=arm,
        family=family,
        split="train",
        seed=0,
        things=things,
        drawer=drawer,
        goal=Goal(family=family, objects=objects, target=target),
        instruction="do it",
        max_steps=100,
        **more,  # type: ignore[arg-type]
    )


def wait(world: TabletopWorld, steps: int, gripper: float | None = None) -> None:
    """Stand still."""
    joints, ratio = world.commanded()
    for _ in range(steps):
        world.apply(Command(stamp_ns=0, positions=joints, gripper=ratio if gripper is None else gripper))


class Hand:
    """Moves the tool, pointing down, without looking."""

    def __init__(self, world: TabletopWorld) -> None:
        self.world = world
        self.kinematics = Kinematics(world.embodiment)

    def go(self, to: FloatArray, steps: int, gripper: float) -> None:
        joints, _ = self.world.commanded()
        base = np.asarray(to) - self.world.embodiment.mount
        goal = self.kinematics.solve(base, tool_down(0.0), joints).positions
        for k in range(1, steps + 1):
            part = k / steps
            ease = part * part * (3 - 2 * part)
            self.world.apply(Command(stamp_ns=0, positions=joints + (goal - joints) * ease, gripper=gripper))

    def grasp(self, name: str, height: float, width: float) -> None:
        """Close on a thing that stands on the table and lift it 10 cm."""
        at = self.world.position(name)
        at[2] = height
        if self.world.embodiment.name == "so101":
            # Only one jaw moves: the thing is held 15 mm from the other one (see the arm's model file).
            at[1] += width / 2 - 0.015 + 0.003
        up = np.array([0.0, 0.0, 0.10])
        self.go(at + up, 16, 1.0)
        self.go(at, 16, 1.0)
        self.go(at, 10, 0.0)
        self.go(at + up, 14, 0.0)
