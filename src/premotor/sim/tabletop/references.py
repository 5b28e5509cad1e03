"""What words can point at: a description of one thing, and which things of a scene it fits.

Rendering and understanding share this one meaning, so that what is said is what is understood.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from premotor.sim.tabletop.episode import Color, Drawer, Size, Thing
from premotor.sim.tabletop.lexicon import Relation, Side
from premotor.sim.tabletop.objects import DRAWER, shape

__all__ = ["CLEAR", "NEXT_TO", "Reference", "denote", "describe", "matches", "scene_description"]

CLEAR = 0.04
"""Metres by which a thing must stand out ("leftmost", "nearest to the bowl") to be called so."""
NEXT_TO = 0.08
"""Widest gap in metres between edges of things that stand next to each other."""

_DIRECTIONS: Mapping[Side | Relation, tuple[float, float]] = {
    "left": (0.0, -1.0),
    "right": (0.0, 1.0),
    "near": (1.0, 0.0),
    "far": (-1.0, 0.0),
    "left_of": (0.0, -1.0),
    "right_of": (0.0, 1.0),
    "in_front_of": (1.0, 0.0),
    "behind": (-1.0, 0.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A description. Empty `kinds` means any thing; "drawer" is a kind here. `anchor` belongs to `relation`.

    `every` asks for all that fit instead of the only one. `noun` is the word that was used, for messages.
    """

    kinds: tuple[str, ...] = ()
    color: Color | None = None
    size: Size | None = None
    side: Side | None = None
    relation: Relation | None = None
    anchor: "Reference | None" = None
    every: bool = False
    noun: str = ""


@dataclass(frozen=True, slots=True)
class _Spot:
    name: str
    x: float
    y: float
    radius: float


def matches(reference: Reference, kind: str, color: Color, size: Size | None) -> bool:
    """Whether kind, colour and size fit, whatever the place."""
    if reference.kinds and kind not in reference.kinds:
        return False
    if reference.color is not None and color != reference.color:
        return False
    return reference.size is None or size == reference.size


def denote(reference: Reference, things: Sequence[Thing], drawer: Drawer | None) -> tuple[str, ...]:
    """Names of what `reference` fits, in scene order; the drawer unit is called "drawer".

    Where a place is named and nothing stands out by `CLEAR`, all candidates for it are returned: it is ambiguous.
    """
    spots = [
        _Spot(t.name, t.x, t.y, shape(t.kind, t.size).radius)
        for t in things
        if matches(reference, t.kind, t.color, t.size)
    ]
    if drawer is not None and matches(reference, "drawer", drawer.color, None):
        spots.append(_Spot("drawer", drawer.x, drawer.y, DRAWER.radius))
    if reference.side is not None:
        spots = _furthest(spots, *_DIRECTIONS[reference.side])
    if reference.relation is not None and reference.anchor is not None:
        spots = _related(spots, reference.relation, reference.anchor, things, drawer)
    return tuple(s.name for s in spots)


def _furthest(spots: list[_Spot], dx: float, dy: float) -> list[_Spot]:
    """Those that lie furthest in a direction, with all that come within `CLEAR` of the first."""
    if not spots:
        return spots
    best = max(s.x * dx + s.y * dy for s in spots)
    return [s for s in spots if s.x * dx + s.y * dy > best - CLEAR]


def _related(
    spots: list[_Spot], relation: Relation, anchor: Reference, things: Sequence[Thing], drawer: Drawer | None
) -> list[_Spot]:
    names = denote(anchor, things, drawer)
    if len(names) != 1:
        return []
    origin = _spot(names[0], things, drawer)
    spots = [s for s in spots if s.name != origin.name]
    if relation in ("next_to", "nearest"):
        gaps = {s.name: math.hypot(s.x - origin.x, s.y - origin.y) - s.radius - origin.radius for s in spots}
        best = min(gaps.values(), default=math.inf)
        if relation == "next_to" and best > NEXT_TO:
            return []
        return [s for s in spots if gaps[s.name] < best + CLEAR]
    dx, dy = _DIRECTIONS[relation]
    ahead = {s.name: (s.x - origin.x) * dx + (s.y - origin.y) * dy for s in spots}
    if max(ahead.values(), default=0.0) < CLEAR:
        return []
    return [s for s in spots if ahead[s.name] > 0]


def _spot(name: str, things: Sequence[Thing], drawer: Drawer | None) -> _Spot:
    if name == "drawer" and drawer is not None:
        return _Spot("drawer", drawer.x, drawer.y, DRAWER.radius)
    thing = next(t for t in things if t.name == name)
    return _Spot(thing.name, thing.x, thing.y, shape(thing.kind, thing.size).radius)


def describe(thing: Thing) -> str:
    """Such as "large red block"."""
    return f"{thing.size} {thing.color} {thing.kind}"


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def scene_description(things: Sequence[Thing], drawer: Drawer | None) -> str:
    """What is there, such as "a small blue cup, a large red block and a green drawer".

    The size is told only where it tells two things apart.
    """
    names = []
    for thing in things:
        twins = sum(t.kind == thing.kind and t.color == thing.color for t in things) > 1
        words = describe(thing) if twins else f"{thing.color} {thing.kind}"
        names.append(_article(words) + (" in the drawer" if thing.in_drawer else ""))
    if drawer is not None:
        names.append(_article(f"{drawer.color} drawer"))
    if not names:
        return "nothing"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
