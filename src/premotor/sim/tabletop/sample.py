"""Draws episodes: the same arguments give the same episode, and no two splits share one."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from premotor.core.errors import InstructionError, WorldError
from premotor.sim.stream import stream
from premotor.sim.tabletop.arrange import CROWDED_GAP, LOOSE_GAP, around, arrange, can_push, in_region
from premotor.sim.tabletop.drafts import Draft, Item, Unit, draft, kinds, pick
from premotor.sim.tabletop.episode import (
    COLORS,
    CONTAINERS,
    FAMILIES,
    GRASPABLE,
    KINDS,
    SIZES,
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
from premotor.sim.tabletop.language import family_of, render, resolve
from premotor.sim.tabletop.parse import Request, parse
from premotor.sim.tabletop.placement import NoRoom, footprint
from premotor.sim.tabletop.references import Reference, matches, scene_description
from premotor.sim.tabletop.tasks import (
    DRAWER_FAMILIES,
    EXAMPLES,
    HOLDERS,
    MAX_STEPS,
    MOVED_FAMILIES,
    OBJECT_KINDS,
    SLIP_FAMILIES,
    TARGET_KINDS,
)
from premotor.sim.tabletop.vocabulary import vocabulary

__all__ = ["sample", "scene_for", "swapped"]

_ATTEMPTS = 400
_UNIT_SHARE = 0.2
_MOVE = 0.05


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
            things, drawer, goal = arrange(rng, drawn, gap=CROWDED_GAP if split == "clutter" else LOOSE_GAP)
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
    raise WorldError(f"no room for {family!r}, split {split!r}, seed {seed} in {_ATTEMPTS} attempts; use another seed")


def _check(family: Family, split: Split) -> None:
    if family not in FAMILIES:
        raise WorldError(f"unknown task family {family!r}; there are: {', '.join(FAMILIES)}")
    if split not in SPLITS:
        raise WorldError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
    allowed = {"moved": MOVED_FAMILIES, "slip": SLIP_FAMILIES}.get(split, FAMILIES)
    if family not in allowed:
        raise WorldError(f"split {split!r} has no {family!r}; its families are: {', '.join(allowed)}")


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
    table = around(rng, thing, things, drawer)
    for angle in rng.uniform(-math.pi, math.pi, 24):
        x, y = thing.x + _MOVE * math.cos(angle), thing.y + _MOVE * math.sin(angle)
        moved = tuple(replace(t, x=x, y=y) if t is thing else t for t in things)
        if not in_region(x, y, 0.0) or not table.is_free(x, y, thing.yaw, footprint(thing.kind, thing.size), 0.02):
            continue
        if goal.family == "push_to" and not can_push(moved, goal):
            continue
        if _means(text, moved, drawer, goal):
            return Disturbance(kind="moved", thing=thing.name, dx=round(x - thing.x, 5), dy=round(y - thing.y, 5))
    raise NoRoom


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
    for goals in [same, others] if rng.random() < 0.7 else [others]:
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


def scene_for(text: str, embodiment: str, seed: int = 0) -> Episode:
    """A random scene in which `text` asks for exactly one thing, with distractors; what it leaves open is drawn.

    Raises InstructionError as `resolve` does for what cannot be understood, and for kinds that do not exist or cannot
    be used that way.
    """
    request = parse(text)
    rng = stream("scene for", text, embodiment, seed)
    failure: Exception | None = None
    for _ in range(_ATTEMPTS):
        family = _family_for(rng, request)
        drawn = _wanted(rng, family, request)
        try:
            things, drawer, planned = arrange(rng, drawn, gap=LOOSE_GAP)
            goal = resolve(text, things, drawer)
        except (NoRoom, InstructionError) as error:
            failure = error
            continue
        if goal == planned:
            return Episode(
                embodiment=embodiment,
                family=family,
                split="layout",
                seed=seed,
                things=things,
                drawer=drawer,
                goal=goal,
                instruction=text,
                max_steps=MAX_STEPS[family],
            )
    raise InstructionError(f'I found no scene in which "{text}" asks for one thing only. {failure or ""}'.strip())


def _family_for(rng: np.random.Generator, request: Request) -> Family:
    """The task family; where the target's kind is left open ("the red one"), one that fits is drawn."""
    task, target = request.task, request.target
    if task == "open_drawer" or task == "close_drawer":
        return task
    if task == "take_out":
        return "take_out_of_drawer"
    if task == "lift" or target is None or request.object is None:
        return "pick_up"
    if task == "push":
        return "push_to"
    every = request.object.every
    if target.noun == "one" and request.object.kinds == ("block",):
        return "stack"
    usual = ("bowl", "bin") if every else HOLDERS.get(request.preposition, CONTAINERS)[:2]
    named = target.kinds or usual
    families = [f for kind in named if (f := family_of(kind, every=every)) is not None]
    if not families:
        holders = "bowl, bin" if every else "bowl, bin, plate, tray, block, drawer"
        what = "several things" if every else "things"
        raise InstructionError(f"A {named[0]} cannot hold {what} here; these can: {holders}.")
    return pick(rng, families)


def _wanted(rng: np.random.Generator, family: Family, request: Request) -> Draft:
    """A draft with all that a request names, and distractors that fit none of its descriptions."""
    named = [r for r in (request.object, request.target) if r is not None]
    named += [r.anchor for r in named if r.anchor is not None]
    objects: tuple[Item, ...] = ()
    if request.object is not None:
        count = int(rng.integers(2, 4)) if family == "put_all_in" else 1
        objects = tuple(_fitting(rng, request.object, OBJECT_KINDS[family], family) for _ in range(count))
    wants_target = request.target is not None and family not in DRAWER_FAMILIES
    target = _fitting(rng, request.target, TARGET_KINDS[family], family) if wants_target and request.target else None
    unit = None
    drawers = [r for r in named if r.kinds == ("drawer",)]
    if drawers or family in DRAWER_FAMILIES:
        colors = [r.color for r in drawers if r.color is not None] or [pick(rng, COLORS)]
        is_open = family in DRAWER_FAMILIES and family != "open_drawer"
        unit = Unit(colors[0], pick(rng, ("left", "right")), 1.0 if is_open else 0.0)
    # Besides what descriptions lean on: "the left cup" is said where there is another cup.
    more = [r.anchor for r in named if r.anchor is not None] + [r for r in named if r.side is not None]
    rest = [_fitting(rng, r, KINDS, family) for r in more if r.kinds != ("drawer",)]
    while len(rest) < 2 or len(rest) + len(objects) + (target is not None) < 4:
        kind = pick(rng, KINDS if rng.random() < 0.3 else GRASPABLE)
        item = Item(kind, pick(rng, COLORS), pick(rng, SIZES))
        fitted = [r for r in named if matches(r, item.kind, item.color, item.size)]
        if all(r.side is not None or r.relation is not None for r in fitted):
            rest.append(item)
        elif any(not (r.kinds or r.color or r.size) for r in fitted):
            break  # nothing can be there that "the thing" does not fit
    return Draft(family=family, objects=objects, target=target, unit=unit, distractors=tuple(rest))


def _fitting(rng: np.random.Generator, reference: Reference, able: Sequence[str], family: Family) -> Item:
    """A random item that fits a description and may play the part. Raises InstructionError when no kind may."""
    of = kinds([k for k in (reference.kinds or able) if k in able])
    if not of:
        raise InstructionError(
            f'A {reference.kinds[0]} cannot be used as in "{EXAMPLES[family]}"; that takes one of: {", ".join(able)}.'
        )
    color = reference.color if reference.color is not None else pick(rng, COLORS)
    return Item(pick(rng, of), color, reference.size if reference.size is not None else pick(rng, SIZES))
