"""Meta-World's worlds, where the package is installed: pure functions of task and seed, solved by their experts."""

from importlib import metadata

import numpy as np
import pytest

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray, Image
from premotor.sim.metaworld.robot import View
from premotor.sim.metaworld.world import LIMIT, MetaWorld, package

WITHOUT = "needs the package metaworld: pip install 'premotor[metaworld]'"


def play(world: MetaWorld, name: str, seed: int, steps: int = 30) -> FloatArray:
    """What is seen along an expert's way, at most `steps` steps."""
    world.reset(name, seed)
    seen = [world.seen]
    while len(seen) <= steps and not world.success:
        world.step(world.expert_action())
        seen.append(world.seen)
    return np.array(seen)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(WorldError, match=r"pip install 'premotor\[metaworld\]'"):
        MetaWorld().reset("reach-v3", 0)
    monkeypatch.setattr(metadata, "version", lambda name: "2.0.0")
    with pytest.raises(WorldError, match=r"metaworld 2.0.0 has other worlds than 3.0.0"):
        package()


def test_before_a_reset_nothing_can_be_done() -> None:
    world = MetaWorld()
    with pytest.raises(WorldError, match="call reset"):
        world.step(np.zeros(4))
    with pytest.raises(WorldError, match="call reset"):
        world.observe()
    with pytest.raises(WorldError, match="no task 'juggle'"):
        world.reset("juggle", 0)


@pytest.mark.parametrize("name", ["door-open-v3", "stick-pull-v3"])
def test_an_episode_does_not_depend_on_what_ran_before(name: str) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    used, fresh = MetaWorld(render=False), MetaWorld(render=False)
    first = play(used, name, 1)
    play(used, "reach-v3", 5)
    second, alone = play(used, name, 2), play(fresh, name, 2)
    assert np.array_equal(second, alone)
    assert np.array_equal(first, play(fresh, name, 1))
    assert not np.array_equal(first[0], second[0])


def test_a_picture_does_not_depend_on_which_world_was_built_or_drawn_last() -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)

    def drawn(world: MetaWorld, name: str) -> Image:
        world.reset(name, 5)
        return world.observe().images["corner2"].copy()

    drawer, push = MetaWorld(View(size=32)), MetaWorld(View(size=32))
    first = drawn(drawer, "drawer-open-v3"), drawn(push, "push-v3")
    again = drawn(drawer, "drawer-open-v3"), drawn(push, "push-v3")
    for before, after in zip(first, again, strict=True):
        assert np.array_equal(before, after)
    assert np.array_equal(first[0], drawn(MetaWorld(View(size=32)), "drawer-open-v3"))


@pytest.mark.parametrize("view", [View(), View(position=None, keep=2 / 3, shown=448)])
def test_points_are_projected_to_where_the_picture_shows_them(view: View) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    world = MetaWorld(view, draft=True)
    world.reset("pick-place-v3", 5)
    for _ in range(3):
        world.step(np.array([0.0, 0.0, 0.01, 1.0]))
    (picture,) = world.observe().images.values()
    found = world.project(view.camera, world.places())
    assert (found[:, 2] > 0).all()
    # The object is a red puck, the goal a blue ball.
    for (u, v), channel in zip(found[:, :2], (0, 2), strict=True):
        row, column = int(v * len(picture)), int(u * len(picture))
        around = picture[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 3).mean(0)
        assert around[channel] > 2 * np.delete(around, channel).max()


def achieved(world: MetaWorld) -> bool:
    """Asked anew each time."""
    return world.success


def test_the_expert_opens_the_drawer_and_standing_still_does_not() -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    world = MetaWorld(render=False)
    play(world, "drawer-open-v3", 3, steps=200)
    assert achieved(world)
    world.reset("drawer-open-v3", 3)
    assert not achieved(world)
    for _ in range(LIMIT):
        world.step(np.array([0.0, 0.0, 0.0, 1.0]))
    assert not achieved(world)
    with pytest.raises(WorldError, match="over after 500 steps"):
        world.step(np.zeros(4))
    world.reset("drawer-open-v3", 3)
    with pytest.raises(WorldError, match="not finite"):
        world.step(np.array([np.nan, 0, 0, 1]))


def test_an_action_moves_the_hand_as_far_as_it_says() -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    world = MetaWorld(render=False)
    world.reset("reach-v3", 0)
    before = world.seen[:3].copy()
    for _ in range(20):
        world.step(np.array([0.005, 0.0, 0.0, 0.0]))
    moved = world.seen[:3] - before
    # The hand trails the point that it is tied to.
    assert 0.06 < moved[0] < 0.11
    assert np.abs(moved[1:]).max() < 0.02
    assert world.seen[3] < 0.8, "the gripper did not close"


def test_what_is_seen_is_what_the_protocols_say() -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    world = MetaWorld(View(size=60))
    world.reset("push-v3", 0)
    seen = world.observe("shove it")
    picture = seen.images["corner2"]
    assert (seen.instruction, picture.shape) == ("shove it", (60, 60, 3))
    assert picture.dtype == np.uint8
    assert world.observe().instruction == "Push the puck to a goal"
    assert np.array_equal(picture[::-1, ::-1], world._env.render()), "turned by half a turn"
    assert tuple(world._env.model.camera("corner2").pos) == (0.75, 0.075, 0.7)
    assert seen.stamp_ns == 0
    world.step(np.array([0.0, 0.0, 0.0, 1.0]))
    assert world.observe().stamp_ns == 12_500_000
    world.close()


def test_a_cropped_view_keeps_the_middle_and_a_privileged_state_holds_the_object() -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    world = MetaWorld(View(size=60, position=None, keep=2 / 3), state="privileged")
    world.reset("push-v3", 0)
    seen = world.observe()
    assert np.array_equal(seen.images["corner2"], world._env.render()[::-1, ::-1][10:50, 10:50])
    assert np.array_equal(seen.state[4:7], world._env.get_body_com("obj"))
    assert tuple(world._env.model.camera("corner2").pos) == (1.3, -0.2, 1.1)
    world.close()
    larger = MetaWorld(View(size=60, position=None, keep=2 / 3, shown=50))
    larger.reset("push-v3", 0)
    assert larger.observe().images["corner2"].shape == (50, 50, 3)
    larger.close()
