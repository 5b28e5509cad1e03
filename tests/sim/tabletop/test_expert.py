"""The expert solves every family on both arms through the guard, from the present state alone."""

import numpy as np
import pytest

from premotor.robots.embodiment import EMBODIMENTS
from premotor.safety.guard import Guard
from premotor.sim.tabletop.episode import FAMILIES, Family
from premotor.sim.tabletop.expert import Expert
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import TabletopWorld

ARMS = sorted(EMBODIMENTS)


def _run(world: TabletopWorld, steps: int) -> int:
    """Let the expert act through the guard until success or for `steps` steps; returns the steps taken."""
    expert, guard = Expert(world), Guard(world.embodiment)
    guard.reset(world.joint_state())
    for step in range(steps):
        command, _ = guard.step(expert.action(), world.joint_state(), world.stamp_ns)
        world.apply(command)
        if world.success():
            return step + 1
    return steps


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_solves_every_family(arm: str, family: Family) -> None:
    world = TabletopWorld(arm, render=False)
    solved = 0
    for seed in (100, 101):
        episode = sample(arm, family, "train", seed)
        world.reset(episode)
        solved += _run(world, episode.max_steps) < episode.max_steps
    assert solved == 2


@pytest.mark.parametrize(("arm", "seed"), [("panda", 102), ("so101", 110)])
def test_a_bowl_is_drawn_over_the_table_and_never_lifted(arm: str, seed: int) -> None:
    world = TabletopWorld(arm, render=False)
    episode = sample(arm, "push_to", "train", seed)
    (bowl,) = episode.goal.objects
    world.reset(episode)
    start = world.position(bowl)
    assert world.thing(bowl).kind == "bowl"
    assert _run(world, episode.max_steps) < 100
    assert np.linalg.norm(world.position(bowl) - start) > 0.05
    assert world.highest(bowl) < 0.01


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("split", ["moved", "slip"])
def test_recovers_when_something_goes_wrong(arm: str, split: str) -> None:
    world = TabletopWorld(arm, render=False)
    solved = 0
    for seed in range(3):
        episode = sample(arm, "put_on", split, seed)  # type: ignore[arg-type]
        world.reset(episode)
        solved += _run(world, episode.max_steps) < episode.max_steps
    assert solved >= 2


@pytest.mark.parametrize("arm", ARMS)
def test_is_a_function_of_the_state(arm: str) -> None:
    """Restored in the middle of an episode, a fresh expert wants exactly what the first one wanted."""
    world = TabletopWorld(arm, render=False)
    world.reset(sample(arm, "put_in", "train", 3))
    first = Expert(world)
    _run(world, 25)
    middle = world.snapshot()
    action = first.action()
    _run(world, 10)
    assert not np.array_equal(first.action(), action)
    world.restore(middle)
    assert np.allclose(Expert(world).action(), action, atol=1e-9)
    assert np.allclose(first.action(), action, atol=1e-9)


@pytest.mark.parametrize("arm", ARMS)
def test_stays_inside_the_guards_limits(arm: str) -> None:
    """The guard passes nearly all of it unchanged, so the actions in demonstrations are those that were executed."""
    world = TabletopWorld(arm, render=False)
    expert, guard = Expert(world), Guard(world.embodiment)
    passed = total = 0
    for seed in range(2):
        world.reset(sample(arm, "put_in", "train", seed))
        guard.reset(world.joint_state())
        for _ in range(60):
            command, verdict = guard.step(expert.action(), world.joint_state(), world.stamp_ns)
            world.apply(command)
            passed += type(verdict).__name__ == "Pass"
            total += 1
    assert passed / total > 0.85


@pytest.mark.parametrize("arm", ARMS)
def test_stands_still_when_all_is_done(arm: str) -> None:
    world = TabletopWorld(arm, render=False)
    episode = sample(arm, "put_on", "train", 0)
    world.reset(episode)
    assert _run(world, episode.max_steps) < episode.max_steps
    _run_on = Guard(world.embodiment)
    _run_on.reset(world.joint_state())
    expert = Expert(world)
    for _ in range(30):
        world.apply(_run_on.step(expert.action(), world.joint_state(), world.stamp_ns)[0])
    before, _ = world.tool()
    for _ in range(5):
        world.apply(_run_on.step(expert.action(), world.joint_state(), world.stamp_ns)[0])
    after, _ = world.tool()
    assert np.linalg.norm(after - before) < 1e-3
    assert world.success()


def test_focus_names_what_is_acted_on() -> None:
    world = TabletopWorld("panda", render=False)
    episode = sample("panda", "put_in", "train", 0)
    world.reset(episode)
    assert Expert(world).focus() == (episode.goal.objects[0], episode.goal.target)
    world.reset(sample("panda", "open_drawer", "train", 0))
    assert Expert(world).focus() == ("drawer", None)
