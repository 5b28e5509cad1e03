"""A hand-written expert that knows the true state: it shows how each task is done, from any state of the world.

It is a function of the present state alone (poses, joints, last command), so a learner may be put right by it in
states that the expert itself would never have come to.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray
from premotor.robots.embodiment import WORK_REGION
from premotor.sim.tabletop import skills, sliding
from premotor.sim.tabletop.episode import Family
from premotor.sim.tabletop.objects import DRAWER, drawer_inside
from premotor.sim.tabletop.skills import rests_in
from premotor.sim.tabletop.steer import Steer, Waypoint
from premotor.sim.tabletop.view import View
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["Expert"]

_ROOM = 0.045  # metres kept free around a place on the table where something is put down


class Expert:
    """Acts in `world`, which must have been reset; it can be asked again after every reset, restore or step."""

    def __init__(self, world: TabletopWorld) -> None:
        self._world = world
        self._steer = Steer(world.embodiment)

    def action(self) -> FloatArray:
        """The embodiment action (A,) for the world as it is now."""
        joints, _ = self._world.commanded()
        return self._steer.action(self._waypoint(self._view()), joints, self._world.joint_state())

    def waypoint(self) -> Waypoint:
        """Where the tool should be heading now."""
        return self._waypoint(self._view())

    def focus(self) -> tuple[str | None, str | None]:
        """What is acted on now and where it belongs: names of things, "drawer", or None."""
        goal = self._world.episode.goal
        if goal.family in ("open_drawer", "close_drawer"):
            return "drawer", None
        return _current(self._view()), goal.target

    def _view(self) -> View:
        return View(self._world, self._steer)

    def _waypoint(self, view: View) -> Waypoint:
        return _SKILLS[self._world.episode.goal.family](view)


def _current(view: View) -> str:
    """The goal's object that is being dealt with: the held one, else the nearest that is not yet in its place."""
    goal = view.world.episode.goal
    if len(goal.objects) == 1 or goal.target is None:
        return goal.objects[0]
    held = [name for name in goal.objects if view.world.is_held(name)]
    left = held or [name for name in goal.objects if not rests_in(view, name, goal.target)] or list(goal.objects)
    return min(left, key=lambda name: math.dist(view.pose(name)[0], view.tool))


def _pick_up(view: View) -> Waypoint:
    name = _current(view)
    return skills.hold_up(view, name) if view.world.is_held(name) else skills.grasp(view, name)


def _put(view: View) -> Waypoint:
    goal, name = view.world.episode.goal, _current(view)
    target = _target(view)
    if view.world.is_held(name):
        spot = skills.free_spot(view, name, target, goal.objects)
        # Over what stands in it already, or it would be pushed along with its container.
        rim = max(view.top(n) for n in (target, *_placed(view)))
        aside = spot[:2] - view.pose(target)[0][:2]
        # Beside others that are in it already, the fingers close across the line to them.
        yaw = skills.facing(view, aside) if float(np.linalg.norm(aside)) > 0.005 else None
        reach = min(view.shape(target).inside)
        around = (target, *goal.objects)
        return skills.carry(view, name, spot, around, rim=rim, yaw=yaw, exact=0.2 * reach, near=0.5 * reach)
    inside = _placed(view)
    stuck = [n for n in inside if view.tool[2] < view.bottom(n) + 2 * view.half_height(n) + 0.01]
    stuck = [n for n in stuck if math.hypot(*(view.pose(n)[0] - view.tool)[:2]) < 0.03]
    if stuck:
        return skills.retreat(view, stuck[0])
    return skills.rest(view) if name in inside else skills.grasp(view, name)


def _placed(view: View) -> list[str]:
    """The goal's objects that are where they belong."""
    return [name for name in view.world.episode.goal.objects if rests_in(view, name, _target(view))]


def _stack(view: View) -> Waypoint:
    name, target = _current(view), _target(view)
    base = view.pose(target)[0]
    top = float(base[2]) + view.half_height(target)
    if view.world.is_held(name):
        return skills.carry(view, name, np.array([base[0], base[1], top + 0.001]), (target,), rim=top, exact=0.009)
    position = view.pose(name)[0]
    aligned = math.hypot(position[0] - base[0], position[1] - base[1]) < 0.45 * view.shape(target).height
    if aligned and abs(view.bottom(name) - top) < 0.012:
        return skills.retreat(view, name)
    return skills.grasp(view, name)


def _push_to(view: View) -> Waypoint:
    name = _current(view)
    move = sliding.tow if view.world.thing(name).kind == "bowl" else sliding.slide
    return move(view, name, _target(view))


def _put_in_drawer(view: View) -> Waypoint:
    name = _current(view)
    middle, _ = _open_part(view)
    inside = _in_drawer(view, name)
    if view.world.is_held(name):
        goal = np.array([middle[0], middle[1], DRAWER.floor + 0.004])
        return skills.carry(view, name, goal, rim=DRAWER.height, yaw=0.0)
    return skills.retreat(view, name) if inside else skills.grasp(view, name)


def _take_out_of_drawer(view: View) -> Waypoint:
    name = _current(view)
    inside = _in_drawer(view, name)
    if view.world.is_held(name):
        spot = _place_on_table(view, name)
        return skills.carry(view, name, np.array([*spot, 0.002]), exact=0.02)
    if inside:
        return skills.grasp(view, name, tight=True)
    return skills.retreat(view, name) if _on_table(view, name) else skills.grasp(view, name)


def _open_part(view: View) -> tuple[FloatArray, FloatArray]:
    """World centre (2,) and half extents (2,) of the open part of the drawer as it stands now."""
    drawer = view.world.episode.drawer
    if drawer is None:
        raise WorldError("the episode has no drawer, but its goal is about one; sample episodes with sample()")
    unit = view.pose("drawer_unit")[0]
    stands_out = max(0.0, view.world.drawer_opening() * DRAWER.travel)
    front = float(unit[0]) - DRAWER.length / 2 - stands_out
    return np.array([front + stands_out / 2, float(unit[1])]), drawer_inside(drawer)[1]


def _in_drawer(view: View, name: str) -> bool:
    """Whether a thing is inside the drawer, held or not."""
    centre, position = view.pose("drawer")[0], view.pose(name)[0]
    middle = float(centre[0]) - DRAWER.length / 2 + DRAWER.inside_length / 2
    return (
        abs(position[0] - middle) < DRAWER.inside_length / 2
        and abs(position[1] - centre[1]) < DRAWER.inside_width / 2
        and view.bottom(name) < DRAWER.floor + 0.025
    )


def _on_table(view: View, name: str) -> bool:
    return view.bottom(name) < 0.012 and not _in_drawer(view, name)


def _place_on_table(view: View, name: str) -> FloatArray:
    """(x, y) of the nearest place on the table that keeps clear of everything else."""
    position = view.pose(name)[0][:2]
    grid = [
        np.array([x, y])
        for x in np.linspace(-0.9, 0.9, 19) * WORK_REGION[0]
        for y in np.linspace(-0.9, 0.9, 33) * WORK_REGION[1]
    ]
    room = view.shape(name).radius + _ROOM
    free = view.gaps(np.array(grid), (name,))[0].min(axis=0, initial=1.0)
    best = [k for k, gap in enumerate(free) if gap >= room] or [int(np.argmax(free))]
    return grid[min(best, key=lambda k: float(np.linalg.norm(grid[k] - position)))]


def _target(view: View) -> str:
    target = view.world.episode.goal.target
    if target is None:
        raise WorldError(f"a goal of {view.world.episode.goal.family} needs a target; sample episodes with sample()")
    return target


_SKILLS: Mapping[Family, Callable[[View], Waypoint]] = {
    "pick_up": _pick_up,
    "put_in": _put,
    "put_on": _put,
    "stack": _stack,
    "push_to": _push_to,
    "open_drawer": sliding.open_drawer,
    "close_drawer": sliding.close_drawer,
    "put_in_drawer": _put_in_drawer,
    "take_out_of_drawer": _take_out_of_drawer,
    "put_all_in": _put,
}
