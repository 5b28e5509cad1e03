"""Each family's predicate, true and false, in states made by hand."""

import numpy as np
import pytest

from premotor.sim.tabletop.episode import Drawer, Family, Kind, Thing
from premotor.sim.tabletop.objects import DRAWER, shape
from premotor.sim.tabletop.success import HOLD_STEPS, achieved, edge_distance
from premotor.sim.tabletop.world import TabletopWorld

from .scenes import UNIT, episode, thing, wait


def start(
    family: Family,
    objects: tuple[str, ...],
    target: str | None,
    things: tuple[Thing, ...],
    drawer: Drawer | None = None,
) -> TabletopWorld:
    world = TabletopWorld("panda", render=False)
    world.reset(episode("panda", family, objects, target, things=things, drawer=drawer))
    return world


def drop(world: TabletopWorld, name: str, onto: str, dx: float = 0.0, dy: float = 0.0, above: float = 0.004) -> None:
    """Let `name` fall a few millimetres onto the floor of `onto`, then wait for it to settle."""
    carrier, one = world.thing(onto), world.thing(name)
    measures = shape(carrier.kind, carrier.size)
    ground = world.position(onto)[2] - measures.height / 2 + (measures.floor or measures.height)
    height = ground + shape(one.kind, one.size).height / 2 + above
    at = world.position(onto)
    world.place(name, np.array([at[0] + dx, at[1] + dy, height]), 0.0)
    wait(world, HOLD_STEPS + 12)


@pytest.mark.parametrize("container", ["bowl", "plate", "tray", "bin"])
@pytest.mark.parametrize("kind", ["block", "ball", "cup", "bottle"])
def test_put_in_and_on(container: Kind, kind: Kind) -> None:
    things = (thing("it", kind, 0.0, -0.14), thing("there", container, 0.0, 0.02))
    world = start("put_on" if container in ("plate", "tray") else "put_in", ("it",), "there", things)
    wait(world, HOLD_STEPS + 2)
    assert not world.success()
    drop(world, "it", "there", dx=0.01)
    assert world.success()
    beside = shape(things[1].kind, things[1].size).radius + 0.02
    world.place("it", np.array([0.0, 0.02 + beside, 0.06]))
    wait(world, HOLD_STEPS + 12)
    assert not world.success()


def test_the_goal_must_hold_for_half_a_second() -> None:
    things = (thing("it", "block", 0.0, -0.14), thing("there", "plate", 0.0, 0.02))
    world = start("put_on", ("it",), "there", things)
    drop(world, "it", "there")
    assert world.success()
    saved = world.snapshot()
    world.place("it", np.array([0.0, -0.14, 0.013]))
    wait(world, 1)
    assert not world.success()
    world.restore(saved)
    assert world.success()
    world.place("it", np.array([0.0, -0.14, 0.013]))
    wait(world, 1)
    world.place("it", np.array([0.0, 0.02, 0.0171]))
    for _ in range(HOLD_STEPS - 1):
        wait(world, 1)
        assert not world.success()
    wait(world, 3)
    assert world.success()


def test_another_thing_in_the_container_is_not_success() -> None:
    things = (
        thing("it", "block", 0.0, -0.14),
        thing("other", "block", 0.05, -0.14, color="blue"),
        thing("bin", "bin", 0, 0.02),
    )
    world = start("put_in", ("it",), "bin", things)
    drop(world, "other", "bin")
    assert not world.success()


def test_stack() -> None:
    things = (
        thing("it", "block", 0.0, -0.14),
        thing("base", "block", 0.0, 0.02, size="large"),
        thing("cup", "cup", 0.06, 0.1),
    )
    world = start("stack", ("it",), "base", things)
    drop(world, "it", "base")
    assert world.success()
    drop(world, "it", "cup")
    assert not world.success()
    world.place("it", np.array([0.0, 0.06, 0.013]))
    wait(world, HOLD_STEPS)
    assert not world.success()


def test_push_to_counts_edges_and_refuses_lifting() -> None:
    things = (thing("it", "block", 0.0, -0.14, yaw=0.0), thing("there", "tray", 0.0, 0.02, yaw=0.0))
    world = start("push_to", ("it",), "there", things)
    edge = 0.02 - 0.06 - 0.013
    world.place("it", np.array([0.0, edge - 0.03, 0.013]))
    wait(world, HOLD_STEPS + 2)
    assert edge_distance(world, "it", "there") == pytest.approx(0.03, abs=1e-3)
    assert not world.success()
    world.place("it", np.array([0.0, edge - 0.02, 0.013]))
    wait(world, HOLD_STEPS + 2)
    assert world.success()
    world.place("it", np.array([0.0, edge - 0.02, 0.06]))
    wait(world, HOLD_STEPS + 12)
    assert world.highest("it") > 0.02
    assert not world.success()


def test_pick_up_needs_a_hand() -> None:
    world = start("pick_up", ("it",), None, (thing("it", "block", 0.0, -0.14),))
    world.place("it", np.array([0.0, -0.14, 0.2]))
    assert not achieved(world)


def test_open_and_close_drawer() -> None:
    wanted: dict[Family, float] = {"open_drawer": 0.85, "close_drawer": 0.05}
    for family, opening in wanted.items():
        world = start(family, (), "drawer", (), Drawer(color="red", x=0.05, y=0.1, opening=0.5))
        wait(world, HOLD_STEPS + 1)
        assert not world.success()
        world.slide_drawer(opening)
        wait(world, HOLD_STEPS + 1)
        assert world.success()


@pytest.mark.parametrize("family", ["put_in_drawer", "take_out_of_drawer"])
def test_into_and_out_of_the_drawer(family: Family) -> None:
    world = start(family, ("it",), "drawer", (thing("it", "cup", 0.0, -0.14),), UNIT)
    inside = family == "put_in_drawer"
    wait(world, HOLD_STEPS + 1)
    assert world.success() is not inside
    front = UNIT.x - DRAWER.length / 2 - DRAWER.travel * UNIT.opening
    world.place("it", np.array([front + 0.035, UNIT.y, DRAWER.floor + 0.025]), 0.0)
    wait(world, HOLD_STEPS + 8)
    assert world.touches("it", "drawer")
    assert world.success() is inside
    world.place("it", np.array([UNIT.x, UNIT.y, DRAWER.height + 0.022]), 0.0)
    wait(world, HOLD_STEPS + 8)
    assert not world.success(), "on top of the unit is neither in the drawer nor on the table"


def test_put_all_in_wants_every_one_and_lets_them_pile_up() -> None:
    things = (
        thing("a", "block", 0.0, -0.14),
        thing("b", "block", 0.05, -0.14),
        thing("c", "block", -0.05, -0.14),
        thing("bin", "bin", 0.0, 0.05),
    )
    world = start("put_all_in", ("a", "b", "c"), "bin", things)
    drop(world, "a", "bin", dx=-0.02)
    drop(world, "b", "bin", dx=0.02)
    assert not world.success()
    drop(world, "c", "bin", above=0.03)
    assert world.success()
