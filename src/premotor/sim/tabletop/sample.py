"""Draws episodes: the same arguments give the same episode, and no two splits share one."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from premotor.core.errors import InstructionError, WorldError
from premotor.robots.embodiment import WORK_REGION
from premotor.sim.tabletop.drafts import Draft, Item, Unit, draft, pick
from premotor.sim.tabletop.episode import (
    FAMILIES,
    SPLITS,
    Camera,
    Disturbance,
    Drawer,
    Episode,
    Family,
    Goal,
    Light,
    Split,
    Thing,
)
from premotor.sim.tabletop.language import render, resolve, scene_description
from premotor.sim.tabletop.objects import DRAWER, drawer_inside, shape
from premotor.sim.tabletop.placement import Footprint, NoRoom, Table, footprint
from premotor.sim.tabletop.tasks import MAX_STEPS, MOVED_FAMILIES, OBJECT_KINDS, SLIP_FAMILIES, TARGET_KINDS
from premotor.sim.tabletop.vocabulary import vocabulary

__all__ = ["MOVED_FAMILIES", "SLIP_FAMILIES", "arrange", "sample", "scene_description", "stream", "swapped"]

GAP = 0.035
"""Metres kept free around what is grasped and where it is put, for the fingers."""
_LOOSE_GAP = 0.018
_CROWDED_GAP = 0.010
_ATTEMPTS = 400
_UNIT_SHARE = 0.2
_MOVE = 0.05


def stream(*parts: object) -> np.random.Generator:
    """Random numbers that depend on `parts` only, on every machine and in every process."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))


def sample(embodiment: str, family: Family, split: Split, seed: int) -> Episode:
    """Draw one episode.

    Raises WorldError for an unknown family or split, or one that the split cannot have: `moved` needs a loose thing
    (MOVED_FAMILIES), `slip` one that is lifted (SLIP_FAMILIES).
    """
    _check(family, split)
    rng = stream("tabletop", split, family, embodiment, seed)
    spare_unit = bool(rng.random() < _UNIT_SHARE)
    for attempt in range(_ATTEMPTS):
        drawn = draft(
            rng,
            family,
            held_out=split == "combination",
            crowd=2 if split == "clutter" else 1,
            spare_unit=spare_unit and attempt < 10,
        )
        try:
            things, drawer, goal = arrange(rng, drawn, gap=_CROWDED_GAP if split == "clutter" else _LOOSE_GAP)
            text = render(goal, things, drawer, rng, vocabulary(split))
            disturbance = _disturbance(rng, split, things, drawer, goal, text)
        except (NoRoom, InstructionError):
            continue
        return Episode(
            embodiment=embodiment,
            family=family,
            split=split,
            seed=seed,
            things=things,
            drawer=drawer,
            goal=goal,
            instruction=text,
            max_steps=MAX_STEPS[family],
            light=_light(rng, split),
            camera=_camera(rng, split),
            disturbance=disturbance,
        )
    raise WorldError(f"no room for {family!r} in split {split!r}, seed {seed}, after {_ATTEMPTS} attempts; use another seed")


def _check(family: Family, split: Split) -> None:
    if family not in FAMILIES:
        raise WorldError(f"unknown task family {family!r}; there are: {', '.join(FAMILIES)}")
    if split not in SPLITS:
        raise WorldError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
    allowed = {"moved": MOVED_FAMILIES, "slip": SLIP_FAMILIES}.get(split, FAMILIES)
    if family not in allowed:
        raise WorldError(f"split {split!r} has no {family!r}; its families are: {', '.join(allowed)}")


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
    rest = sorted(range(len(drawn.distractors)), key=lambda i: -shape(*_measure(drawn.distractors[i])).radius)
    placed = {i: _Spot(*table.place(*_measure(drawn.distractors[i]), gap)) for i in rest}
    items = [*parts, *drawn.distractors]
    things = _named(items, [*spots, *(placed[i] for i in range(len(placed)))])
    target = things[0].name if drawn.target else "drawer" if "drawer" in TARGET_KINDS[drawn.family] else None
    first = 1 if drawn.target else 0
    acted = {t.name for t in things[first : first + len(drawn.objects)]}
    shuffled = tuple(things[i] for i in rng.permutation(len(things)))
    goal = Goal(family=drawn.family, objects=tuple(t.name for t in shuffled if t.name in acted), target=target)
    return shuffled, drawer, goal


def _measure(item: Item) -> tuple[str, str]:
    return item.kind, item.size


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
    table.put((near + far) / 2, drawer.y, 0.0, Footprint(math.hypot(*half), half), _LOOSE_GAP)


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


def _in_region(x: float, y: float, margin: float) -> bool:
    return abs(x) <= WORK_REGION[0] + margin and abs(y) <= WORK_REGION[1] + margin


def _place_push(table: Table, item: Item, target: Item) -> list[_Spot]:
    """Target and object 8 to 14 cm apart (edge to edge), with a free lane and room for the gripper behind the object."""
    rng = table.rng
    covered, goal = footprint(item.kind, item.size), footprint(target.kind, target.size)
    for _ in range(60):
        x, y = (float(v) for v in rng.uniform(-1, 1, 2) * WORK_REGION)
        angle = float(rng.uniform(-math.pi, math.pi))
        apart = float(rng.uniform(0.08, 0.14)) + covered.radius + goal.radius
        to = (round(x + apart * math.cos(angle), 5), round(y + apart * math.sin(angle), 5))
        back = covered.radius + 0.04
        if not _in_region(x - back * math.cos(angle), y - back * math.sin(angle), 0.02) or not _in_region(*to, 0.0):
            continue
        lane_x, lane_y, lane_yaw, lane = _lane(x, y, to, covered.radius)
        yaw = table.yaw(target.kind)
        if table.is_free(*to, yaw, goal, 0.01) and table.is_free(lane_x, lane_y, lane_yaw, lane, 0.0):
            table.put(*to, yaw, goal, GAP)
            table.put(lane_x, lane_y, lane_yaw, lane, 0.0)
            return [_Spot(*to, yaw), _Spot(round(x, 5), round(y, 5), table.yaw(item.kind))]
    raise NoRoom


def _disturbance(
    rng: np.random.Generator, split: Split, things: tuple[Thing, ...], drawer: Drawer | None, goal: Goal, text: str
) -> Disturbance | None:
    """What goes wrong. Raises NoRoom when nothing of the goal can be moved without making the instruction untrue."""
    if split == "slip":
        return Disturbance(kind="slip", thing=None, dx=0.0, dy=0.0)
    if split != "moved":
        return None
    loose = [*goal.objects, *([goal.target] if goal.target not in (None, "drawer") else [])]
    name = pick(rng, loose)
    thing = next(t for t in things if t.name == name)
    table = _around(rng, thing, things, drawer)
    for angle in rng.uniform(-math.pi, math.pi, 24):
        x, y = thing.x + _MOVE * math.cos(angle), thing.y + _MOVE * math.sin(angle)
        moved = tuple(replace(t, x=x, y=y) if t is thing else t for t in things)
        if not _in_region(x, y, 0.0) or not table.is_free(x, y, thing.yaw, footprint(thing.kind, thing.size), 0.02):
            continue
        if goal.family == "push_to" and not _can_push(moved, goal):
            continue
        if _means(text, moved, drawer, goal):
            return Disturbance(kind="moved", thing=thing.name, dx=round(x - thing.x, 5), dy=round(y - thing.y, 5))
    raise NoRoom


def _around(rng: np.random.Generator, thing: Thing, things: tuple[Thing, ...], drawer: Drawer | None) -> Table:
    """The table with everything on it but `thing`."""
    table = Table(rng)
    if drawer is not None:
        _put_unit(table, drawer)
    for other in things:
        if other is not thing and not other.in_drawer:
            table.put(other.x, other.y, other.yaw, footprint(other.kind, other.size), 0.0)
    return table


def _can_push(things: tuple[Thing, ...], goal: Goal) -> bool:
    """Whether the lane is still free and long enough after something was moved."""
    item = next(t for t in things if t.name == goal.objects[0])
    target = next(t for t in things if t.name == goal.target)
    radius = shape(item.kind, item.size).radius
    apart = math.hypot(target.x - item.x, target.y - item.y)
    if apart - radius - shape(target.kind, target.size).radius < 0.05:
        return False
    back = (radius + 0.04) / apart
    if not _in_region(item.x - back * (target.x - item.x), item.y - back * (target.y - item.y), 0.03):
        return False
    x, y, yaw, lane = _lane(item.x, item.y, (target.x, target.y), radius)
    table = Table(np.random.default_rng(0))
    for other in things:
        if other.name not in (item.name, target.name):
            table.put(other.x, other.y, other.yaw, footprint(other.kind, other.size), 0.0)
    return table.is_free(x, y, yaw, lane, 0.0)


def _means(text: str, things: tuple[Thing, ...], drawer: Drawer | None, goal: Goal) -> bool:
    try:
        return resolve(text, things, drawer) == goal
    except InstructionError:
        return False


def _light(rng: np.random.Generator, split: Split) -> Light:
    """Wide for `light`, a little for `train`, else the usual lamp."""
    if split not in ("light", "train"):
        return Light()
    strength, tint, lean = ((0.5, 1.6), 0.15, 0.7) if split == "light" else ((0.8, 1.2), 0.05, 0.2)
    x, y = rng.uniform(-lean, lean, 2)
    direction = np.array([x, y, -1.0]) / math.sqrt(x * x + y * y + 1.0)
    colors = 1.0 + rng.uniform(-tint, tint, 3)
    return Light(
        strength=round(float(rng.uniform(*strength)), 4),
        tint=(round(float(colors[0]), 4), round(float(colors[1]), 4), round(float(colors[2]), 4)),
        direction=(float(direction[0]), float(direction[1]), float(direction[2])),
    )


def _camera(rng: np.random.Generator, split: Split) -> Camera:
    """Shift and turn in any direction: up to 2 cm and 2 degrees for `camera`, 5 mm and half a degree for `train`."""
    if split not in ("camera", "train"):
        return Camera()
    shift, turn = (0.02, math.radians(2.0)) if split == "camera" else (0.005, math.radians(0.5))
    return Camera(shift=_within(rng, shift), turn=_within(rng, turn))


def _within(rng: np.random.Generator, length: float) -> tuple[float, float, float]:
    """A vector in a random direction, with a random length up to `length`."""
    vector = rng.normal(size=3)
    x, y, z = vector / np.linalg.norm(vector) * rng.uniform(0, length)
    return float(x), float(y), float(z)


def swapped(episode: Episode) -> Episode:
    """The same scene and goal with an instruction for something else, for a policy that cannot hear.

    The instruction is true in the scene and asks for other objects, or other targets of objects that the true goal
    leaves alone, so that following it does not meet the true goal. Raises InstructionError if the scene has none.
    """
    rng = stream("swapped", episode.split, episode.family, episode.embodiment, episode.seed)
    others = _other_goals(episode)
    same = [g for g in others if g.family == episode.family]
    for goals in ([same, others] if rng.random() < 0.7 else [others]):
        for i in rng.permutation(len(goals)):
            try:
                text = render(goals[i], episode.things, episode.drawer, rng, vocabulary(episode.split))
            except InstructionError:
                continue
            return replace(episode, instruction=text)
    raise InstructionError(
        f"nothing else can be asked for here. I see: {scene_description(episode.things, episode.drawer)}."
    )


def _other_goals(episode: Episode) -> list[Goal]:
    """Goals of this scene that act on none of the true goal's objects."""
    true = episode.goal
    loose = [t for t in episode.things if t.name not in true.objects and not t.in_drawer]
    goals: list[Goal] = []
    if episode.drawer is not None and true.family not in ("open_drawer", "close_drawer"):
        family: Family = "open_drawer" if episode.drawer.opening < 0.5 else "close_drawer"
        goals.append(Goal(family=family, objects=(), target="drawer"))
    singles: tuple[Family, ...] = ("put_in", "put_on", "stack", "push_to")
    for thing in loose:
        if thing.name == true.target:
            continue
        if thing.kind in OBJECT_KINDS["pick_up"]:
            goals.append(Goal(family="pick_up", objects=(thing.name,), target=None))
        for family in singles:
            goals += [
                Goal(family=family, objects=(thing.name,), target=other.name)
                for other in loose
                if thing.kind in OBJECT_KINDS[family] and other.kind in TARGET_KINDS[family] and other is not thing
            ]
        if episode.drawer is not None and episode.drawer.opening > 0.8 and thing.kind in OBJECT_KINDS["put_in_drawer"]:
            goals.append(Goal(family="put_in_drawer", objects=(thing.name,), target="drawer"))
    return goals
