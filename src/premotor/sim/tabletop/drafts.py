"""What an episode is about before it has a place: which objects, target, drawer unit and distractors.

Which of them may meet is decided here: `is_held_out` names the combinations that only the split `combination` shows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

import numpy as np

from premotor.sim.tabletop.episode import COLORS, CONTAINERS, GRASPABLE, KINDS, SIZES, Color, Family, Kind, Size
from premotor.sim.tabletop.tasks import DRAWER_FAMILIES, OBJECT_KINDS, TARGET_KINDS

__all__ = ["Draft", "Item", "Unit", "draft", "is_held_out", "kinds", "pick"]

_T = TypeVar("_T")
_HELD_OUT_SHARE = 0.2
_DISTRACTORS: Mapping[Family, tuple[int, int]] = {
    "pick_up": (3, 4),
    "put_in": (2, 3),
    "put_on": (2, 3),
    "stack": (2, 3),
    "push_to": (2, 3),
    "open_drawer": (3, 3),
    "close_drawer": (3, 3),
    "put_in_drawer": (2, 3),
    "take_out_of_drawer": (2, 3),
    "put_all_in": (2, 2),
}
_TWIN_SHARE = 0.1
"""How often a distractor may have kind and colour of another thing, so that only size or place tells them apart."""


@dataclass(frozen=True, slots=True)
class Item:
    """A thing without a place."""

    kind: Kind
    color: Color
    size: Size


@dataclass(frozen=True, slots=True)
class Unit:
    """The drawer unit: `side` of the table as the front camera sees it."""

    color: Color
    side: Literal["left", "right"]
    opening: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """Things of an episode. `target` is None where the drawer, or nothing, is the target."""

    family: Family
    objects: tuple[Item, ...]
    target: Item | None
    unit: Unit | None
    distractors: tuple[Item, ...]


def pick(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    """One of `options`, all equally likely."""
    return options[int(rng.integers(len(options)))]


def kinds(names: Sequence[str]) -> tuple[Kind, ...]:
    """Those of KINDS that are in `names`."""
    return tuple(k for k in KINDS if k in names)


@cache
def _held_out(group: str) -> frozenset[str]:
    """The fifth of a group's combinations with the smallest hash: a fixed set that no change elsewhere can shift."""
    if group in ("open_drawer", "close_drawer"):
        members = [f"{color} {side}" for color in COLORS for side in ("left", "right")]
    elif group.startswith("all "):
        members = list(COLORS)
    else:
        members = [f"{color} {kind}" for color in COLORS for kind in KINDS]
    members.sort(key=lambda member: hashlib.sha256(f"{group}: {member}".encode()).digest())
    return frozenset(members[: round(len(members) * _HELD_OUT_SHARE)])


def is_held_out(family: Family, objects: Sequence[Item], target: Item | None, unit: Unit | None) -> bool:
    """Whether the goal's combination belongs to the split `combination`, and so is never shown by another split.

    pick_up: (kind, colour). put_in, put_on, stack, push_to: (kind, colour, kind of the target), whatever the family.
    put_in_drawer, take_out_of_drawer: (kind, colour, colour of the unit). put_all_in: (colour, kind of the target).
    open_drawer, close_drawer: (colour of the unit, side of the table it stands on).
    """
    if family in ("open_drawer", "close_drawer"):
        return unit is not None and f"{unit.color} {unit.side}" in _held_out(family)
    goal = f"{unit.color} drawer" if unit and family in DRAWER_FAMILIES else target.kind if target else "hand"
    if family == "put_all_in":
        return objects[0].color in _held_out(f"all {goal}")
    return f"{objects[0].color} {objects[0].kind}" in _held_out(goal)


def _item(rng: np.random.Generator, of: Sequence[Kind], color: Color | None = None) -> Item:
    return Item(pick(rng, of), color if color is not None else pick(rng, COLORS), pick(rng, SIZES))


def draft(rng: np.random.Generator, family: Family, *, held_out: bool, crowd: int, spare_unit: bool) -> Draft:
    """Draw an episode of `family`. crowd: factor on the number of distractors.

    held_out: whether the goal is one of the combinations that are kept from training. spare_unit: add a drawer unit
    to a family that does not need one.
    """
    while True:
        objects, target, unit = _goal(rng, family)
        if is_held_out(family, objects, target, unit) == held_out:
            break
    if unit is None and spare_unit:
        free = [c for c in COLORS if not (family == "put_all_in" and c == objects[0].color)]
        unit = Unit(pick(rng, free), pick(rng, ("left", "right")), float(pick(rng, (0.0, 0.0, 1.0))))
    low, high = _DISTRACTORS[family]
    count = int(rng.integers(low, high + 1)) * crowd
    return Draft(
        family=family,
        objects=objects,
        target=target,
        unit=unit,
        distractors=_distractors(rng, family, objects, target, unit, count),
    )


def _goal(rng: np.random.Generator, family: Family) -> tuple[tuple[Item, ...], Item | None, Unit | None]:
    able, holders = kinds(OBJECT_KINDS[family]), kinds(TARGET_KINDS[family])
    target = _item(rng, holders) if holders else None
    unit = None
    if family in DRAWER_FAMILIES:
        opening = {"open_drawer": (0.0, 0.1), "close_drawer": (0.6, 1.0)}.get(family, (0.92, 1.0))
        unit = Unit(pick(rng, COLORS), pick(rng, ("left", "right")), round(float(rng.uniform(*opening)), 3))
    if family == "put_all_in" and target is not None:
        color, target = pick(rng, COLORS), Item(target.kind, target.color, "large")  # three things need the room
        return tuple(_item(rng, able, color) for _ in range(int(rng.integers(2, 4)))), target, unit
    if family == "stack" and target is not None:
        # A large block on a small one would hang over.
        size: Size = "small" if target.size == "small" else pick(rng, SIZES)
        free = [c for c in COLORS if c != target.color or size != target.size]
        return (Item("block", pick(rng, free), size),), target, unit
    if not able:
        return (), target, unit
    thing = _item(rng, able)
    while target is not None and (thing.kind, thing.color) == (target.kind, target.color):
        thing = _item(rng, able)
    return (thing,), target, unit


def _distractors(
    rng: np.random.Generator,
    family: Family,
    objects: tuple[Item, ...],
    target: Item | None,
    unit: Unit | None,
    count: int,
) -> tuple[Item, ...]:
    """Things that make the instruction decide: the first shares the kind of a thing of the goal, the second the
    colour of one, the third is often another target."""
    parts = [*objects, *([target] if target else [])]
    there, found = list(parts), list[Item]()
    banned = objects[0].color if family == "put_all_in" else None
    while len(found) < count:
        model = pick(rng, parts) if parts else None
        few = sum(t.kind in CONTAINERS for t in there) < (2 if unit else 3)
        of: Sequence[Kind] = KINDS if few and rng.random() < 0.3 else GRASPABLE
        color: Color | None = None
        if len(found) == 0 and model is not None:
            of = (model.kind,) if few or model.kind in GRASPABLE else (objects[0].kind,)
        elif len(found) == (1 if parts else 0):
            color = model.color if model else unit.color if unit else None
        elif len(found) == 2 and target is not None and few and rng.random() < 0.6:
            of = kinds(TARGET_KINDS[family])
        if len(found) == count - 1 and not any(t.kind in GRASPABLE for t in found):
            of = GRASPABLE  # something else to pick up
        item = _item(rng, of, color if color != banned else None)
        twin = any((item.kind, item.color) == (t.kind, t.color) for t in there)
        if item.color == banned or item in there or (twin and rng.random() > _TWIN_SHARE):
            continue
        there.append(item)
        found.append(item)
    return tuple(found)
