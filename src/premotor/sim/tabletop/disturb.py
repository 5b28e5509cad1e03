"""What goes wrong once in an episode, as its Disturbance says: a thing is shifted, or a held one is knocked away.

Both are pure functions of the state, so that equal episodes with equal commands go wrong equally.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from premotor.core.types import FloatArray
from premotor.robots.embodiment import WORK_REGION, Embodiment
from premotor.sim.tabletop.episode import Disturbance
from premotor.sim.tabletop.objects import DRAWER, shape
from premotor.sim.tabletop.success import Scene

__all__ = ["APPROACH", "Trigger", "World", "disturb"]

APPROACH = 0.12
"""Distance in metres from the tool to a thing at which the arm is on its way to it."""

_LEFT_HOME = 0.02
_SLIP_LIFT = 0.03
_SLIP_STEPS = 6
_SPACE = 0.008
_REGION_MARGIN = 0.015
_FALL = 0.01
_LEAST_KNOCK = 0.055


@dataclass(frozen=True, kw_only=True, slots=True)
class Trigger:
    """done: the disturbance has happened. lifted: control steps for which the object has been held up."""

    done: bool = False
    lifted: int = 0


class World(Scene, Protocol):
    """What a disturbance may do to a world."""

    embodiment: Embodiment

    def position(self, name: str) -> FloatArray:
        """World position (3,)."""

    def tool(self) -> tuple[FloatArray, FloatArray]:
        """World pose of the tool centre point."""

    def home_tool(self) -> FloatArray:
        """World position (3,) of the tool centre point after the reset."""

    def lift(self, name: str) -> float:
        """Height of a thing above its place on the table, m."""

    def place(self, name: str, position: FloatArray, yaw: float | None = None) -> None:
        """Put a thing somewhere, at rest."""

    def shift_drawer_unit(self, dx: float, dy: float) -> None:
        """Move the drawer unit."""


def disturb(world: World, trigger: Trigger) -> Trigger:
    """Let the episode's disturbance happen if it is time for it; returns what to remember."""
    disturbance = world.episode.disturbance
    if disturbance is None or trigger.done:
        return trigger
    if disturbance.kind == "moved":
        return replace(trigger, done=_move(world, disturbance))
    names = (disturbance.thing,) if disturbance.thing is not None else world.episode.goal.objects
    for name in names:
        if world.is_held(name) and world.lift(name) > _SLIP_LIFT:
            if trigger.lifted + 1 < _SLIP_STEPS:
                return replace(trigger, lifted=trigger.lifted + 1)
            return replace(trigger, done=_knock(world, name, disturbance))
    return replace(trigger, lifted=0)


def _move(world: World, disturbance: Disturbance) -> bool:
    """Shift the thing and all that it carries; wait while it is held or touched, or has nowhere to go."""
    name = disturbance.thing
    if name is None:
        return False
    tool, _ = world.tool()
    here = world.position(name)
    on_the_way = np.linalg.norm(tool - world.home_tool()) > _LEFT_HOME and np.linalg.norm(tool - here) < APPROACH
    if not on_the_way or world.touches("drawer_unit" if name == "drawer" else name, "gripper"):
        return False
    cargo = _cargo(world, name)
    if any(world.touches(other, "gripper") for other in cargo):
        return False
    for dx, dy in _turns(disturbance.dx, disturbance.dy):
        if name == "drawer":
            if not _unit_fits(world, dx, dy, cargo):
                continue
            world.shift_drawer_unit(dx, dy)
        else:
            if not _free(world, name, (float(here[0]) + dx, float(here[1]) + dy), cargo, clear_of_tool=True):
                continue
            world.place(name, here + np.array([dx, dy, 0.0]))
        for other in cargo:
            world.place(other, world.position(other) + np.array([dx, dy, 0.0]))
        return True
    return False


def _knock(world: World, name: str, disturbance: Disturbance) -> bool:
    """Take the thing out of the gripper and let it drop upright a little beside it; wait while nowhere is free."""
    thing = world.thing(name)
    here = world.position(name)
    heading = math.atan2(disturbance.dy, disturbance.dx)
    least = max(_LEAST_KNOCK, math.hypot(disturbance.dx, disturbance.dy))
    for far in (least, least + 0.025, least + 0.05):
        for turn in (0.0, 0.8, -0.8, 1.6, -1.6, 2.4, -2.4, math.pi):
            x = float(here[0]) + far * math.cos(heading + turn)
            y = float(here[1]) + far * math.sin(heading + turn)
            if _free(world, name, (x, y), ()):
                z = shape(thing.kind, thing.size).height / 2 + _FALL
                world.place(name, np.array([x, y, z]), yaw=heading + turn)
                return True
    return False


def _turns(dx: float, dy: float) -> Iterator[tuple[float, float]]:
    """The wanted shift, then its opposite and the two across it."""
    yield from ((dx, dy), (-dx, -dy), (-dy, dx), (dy, -dx))


def _cargo(world: World, name: str) -> tuple[str, ...]:
    """Things that stand in or on `name` and would stay behind."""
    carrier = name
    inside = []
    for other in world.episode.things:
        if other.name == name or world.touches(other.name, "table"):
            continue
        if world.touches(other.name, carrier) or (name == "drawer" and world.touches(other.name, "drawer_unit")):
            inside.append(other.name)
    return tuple(inside)


def _free(
    world: World, name: str, at: tuple[float, float], cargo: tuple[str, ...], *, clear_of_tool: bool = False
) -> bool:
    """Whether `name` could stand at `at` without touching anything else, within the arm's reach."""
    if abs(at[0]) > WORK_REGION[0] + _REGION_MARGIN or abs(at[1]) > WORK_REGION[1] + _REGION_MARGIN:
        return False
    thing = world.thing(name)
    radius = shape(thing.kind, thing.size).radius
    for other in world.episode.things:
        if other.name == name or other.name in cargo:
            continue
        there = world.position(other.name)
        gap = math.hypot(there[0] - at[0], there[1] - at[1]) - radius - shape(other.kind, other.size).radius
        if gap < _SPACE:
            return False
    if clear_of_tool:
        tool, _ = world.tool()
        if tool[2] < 0.1 and math.hypot(tool[0] - at[0], tool[1] - at[1]) < radius + 0.045:
            return False
    return world.episode.drawer is None or _clear_of_drawer(world, at, radius)


def _unit_fits(world: World, dx: float, dy: float, cargo: tuple[str, ...]) -> bool:
    """Whether the drawer unit could be shifted without running into a thing on the table."""
    for thing in world.episode.things:
        if thing.name not in cargo:
            there = world.position(thing.name)
            at = (float(there[0]) - dx, float(there[1]) - dy)
            if not _clear_of_drawer(world, at, shape(thing.kind, thing.size).radius):
                return False
    return True


def _clear_of_drawer(world: World, at: tuple[float, float], radius: float) -> bool:
    """Whether a circle keeps clear of the unit, its drawer as it stands now, and the handle."""
    unit, _ = world.pose("drawer_unit")
    handle = world.position("drawer")
    back, front = float(unit[0]) + DRAWER.length / 2, float(handle[0]) - DRAWER.handle_length / 2
    out_x = max(front - at[0], at[0] - back, 0.0)
    out_y = max(abs(at[1] - float(unit[1])) - DRAWER.width / 2, 0.0)
    return math.hypot(out_x, out_y) > radius + _SPACE
