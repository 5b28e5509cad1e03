"""The tabletop under a perturbation: the same episode, harder along one axis.

What a person would see from the instruction stays true: words still mean the goal in the changed scene, what is to be
pushed still has its lane, and what is to be found is not hidden.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from premotor.core.errors import InstructionError, WorldError
from premotor.core.types import FloatArray
from premotor.robots.kinematics import Kinematics
from premotor.sim.perturb.axes import Perturbation
from premotor.sim.perturb.look import move_camera, paint, relight
from premotor.sim.perturb.words import said
from premotor.sim.stream import stream
from premotor.sim.tabletop.arrange import GAP, around, can_push, in_region, seen
from premotor.sim.tabletop.drafts import pick
from premotor.sim.tabletop.episode import COLORS, GRASPABLE, SIZES, Episode, Thing
from premotor.sim.tabletop.language import render, resolve
from premotor.sim.tabletop.lexicon import Vocabulary
from premotor.sim.tabletop.placement import NoRoom, footprint
from premotor.sim.tabletop.training_words import TRAINING
from premotor.sim.tabletop.vocabulary import HELD_OUT
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["begin", "key", "perturbed"]

_SURFACES: Mapping[str, tuple[str, ...]] = {"texture": ("mat",), "background": ("tabletop", "floor")}
"""Axis -> what it paints (scene.py)."""
_TRIES = 400
_SEEN = 0.5
"""Share of a thing of the goal that must be seen by the front camera."""
_SPACE = 0.012
"""Metres between what is put somewhere and what stands there."""
_BEYOND = 0.05
"""Metres around the work region where more things may stand; nothing is to be done there."""

_SAYING_VERBS = {
    family: tuple(pattern for pattern in patterns if "{v}" in pattern) for family, patterns in TRAINING.patterns.items()
}
_VERBS = dataclasses.replace(TRAINING, verbs=HELD_OUT.verbs, prepositions=HELD_OUT.prepositions, patterns=_SAYING_VERBS)
_SENTENCES = dataclasses.replace(_VERBS, patterns=HELD_OUT.patterns, manners=HELD_OUT.manners, states=HELD_OUT.states)
_WORDS: tuple[Vocabulary, ...] = (_VERBS, _SENTENCES, HELD_OUT)
"""Other verbs; then other sentences too; then no content word of training."""


def key(episode: Episode) -> str:
    """What draws of an episode's perturbation follow from."""
    return f"{episode.embodiment} {episode.family} {episode.split} {episode.seed}"


def begin(world: TabletopWorld, episode: Episode, change: Perturbation) -> Episode:
    """Reset the world to the episode as perturbed, and return that. Noise is for a PerturbedRobot, delay for
    the loop.

    Raises WorldError when the scene has no room for the change.
    """
    episode = perturbed(episode, change)
    rng = _rng(episode, change)
    surfaces = _SURFACES.get(change.axis, ()) if change.strength else ()
    world.reset(episode, textured=surfaces)
    for name in surfaces:
        paint(world.model, world.model.texture(name).id, change, rng)
    if change.axis == "camera":
        move_camera(world.model, "front", change, rng)
    elif change.axis == "light":
        relight(world.model, change, rng)
    elif change.axis == "start" and change.strength:
        world.pose_arm(_start(world, change, rng), 1.0)
    mujoco.mj_camlight(world.model, world.data)
    return episode


def perturbed(episode: Episode, change: Perturbation) -> Episode:
    """What a perturbation changes of the episode itself: where things stand, how many they are, and the words."""
    rng = _rng(episode, change)
    if not change.strength:
        return episode
    if change.axis == "layout":
        return _moved(episode, change.amount("shift_m"), rng)
    if change.axis == "clutter":
        return _crowded(episode, int(change.amount("things")), rng)
    if change.axis == "paraphrase":
        return _reworded(episode, int(change.amount("new_words")), rng)
    return dataclasses.replace(episode, instruction=said(episode.instruction, change, rng))


def _rng(episode: Episode, change: Perturbation) -> np.random.Generator:
    return stream("perturb", change.axis, key(episode))


def _means(episode: Episode) -> bool:
    """Whether the scene still fits the task as it was said, and allows it."""
    try:
        meant = resolve(episode.instruction, episode.things, episode.drawer)
    except InstructionError:
        return False
    goal = episode.goal
    parts = [t for t in episode.things if t.name in (*goal.objects, goal.target) and not t.in_drawer]
    clear = goal.family != "push_to" or can_push(episode.things, goal)
    return meant == goal and clear and all(seen(thing, episode.things) >= _SEEN for thing in parts)


def _moved(episode: Episode, shift: float, rng: np.random.Generator) -> Episode:
    """Every loose thing so far from where it was, in some direction, and turned."""
    for _ in range(_TRIES):
        things = list(episode.things)
        try:
            for index in rng.permutation(len(things)):
                if not things[index].in_drawer:
                    things[index] = _elsewhere(things, things[index], episode, shift, rng)
        except NoRoom:
            continue
        moved = dataclasses.replace(episode, things=tuple(things))
        if _means(moved):
            return moved
    raise WorldError(f"nothing can be moved by {shift} m in {key(episode)}; use another seed")


def _elsewhere(
    things: Sequence[Thing], thing: Thing, episode: Episode, shift: float, rng: np.random.Generator
) -> Thing:
    table = around(rng, thing, tuple(things), episode.drawer)
    covered, yaw = footprint(thing.kind, thing.size), table.yaw(thing.kind)
    for angle in rng.uniform(-math.pi, math.pi, 24):
        x, y = thing.x + shift * math.cos(angle), thing.y + shift * math.sin(angle)
        if in_region(x, y, 0.0) and table.is_free(x, y, yaw, covered, _SPACE):
            return dataclasses.replace(thing, x=round(x, 5), y=round(y, 5), yaw=round(yaw, 4))
    raise NoRoom


def _crowded(episode: Episode, more: int, rng: np.random.Generator) -> Episode:
    """So many more things, clear of the hand's way to those of the goal."""
    goal = episode.goal
    for _ in range(_TRIES):
        if more == 0:
            return episode
        kind, color, size = pick(rng, GRASPABLE), pick(rng, COLORS), pick(rng, SIZES)
        number = 1 + sum((t.kind, t.color) == (kind, color) for t in episode.things)
        new = Thing(name=f"{color}_{kind}_{number}", kind=kind, color=color, size=size, x=0.0, y=0.0, yaw=0.0)
        table = around(rng, new, episode.things, episode.drawer)
        for part in episode.things:
            if part.name in (*goal.objects, goal.target) and not part.in_drawer:
                table.put(part.x, part.y, part.yaw, footprint(part.kind, part.size), GAP)
        yaw = table.yaw(kind)
        try:
            x, y = table.spot(footprint(kind, size), yaw, _SPACE, edge=-_BEYOND)
        except NoRoom:
            continue
        put = dataclasses.replace(new, x=x, y=y, yaw=round(yaw, 4))
        crowded = dataclasses.replace(episode, things=(*episode.things, put))
        if _means(crowded):
            episode, more = crowded, more - 1
    raise WorldError(f"there is no room for {more} more things in {key(episode)}; use another seed")


def _reworded(episode: Episode, new_words: int, rng: np.random.Generator) -> Episode:
    """The same goal in other words."""
    for _ in range(_TRIES):
        text = render(episode.goal, episode.things, episode.drawer, rng, _WORDS[new_words - 1])
        spoken = dataclasses.replace(episode, instruction=text)
        if text != episode.instruction and _means(spoken):
            return spoken
    raise WorldError(f"there are no other words for {episode.instruction!r} in {key(episode)}; use another seed")


def _start(world: TabletopWorld, change: Perturbation, rng: np.random.Generator) -> FloatArray:
    """Joints (J,) with the tool so far from home, level or higher, pointing as at home."""
    arm = world.embodiment
    kinematics = Kinematics(arm)
    home, rotation = kinematics.forward(arm.home)
    for _ in range(_TRIES):
        way = rng.normal(size=3)
        way[2] = abs(way[2])
        found = kinematics.solve(home + change.amount("tool_m") * way / np.linalg.norm(way), rotation, arm.home)
        if found.reached:
            return found.positions
    raise WorldError(f"{arm.name} cannot start {change.amount('tool_m')} m from home")
