"""What counts as done, judged by physics alone: places, contacts and speeds, never by what the arm meant to do.

These predicates look at one moment; the world asks that they hold for half a second.
"""

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from premotor.core.types import FloatArray
from premotor.sim.tabletop.episode import Episode, Family, Thing
from premotor.sim.tabletop.objects import DRAWER, Shape, shape

__all__ = [
    "CLOSED",
    "HOLD_STEPS",
    "LIFTED",
    "NEAR",
    "OPEN",
    "SLID",
    "SLOW",
    "Scene",
    "achieved",
    "contained",
    "edge_distance",
]

HOLD_STEPS = 10
"""Control steps for which the goal must hold: 0.5 s."""
SLOW = 0.02
"""m/s below which a thing is at rest."""
LIFTED = 0.06
"""Metres above its place on the table at which a thing is picked up."""
NEAR = 0.025
"""Widest gap in metres between the edges of a pushed thing and what it was pushed to."""
SLID = 0.02
"""Metres that a pushed thing may leave the table."""
OPEN, CLOSED = 0.8, 0.1
"""Drawer openings from which it is open, and up to which it is closed."""


class Scene(Protocol):
    """What a predicate may ask of a world. Names are things' names; "table", "drawer", "drawer_unit" are bodies too."""

    @property
    def episode(self) -> Episode:
        """The episode that is on."""

    def thing(self, name: str) -> Thing:
        """The thing of that name."""

    def pose(self, name: str) -> tuple[FloatArray, FloatArray]:
        """World position (3,) and rotation (3, 3)."""

    def speed(self, name: str) -> float:
        """Linear speed in m/s; of "drawer", the sliding speed."""

    def drawer_opening(self) -> float:
        """0 closed .. 1 fully open."""

    def touches(self, a: str, b: str) -> bool:
        """Whether the two bodies are in contact; "gripper" is every part of the hand."""

    def is_held(self, name: str) -> bool:
        """Whether the gripper holds the thing."""

    def highest(self, name: str) -> float:
        """The most the thing was above its place on the table so far, m."""


def achieved(scene: Scene) -> bool:
    """Whether the goal of the scene's episode is met at this moment."""
    goal = scene.episode.goal
    return _PREDICATES[goal.family](scene, goal.objects, goal.target)


def contained(scene: Scene, name: str, target: str) -> bool:
    """Whether a thing is in or on the container `target`, or in the "drawer", and at rest there."""
    return _put_in_drawer(scene, (name,), target) if target == "drawer" else _put(scene, (name,), target)


def edge_distance(scene: Scene, name: str, target: str) -> float:
    """Gap in metres between the edge of round thing `name` and the footprint of `target`, negative inside it."""
    position, _ = scene.pose(name)
    width = _shape(scene, name).grasp_width
    radius = width / 2 if width > 0 else _shape(scene, name).radius
    centre, rotation = scene.pose("drawer_unit" if target == "drawer" else target)
    offset = rotation.T @ np.array([position[0] - centre[0], position[1] - centre[1], 0.0])
    half = _footprint(scene, target)
    if isinstance(half, float):
        return math.hypot(offset[0], offset[1]) - half - radius
    out_x, out_y = abs(offset[0]) - half[0], abs(offset[1]) - half[1]
    outside = math.hypot(max(out_x, 0.0), max(out_y, 0.0))
    return float(outside + min(max(out_x, out_y), 0.0) - radius)


def _footprint(scene: Scene, name: str) -> float | tuple[float, float]:
    """Radius of a round footprint, or half extents (x, y) of a rectangular one."""
    if name == "drawer":
        return (DRAWER.length / 2, DRAWER.width / 2)
    thing, measures = scene.thing(name), _shape(scene, name)
    if thing.kind == "block":
        return (measures.grasp_width / 2, measures.grasp_width / 2)
    if measures.inside[0] > 0 and not measures.round:
        wall = measures.radius / math.hypot(*measures.inside)
        return (measures.inside[0] * wall, measures.inside[1] * wall)
    return measures.radius


def _shape(scene: Scene, name: str) -> Shape:
    thing = scene.thing(name)
    return shape(thing.kind, thing.size)


def _settled(scene: Scene, name: str) -> bool:
    """Released and at rest."""
    return not scene.touches(name, "gripper") and scene.speed(name) < SLOW


def _lifted(scene: Scene, name: str) -> float:
    return float(scene.pose(name)[0][2]) - _shape(scene, name).height / 2


def _pick_up(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    return all(scene.is_held(name) and _lifted(scene, name) >= LIFTED for name in objects)


def _over(scene: Scene, name: str, target: str) -> bool:
    """Whether the thing's centre is above the inside of the upright container `target`."""
    position, _ = scene.pose(name)
    centre, rotation = scene.pose(target)
    measures = _shape(scene, target)
    offset = rotation.T @ (position - centre)
    # A small thing in a high container has its middle below the container's.
    if rotation[2, 2] < 0.9 or offset[2] < -measures.height / 2:
        return False
    if measures.round:
        return math.hypot(offset[0], offset[1]) <= measures.inside[0]
    return abs(float(offset[0])) <= measures.inside[0] and abs(float(offset[1])) <= measures.inside[1]


def _bottom(scene: Scene, name: str) -> float:
    """Height of the lowest point of the thing's bounding cylinder or box above the table, m."""
    position, rotation = scene.pose(name)
    measures, kind = _shape(scene, name), scene.thing(name).kind
    half = measures.height / 2
    if kind == "ball":
        below = half
    elif kind == "block":
        below = float(np.abs(rotation[2]).sum()) * half
    else:
        below = abs(rotation[2, 2]) * half + math.sqrt(max(0.0, 1 - rotation[2, 2] ** 2)) * measures.radius
    return float(position[2]) - below


def _put(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    """Every object is in or on the container: over its inside, carried by it or by another of them, below its rim."""
    if target is None:
        return False
    base = scene.pose(target)[0][2] - _shape(scene, target).height / 2
    rim = base + max(0.7 * _shape(scene, target).height, _shape(scene, target).floor + 0.012)
    carried = {n for n in objects if scene.touches(n, target) and _bottom(scene, n) < rim}
    for name in objects:
        if name not in carried and not any(scene.touches(name, other) for other in carried if other != name):
            return False
        if not _over(scene, name, target) or scene.touches(name, "table") or not _settled(scene, name):
            return False
    return True


def _stack(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    (name,) = objects
    if target is None:
        return False
    upper, lower = scene.pose(name)[0], scene.pose(target)[0]
    height = (_shape(scene, name).height + _shape(scene, target).height) / 2
    aligned = math.hypot(upper[0] - lower[0], upper[1] - lower[1]) <= _shape(scene, target).height / 2
    above = abs(float(upper[2] - lower[2]) - height) < 0.006
    rests = scene.touches(name, target) and not scene.touches(name, "table")
    return aligned and above and rests and _settled(scene, name) and scene.speed(target) < SLOW


def _push_to(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    if target is None:
        return False
    return all(
        edge_distance(scene, name, target) <= NEAR
        and scene.highest(name) <= SLID
        and scene.touches(name, "table")
        and scene.speed(name) < SLOW
        for name in objects
    )


def _open_drawer(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    return scene.drawer_opening() >= OPEN and scene.speed("drawer") < SLOW


def _close_drawer(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    return scene.drawer_opening() <= CLOSED and scene.speed("drawer") < SLOW


def _in_drawer(scene: Scene, name: str) -> bool:
    position, _ = scene.pose(name)
    centre, _ = scene.pose("drawer")
    middle = -DRAWER.length / 2 + DRAWER.inside_length / 2
    inside_x = abs(position[0] - centre[0] - middle) <= DRAWER.inside_length / 2
    inside_y = abs(position[1] - centre[1]) <= DRAWER.inside_width / 2
    return bool(inside_x and inside_y) and _bottom(scene, name) < DRAWER.floor + 0.02


def _put_in_drawer(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    return all(
        _in_drawer(scene, name)
        and scene.touches(name, "drawer")
        and not scene.touches(name, "table")
        and _settled(scene, name)
        for name in objects
    )


def _take_out_of_drawer(scene: Scene, objects: tuple[str, ...], target: str | None) -> bool:
    return all(
        not _in_drawer(scene, name)
        and scene.touches(name, "table")
        and not scene.touches(name, "drawer_unit")
        and _settled(scene, name)
        for name in objects
    )


class _Predicate(Protocol):
    def __call__(self, scene: Scene, objects: tuple[str, ...], target: str | None) -> bool: ...


_PREDICATES: Mapping[Family, _Predicate] = {
    "pick_up": _pick_up,
    "put_in": _put,
    "put_on": _put,
    "stack": _stack,
    "push_to": _push_to,
    "open_drawer": _open_drawer,
    "close_drawer": _close_drawer,
    "put_in_drawer": _put_in_drawer,
    "take_out_of_drawer": _take_out_of_drawer,
    "put_all_in": _put,
}
