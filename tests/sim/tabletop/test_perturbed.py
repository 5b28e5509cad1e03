"""The tabletop under perturbations: each axis changes what it says, leaves the rest alone, and the task stays true."""

import dataclasses
import math
import re
from collections.abc import Iterator

import numpy as np
import pytest

from premotor.core.types import Observation
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.perturb.axes import AXES, STRENGTHS, Perturbation
from premotor.sim.tabletop.episode import FAMILIES, Episode
from premotor.sim.tabletop.language import resolve
from premotor.sim.tabletop.lexicon import SHARED
from premotor.sim.tabletop.perturbed import begin, perturbed
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.training_words import TRAINING
from premotor.sim.tabletop.world import TabletopWorld

SEED = 1_200_000_000
EPISODE = sample("so101", "put_in", "layout", SEED)
WORDS = {"paraphrase", "register", "typos", "chatter"}
PLACES = {"layout", "clutter"}
# What each axis changes of the first observation; noise and delay do nothing before somebody wraps the world.
TOUCHED: dict[str, set[str]] = {
    **{axis: {"images"} for axis in ("camera", "light", "texture", "background", *PLACES)},
    **{axis: {"instruction"} for axis in WORDS},
    "start": {"images", "state"},
    "noise": set(),
    "delay": set(),
}


@pytest.fixture(scope="module")
def world() -> Iterator[TabletopWorld]:
    made = TabletopWorld("so101", size=64)
    yield made
    made.close()


def first(world: TabletopWorld, change: Perturbation | None) -> Observation:
    if change is None:
        world.reset(EPISODE)
    else:
        begin(world, EPISODE, change)
    return world.observe()


def differing(a: Observation, b: Observation) -> set[str]:
    pictures = any(not np.array_equal(a.images[name], b.images[name]) for name in a.images)
    found = {"images": pictures, "state": not np.array_equal(a.state, b.state)}
    return {name for name, differs in found.items() if differs} | (
        {"instruction"} if a.instruction != b.instruction else set()
    )


@pytest.mark.parametrize("axis", AXES)
def test_each_changes_what_it_says_and_nothing_else(world: TabletopWorld, axis: str) -> None:
    plain = first(world, None)
    assert differing(plain, first(world, Perturbation(axis, 0))) == set(), "strength 0 is nothing"
    seen = [first(world, Perturbation(axis, strength)) for strength in STRENGTHS]
    for one in seen:
        assert differing(plain, one) == TOUCHED[axis]
    if TOUCHED[axis]:
        assert differing(seen[0], seen[2]) == TOUCHED[axis], "strengths are alike"
    assert differing(seen[2], first(world, Perturbation(axis, 3))) == set(), "not repeatable"
    assert differing(plain, first(world, None)) == set(), "something was left behind"


def test_another_episode_is_perturbed_another_way() -> None:
    other = dataclasses.replace(EPISODE, seed=EPISODE.seed + 1)
    for axis in (*PLACES, "paraphrase", "chatter"):
        change = Perturbation(axis, 2)
        assert perturbed(EPISODE, change) == perturbed(EPISODE, change)
        one, two = perturbed(EPISODE, change), perturbed(other, change)
        assert (one.things, one.instruction) != (two.things, two.instruction)


def episodes() -> Iterator[Episode]:
    for arm in EMBODIMENTS:
        for family in FAMILIES:
            for seed in range(SEED, SEED + 3):
                yield sample(arm, family, "layout", seed)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_in_every_family_there_is_room_and_words_still_mean_the_goal(strength: int) -> None:
    for episode in episodes():
        moved = perturbed(episode, Perturbation("layout", strength))
        assert resolve(moved.instruction, moved.things, moved.drawer) == episode.goal
        ways = [
            math.hypot(a.x - b.x, a.y - b.y)
            for a, b in zip(moved.things, episode.things, strict=True)
            if not a.in_drawer
        ]
        assert ways == pytest.approx([Perturbation("layout", strength).amount("shift_m")] * len(ways), abs=2e-5)
        crowded = perturbed(episode, Perturbation("clutter", strength))
        assert crowded.things[: len(episode.things)] == episode.things
        assert len(crowded.things) - len(episode.things) == 2 * strength
        assert len({thing.name for thing in crowded.things}) == len(crowded.things)
        for changed in (moved, crowded):
            assert dataclasses.replace(changed, things=episode.things) == episode


def test_paraphrases_mean_the_goal_in_more_and_more_words_that_training_does_not_know() -> None:
    trained = set(re.findall("[a-z]+", repr(TRAINING))) | SHARED
    new: dict[int, list[int]] = {strength: [] for strength in STRENGTHS}
    for episode in episodes():
        for strength in STRENGTHS:
            put = perturbed(episode, Perturbation("paraphrase", strength))
            assert resolve(put.instruction, put.things, put.drawer) == episode.goal
            assert put.instruction != episode.instruction
            assert dataclasses.replace(put, instruction=episode.instruction) == episode
            new[strength].append(len(set(re.findall("[a-z]+", put.instruction)) - trained))
    assert all(new[1]), "a verb is always new"
    assert sum(new[1]) < sum(new[2]) < sum(new[3])


@pytest.mark.parametrize("arm", EMBODIMENTS)
def test_the_arm_starts_as_far_from_home_as_it_says(arm: str) -> None:
    world, episode = TabletopWorld(arm, render=False), sample(arm, "pick_up", "layout", SEED)
    world.reset(episode)
    home = world.tool()[0]
    for strength in STRENGTHS:
        change = Perturbation("start", strength)
        begin(world, episode, change)
        away = world.tool()[0] - home
        # Home sags by a few millimetres while the scene settles, and a start does not.
        assert np.linalg.norm(away) == pytest.approx(change.amount("tool_m"), abs=0.006)
        assert away[2] > -0.006
        joints, gripper = world.commanded()
        assert np.array_equal(joints, world.joint_state().positions)
        assert gripper == 1.0
