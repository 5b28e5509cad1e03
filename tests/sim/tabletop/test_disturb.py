"""Disturbances happen once, at their time, only to a free place, and equally in equal episodes."""

import numpy as np
import pytest

from premotor.sim.tabletop.disturb import APPROACH
from premotor.sim.tabletop.episode import Disturbance, Thing
from premotor.sim.tabletop.objects import shape
from premotor.sim.tabletop.world import TabletopWorld

from .scenes import ARMS, Hand, episode, thing, wait

ALONE = (thing("it", "block", 0.02, -0.10, yaw=0.0), thing("bowl", "bowl", -0.03, 0.08, size="large"))


def start(arm: str, disturbance: Disturbance, things: tuple[Thing, ...] = ALONE) -> TabletopWorld:
    world = TabletopWorld(arm, render=False)
    world.reset(episode(arm, "put_in", ("it",), "bowl", things=things, drawer=None, disturbance=disturbance))
    return world


def moved(thing_name: str) -> Disturbance:
    return Disturbance(kind="moved", thing=thing_name, dx=-0.05, dy=0.0)


@pytest.mark.parametrize("arm", ARMS)
def test_moved_waits_for_the_arm_and_happens_once(arm: str) -> None:
    world = start(arm, moved("it"))
    before = world.position("it")
    wait(world, 10)
    assert np.linalg.norm(world.position("it") - before) < 1e-4
    hand = Hand(world)
    for _ in range(60):
        if np.linalg.norm(world.position("it") - before) > 0.01:
            break
        hand.go(before + np.array([0.0, 0.0, 0.09]), 4, 1.0)
    after = world.position("it")
    assert after - before == pytest.approx([-0.05, 0.0, 0.0], abs=1e-3)
    assert np.linalg.norm(world.tool()[0] - before) < APPROACH
    hand.go(after + np.array([0.0, 0.0, 0.09]), 10, 1.0)
    hand.go(before + np.array([0.0, 0.0, 0.09]), 10, 1.0)
    assert world.position("it") == pytest.approx(after, abs=1e-4)


def test_moved_takes_the_other_way_when_the_first_is_taken() -> None:
    blocker = thing("blocker", "cup", -0.04, -0.10)
    world = start("panda", moved("it"), (*ALONE, blocker))
    before, kept = world.position("it"), world.position("blocker")
    Hand(world).go(before + np.array([0.0, 0.0, 0.09]), 20, 1.0)
    assert np.linalg.norm(world.position("it") - before) == pytest.approx(0.05, abs=1e-3)
    assert world.position("it")[0] > before[0] - 0.01
    assert world.position("blocker") == pytest.approx(kept, abs=1e-4)


def test_a_moved_container_takes_its_content_along() -> None:
    world = start("panda", moved("bowl"))
    world.place("it", world.position("bowl") + np.array([0.0, 0.0, 0.02]), 0.0)
    wait(world, 10)
    before, content = world.position("bowl"), world.position("it")
    assert world.touches("it", "bowl")
    Hand(world).go(before + np.array([0.0, 0.0, 0.10]), 20, 1.0)
    wait(world, 10)
    shift = world.position("bowl") - before
    assert np.linalg.norm(shift) == pytest.approx(0.05, abs=1e-3)
    assert world.position("it") - content == pytest.approx(shift, abs=2e-3)
    assert world.touches("it", "bowl")


def test_what_is_held_is_not_moved() -> None:
    world = start("panda", Disturbance(kind="moved", thing="it", dx=-0.05, dy=0.0))
    hand = Hand(world)
    # Before the arm leaves home nothing may happen, so the hand starts around the block.
    tool = world.tool()[0]
    world.place("it", np.array([tool[0], tool[1], tool[2]]), 0.0)
    for _ in range(8):
        world.place("it", np.array([tool[0], tool[1], tool[2]]), 0.0)
        wait(world, 1, gripper=0.0)
    assert world.is_held("it")
    hand.go(tool + np.array([0.0, 0.08, 0.0]), 15, 0.0)
    assert world.is_held("it")


@pytest.mark.parametrize("arm", ARMS)
def test_slip_knocks_the_lifted_thing_away_once(arm: str) -> None:
    world = start(arm, Disturbance(kind="slip", thing="it", dx=0.0, dy=-0.03))
    measures = shape("block", "small")
    hand = Hand(world)
    hand.grasp("it", measures.grasp_height, measures.grasp_width)
    for _ in range(12):
        wait(world, 1)
        if not world.is_held("it"):
            break
    assert not world.is_held("it")
    wait(world, 12)
    assert world.touches("it", "table")
    assert world.speed("it") < 0.02
    fell = world.position("it")
    assert 0.05 < np.hypot(*(fell - world.tool()[0])[:2]) < 0.12
    hand.go(fell + np.array([0.0, 0.0, 0.10]), 15, 1.0)
    hand.grasp("it", measures.grasp_height, measures.grasp_width)
    wait(world, 20)
    assert world.is_held("it")


def test_equal_episodes_go_wrong_equally() -> None:
    ends = []
    for _ in range(2):
        world = start("panda", Disturbance(kind="slip", thing=None, dx=0.02, dy=-0.03))
        Hand(world).grasp("it", 0.013, 0.026)
        wait(world, 15)
        assert not world.is_held("it")
        ends.append(world.snapshot().physics)
    assert np.array_equal(ends[0], ends[1])


def test_restoring_takes_the_disturbance_back() -> None:
    world = start("panda", moved("it"))
    before, saved = world.position("it"), world.snapshot()
    hand = Hand(world)
    for _ in range(2):
        hand.go(before + np.array([0.0, 0.0, 0.09]), 20, 1.0)
        assert np.linalg.norm(world.position("it") - before) > 0.04
        world.restore(saved)
        assert world.position("it") == pytest.approx(before, abs=1e-9)
