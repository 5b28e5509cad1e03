"""The world with real physics: it rests, repeats, restores and refuses."""

from itertools import product

import numpy as np
import pytest

from premotor.core.errors import WorldError
from premotor.core.types import Command, FloatArray
from premotor.sim.tabletop.episode import GRASPABLE, KINDS, SIZES, Drawer, Kind, Size
from premotor.sim.tabletop.objects import DRAWER, shape
from premotor.sim.tabletop.success import LIFTED
from premotor.sim.tabletop.world import TabletopWorld

from .scenes import ARMS, CROWD, UNIT, Hand, episode, thing, wait


@pytest.fixture(params=ARMS)
def world(request: pytest.FixtureRequest) -> TabletopWorld:
    made = TabletopWorld(request.param, render=False)
    made.reset(episode(request.param))
    return made


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("yaw", [0.0, 0.3, 1.1])
def test_every_thing_rests_where_it_was_put(size: Size, yaw: float) -> None:
    places = product((-0.09, 0.06), (-0.45, -0.15, 0.15, 0.45))
    things = tuple(
        thing(f"{kind}_1", kind, x, y, size=size, yaw=yaw) for kind, (x, y) in zip(KINDS, places, strict=True)
    )
    world = TabletopWorld("panda", render=False)
    world.reset(episode("panda", objects=("block_1",), things=things, drawer=None))
    wait(world, 40)
    for one in things:
        position, rotation = world.pose(one.name)
        expected = np.array([one.x, one.y, shape(one.kind, one.size).height / 2])
        assert np.abs(position - expected).max() < 5e-4, one.name
        assert rotation[2, 2] > 0.9999, one.name
        assert world.speed(one.name) < 1e-3, one.name
        assert world.touches(one.name, "table"), one.name


def test_things_rest_in_and_on_containers_and_in_the_drawer() -> None:
    things = (
        thing("bowl", "bowl", 0.0, -0.10, size="large"),
        thing("cup", "cup", 0.0, -0.10, size="large"),
        thing("plate", "plate", 0.06, 0.0),
        thing("ball", "ball", 0.06, 0.0, size="large"),
    )
    world = TabletopWorld("so101", render=False)
    world.reset(episode("so101", objects=("cup",), things=things, drawer=None))
    for name, carrier in (("cup", "bowl"), ("ball", "plate")):
        one = world.thing(name)
        floor = shape(world.thing(carrier).kind, world.thing(carrier).size).floor
        at = np.array([one.x, one.y, floor + shape(one.kind, one.size).height / 2 + 0.02])
        world.place(name, at, 0.0)
    wait(world, 40)
    for name, carrier in (("cup", "bowl"), ("ball", "plate")):
        assert world.touches(name, carrier)
        assert not world.touches(name, "table")
        assert np.linalg.norm(world.position(name)[:2] - world.position(carrier)[:2]) < 0.01
        assert world.speed(name) < 2e-3


def test_equal_episodes_and_commands_give_bit_identical_worlds(world: TabletopWorld) -> None:
    other = TabletopWorld(world.spec.name, render=False)
    other.reset(world.episode)
    for k in range(30):
        for one in (world, other):
            joints = one.embodiment.home + 0.1 * np.sin(k / 7)
            one.apply(Command(stamp_ns=0, positions=joints, gripper=0.5))
    assert np.array_equal(world.snapshot().physics, other.snapshot().physics)
    assert np.array_equal(world.observe().state, other.observe().state)


def test_a_snapshot_is_restored_bit_for_bit_even_in_the_middle_of_a_grasp(world: TabletopWorld) -> None:
    hand = Hand(world)
    at = world.position("red_cup")
    at[2] = 0.024
    hand.go(at + np.array([0.0, 0.0, 0.1]), 16, 1.0)
    hand.go(at, 16, 1.0)
    saved = world.snapshot()
    steps = world.steps

    def close() -> list[FloatArray]:
        seen = []
        joints, _ = world.commanded()
        for _ in range(12):
            world.apply(Command(stamp_ns=0, positions=joints, gripper=0.0))
            seen.append(np.append(world.snapshot().physics, [world.is_held("red_cup"), world.success()]))
        return seen

    first = close()
    world.restore(saved)
    assert world.steps == steps
    assert np.array_equal(world.snapshot().physics, saved.physics)
    assert np.array_equal(np.array(first), np.array(close()))


def test_a_snapshot_of_another_episode_is_refused(world: TabletopWorld) -> None:
    saved = world.snapshot()
    world.reset(episode(world.spec.name, things=CROWD[:2]))
    with pytest.raises(WorldError, match="another episode"):
        world.restore(saved)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("kind", GRASPABLE)
def test_a_firm_grip_lifts_and_keeps_every_graspable_thing(arm: str, kind: Kind) -> None:
    for size in SIZES:
        world = TabletopWorld(arm, render=False)
        world.reset(episode(arm, objects=("it",), things=(thing("it", kind, 0.02, -0.06, size=size, yaw=0.0),)))
        measures = shape(kind, size)
        assert not world.is_held("it")
        Hand(world).grasp("it", measures.grasp_height, measures.grasp_width)
        assert world.is_held("it")
        before = world.tool()[0] - world.position("it")
        wait(world, 20)
        assert np.linalg.norm(world.tool()[0] - world.position("it") - before) < 1e-3
        assert world.lift("it") > LIFTED
        assert world.success()
        wait(world, 10, gripper=1.0)
        assert not world.is_held("it")
        assert not world.success()


def test_the_drawer_stays_where_it_is_left_and_stops_at_its_ends() -> None:
    world = TabletopWorld("panda", render=False)
    world.reset(episode("panda", drawer=Drawer(color="red", x=0.06, y=0.1, opening=0.4)))
    wait(world, 20)
    assert world.drawer_opening() == pytest.approx(0.4, abs=1e-3)
    world.slide_drawer(1.0)
    wait(world, 20)
    assert world.drawer_opening() == pytest.approx(1.0, abs=5e-3)
    expected = 0.06 - DRAWER.length / 2 - DRAWER.handle_reach - DRAWER.travel
    assert world.handle_position()[0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("arm", ARMS)
def test_a_closed_hand_pushes_the_drawer_shut_and_fingers_pull_it_open(arm: str) -> None:
    world = TabletopWorld(arm, render=False)
    world.reset(episode(arm, "close_drawer", (), "drawer", drawer=UNIT, things=()))
    hand = Hand(world)
    handle = world.handle_position()
    up = np.array([-0.01, 0.0, 0.08])
    aside = np.array([0.0, DRAWER.handle_width / 2 - 0.012, 0.0]) if arm == "so101" else np.zeros(3)
    hand.go(handle + aside + up, 20, 1.0)
    hand.go(handle + aside, 15, 1.0)
    hand.go(handle + aside, 10, 0.0)
    hand.go(handle + aside + [0.09, 0, 0], 40, 0.0)
    wait(world, 12)
    assert world.drawer_opening() < 0.1
    assert world.success()
    hand.go(handle + aside, 40, 0.0)
    assert world.drawer_opening() > 0.75
    wait(world, 10, gripper=1.0)
    assert world.drawer_opening() > 0.75


def test_time_follows_the_control_periods(world: TabletopWorld) -> None:
    assert world.observe().stamp_ns == 0
    wait(world, 3)
    assert world.steps == 3
    assert world.joint_state().stamp_ns == 150_000_000
    assert world.data.time == pytest.approx(0.1 + 0.15)


def test_state_has_the_order_of_the_spec(world: TabletopWorld) -> None:
    wait(world, 5, gripper=0.3)
    wait(world, 25, gripper=0.3)
    state = dict(zip((dim.name for dim in world.spec.state), world.observe().state, strict=True))
    joints = world.joint_state()
    assert [state[name] for name in world.embodiment.joint_names] == joints.positions.tolist()
    assert state["gripper"] == pytest.approx(0.3, abs=0.02)
    if world.spec.name == "panda":
        position, rotation = Hand(world).kinematics.forward(joints.positions)
        assert [state[f"tcp.{a}"] for a in "xyz"] == pytest.approx(position, abs=1e-6)
        assert [state[f"tcp.rot_x{a}"] for a in "xyz"] == pytest.approx(rotation[:, 0], abs=1e-6)
        assert [state[f"tcp.rot_y{a}"] for a in "xyz"] == pytest.approx(rotation[:, 1], abs=1e-6)


@pytest.mark.parametrize("bad", ["nan", "short", "gripper"])
def test_a_bad_command_is_refused_and_moves_nothing(world: TabletopWorld, bad: str) -> None:
    joints, ratio = world.commanded()
    if bad == "nan":
        joints = joints.copy()
        joints[0] = np.nan
    elif bad == "short":
        joints = joints[:-1]
    else:
        ratio = np.inf
    before = world.snapshot().physics
    with pytest.raises(WorldError, match="finite"):
        world.apply(Command(stamp_ns=0, positions=joints, gripper=ratio))
    assert np.array_equal(before, world.snapshot().physics)


def test_misuse_names_what_there_is(world: TabletopWorld) -> None:
    with pytest.raises(WorldError, match="call reset"):
        TabletopWorld("panda", render=False).observe()
    with pytest.raises(WorldError, match="red_cup"):
        world.position("red_cap")
    with pytest.raises(WorldError, match="front, wrist"):
        world.project("side", np.zeros(3))
    world.reset(episode(world.spec.name, drawer=None))
    with pytest.raises(WorldError, match="no drawer"):
        world.drawer_opening()
    other = {"panda": "so101", "so101": "panda"}[world.spec.name]
    with pytest.raises(WorldError, match=other):
        world.reset(episode(other))
