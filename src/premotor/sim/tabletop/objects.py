"""What the loose things and the drawer unit measure, and how they are built from primitive shapes.

Every body's frame sits at mid height on the vertical axis of the thing, so a thing that rests on the table has its
origin at z = height / 2. Geometry that only helps the eye (a cup's handle, a bottle's cap) takes no part in contacts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from premotor.core.types import FloatArray
from premotor.sim.tabletop.episode import Color, Drawer, Kind, Size, Thing

__all__ = ["DRAWER", "RGB", "DrawerShape", "Rgb", "Shape", "add_drawer", "add_thing", "drawer_inside", "shape"]

Rgb = tuple[float, float, float]

RGB: Mapping[Color, Rgb] = {
    "red": (0.82, 0.09, 0.10),
    "green": (0.10, 0.58, 0.22),
    "blue": (0.10, 0.30, 0.82),
    "yellow": (0.98, 0.84, 0.10),
    "orange": (0.98, 0.45, 0.05),
    "purple": (0.52, 0.20, 0.66),
    "white": (0.97, 0.97, 0.95),
    "black": (0.09, 0.09, 0.10),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Measures of one (kind, size), in metres and kilograms.

    radius: of the smallest upright cylinder around it. height: bottom to top, upright.
    grasp_width: what the fingers must open for; 0 when it is not meant to be grasped.
    grasp_height: above its bottom, where the fingers close best.
    inside: half extents (x, y) of the room in a container, or on a plate, in its own frame; (0, 0) when it has none.
    round: the inside is an ellipse rather than a rectangle. floor: height of the inside's floor above the bottom.
    """

    radius: float
    height: float
    mass: float
    grasp_width: float = 0.0
    grasp_height: float = 0.0
    inside: tuple[float, float] = (0.0, 0.0)
    round: bool = False
    floor: float = 0.0


def _grip(width: float, height: float, mass: float, *, radius: float, at: float) -> Shape:
    return Shape(radius=radius, height=height, mass=mass, grasp_width=width, grasp_height=at)


def _block(side: float, mass: float) -> Shape:
    return _grip(side, side, mass, radius=side / math.sqrt(2), at=side / 2)


def _round(width: float, height: float, mass: float, at: float) -> Shape:
    return _grip(width, height, mass, radius=width / 2, at=at)


def _dish(width: float, height: float, mass: float, inside: float, floor: float) -> Shape:
    return Shape(radius=width / 2, height=height, mass=mass, inside=(inside, inside), round=True, floor=floor)


def _crate(x: float, y: float, height: float, mass: float) -> Shape:
    inside = (x / 2 - _WALL, y / 2 - _WALL)
    return Shape(radius=math.hypot(x, y) / 2, height=height, mass=mass, inside=inside, floor=_FLOOR)


_WALL = 0.004
_FLOOR = 0.004
_FOOT = 0.0003
_SHAPES: Mapping[tuple[Kind, Size], Shape] = {
    ("block", "small"): _block(0.026, 0.03),
    ("block", "large"): _block(0.032, 0.05),
    ("ball", "small"): _round(0.030, 0.030, 0.03, 0.015),
    ("ball", "large"): _round(0.036, 0.036, 0.04, 0.018),
    ("cup", "small"): _round(0.032, 0.042, 0.04, 0.024),
    ("cup", "large"): _round(0.040, 0.050, 0.06, 0.028),
    ("bottle", "small"): _round(0.028, 0.070, 0.05, 0.026),
    ("bottle", "large"): _round(0.032, 0.085, 0.07, 0.030),
    ("bowl", "small"): _dish(0.092, 0.030, 0.15, 0.042, _FLOOR),
    ("bowl", "large"): _dish(0.112, 0.032, 0.20, 0.052, _FLOOR),
    ("plate", "small"): _dish(0.110, 0.008, 0.15, 0.050, _FLOOR),
    ("plate", "large"): _dish(0.130, 0.008, 0.20, 0.060, _FLOOR),
    ("tray", "small"): _crate(0.100, 0.120, 0.014, 0.15),
    ("tray", "large"): _crate(0.120, 0.140, 0.014, 0.20),
    ("bin", "small"): _crate(0.090, 0.090, 0.050, 0.18),
    ("bin", "large"): _crate(0.110, 0.110, 0.050, 0.22),
}


def shape(kind: Kind, size: Size) -> Shape:
    """The measures of one kind and size."""
    return _SHAPES[kind, size]


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawerShape:
    """Measures of the drawer unit, in metres; lengths along x, widths along y.

    The unit's origin is the centre of its footprint, on the table. At opening 0 the drawer's front is flush with the
    unit's -x face. handle_reach: from that face to the middle of the graspable stem; handle_height: above the table.
    handle_width: thickness of the stem along y, what the fingers close on.
    """

    length: float = 0.120
    width: float = 0.140
    height: float = 0.064
    travel: float = 0.080
    inside_length: float = 0.090
    inside_width: float = 0.110
    inside_height: float = 0.040
    floor: float = 0.009
    panel: float = 0.006
    handle_reach: float = 0.024
    handle_height: float = 0.046
    handle_width: float = 0.012
    handle_length: float = 0.036

    @property
    def radius(self) -> float:
        """Radius of the circle around the unit's own footprint."""
        return math.hypot(self.length, self.width) / 2

    @property
    def reach(self) -> float:
        """How far the fully open drawer with its handle stands out from the unit's -x face."""
        return self.travel + self.panel + self.handle_length


DRAWER = DrawerShape()


def drawer_inside(drawer: Drawer) -> tuple[FloatArray, FloatArray]:
    """World centre (x, y) and half extents (2,) of the part of the drawer that is open to the sky.

    The extents are zero along x while the drawer is closed.
    """
    stands_out = max(0.0, drawer.opening * DRAWER.travel)
    front = drawer.x - DRAWER.length / 2 - stands_out
    return (
        np.array([front + stands_out / 2, drawer.y]),
        np.array([stands_out / 2, DRAWER.inside_width / 2]),
    )


def _tone(rgb: Rgb, factor: float) -> Rgb:
    """Darker below 1, closer to white above 1."""
    if factor <= 1:
        return (rgb[0] * factor, rgb[1] * factor, rgb[2] * factor)
    mix = min(factor - 1, 1.0)
    return (rgb[0] + (1 - rgb[0]) * mix, rgb[1] + (1 - rgb[1]) * mix, rgb[2] + (1 - rgb[2]) * mix)


def _geom(
    body: mujoco.MjsBody,
    kind: mujoco.mjtGeom,
    size: tuple[float, ...],
    rgb: Rgb,
    *,
    at: tuple[float, float, float] = (0.0, 0.0, 0.0),
    quat: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0),
    mass: float = 0.0,
    solid: bool = True,
) -> mujoco.MjsGeom:
    """Add one primitive; `solid` ones collide. With friction 0.6 what is pushed slides and does not jam."""
    return body.add_geom(
        type=kind,
        size=list(size) + [0.0] * (3 - len(size)),
        pos=at,
        quat=quat,
        rgba=(*rgb, 1.0),
        mass=mass,
        contype=int(solid),
        conaffinity=int(solid),
        condim=3,
        friction=(0.6, 0.01, 0.001),
        solref=(0.01, 1.0),
        solimp=(0.95, 0.99, 0.001, 0.5, 2.0),
    )


_BOX = mujoco.mjtGeom.mjGEOM_BOX
_CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
_SPHERE = mujoco.mjtGeom.mjGEOM_SPHERE


def _add_block(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    half = measures.height / 2
    _geom(body, _BOX, (half, half, half), rgb, mass=measures.mass)


def _let_rest(geom: mujoco.MjsGeom) -> None:
    """Rolling friction, so that what is round comes to rest where it is put or falls."""
    geom.condim = 6
    geom.friction = (0.6, 0.02, 0.002)


def _add_ball(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    _let_rest(_geom(body, _SPHERE, (measures.radius,), rgb, mass=measures.mass))


def _add_foot(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    """A square foot a hair below a round thing: a cylinder alone on a plane rocks on three wandering points."""
    half, thick = 0.68 * measures.radius, 0.002
    at = (0.0, 0.0, thick - measures.height / 2)
    _geom(body, _BOX, (half, half, thick), rgb, at=at)


def _add_cup(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    radius, half = measures.radius, measures.height / 2
    _let_rest(_geom(body, _CYLINDER, (radius, half - _FOOT / 2), rgb, at=(0, 0, _FOOT / 2), mass=measures.mass))
    _add_foot(body, measures, rgb)
    inside = _tone(rgb, 0.35) if max(rgb) > 0.2 else (0.32, 0.32, 0.34)
    _geom(body, _CYLINDER, (radius * 0.80, 0.0004), inside, at=(0, 0, half), solid=False)
    reach, thick = radius + 0.012, 0.0028
    for z in (-0.28 * measures.height, 0.28 * measures.height):
        _geom(body, _BOX, (0.008, thick, thick), rgb, at=(radius + 0.005, 0, z), solid=False)
    _geom(body, _BOX, (thick, thick, 0.28 * measures.height + thick), rgb, at=(reach, 0, 0), solid=False)


def _add_bottle(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    radius, height = measures.radius, measures.height
    trunk, top = 0.66 * height - _FOOT, height / 2
    neck = 0.34 * height
    at = (0.0, 0.0, _FOOT + trunk / 2 - top)
    _let_rest(_geom(body, _CYLINDER, (radius, trunk / 2), rgb, at=at, mass=0.9 * measures.mass))
    _add_foot(body, measures, rgb)
    _geom(body, _CYLINDER, (0.45 * radius, neck / 2), rgb, at=(0, 0, top - neck / 2), mass=0.1 * measures.mass)
    cap, lid = (0.25, 0.25, 0.27) if max(rgb) > 0.2 else (0.75, 0.75, 0.75), 0.06 * height
    _geom(body, _CYLINDER, (0.52 * radius, lid), cap, at=(0, 0, top - lid + 0.0008), solid=False)
    _geom(body, _CYLINDER, (1.01 * radius, 0.11 * height), _tone(rgb, 1.6), at=(0, 0, -0.13 * height), solid=False)


def _add_ring(
    body: mujoco.MjsBody, rgb: Rgb, *, count: int, low: tuple[float, float], high: tuple[float, float], mass: float
) -> None:
    """A ring of slanted boxes from (radius, z) `low` to (radius, z) `high`, in the body's frame."""
    across, up = high[0] - low[0], high[1] - low[1]
    slant = math.hypot(across, up)
    tilt = math.atan2(across, up)
    middle = (low[0] + high[0]) / 2
    thick = 0.0018
    half_width = high[0] * math.tan(math.pi / count)
    for k in range(count):
        angle = 2 * math.pi * (k + 0.5) / count
        quat = _compose(_about_z(angle), (math.cos(tilt / 2), 0.0, math.sin(tilt / 2), 0.0))
        at = (middle * math.cos(angle), middle * math.sin(angle), (low[1] + high[1]) / 2)
        _geom(body, _BOX, (thick, half_width, slant / 2), rgb, at=at, quat=quat, mass=mass / count)


def _add_floor(body: mujoco.MjsBody, measures: Shape, base: float, rgb: Rgb) -> None:
    """A round floor to look at on a square one to stand on: a box on a cylinder trembles on changing points."""
    at = (0.0, 0.0, _FLOOR / 2 - measures.height / 2)
    _geom(body, _CYLINDER, (base, _FLOOR / 2), rgb, at=at, solid=False)
    half = min(base, 0.70 * measures.radius)
    solid = _geom(body, _BOX, (half, half, _FLOOR / 2), rgb, at=at, mass=measures.mass / 2)
    solid.group = 3  # not drawn


def _add_bowl(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    radius, half = measures.radius, measures.height / 2
    base = 0.58 * radius
    _add_floor(body, measures, base, _tone(rgb, 0.72))
    _add_ring(body, rgb, count=12, low=(base, _FLOOR / 2 - half), high=(radius - 0.002, half), mass=measures.mass / 2)


def _add_plate(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    radius, half = measures.radius, measures.height / 2
    base = 0.76 * radius
    _add_floor(body, measures, base, _tone(rgb, 1.25))
    _add_ring(body, rgb, count=12, low=(base, _FLOOR / 2 - half), high=(radius - 0.002, half), mass=measures.mass / 2)


def _add_crate(body: mujoco.MjsBody, measures: Shape, rgb: Rgb) -> None:
    half = measures.height / 2
    inside_x, inside_y = measures.inside
    x, y = inside_x + _WALL, inside_y + _WALL
    floor = _tone(rgb, 0.72) if measures.height > 0.03 else _tone(rgb, 1.25)
    _geom(body, _BOX, (x, y, _FLOOR / 2), floor, at=(0, 0, _FLOOR / 2 - half), mass=measures.mass / 2)
    for side in (-1, 1):
        at_x, at_y = (side * (x - _WALL / 2), 0.0, 0.0), (0.0, side * (y - _WALL / 2), 0.0)
        _geom(body, _BOX, (_WALL / 2, y, half), rgb, at=at_x, mass=measures.mass / 8)
        _geom(body, _BOX, (inside_x, _WALL / 2, half), rgb, at=at_y, mass=measures.mass / 8)


_ADD = {
    "block": _add_block,
    "ball": _add_ball,
    "cup": _add_cup,
    "bottle": _add_bottle,
    "bowl": _add_bowl,
    "plate": _add_plate,
    "tray": _add_crate,
    "bin": _add_crate,
}


def add_thing(spec: mujoco.MjSpec, thing: Thing) -> None:
    """Add `thing` as a free body of its name, standing on the table, or on the drawer's floor when it starts there."""
    measures = shape(thing.kind, thing.size)
    z = measures.height / 2 + (DRAWER.floor if thing.in_drawer else 0.0)
    body = spec.worldbody.add_body(name=thing.name, pos=(thing.x, thing.y, z), quat=_about_z(thing.yaw))
    body.add_freejoint(name=thing.name)
    _ADD[thing.kind](body, measures, RGB[thing.color])


_WOOD: Rgb = (0.83, 0.73, 0.58)
_METAL: Rgb = (0.30, 0.31, 0.34)


def add_drawer(spec: mujoco.MjSpec, drawer: Drawer) -> None:
    """Add the unit as mocap body "drawer_unit" (so that it can be shifted) and its child "drawer" on joint "drawer".

    The joint's coordinate is opening * travel.
    """
    rgb, size = RGB[drawer.color], DRAWER
    unit = spec.worldbody.add_body(name="drawer_unit", pos=(drawer.x, drawer.y, 0.0), mocap=True)
    x, y, z = size.length / 2, size.width / 2, size.height
    lid, side = 0.006, 0.005
    _geom(unit, _BOX, (x, y, lid / 2), rgb, at=(0, 0, z - lid / 2))
    for sign in (-1, 1):
        _geom(unit, _BOX, (x, side / 2, (z - lid) / 2), rgb, at=(0, sign * (y - side / 2), (z - lid) / 2))
    _geom(unit, _BOX, (side / 2, y - side, (z - lid) / 2), rgb, at=(x - side / 2, 0, (z - lid) / 2))
    body = unit.add_body(name="drawer")
    joint = body.add_joint(name="drawer", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=(-1, 0, 0), range=(0, size.travel))
    joint.limited = mujoco.mjtLimited.mjLIMITED_TRUE
    # Enough drag that the drawer stays where the hand leaves it, little enough for a small arm to pull.
    joint.damping, joint.frictionloss, joint.armature = np.array([4.0, 0.0, 0.0]), 0.8, 0.05
    _add_drawer_box(body, rgb)
    _add_handle(body)
    spec.add_exclude(bodyname1="drawer_unit", bodyname2="drawer")


def _add_drawer_box(body: mujoco.MjsBody, rgb: Rgb) -> None:
    size, wall = DRAWER, 0.004
    front = -size.length / 2
    back, half_width = front + size.inside_length, size.inside_width / 2
    middle, wall_z = (front + back) / 2, size.floor + size.inside_height / 2
    half = size.inside_length / 2
    _geom(body, _BOX, (half, half_width, 0.002), _tone(_WOOD, 0.85), at=(middle, 0, size.floor - 0.002), mass=0.1)
    for sign in (-1, 1):
        at = (middle, sign * (half_width + wall / 2), wall_z - 0.002)
        _geom(body, _BOX, (half, wall / 2, size.inside_height / 2 + 0.002), _WOOD, at=at, mass=0.03)
    at = (back + wall / 2, 0, wall_z)
    _geom(body, _BOX, (wall / 2, half_width + wall, size.inside_height / 2), _WOOD, at=at, mass=0.02)
    top = size.height - 0.008
    at = (front - size.panel / 2, 0, top / 2 + 0.001)
    _geom(body, _BOX, (size.panel / 2, size.width / 2 - 0.002, top / 2), _tone(rgb, 0.85), at=at, mass=0.05)


def _add_handle(body: mujoco.MjsBody) -> None:
    """A stem that fingers close on along y, with a wider cap that keeps them from sliding off when they pull."""
    size = DRAWER
    face = -size.length / 2 - size.panel
    cap, half_height = 0.004, 0.012
    stem = size.handle_length - cap
    at = (face - stem / 2, 0, size.handle_height)
    _geom(body, _BOX, (stem / 2, size.handle_width / 2, half_height), _METAL, at=at, mass=0.03)
    at = (face - stem - cap / 2, 0, size.handle_height)
    _geom(body, _BOX, (cap / 2, 0.013, half_height), _METAL, at=at, mass=0.01)


def _about_z(angle: float) -> tuple[float, float, float, float]:
    return (math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2))


def _compose(
    a: tuple[float, float, float, float], b: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    out = np.zeros(4)
    mujoco.mju_mulQuat(out, np.array(a), np.array(b))
    return (float(out[0]), float(out[1]), float(out[2]), float(out[3]))
