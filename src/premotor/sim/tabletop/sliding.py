"""Waypoints of the expert's skills, for what slides: things over the table, and the drawer.

Each is a function of the present state alone, as those of skills.py.
"""

import math

import numpy as np

from premotor.core.types import FloatArray
from premotor.sim.tabletop.objects import DRAWER
from premotor.sim.tabletop.skills import (
    LOOSE,
    carry_yaw,
    facing,
    funnel,
    grasp,
    jaw_offset,
    let_go,
    rest,
    retreat,
    when_gripped,
)
from premotor.sim.tabletop.steer import Waypoint
from premotor.sim.tabletop.success import edge_distance
from premotor.sim.tabletop.view import View

__all__ = ["close_drawer", "open_drawer", "slide", "tow"]

_BESIDE = 0.012  # gap in metres up to which it slides: a learner that stops a centimetre short is still near enough
_SLIDING = 0.15  # m/s at which it does
_SIDE = np.array([1.0, 1.0, 0.0])


def slide(view: View, name: str, target: str) -> Waypoint:
    """Grip a thing, slide it over the table to another one, and let go of it there.

    What is pushed from behind turns aside sooner or later; what is gripped stays where the hand is.
    """
    gap = edge_distance(view.world, name, target)
    ahead = _ahead(view, name, target)
    if view.world.is_held(name):
        opening = view.commanded_gripper > 0.1
        if gap <= _BESIDE or (gap <= 2 * _BESIDE and (opening or view.blocked)):
            return let_go(view, name)
        on = view.tool + ahead * min(gap - _BESIDE + 0.012, 0.06)
        height = float(view.tool[2]) - view.bottom(name) + 0.001
        # No finger may come between the two.
        yaw, where = facing(view, ahead), np.array([on[0], on[1], height])
        return when_gripped(view, name, Waypoint(position=where, yaw=yaw, gripper=0.0, speed=_SLIDING))
    if gap <= 1.6 * _BESIDE:
        return retreat(view, name)
    return grasp(view, name, across=ahead)


def tow(view: View, name: str, target: str) -> Waypoint:
    """Slide a bowl over the table to another thing, with closed fingers that stand in it and press at its wall.

    What is drawn follows; and a wall that leans outwards is pressed down from within, while from outside it is lifted.
    """
    position, hand, measures = view.pose(name)[0], view.hand, view.shape(name)
    gap = edge_distance(view.world, name, target)
    ahead = _ahead(view, name, target)
    across = np.array([-ahead[1], ahead[0], 0.0])
    tip = _tip(view)
    # As low as it goes: high up on a wall, the bowl would tip.
    height = view.bottom(name) + measures.floor + hand.below
    over = view.top(name) + 0.012 + hand.below
    along, beside = float((tip - position) @ ahead), float((tip - position) @ across)
    within = math.hypot(along, beside) < 0.62 * measures.inside[0]
    if gap <= _BESIDE:
        up = np.array([*view.tool[:2], over + 0.02])
        return Waypoint(position=up, yaw=None, gripper=0.0) if within and view.tool[2] < over else rest(view)
    enter = position + 0.008 * ahead + view.tool - tip
    enter[2] = height
    yaw = carry_yaw(view, enter, (name,), enter + 0.6 * gap * ahead)
    low = min(max((height + 0.018 - float(view.tool[2])) / 0.010, 0.0), 1.0)
    if within and view.gripper < 0.15 and low > 0.0:
        on = view.tool + low * (ahead * min(gap - _BESIDE + 0.016, 0.06) - across * min(max(beside, -0.02), 0.02))
        return Waypoint(position=np.array([on[0], on[1], height]), yaw=yaw, gripper=0.0, speed=_SLIDING)
    over = max(over, view.clearance(enter, (name,)) + hand.below)
    if view.gripper > 0.15:  # open fingers would come down on the wall
        enter[2] = over
    return funnel(view, enter, over, yaw, 0.0, exact=0.01)


def _ahead(view: View, name: str, target: str) -> FloatArray:
    """(3,) direction over the table from a thing to its target."""
    goal = view.pose("drawer_unit" if target == "drawer" else target)[0]
    way: FloatArray = (goal - view.pose(name)[0]) * _SIDE
    return way / max(float(np.linalg.norm(way)), 1e-6)


def _tip(view: View) -> FloatArray:
    """(3,) where the closed fingers are: at the tool, or at the still jaw of a gripper that has one."""
    if view.hand.fixed is None:
        return view.tool
    return view.tool - view.hand.fixed * np.array([math.sin(view.yaw), -math.cos(view.yaw), 0.0])


def open_drawer(view: View) -> Waypoint:
    """Grasp the handle's stem and pull."""
    handle, hand = view.world.handle_position(), view.hand
    width = DRAWER.handle_width
    wide, closed = hand.ratio(width + LOOSE), hand.ratio(width)
    slack = min(max((view.gripper - closed) / (wide - closed), 0.0), 1.0)
    goal = handle + jaw_offset(view, 0.0, width, 0.006 * slack)
    off = goal - view.tool
    at = math.hypot(off[0], off[1]) < 0.012 and abs(off[2]) < 0.012
    if view.world.drawer_opening() >= 0.93:
        if at and slack < 0.6:
            return Waypoint(position=goal, yaw=0.0, gripper=wide, speed=0.05)
        return rest(view)
    if at and view.gripper < closed + 0.05 and view.commanded_gripper < max(view.gripper - 0.1, 0.02):
        left = (1.0 - view.world.drawer_opening()) * DRAWER.travel
        return Waypoint(position=goal - np.array([left + 0.01, 0.0, 0.0]), yaw=0.0, gripper=0.0, speed=0.16)
    if at and (np.linalg.norm(off) < 0.007 or view.gripper < wide - 0.1):
        return Waypoint(position=goal, yaw=0.0, gripper=0.0, speed=0.08)
    over = max(DRAWER.height + 0.012, view.clearance(goal, ())) + hand.below
    return funnel(view, goal, over, 0.0, wide)


def close_drawer(view: View) -> Waypoint:
    """Push at the handle's front with closed fingers."""
    handle, hand = view.world.handle_position(), view.hand
    if view.world.drawer_opening() <= 0.05:
        return rest(view)
    front = handle - np.array([0.018 + hand.nose, 0.0, 0.0])
    behind = float(front[0] - view.tool[0])
    if abs(float(view.tool[1] - front[1])) < 0.012 and abs(float(view.tool[2] - front[2])) < 0.012 and behind > -0.008:
        left = view.world.drawer_opening() * DRAWER.travel
        where = front + np.array([left + 0.006, 0.0, 0.0])
        return Waypoint(position=where, yaw=0.0, gripper=0.0, speed=0.16)
    goal = front - np.array([0.018, 0.0, 0.0])
    over = max(DRAWER.height + 0.012, view.clearance(goal, ())) + hand.below
    return funnel(view, goal, over, 0.0, 0.0, exact=0.008)
