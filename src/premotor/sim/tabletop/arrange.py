"""Gives everything of a draft a place: room for fingers around what is grasped, a free lane for what is pushed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from premotor.robots.embodiment import WORK_REGION
from premotor.sim.tabletop.drafts import Draft, Item, Unit
from premotor.sim.tabletop.episode import Drawer, Goal, Thing
from premotor.sim.tabletop.objects import DRAWER, drawer_inside, shape
from premotor.sim.tabletop.placement import Footprint, NoRoom, Table, footprint
from premotor.sim.tabletop.tasks import TARGET_KINDS

__all__ = ["CROWDED_GAP", "GAP", "LOOSE_GAP", "around", "arrange", "can_push", "in_region", "seen"]

GAP = 0.035
"""Metres kept free around what is grasped and where it is put, for the fingers."""
LOOSE_GAP = 0.018
"""Metres between things that take no part in the goal."""
CROWDED_GAP = 0.010
"""The same where twice as many have to fit."""
_EYE = (0.47, 0.0, 0.56)
"""Where the front camera stands, as the scene is built; a test compares them."""
_SEEN = 0.6
"""Share of a thing of the goal that the front camera must see."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an item went."""

    x: float
    y: float
    yaw: float
    in_drawer: bool = False


def arrange(rng: np.random.Generator, drawn: Draft, *, gap: float) -> tuple[tuple[Thing, ...], Drawer | None, Goal]:
    """Give everything of a draft a place. gap: metres between things that take no part in the goal. Raises NoRoom."""
    table = Table(rng)
    drawer = _place_unit(table, drawn.unit) if drawn.unit is not None else None
    parts = [*([drawn.target] if drawn.target else []), *drawn.objects]
    if drawn.family == "push_to" and drawn.target is not None:
        spots = _place_push(table, drawn.objects[0], drawn.target)
    elif drawn.family == "take_out_of_drawer" and drawer is not None:
        spots = [_place_inside(rng, drawn.objects[0], drawer)]
        free = Footprint(0.03)
        table.put(*table.spot(free, 0.0, GAP), 0.0, free, GAP)
    else:
        spots = [_Spot(*table.place(item.kind, item.size, GAP)) for item in parts]
    rest = sorted(range(len(drawn.distractors)), key=lambda i: -_radius(drawn.distractors[i]))
    placed = {i: _Spot(*table.place(drawn.distractors[i].kind, drawn.distractors[i].size, gap)) for i in rest}
    items = [*parts, *drawn.distractors]
    things = _named(items, [*spots, *(placed[i] for i in range(len(placed)))])
    target = things[0].name if drawn.target else "drawer" if "drawer" in TARGET_KINDS[drawn.family] else None
    first = 1 if drawn.target else 0
    acted = {t.name for t in things[first : first + len(drawn.objects)]}
    if any(seen(t, things) < _SEEN for t in things[: len(parts)] if not t.in_drawer):
        raise NoRoom
    shuffled = tuple(things[i] for i in rng.permutation(len(things)))
    goal = Goal(family=drawn.family, objects=tuple(t.name for t in shuffled if t.name in acted), target=target)
    return shuffled, drawer, goal


def seen(it: Thing, things: Sequence[Thing]) -> float:
    """The share (0 .. 1) of `it` that no other thing hides from the front camera, judged at six points."""
    measures = shape(it.kind, it.size)
    dx, dy = _EYE[0] - it.x, _EYE[1] - it.y
    far = math.hypot(dx, dy)
    ux, uy = dx / far, dy / far
    hidden = 0
    for side, up in ((s, u) for s in (-0.6, 0.0, 0.6) for u in (0.3, 0.8)):
        aside, low = side * measures.radius, up * measures.height
        for other in things:
            along = (other.x - it.x) * ux + (other.y - it.y) * uy
            across = (other.y - it.y) * ux - (other.x - it.x) * uy - aside
            blocker = shape(other.kind, other.size)
            # The ray climbs towards the camera: it is lowest over the near side of the other thing.
            near = along - math.sqrt(max(blocker.radius**2 - across**2, 0.0))
            if other is not it and near > 0 and abs(across) < blocker.radius:
                hidden += low + (_EYE[2] - low) * near / far < blocker.height
                break
    return 1.0 - hidden / 6


def _radius(item: Item) -> float:
    return shape(item.kind, item.size).radius


def _named(items: Sequence[Item], spots: Sequence[_Spot]) -> list[Thing]:
    things: list[Thing] = []
    for item, spot in zip(items, spots, strict=True):
        number = 1 + sum((t.kind, t.color) == (item.kind, item.color) for t in things)
        things.append(
            Thing(
                name=f"{item.color}_{item.kind}_{number}",
                kind=item.kind,
                color=item.color,
                size=item.size,
                x=spot.x,
                y=spot.y,
                yaw=round(spot.yaw, 4),
                in_drawer=spot.in_drawer,
            )
        )
    return things


def _place_unit(table: Table, unit: Unit) -> Drawer:
    """Stand the unit at the side of the table that is far from the robot."""
    x, y = float(table.rng.uniform(0.085, 0.11)), float(table.rng.uniform(0.08, 0.11))
    drawer = Drawer(color=unit.color, x=round(x, 5), y=round(-y if unit.side == "left" else y, 5), opening=unit.opening)
    _put_unit(table, drawer)
    return drawer


def _put_unit(table: Table, drawer: Drawer) -> None:
    """Keep the unit, its travel and the room for a hand at its handle free."""
    near, far = drawer.x - DRAWER.length / 2 - DRAWER.reach - 0.03, drawer.x + DRAWER.length / 2
    half = ((far - near) / 2, DRAWER.width / 2)
    table.put((near + far) / 2, drawer.y, 0.0, Footprint(math.hypot(*half), half), LOOSE_GAP)


def _place_inside(rng: np.random.Generator, item: Item, drawer: Drawer) -> _Spot:
    """Near the middle of the open part of the drawer, away from its walls by the width of a finger."""
    centre, half = drawer_inside(drawer)
    radius = shape(item.kind, item.size).radius
    slack = np.maximum(half - radius - np.array([0.022, 0.030]), 0.0)
    x, y = centre + rng.uniform(-1, 1, 2) * slack
    return _Spot(round(float(x), 5), round(float(y), 5), float(rng.uniform(-0.4, 0.4)), in_drawer=True)


def _lane(x: float, y: float, to: tuple[float, float], radius: float) -> tuple[float, float, float, Footprint]:
    """The strip from behind a pushed thing to its target: centre, yaw and footprint."""
    length = math.hypot(to[0] - x, to[1] - y)
    ux, uy = (to[0] - x) / length, (to[1] - y) / length
    behind = radius + 0.045
    half = ((length + behind) / 2, max(radius, 0.02) + 0.01)
    middle = (length - behind) / 2
    return x + ux * middle, y + uy * middle, math.atan2(uy, ux), Footprint(math.hypot(*half), half)


def in_region(x: float, y: float, margin: float) -> bool:
    """Whether a point is in the work region or at most `margin` metres outside."""
    return abs(x) <= WORK_REGION[0] + margin and abs(y) <= WORK_REGION[1] + margin


def _place_push(table: Table, item: Item, target: Item) -> list[_Spot]:
    """Target and object 8 to 14 cm apart (edge to edge), a free lane, and room for the gripper behind the object."""
    rng = table.rng
    covered, goal = footprint(item.kind, item.size), footprint(target.kind, target.size)
    for _ in range(60):
        x, y = (float(v) for v in rng.uniform(-1, 1, 2) * WORK_REGION)
        angle = float(rng.uniform(-math.pi, math.pi))
        apart = float(rng.uniform(0.08, 0.14)) + covered.radius + goal.radius
        to = (round(x + apart * math.cos(angle), 5), round(y + apart * math.sin(angle), 5))
        back = covered.radius + 0.04
        if not in_region(x - back * math.cos(angle), y - back * math.sin(angle), 0.02) or not in_region(*to, 0.0):
            continue
        lane_x, lane_y, lane_yaw, lane = _lane(x, y, to, covered.radius)
        yaw = table.yaw(target.kind)
        if table.is_free(*to, yaw, goal, 0.01) and table.is_free(lane_x, lane_y, lane_yaw, lane, 0.0):
            table.put(*to, yaw, goal, GAP)
            table.put(x, y, 0.0, covered, GAP)
            table.put(lane_x, lane_y, lane_yaw, lane, 0.0)
            return [_Spot(*to, yaw), _Spot(round(x, 5), round(y, 5), table.yaw(item.kind))]
    raise NoRoom


def around(rng: np.random.Generator, thing: Thing, things: tuple[Thing, ...], drawer: Drawer | None) -> Table:
    """The table with everything on it but `thing`."""
    table = Table(rng)
    if drawer is not None:
        _put_unit(table, drawer)
    for other in things:
        if other is not thing and not other.in_drawer:
            table.put(other.x, other.y, other.yaw, footprint(other.kind, other.size), 0.0)
    return table


def can_push(things: tuple[Thing, ...], goal: Goal) -> bool:
    """Whether the lane is still free and long enough after something was moved."""
    item = next(t for t in things if t.name == goal.objects[0])
    target = next(t for t in things if t.name == goal.target)
    radius = shape(item.kind, item.size).radius
    apart = math.hypot(target.x - item.x, target.y - item.y)
    if apart - radius - shape(target.kind, target.size).radius < 0.05:
        return False
    back = (radius + 0.04) / apart
    if not in_region(item.x - back * (target.x - item.x), item.y - back * (target.y - item.y), 0.03):
        return False
    x, y, yaw, lane = _lane(item.x, item.y, (target.x, target.y), radius)
    table = Table(np.random.default_rng(0))
    for other in things:
        if other.name not in (item.name, target.name):
            table.put(other.x, other.y, other.yaw, footprint(other.kind, other.size), 0.0)
    return table.is_free(x, y, yaw, lane, 0.0)
