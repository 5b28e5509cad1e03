"""One control step of a smooth motion towards a waypoint, as an embodiment action. No memory, so it can start anywhere."""

import math
from dataclasses import dataclass

import mink
import numpy as np

from premotor.core.types import FloatArray, JointState
from premotor.robots.embodiment import Embodiment
from premotor.robots.kinematics import Kinematics, tool_down

__all__ = ["Steer", "Waypoint", "wrap"]

_SPEED_UP = 0.06  # m/s that the tool may gain in one step
_SLOW_DOWN = 1.0  # m/s2 of braking that the speed far from the waypoint allows for
_NEAR = 0.45  # share of the remaining way that one step may take
_TURN = {"panda": 1.0, "so101": 1.8}  # rad/s about the vertical
_JOINT_SHARE = 0.9  # of the joint speed limits


def wrap(angle: float) -> float:
    """The same angle in -pi .. pi."""
    return math.remainder(angle, 2 * math.pi)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Waypoint:
    """Where the tool should go: position (3,) in the world, yaw of its x axis (None: as it is), gripper ratio.

    speed: m/s at most.
    """

    position: FloatArray
    yaw: float | None
    gripper: float
    speed: float = 0.32


class Steer:
    """Steps towards waypoints for one arm. All distances are measured from the commanded, not the lagging, tool."""

    def __init__(self, arm: Embodiment) -> None:
        self.arm = arm
        self._kinematics = Kinematics(arm)
        self._period = 1.0 / arm.spec.rate_hz

    def tool(self, joints: FloatArray) -> tuple[FloatArray, FloatArray]:
        """World position (3,) and rotation (3, 3) of the tool at joints (J,)."""
        position, rotation = self._kinematics.forward(joints)
        return position + self.arm.mount, rotation

    def action(self, waypoint: Waypoint, commanded: FloatArray, state: JointState) -> FloatArray:
        """The action (A,) of the next step, from the joints last commanded (J,) and the measured ones."""
        position, rotation = self.tool(commanded)
        step = self._step(waypoint, position, state)
        yaw = math.atan2(rotation[1, 0], rotation[0, 0])
        goal = self._yaw(waypoint, yaw, position, position + step)
        if self.arm.spec.action.frame == "base":
            turn: FloatArray = mink.SO3.from_matrix(tool_down(goal) @ rotation.T).log()
            size = float(np.linalg.norm(turn))
            turn *= min(1.0, _TURN[self.arm.name] * self._period / max(size, 1e-9))
            return np.array([*step, *turn, waypoint.gripper])
        solution = self._kinematics.solve(
            position + step - self.arm.mount, tool_down(goal), commanded, iterations=6
        )
        change = solution.positions - commanded
        share = float(np.max(np.abs(change) / (_JOINT_SHARE * self.arm.velocity * self._period)))
        return np.array([*(commanded + change / max(1.0, share)), waypoint.gripper])

    def _step(self, waypoint: Waypoint, position: FloatArray, state: JointState) -> FloatArray:
        """Movement (3,) of the tool in this step: fast far away, slow near, and starting gently."""
        way = waypoint.position - position
        far = float(np.linalg.norm(way))
        if far < 1e-6:
            return np.zeros(3)
        ahead = way / far
        instant = 0.01
        moved = self._kinematics.forward(state.positions + instant * state.velocities)[0]
        now = float(((moved - self._kinematics.forward(state.positions)[0]) / instant) @ ahead)
        speed = min(
            waypoint.speed,
            math.sqrt(2 * _SLOW_DOWN * far),
            _NEAR * far / self._period,
            max(0.0, now) + _SPEED_UP,
        )
        return ahead * speed * self._period

    def _yaw(self, waypoint: Waypoint, yaw: float, position: FloatArray, following: FloatArray) -> float:
        """Yaw after this step. Where none is asked for, an arm with five joints lets it turn with its base."""
        if waypoint.yaw is not None:
            wanted = waypoint.yaw
        elif self.arm.spec.action.frame == "base":
            wanted = yaw
        else:
            wanted = yaw + wrap(self.bearing(following) - self.bearing(position))
        most = _TURN[self.arm.name] * self._period
        return yaw + float(np.clip(0.5 * wrap(wanted - yaw), -most, most))

    def bearing(self, position: FloatArray) -> float:
        """Direction (rad about the vertical) in which the arm's base sees a world position (3,)."""
        base = self.arm.mount[:2] + (np.array([0.0388, 0.0]) if self.arm.name == "so101" else 0.0)
        return math.atan2(position[1] - base[1], position[0] - base[0])
