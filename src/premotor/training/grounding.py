"""Labels for pointing, and still pictures that carry nothing else, or questions about them and their answers.

Where the object and the target are in each picture is known for free in simulation. A still costs a hundredth of an
episode, and it is new scenes, not more frames of the same one, that teach a policy to find what words name.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from premotor.core.types import Command, Observation
from premotor.robots.embodiment import embodiment
from premotor.robots.kinematics import Kinematics
from premotor.sim.stream import stream
from premotor.sim.tabletop.episode import COLORS, CONTAINERS, GRASPABLE, KINDS, SIZES, Episode, Family, Goal, Split
from premotor.sim.tabletop.language import render, resolve
from premotor.sim.tabletop.objects import shape
from premotor.sim.tabletop.sample import sample, swapped
from premotor.sim.tabletop.vocabulary import vocabulary
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld
from premotor.training.questions import Question, held, questions
from premotor.training.store import ATTRIBUTES, CROWD, REFERENCES, Demonstration, write_shard

__all__ = ["Cell", "ask_about", "collect_scenes", "labels", "places", "wordings"]

_FILLED = 0.6  # of the scenes that are asked about, something was put into a container
_SETTLE = 12  # control steps until it lies still

Cell = tuple[Family, int]
"""A family and a seed of the train split."""


def collect_scenes(
    folder: Path, name: str, arm: str, cells: Sequence[Cell], looks: int, *, asked: bool = False
) -> tuple[int, int]:
    """Still pictures for grounding alone: `looks` a scene, each with the arm and gripper somewhere else and another
    instruction that fits the scene. They cost a hundredth of an episode, and it is new scenes that teach to point.
    asked: they carry questions with their answers instead.

    Writes one shard of demonstrations without labelled actions; returns (scenes, scenes).
    """
    if (folder / name).exists():
        return 0, 0
    world, kinematics = TabletopWorld(arm, segmentation=asked), Kinematics(embodiment(arm))
    look = _ask if asked else _look
    made = [d for cell in cells for d in look(world, kinematics, cell, looks)]
    world.close()
    write_shard(folder, name, made)
    return len(cells), len(cells)


def _look(world: TabletopWorld, kinematics: Kinematics, cell: Cell, looks: int) -> Iterator[Demonstration]:
    family, seed = cell
    rng = np.random.default_rng([seed, 104729])
    episode = sample(world.embodiment.name, family, "train", seed)
    world.reset(episode)
    for _ in range(looks):
        _wander(world, kinematics, rng)
        seen = world.observe()
        yield _still(world, seen, episode.family, (episode.instruction,), labels(world, _focus(world, episode.goal)))
        other = swapped(episode)
        goal = resolve(other.instruction, other.things, other.drawer)
        episode = dataclasses.replace(other, goal=goal, family=goal.family)


def ask_about(
    world: TabletopWorld, kinematics: Kinematics, cell: Cell, split: Split, looks: int
) -> Iterator[tuple[Observation, list[Question]]]:
    """Pictures of one scene, each with the arm somewhere else, and what can be asked of it. In many of the scenes
    something was put into a container first. The world must draw segments.
    """
    family, seed = cell
    rng = stream("questions", split, family, world.embodiment.name, seed)
    world.reset(sample(world.embodiment.name, family, split, seed))
    if rng.random() < _FILLED:
        _fill(world, rng)
    inside = held(world)
    for _ in range(looks):
        _wander(world, kinematics, rng)
        seen = world.observe()
        yield seen, questions(world, inside, rng)


def _ask(world: TabletopWorld, kinematics: Kinematics, cell: Cell, looks: int) -> Iterator[Demonstration]:
    for seen, asked in ask_about(world, kinematics, cell, "train", looks):
        if asked:
            texts, answers = tuple(q.text for q in asked), tuple(q.answer for q in asked)
            # It names nothing to act on, so nobody learns to point from it.
            yield _still(world, seen, cell[0], texts, labels(world, (None, None)), answers)


def _fill(world: TabletopWorld, rng: np.random.Generator) -> None:
    """Drop a thing into a container, and wait until it lies."""
    things = world.episode.things
    loose = [t for t in things if t.kind in GRASPABLE and not t.in_drawer]
    empty = [t for t in things if t.kind in CONTAINERS]
    if not loose or not empty:
        return
    thing, into = loose[int(rng.integers(len(loose)))], empty[int(rng.integers(len(empty)))]
    above = (shape(thing.kind, thing.size).height + shape(into.kind, into.size).height) / 2
    world.place(thing.name, world.position(into.name) + np.array([0.0, 0.0, above + 0.002]), yaw=thing.yaw)
    joints, gripper = world.commanded()
    for _ in range(_SETTLE):
        world.apply(Command(stamp_ns=world.stamp_ns, positions=joints.copy(), gripper=gripper))


def _still(
    world: TabletopWorld,
    seen: Observation,
    family: Family,
    texts: tuple[str, ...],
    truth: dict[str, Any],
    answers: tuple[str, ...] = (),
) -> Demonstration:
    """One picture, without a labelled action."""
    return Demonstration(
        embodiment=world.embodiment.name,
        instructions=texts,
        answers=answers,
        family=family,
        success=False,
        images={c: image[None] for c, image in seen.images.items()},
        at=np.zeros(1, np.int64),
        state=seen.state[None],
        action=np.zeros((1, len(world.spec.action.dims))),
        expert=np.zeros(1, bool),
        focus=truth["places"][None],
        **{key: value[None] for key, value in truth.items()},
    )


def _wander(world: TabletopWorld, kinematics: Kinematics, rng: np.random.Generator) -> None:
    """Put the arm somewhere over the work region, as it may be in the middle of a task."""
    arm = world.embodiment
    low, high = np.array([-0.12, -0.2, 0.02]), np.array([0.12, 0.2, 0.2])
    home = arm.home + rng.normal(0, 0.05, len(arm.home))
    _, down = kinematics.forward(arm.home)
    turn = rng.uniform(-1.2, 1.2)
    around = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    found = kinematics.solve(rng.uniform(low, high) - arm.mount, around @ down, home, iterations=8)
    joints = np.clip(found.positions, arm.position_low, arm.position_high)
    world.pose_arm(joints, float(rng.choice([0.0, 1.0, rng.uniform(0, 1)])))


def _focus(world: TabletopWorld, goal: Goal) -> tuple[str | None, str | None]:
    if not goal.objects:
        return "drawer", None
    tool, _ = world.tool()
    return min(goal.objects, key=lambda name: float(np.linalg.norm(world.position(name) - tool))), goal.target


def labels(world: TabletopWorld, focus: tuple[str | None, str | None]) -> dict[str, Any]:
    """Where and what object and target are, and everything else in the scene; see Demonstration for the shapes."""
    points, seen = np.zeros((len(CAMERAS), REFERENCES, 2)), np.zeros((len(CAMERAS), REFERENCES), bool)
    named = np.zeros(REFERENCES, bool)
    asked = np.full((REFERENCES, len(ATTRIBUTES)), -1)
    for r, name in enumerate(focus):
        if name is None:
            continue
        named[r], asked[r] = True, _attributes(world, name)
        points[:, r], seen[:, r] = _in_pictures(world, name)
    crowd = np.full((CROWD, len(ATTRIBUTES)), -1)
    crowd_points, crowd_seen = np.zeros((len(CAMERAS), CROWD, 2)), np.zeros((len(CAMERAS), CROWD), bool)
    crowd_places = np.zeros((CROWD, 3))
    shut = world.episode.drawer is not None and world.drawer_opening() < 0.3
    there = [t.name for t in world.episode.things if not (t.in_drawer and shut)]
    for n, name in enumerate([*there, *(["drawer"] if world.episode.drawer is not None else [])][:CROWD]):
        crowd[n] = _attributes(world, name)
        crowd_points[:, n], crowd_seen[:, n] = _in_pictures(world, name)
        crowd_places[n] = _place(world, name)
    return {
        "points": points,
        "seen": seen,
        "places": places(world, focus),
        "named": named,
        "asked": asked,
        "crowd": crowd,
        "crowd_points": crowd_points,
        "crowd_seen": crowd_seen,
        "crowd_places": crowd_places,
    }


def places(world: TabletopWorld, focus: tuple[str | None, str | None]) -> NDArray[np.float64]:
    """(R, 3) of object and target, metres in the base frame; zero where there is none."""
    return np.array([np.zeros(3) if name is None else _place(world, name) for name in focus])


def _place(world: TabletopWorld, name: str) -> NDArray[np.float64]:
    return world.position(name) - world.embodiment.mount


def _attributes(world: TabletopWorld, name: str) -> tuple[int, int, int]:
    """Indices of kind, colour and size; a drawer has no size."""
    drawer = world.episode.drawer
    if name == "drawer" and drawer is not None:
        return len(KINDS), COLORS.index(drawer.color), -1
    thing = world.thing(name)
    return KINDS.index(thing.kind), COLORS.index(thing.color), SIZES.index(thing.size)


def _in_pictures(world: TabletopWorld, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Image points (C, 2) of a thing, and (C,) whether they lie in the picture."""
    found = np.array([world.project(camera, world.position(name)) for camera in CAMERAS])
    inside = (found[:, :2] >= 0) & (found[:, :2] <= 1)
    return found[:, :2], inside.all(1) & (found[:, 2] > 0)


def wordings(episode: Episode, rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """`count` ways to say what the episode asks for; the first is its own instruction."""
    words = vocabulary(episode.split)
    others = (render(episode.goal, episode.things, episode.drawer, rng, words) for _ in range(count - 1))
    return (episode.instruction, *others)
