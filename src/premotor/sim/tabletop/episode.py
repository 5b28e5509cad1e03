"""One episode of the tabletop, as data: everything needed to rebuild it exactly.

World frame: origin at the centre of the work region on the table top, x away from the robot, y to the
robot's left, z up; metres and radians. The front camera stands across the table and looks back at the
robot. Words like "left", "right", "near" and "far" mean as seen in its picture: left is -y, near is +x.
"""

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "COLORS",
    "CONTAINERS",
    "FAMILIES",
    "GRASPABLE",
    "KINDS",
    "SIZES",
    "SPLITS",
    "Camera",
    "Color",
    "Disturbance",
    "Drawer",
    "Episode",
    "Family",
    "Goal",
    "Kind",
    "Light",
    "Size",
    "Split",
    "Thing",
]

Kind = Literal["block", "ball", "cup", "bottle", "bowl", "plate", "tray", "bin"]
Color = Literal["red", "green", "blue", "yellow", "orange", "purple", "white", "black"]
Size = Literal["small", "large"]
Family = Literal[
    "pick_up",
    "put_in",
    "put_on",
    "stack",
    "push_to",
    "open_drawer",
    "close_drawer",
    "put_in_drawer",
    "take_out_of_drawer",
    "put_all_in",
]
Split = Literal["train", "val", "layout", "combination", "words", "moved", "slip", "light", "camera", "clutter"]

GRASPABLE: tuple[Kind, ...] = ("block", "ball", "cup", "bottle")
CONTAINERS: tuple[Kind, ...] = ("bowl", "plate", "tray", "bin")
KINDS: tuple[Kind, ...] = GRASPABLE + CONTAINERS
COLORS: tuple[Color, ...] = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")
SIZES: tuple[Size, ...] = ("small", "large")
FAMILIES: tuple[Family, ...] = (
    "pick_up",
    "put_in",
    "put_on",
    "stack",
    "push_to",
    "open_drawer",
    "close_drawer",
    "put_in_drawer",
    "take_out_of_drawer",
    "put_all_in",
)
SPLITS: tuple[Split, ...] = (
    "train",
    "val",
    "layout",
    "combination",
    "words",
    "moved",
    "slip",
    "light",
    "camera",
    "clutter",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """One loose object. `name` is unique in the scene, e.g. "blue_cup_1". `in_drawer` starts it inside the drawer."""

    name: str
    kind: Kind
    color: Color
    size: Size
    x: float
    y: float
    yaw: float
    in_drawer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawer:
    """The unit with a sliding drawer; the drawer slides towards the robot (-x). opening: 0 closed .. 1 fully open."""

    color: Color
    x: float
    y: float
    opening: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What counts as done: `objects` are names of things to act on (empty for the drawer families), `target` a
    thing's name, "drawer", or None."""

    family: Family
    objects: tuple[str, ...]
    target: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """Scene light: diffuse strength, colour tint and direction of the one lamp."""

    strength: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    direction: tuple[float, float, float] = (0.0, 0.0, -1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Jitter of the front camera's pose: metres and radians (rotation vector)."""

    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """One thing that goes wrong once.

    moved: `thing` (a name, or "drawer") is shifted by (dx, dy) metres while the arm is on its way to it.
    slip: the held object is knocked out of the gripper once, soon after it was lifted.
    """

    kind: Literal["moved", "slip"]
    thing: str | None
    dx: float
    dy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """A scene, an instruction and what will go wrong. Equal episodes give bit-identical worlds."""

    embodiment: str
    family: Family
    split: Split
    seed: int
    things: tuple[Thing, ...]
    drawer: Drawer | None
    goal: Goal
    instruction: str
    max_steps: int
    light: Light = field(default_factory=Light)
    camera: Camera = field(default_factory=Camera)
    disturbance: Disturbance | None = None
