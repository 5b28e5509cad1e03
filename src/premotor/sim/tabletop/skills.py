"""Waypoints of the expert's skills, for what is taken and put.

Each is a function of the present state alone, so each recovers by itself.
"""

import math

import numpy as np

from premotor.core.types import FloatArray
from premotor.sim.tabletop.objects import DRAWER
from premotor.sim.tabletop.steer import Waypoint, wrap
from premotor.sim.tabletop.view import View

__all__ = [
    "LOOSE",
    "TIGHT",
    "carry",
    "carry_yaw",
    "facing",
    "free_spot",
    "funnel",
    "grasp",
    "grasp_yaw",
    "hold_up",
    "jaw_offset",
    "let_go",
    "rest",
    "rests_in",
    "retreat",
    "when_gripped",
]

LOOSE = 0.024
"""Metres that the open gripper is wider than what it is about to grasp."""
TIGHT = 0.014
"""The same inside a container or the drawer."""
_HOLD = 0.006  # metres of a thing that the fingers must at least reach around where something keeps the palm up
# Cost of a radian that the hand is turned away from its comfortable direction, and from where it is now. Where few
# directions fit, the nearest is taken: a learner that cannot tell 44 degrees from 46 must not stand between two.
_FREE, _FEW = (0.25, 0.06), (0.1, 0.2)
_POINTING = 0.4  # cost of fingers that close along the way that a thing is to go


def funnel(
    view: View, goal: FloatArray, over: float, yaw: float | None, gripper: float, *, exact: float = 0.004
) -> Waypoint:
    """Towards `goal` (3,) from above: at height `over` or more until the tool is above it to within `exact` metres.

    The wanted height falls with the distance to the goal and with what is left to turn, and the tool only moves
    sideways as far as its height allows.
    """
    aside = max(math.hypot(goal[0] - at[0], goal[1] - at[1]) for at in (view.tool, view.aim))
    turned = 0.0 if yaw is None else abs(wrap(yaw - view.yaw))
    share = min(max((aside - exact) / 0.02, (turned - 0.3) / 0.4, 0.0), 1.0)
    height = goal[2] + max(over - goal[2], 0.0) * share
    missing = height - float(view.tool[2])
    free = 1.0 if aside < exact else min(max(1.0 - (missing - 0.012) / 0.02, 0.0), 1.0)
    where = view.tool + free * (goal - view.tool)
    return Waypoint(position=np.array([where[0], where[1], height]), yaw=yaw, gripper=gripper)


def grasp(view: View, name: str, *, tight: bool = False, across: FloatArray | None = None) -> Waypoint:
    """Reach for a thing from above and close on it; also opens, and rises first where the gripper is in the way.

    across: direction (3,) to which the fingers should not point.
    """
    position = view.pose(name)[0]
    measures, hand = view.shape(name), view.hand
    width = view.width(name)
    at = view.half_height(name) if view.lies(name) else measures.grasp_height
    around_it = ("drawer",) if tight else ()
    yaw = grasp_yaw(view, name, width, around_it, across)
    wide, closed = hand.ratio(width + (TIGHT if tight else LOOSE)), hand.ratio(width)
    slack = min(max((view.gripper - closed) / (wide - closed), 0.0), 1.0)
    goal = position + jaw_offset(view, yaw, width, slack * (0.006 if tight else 0.009))
    top = view.top(name)
    goal[2] = max(view.bottom(name) + at, hand.below + 0.0035, top - hand.palm[0] + 0.006)
    free = (DRAWER.height if tight else _roof(view, name, yaw)) - hand.palm[0] + 0.003
    goal[2] = max(goal[2], free if tight else min(free, _highest(view, name)))
    over = max(top + 0.012, view.clearance(position, (name,))) + hand.below
    off = math.hypot(goal[0] - view.tool[0], goal[1] - view.tool[1])
    low = float(view.tool[2] - goal[2])
    turned = abs(wrap(yaw - view.yaw)) if width < 2 * measures.radius or view.lies(name) else 0.0
    around = off < 0.012 and -0.016 < low < 0.012
    # As wide as the fingers forgive: whoever learns this from pictures is some millimetres off, and must not wait for
    # less. In the drawer a finger may stand on its side.
    ready = off < 0.009 and -0.016 < low < (0.01 if tight else 0.007) and turned < 0.2
    if view.gripper < closed - 0.06:  # nothing between the fingers
        if low < over - goal[2] - 0.02 and off < 0.08:
            return Waypoint(position=np.array([*view.tool[:2], over]), yaw=None, gripper=wide)
    elif around and (ready or view.gripper < wide - 0.08):
        return Waypoint(position=goal, yaw=yaw, gripper=0.0, speed=0.1)
    elif view.gripper < wide - 0.08 and low < over - goal[2] - 0.02 and not around:
        return Waypoint(position=np.array([*view.tool[:2], max(over, float(view.tool[2]))]), yaw=None, gripper=wide)
    return funnel(view, goal, over, yaw, wide)


def jaw_offset(view: View, yaw: float, width: float, slack: float) -> FloatArray:
    """(3,) from a thing's middle to the tool: with one moving jaw, the still one is put `slack` beside the thing."""
    if view.hand.fixed is None:
        return np.zeros(3)
    closing = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    return closing * (view.hand.fixed - width / 2 - slack)


def grasp_yaw(
    view: View, name: str, width: float, exclude: tuple[str, ...] = (), across: FloatArray | None = None
) -> float:
    """The yaw among those that fit the thing's shape which is comfortable and keeps the fingers off its neighbours.

    across: see grasp.
    """
    position, rotation = view.pose(name)
    kind = view.world.thing(name).kind
    if view.lies(name):
        along = math.atan2(rotation[1, 2], rotation[0, 2])
        options = [along, along + math.pi]
    elif kind == "block":
        flat = rotation[:, int(np.argmin(np.abs(rotation[2])))]
        face = math.atan2(flat[1], flat[0])
        options = [face + k * math.pi / 2 for k in range(4)]
    else:
        options = [math.radians(k) for k in range(-180, 180, 15)]
        if view.hand.fixed is not None:
            options = [view.bearing_of(position) + turn for turn in options]
    ahead = view.bearing_of(position)
    now = wrap(view.yaw - view.bearing)
    comfort, stay = _FREE if len(options) > 4 else _FEW

    def effort(yaw: float) -> float:
        turn = wrap(yaw - ahead)
        return comfort * abs(turn) + stay * abs(turn - now)

    best, least = 0.0, math.inf
    for yaw in sorted((wrap(option) for option in options), key=effort):
        if effort(yaw) >= least:
            break  # those that follow are more effort still
        cost = effort(yaw) + _crowding(view, (name, *exclude), position, yaw, width)
        if across is not None:
            cost += _POINTING * abs(across[0] * math.sin(yaw) - across[1] * math.cos(yaw))
        if cost < least:
            best, least = yaw, cost
    return best


def _crowding(view: View, exclude: tuple[str, ...], position: FloatArray, yaw: float, width: float) -> float:
    """How much would be in the way of fingers and palm around a thing of that width; past the wrist's limits, 100."""
    turn = wrap(yaw - view.bearing_of(position))
    low, high = view.hand.turns
    if not low <= turn <= high:
        return 100.0 + abs(turn)
    hand = view.hand
    closing = np.array([math.sin(yaw), -math.cos(yaw)])
    out = width / 2 + LOOSE / 2 + hand.finger / 2
    if hand.fixed is None:
        fingers = position[:2] + np.array([[-out], [out]]) * closing
    else:
        fingers = position[:2] + np.array([[-(width / 2 + 0.009 + hand.finger / 2)], [2 * out - width / 2]]) * closing
    # Reaching around the top alone keeps the palm clear of most things; it is the second choice.
    high_up = np.array([*position[:2], max(float(position[2]), _highest(view, exclude[0]))])
    exclude = (*exclude, *_around(view, position))
    crowding = float(np.maximum(0.013 - view.gaps(fingers, exclude)[0], 0.0).sum()) * 100.0
    crowding += 0.1 * _palm_cost(view, position, closing, exclude) + _palm_cost(view, high_up, closing, exclude)
    if "drawer" in exclude:  # inside it, there is room for the fingers along y only
        crowding += 2.0 * abs(math.sin(yaw))
    return crowding


def _palm_cost(view: View, position: FloatArray, closing: FloatArray, exclude: tuple[str, ...]) -> float:
    """How far the palm of a hand at `position` would be in the way of things that reach up to it."""
    lift, _, half = view.hand.palm
    gaps, heights = _under_palm(view, position, closing, exclude)
    tall = heights > float(position[2]) + lift - 0.005
    return float((np.maximum(half + 0.006 - gaps, 0.0) * tall).sum()) * 60.0


def _roof(view: View, name: str, yaw: float) -> float:
    """Height of the highest thing that the palm would come down on while the fingers reach for `name`."""
    position = view.pose(name)[0]
    closing = np.array([math.sin(yaw), -math.cos(yaw)])
    gaps, heights = _under_palm(view, position, closing, (name, *_around(view, position)))
    return float(heights[gaps < view.hand.palm[2] + 0.012].max(initial=0.0))


def _under_palm(
    view: View, position: FloatArray, closing: FloatArray, exclude: tuple[str, ...]
) -> tuple[FloatArray, FloatArray]:
    """Distances (K,) of obstacles to the middle line of a palm over `position`, and their heights (K,)."""
    _, reach, half = view.hand.palm
    span = position[:2] + np.linspace(half - reach, reach - half, 9)[:, None] * closing
    gaps, heights = view.gaps(span, exclude)
    return gaps.min(axis=1), heights


def carry_yaw(view: View, goal: FloatArray, exclude: tuple[str, ...], *further: FloatArray) -> float | None:
    """The yaw nearest to the present one at which the palm is free at tool positions `goal` (3,) and `further`.

    None to keep it.
    """
    if view.hand.fixed is not None:
        return None

    def cost(yaw: float) -> float:
        closing = np.array([math.sin(yaw), -math.cos(yaw)])
        return sum(_palm_cost(view, place, closing, exclude) for place in (goal, *further))

    if cost(view.yaw) <= 0.0:
        return None
    low, high = view.hand.turns
    options = [view.yaw + math.radians(k) for k in range(-180, 181, 15)]
    options = [yaw for yaw in options if low <= wrap(yaw) <= high] or [view.yaw]
    return min(options, key=lambda yaw: cost(yaw) + 0.1 * abs(yaw - view.yaw))


def _highest(view: View, name: str) -> float:
    """Height of the tool from which the fingers still hold a thing; a round one only from its middle down."""
    round_side = view.lies(name) or view.world.thing(name).kind == "ball"
    return view.top(name) + view.hand.below - (view.half_height(name) + 0.003 if round_side else _HOLD)


def _around(view: View, position: FloatArray) -> tuple[str, ...]:
    """Names of the containers over whose inside `position` is."""

    def holds(container: str) -> bool:
        inside = view.shape(container).inside
        away = view.pose(container)[0] - position
        return inside[0] > 0 and math.hypot(away[0], away[1]) < max(inside)

    return tuple(thing.name for thing in view.world.episode.things if holds(thing.name))


def hold_up(view: View, name: str, height: float = 0.11) -> Waypoint:
    """Lift a held thing straight up until its bottom is at `height`, and keep it there.

    Well above what counts as lifted: a learner that stops a little short should still have done it.
    """
    up = float(view.tool[2]) - view.bottom(name) + height
    return when_gripped(view, name, Waypoint(position=np.array([*view.tool[:2], up]), yaw=None, gripper=0.0))


def when_gripped(view: View, name: str, waypoint: Waypoint) -> Waypoint:
    """The waypoint once the fingers press; before that, stay and press."""
    if view.commanded_gripper > max(view.gripper - 0.1, 0.02):
        return Waypoint(position=view.tool, yaw=waypoint.yaw, gripper=0.0, speed=0.05)
    return waypoint


def carry(
    view: View,
    name: str,
    goal: FloatArray,
    exclude: tuple[str, ...] = (),
    *,
    rim: float = 0.0,
    exact: float = 0.008,
    yaw: float | None = None,
    near: float = 0.0,
) -> Waypoint:
    """Bring a held thing to `goal`: (x, y) of its middle and height of its bottom; then let go.

    rim: height that its bottom keeps until it is above the goal. near: if something is in the way, metres from the
    goal (and half as much again above it, at most 35 mm) at which it may be let go all the same.
    """
    position = view.pose(name)[0]
    bottom = view.bottom(name)
    up = float(view.tool[2]) - bottom
    off = math.hypot(goal[0] - position[0], goal[1] - position[1])
    there = off < exact and bottom - goal[2] < 0.005
    stuck = view.blocked and off < max(near, exact) and bottom - goal[2] < min(max(1.5 * near, 0.01), 0.035)
    if there or stuck or (off < exact + near and view.commanded_gripper > 0.1 and bottom - goal[2] < 0.02):
        return let_go(view, name)
    over = max(rim + 0.012, 0.03, view.clearance(goal, (name, *exclude))) + up
    where = np.array([*(view.tool[:2] + goal[:2] - position[:2]), goal[2] + up])
    if yaw is None:
        yaw = carry_yaw(view, where, (name, *exclude))
    return when_gripped(view, name, funnel(view, where, over, yaw, 0.0, exact=0.75 * exact))


def let_go(view: View, name: str) -> Waypoint:
    """Stay, and open just enough."""
    return Waypoint(position=view.aim, yaw=None, gripper=view.hand.ratio(view.width(name) + TIGHT), speed=0.05)


def retreat(view: View, name: str) -> Waypoint:
    """Let go of a thing that is where it belongs: open just enough, move the still jaw off it, go up."""
    position = view.pose(name)[0]
    top = view.top(name)
    clear = top + view.hand.below + 0.008
    if view.tool[2] > clear or math.hypot(*(position - view.tool)[:2]) > 0.05:
        return rest(view)
    width = view.width(name)
    wide, closed = view.hand.ratio(width + TIGHT), view.hand.ratio(width)
    slack = min(max((view.gripper - closed) / (wide - closed), 0.0), 1.0)
    if slack > 0.6:
        return Waypoint(position=view.tool + np.array([0.0, 0.0, clear + 0.02 - view.tool[2]]), yaw=None, gripper=wide)
    if view.hand.fixed is None:
        return Waypoint(position=view.tool, yaw=None, gripper=wide, speed=0.05)
    beside = position + jaw_offset(view, view.yaw, width, 0.006 * slack)
    return Waypoint(position=np.array([beside[0], beside[1], view.tool[2]]), yaw=None, gripper=wide, speed=0.05)


def rest(view: View) -> Waypoint:
    """Nothing left to do: straight up to the resting height, open, and still."""
    gripper = 1.0 if view.hand.fixed is None else 0.5
    if view.tool[2] < view.hand.rest - 0.05:
        gripper = view.commanded_gripper
    height = max(view.hand.rest, min(float(view.tool[2]), view.hand.rest + 0.05))
    return Waypoint(position=np.array([*view.tool[:2], height]), yaw=None, gripper=gripper)


def rests_in(view: View, name: str, target: str) -> bool:
    """Whether a thing that is not held is in or on the container."""
    if view.world.is_held(name):
        return False
    position = view.pose(name)[0]
    centre, rotation = view.pose(target)
    away = rotation.T @ (position - centre)
    measures = view.shape(target)
    if measures.round:
        over = math.hypot(away[0], away[1]) < measures.inside[0]
    else:
        over = abs(away[0]) < measures.inside[0] and abs(away[1]) < measures.inside[1]
    floor = float(centre[2]) - measures.height / 2 + measures.floor
    return bool(over) and view.bottom(name) < floor + max(measures.height, 0.02) + 0.03


def free_spot(view: View, name: str, target: str, others: tuple[str, ...]) -> FloatArray:
    """(3,) place for a thing's bottom in the container: its middle, or of several things the nearest free place."""
    centre, rotation = view.pose(target)
    measures, hand = view.shape(target), view.hand
    inside = [n for n in others if n != name and rests_in(view, n, target)]
    spot = centre[:2]
    if len(others) > 1:
        angles = np.arange(0.0, 2 * math.pi, math.pi / 8)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1) * measures.inside @ rotation[:2, :2].T
        # Three need a third of the room each.
        shares = (0.2, 0.4) if len(others) == 2 else (0.52,)
        spots = spot + np.concatenate([share * ring for share in shares])
        room = np.full(len(spots), 1.0)
        for other in inside:
            away = np.linalg.norm(spots - view.pose(other)[0][:2], axis=1)
            room = np.minimum(room, away - view.shape(name).radius - view.shape(other).radius)
        # Of places that are free the nearest; where none is, the one with most room.
        lack = np.maximum(0.002 - room, 0.0)
        spot = spots[int(np.argmin(np.linalg.norm(spots - view.pose(name)[0][:2], axis=1) + 30.0 * lack))]
    base = float(centre[2]) - measures.height / 2
    # The open fingers would push at a high wall, so a thing is let go from a little above it.
    up = float(view.tool[2]) - view.bottom(name)
    deep = base + measures.height - 0.010 + hand.below - up
    return np.array([*spot, max(base + measures.floor + 0.004, deep)])


def facing(view: View, ahead: FloatArray) -> float:
    """Yaw with which the fingers close across `ahead` (2,) or (3,), and their flat side faces it when closed."""
    angle = math.atan2(ahead[1], ahead[0])
    bearing = view.bearing
    low, high = view.hand.turns
    options = [wrap(angle + k * math.pi) for k in range(2)]

    def effort(yaw: float) -> float:
        # The nearer one; a little beyond the limit is better than half a turn.
        turn = wrap(yaw - bearing)
        return abs(wrap(yaw - view.yaw)) + 10.0 * max(low - turn, turn - high, 0.0) + 0.2 * abs(turn)

    return min(options, key=effort)
