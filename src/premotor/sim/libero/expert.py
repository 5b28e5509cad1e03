"""A scripted expert that takes things and puts them where they belong, told where everything truly is.

It looks anew at every step and recovers by itself: what was missed or lost is taken again, another way. Nothing is
tried in secret and taken back. It knows the goals In and On; for what has to be opened, closed or turned it has no
script, and says so.
"""

from typing import Any, Literal

import mujoco
import numpy as np

from premotor.core.errors import WorldError
from premotor.core.rotation import matrix_to_rotvec
from premotor.core.types import FloatArray
from premotor.sim.libero.grasp import Grasp, Scene
from premotor.sim.libero.robot import REACH, TURN

__all__ = ["Expert", "place_of"]

_GAIN, _TURN_GAIN = 2.0, 1.6
_PULL, _CLOSE_BY = 0.15, 0.04
_SCRIPTED = ("in", "on")
_OPEN, _SHUT = 1.0, 0.0
_ABOVE = 0.04  # metres that are kept to what is passed
_CLOSING = (8, 25)  # steps that closing takes, at least and at most
_OPENING = 8
_AT_REST = 0.3  # m/s or rad/s
_NEAR, _FAR = 0.012, 0.03
"""Metres aside at which the hand goes down, and at which it gives that up; turned by ten times as many radians."""


def place_of(env: Any, data: mujoco.MjData, name: str) -> FloatArray:
    """(3,) where a thing or a region of LIBERO's environment is in that state, metres in the world's frame."""
    if name in env.object_sites_dict:
        return np.array(data.site(name).xpos)
    return np.array(data.xpos[env.obj_body_id[name]])


class Expert:
    """For one episode of LIBERO's environment, from its first step on, or from where another left it.

    Raises WorldError when the task's goals are not scripted.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        unknown = [goal for goal in env.parsed_problem["goal_state"] if goal[0] not in _SCRIPTED]
        if unknown:
            told = ", ".join("(" + " ".join(goal) + ")" for goal in unknown)
            raise WorldError(f"the expert of LIBERO has no script for {told}; it knows {' and '.join(_SCRIPTED)}")
        self._model, self._data = env.sim.model._model, env.sim.data._data
        self._scene = Scene(self._model, self._data)
        self._site = env.robots[0].eef_site_id
        self._fingers = list(env.robots[0]._ref_gripper_joint_pos_indexes)
        self._mode: Literal["pick", "close", "carry", "open", "leave"] = "pick"
        self._thing = ""
        self._grasp: Grasp | None = None
        self._tries = self._waited = 0
        self._down = False
        self._pull: FloatArray = np.zeros(3)
        self._held: FloatArray = np.zeros(3)
        self._before: FloatArray = np.zeros(3)
        self._width = self._top = 0.0
        self._look()

    def focus(self) -> tuple[str, str]:
        """LIBERO's names of what is to be moved now, and of the thing or the region where it belongs."""
        thing = self._thing if self._mode in ("close", "carry", "open") else self._next()
        return thing, self._belongs(thing)

    def action(self) -> FloatArray:
        """(7,) what to do now."""
        # Where everything is now, and nothing else: the simulation goes on as if nobody had looked.
        mujoco.mj_kinematics(self._model, self._data)
        if self._mode == "pick":
            self._choose()
        aim, hand = {
            "pick": self._pick,
            "close": self._close,
            "carry": self._carry,
            "open": self._open,
            "leave": self._leave,
        }[self._mode]()
        self._before, self._width = self._point.copy(), self._opening
        return self._towards(aim, hand)

    @property
    def _point(self) -> FloatArray:
        point: FloatArray = self._data.site_xpos[self._site]
        return point

    @property
    def _axis(self) -> FloatArray:
        """(2,) the line that the fingers close along."""
        axis = self._data.site_xmat[self._site].reshape(3, 3)[:2, 0]
        unit: FloatArray = axis / np.linalg.norm(axis)
        return unit

    @property
    def _opening(self) -> float:
        first, second = self._data.qpos[self._fingers]
        return float(first - second)

    @property
    def _body(self) -> int:
        return int(self._env.obj_body_id[self._thing])

    @property
    def _place(self) -> FloatArray:
        place: FloatArray = self._data.xpos[self._body]
        return place

    @property
    def _still(self) -> bool:
        return bool(np.linalg.norm(self._point - self._before) < 0.001)

    def _look(self) -> None:
        """What is in the hand already needs not be taken; it may have been another who took it."""
        env, self._thing = self._env, self._next()
        if env._check_grasp(gripper=env.robots[0].gripper, object_geoms=env.objects_dict[self._thing]):
            self._hold()

    def _left(self) -> list[str]:
        """The things that are not where they belong, in the order of the goals."""
        goals = self._env.parsed_problem["goal_state"]
        return [str(goal[1]) for goal in goals if not self._env._eval_predicate(goal)]

    def _next(self) -> str:
        """The first thing that is not where it belongs; the last one when all are."""
        return (self._left() or [self._thing or str(self._env.parsed_problem["goal_state"][-1][1])])[0]

    def _choose(self) -> None:
        if not (left := self._left()):
            self._mode, self._waited = "leave", 0
        elif left[0] != self._thing:
            self._thing, self._grasp, self._tries = left[0], None, 0

    def _hold(self) -> None:
        """It has the thing, as far as it knows."""
        self._mode, self._waited, self._held = "carry", 0, self._place - self._point
        self._top, self._down = -np.inf, False

    def _pick(self) -> tuple[FloatArray, float]:
        if self._grasp is None:
            if self._moving():
                return self._point + np.array([0.0, 0.0, 0.02]), _OPEN
            ways = self._scene.grasps(self._body, self._axis)
            self._grasp = ways[self._tries % len(ways)]
            self._waited, self._down = 0, False
        wanted = self._place + self._grasp.offset
        error = np.linalg.norm(wanted[:2] - self._point[:2])
        if not self._lowering(max(float(error), 0.1 * self._turned())):
            high = self._passing(wanted, 0.03)
            return self._over(wanted, high, float(error)), _OPEN
        self._waited += 1
        there = np.linalg.norm(wanted - self._point) < 0.007 or (self._waited > 8 and self._still)
        if there or self._waited > 60:
            self._mode, self._waited = "close", 0
        return wanted, _OPEN

    def _close(self) -> tuple[FloatArray, float]:
        self._waited += 1
        least, most = _CLOSING
        steady = abs(self._opening - self._width) < 4e-4
        if (self._waited > least and steady) or self._waited > most:
            self._hold()
        return self._before, _SHUT

    def _carry(self) -> tuple[FloatArray, float]:
        lost = np.linalg.norm(self._place - self._point - self._held) > 0.04
        if lost or self._opening < 0.001:
            return self._again()
        goal = self._goal()
        wanted = goal - (self._place - self._point)
        error = float(np.linalg.norm(wanted[:2] - self._point[:2]))
        below = self._point[2] - self._scene.points(self._body)[:, 2].min()
        if not self._lowering(error):
            self._top = max(self._top, self._passing(wanted, float(below), (self._body,)))
            return self._over(wanted, self._top, error), _SHUT
        wanted[2] = self._lowest(wanted, float(below))
        self._waited += 1
        if self._point[2] - wanted[2] < 0.006 or (self._waited > 8 and self._still) or self._waited > 60:
            self._mode, self._waited = "open", 0
        return wanted, _SHUT

    def _open(self) -> tuple[FloatArray, float]:
        self._waited += 1
        if self._waited > _OPENING:
            self._mode, self._waited = "leave", 0
        return self._before, _OPEN

    def _leave(self) -> tuple[FloatArray, float]:
        self._waited += 1
        if self._waited > 8:
            # Where it is not where it belongs now, it is taken again.
            self._mode, self._grasp, self._tries = "pick", None, self._tries + 1
        return self._point + np.array([0.0, 0.0, 0.05]), _OPEN

    def _again(self) -> tuple[FloatArray, float]:
        self._mode, self._waited = "leave", 0
        return self._point.copy(), _OPEN

    def _goal(self) -> FloatArray:
        """Where the thing in the hand belongs."""
        return place_of(self._env, self._data, self._belongs(self._thing))

    def _belongs(self, name: str) -> str:
        return next(str(where) for _, thing, where in self._env.parsed_problem["goal_state"] if thing == name)

    def _passing(self, wanted: FloatArray, below: float, without: tuple[int, ...] = ()) -> float:
        """How high the hand must be on its way there, when something hangs `below` it."""
        way = np.linspace(self._point[:2], wanted[:2], 6)
        aside = np.array([[0, 0], [0.04, 0], [-0.04, 0], [0, 0.04], [0, -0.04]])
        return self._scene.height((way[:, None] + aside).reshape(-1, 2), without) + below + _ABOVE

    def _moving(self) -> bool:
        """Whether the thing still falls or rolls, so that it is too early to say how to take it."""
        joint = self._model.body_dofadr[self._body]
        return bool(np.abs(self._data.qvel[joint : joint + 6]).max() > _AT_REST)

    def _lowering(self, error: float) -> bool:
        """Whether it is above its aim, or was and still nearly is."""
        self._down = error < (_FAR if self._down else _NEAR)
        if not self._down:
            self._waited = 0
        return self._down

    def _over(self, wanted: FloatArray, high: float, error: float) -> FloatArray:
        """Up first where it is far, then across."""
        if error > 0.03 and self._point[2] < high - 0.02:
            return np.array([*self._point[:2], high + 0.02])
        return np.array([*wanted[:2], max(high, self._point[2] - 0.02) if error > 0.03 else high])

    def _lowest(self, wanted: FloatArray, below: float) -> float:
        """The height of the hand at which what it holds stands, or at which it cannot go lower."""
        held = self._scene.points(self._body)[:, :2]
        under = self._place[:2] + 0.6 * (held[:: max(1, len(held) // 24)] - self._place[:2])
        stands = self._scene.height(under, (self._body,)) + below + 0.002
        room = self._scene.room(np.array([*wanted[:2], 0.0]), self._axis, without=(self._body,), taken=self._body)
        return max(stands, 0.008 - room)

    def _turned(self) -> float:
        return float(np.linalg.norm(self._turn()))

    def _turn(self) -> FloatArray:
        """(3,) the rotation that is missing to a hand that points down, its fingers along the grasp's line."""
        now = self._data.site_xmat[self._site].reshape(3, 3)
        axis = self._axis if self._grasp is None else self._grasp.axis
        x = np.append(axis if axis @ now[:2, 0] >= 0 else -axis, 0.0)
        z = np.array([0.0, 0.0, -1.0])
        return matrix_to_rotvec(np.stack([x, np.cross(z, x), z], 1) @ now.T)

    def _towards(self, aim: FloatArray, hand: float) -> FloatArray:
        error = aim - self._point
        # The joints' friction holds the hand a centimetre off; what is left over is pulled harder the longer it lasts.
        near = bool(np.linalg.norm(error) < _CLOSE_BY)
        self._pull = (self._pull + _PULL * error).clip(-REACH / 2, REACH / 2) if near else np.zeros(3)
        move = (_GAIN * error + self._pull).clip(-REACH, REACH)
        return np.concatenate([move, (_TURN_GAIN * self._turn()).clip(-TURN, TURN), [hand]])
