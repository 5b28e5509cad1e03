"""Pictures: equal for equal states, true to `project`, and told apart by colour."""

from typing import Any

import numpy as np
import pytest

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray
from premotor.sim.tabletop import render
from premotor.sim.tabletop.episode import COLORS, Camera, Color, Light
from premotor.sim.tabletop.objects import RGB
from premotor.sim.tabletop.scene import build
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld

from .scenes import ARMS, UNIT, Hand, episode, thing, wait


def drawn(arm: str, **more: Any) -> TabletopWorld:
    world = TabletopWorld(arm, depth=True, segmentation=True)
    world.reset(episode(arm, **more))
    return world


@pytest.mark.parametrize("arm", ARMS)
def test_pictures_repeat_across_worlds_resets_and_restores(arm: str) -> None:
    one, two = drawn(arm), drawn(arm)
    first = one.observe()
    assert {name: image.shape for name, image in first.images.items()} == dict.fromkeys(CAMERAS, (128, 128, 3))
    saved = one.snapshot()
    wait(one, 5, gripper=0.0)
    assert not np.array_equal(first.images["wrist"], one.observe().images["wrist"])
    one.restore(saved)
    two.reset(episode(arm, things=()))
    two.observe()
    two.reset(one.episode)
    for again in (one.observe(), two.observe()):
        for name in CAMERAS:
            assert np.array_equal(first.images[name], again.images[name]), name
    one.close()
    two.close()


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("jitter", [Camera(), Camera(shift=(0.02, -0.03, 0.02), turn=(0.03, -0.04, 0.05))])
def test_projection_agrees_with_segmentation_and_depth(arm: str, jitter: Camera) -> None:
    spots: list[tuple[float, float, Color]] = [(0.07, -0.12, "red"), (-0.06, 0.06, "blue"), (0.05, 0.05, "white")]
    balls = tuple(thing(f"ball_{k}", "ball", x, y, size="large", color=c) for k, (x, y, c) in enumerate(spots))
    world = drawn(arm, objects=("ball_0",), things=balls, drawer=None, camera=jitter)
    world.observe()
    checked = 0
    for camera in CAMERAS:
        for ball in balls:
            mask = world.segments[camera] == world.segment_names.index(ball.name)
            u, v, depth = world.project(camera, world.position(ball.name))
            rows, columns = np.nonzero(mask)
            if len(rows) < 20 or min(rows.min(), columns.min()) < 2 or max(rows.max(), columns.max()) > 125:
                continue
            checked += 1
            assert (columns.mean() + 0.5) / 128 == pytest.approx(u, abs=0.012)
            assert (rows.mean() + 0.5) / 128 == pytest.approx(v, abs=0.012)
            nearest = world.depths[camera][mask].min()
            assert nearest == pytest.approx(depth - 0.018, abs=0.003)
    assert checked >= 4
    world.close()


def test_depth_of_the_table_is_right_everywhere() -> None:
    world = drawn("panda", things=(), objects=(), drawer=None)
    world.observe()
    for x, y in ((0.12, -0.2), (0.0, 0.0), (0.1, 0.2)):
        u, v, depth = world.project("front", np.array([x, y, 0.0]))
        seen = world.depths["front"][int(v * 128), int(u * 128)]
        assert seen == pytest.approx(depth, abs=0.006)
    world.close()


def test_segments_name_the_robot_and_the_drawer_too() -> None:
    world = drawn("so101")
    world.observe()
    front = world.segments["front"]
    counts = {name: int((front == k).sum()) for k, name in enumerate(world.segment_names)}
    assert set(np.unique(front)) <= set(range(len(world.segment_names)))
    assert all(counts[name] > 12 for name in ("", "robot", "red_cup", "blue_block", "green_bowl", "drawer"))
    world.close()


@pytest.mark.parametrize("arm", ARMS)
def test_the_front_camera_sees_the_work_region_the_hand_and_the_handle(arm: str) -> None:
    world = TabletopWorld(arm, render=False)
    world.reset(episode(arm))
    corners = [np.array([x, y, 0.0]) for x in (-0.15, 0.15) for y in (-0.22, 0.22)]
    for point in (*corners, world.tool()[0], world.handle_position()):
        u, v, depth = world.project("front", point)
        assert 0.0 < u < 1.0
        assert 0.0 < v < 1.0
        assert depth > 0
    left, right = (world.project("front", np.array([0.0, y, 0.0]))[0] for y in (-0.1, 0.1))
    assert left < right
    assert world.project("front", np.array([2.0, 0.0, 2.0]))[2] < 0


@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_the_eight_colours_are_told_apart_on_the_table(strength: float) -> None:
    things = tuple(
        thing(color, "block", 0.07 if k % 2 else -0.05, -0.18 + 0.05 * k, color=color, size="large", yaw=0.0)
        for k, color in enumerate(COLORS)
    )
    light = Light(strength=strength)
    world = drawn("panda", objects=("red",), things=things, drawer=None, light=light)
    image = world.observe().images["front"].astype(float)
    seen: dict[str, FloatArray] = {}
    for name in COLORS:
        mask = world.segments["front"] == world.segment_names.index(name)
        rows = np.nonzero(mask)[0]
        top = mask & (np.arange(128)[:, None] < np.median(rows))
        seen[name] = np.median(image[top], axis=0)
    seen["table"] = image[world.segments["front"] == 0].mean(axis=0)
    names = list(seen)
    gaps = {(a, b): np.linalg.norm(seen[a] - seen[b]) for i, a in enumerate(names) for b in names[:i]}
    assert min(gaps.values()) > 45, min(gaps, key=lambda pair: gaps[pair])
    assert set(RGB) == set(COLORS)
    world.close()


def test_light_and_camera_change_the_picture_and_nothing_else() -> None:
    plain = drawn("so101")
    before = plain.observe()
    for more in ({"light": Light(strength=0.6, tint=(1.0, 0.8, 0.7))}, {"camera": Camera(shift=(0.02, 0.0, 0.0))}):
        other = drawn("so101", **more)
        after = other.observe()
        assert not np.array_equal(before.images["front"], after.images["front"])
        assert np.array_equal(plain.snapshot().physics, other.snapshot().physics)
        assert np.array_equal(before.state, after.state)
        other.close()
    plain.close()


def test_without_rendering_there_are_no_images() -> None:
    world = TabletopWorld("panda", render=False)
    world.reset(episode("panda"))
    assert dict(world.observe("look").images) == {}
    assert world.observe("look").instruction == "look"


def test_a_missing_gl_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(width: int, height: int) -> None:
        raise ImportError("Cannot initialize a EGL device display.")

    monkeypatch.setattr(render, "_gl_context", broken)
    world = drawn("panda")
    with pytest.raises(WorldError, match="libegl1, libgl1-mesa-dri and libopengl0"):
        world.observe()


def test_a_held_thing_is_seen_by_the_wrist_camera() -> None:
    for arm in ARMS:
        world = drawn(arm, objects=("it",), things=(thing("it", "block", 0.02, -0.06, size="large", yaw=0.0),))
        Hand(world).grasp("it", 0.016, 0.032)
        world.observe()
        assert (world.segments["wrist"] == world.segment_names.index("it")).sum() > 60
        world.close()


def test_scenes_compile_quickly_and_only_with_what_is_in_them() -> None:
    world = TabletopWorld("panda", render=False)
    world.reset(episode("panda", things=(), objects=(), drawer=None))
    empty = world.model.nbody
    assert build(episode("panda", drawer=UNIT), world.embodiment).nbody == empty + 5 + 2
