"""One step of a smooth motion towards a waypoint, as an embodiment action. No memory, so it can start anywhere."""

import math
from dataclasses import dataclass

import mink
import numpy as np

from premotor.core.types import FloatArray, JointState
from premotor.robots.embodiment import Embodiment
from premotor.robots.kinematics import Kinematics, tool_down

__all__ = ["Steer", "Waypoint", "wrap"]

_CHANGE = 0.06  # m/s by which the tool's velocity may change in one step, in any direction
_BRAKING = 0.6  # m/s2 that the speed far from the waypoint allows for
_NEAR = 0.45  # share of the remaining way that one step may take
_TURN = {"panda": 1.0, "so101": 1.8}  # rad/s about the vertical
_TURN_CHANGE = 0.35  # rad/s by which that may change in one step
_JOINT_SHARE = 0.8  # of the joints' speed and acceleration limits


def wrap(angle: float) -> float:
    """The same angle in -pi .. pi."""
    return math.remainder(angle, 2 * math.pi)


def _approach(now: FloatArray, wanted: FloatArray, change: float) -> FloatArray:
    """`wanted` (3,), or as near to it as a change of length `change` from `now` comes."""
    way = wanted - now
    return now + way * min(1.0, change / max(float(np.linalg.norm(way)), 1e-9))


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

    def yaw(self, position: FloatArray, rotation: FloatArray) -> float:
        """Yaw (rad) of a tool at world `position` (3,) with `rotation` (3, 3), as waypoints mean it."""
        return self._kinematics.yaw(position - self.arm.mount, rotation)

    def action(self, waypoint: Waypoint, commanded: FloatArray, state: JointState) -> FloatArray:
        """The action (A,) of the next step, from the joints last commanded (J,) and the measured ones."""
        position, rotation = self.tool(commanded)
        velocity, spin = self._velocity(state)
        step = self._step(waypoint, position, velocity)
        yaw = self.yaw(position, rotation)
        goal = self._yaw(waypoint, yaw, position, position + step, float(spin[2]))
        if self.arm.spec.action.frame == "base":
            turn: FloatArray = mink.SO3.from_matrix(tool_down(goal) @ rotation.T).log()
            turn *= min(1.0, 1.2 * _TURN[self.arm.name] * self._period / max(float(np.linalg.norm(turn)), 1e-9))
            return np.array([*step, *turn, waypoint.gripper])
        place = position + step - self.arm.mount
        solution = self._kinematics.solve(place, self._kinematics.downward(place, goal), commanded, iterations=6)
        speeds = (solution.positions - commanded) / self._period
        speeds /= max(1.0, float(np.max(np.abs(speeds) / (_JOINT_SHARE * self.arm.velocity))))
        change = _JOINT_SHARE * self.arm.acceleration * self._period
        late = float(np.max(np.abs(speeds - state.velocities) / change))
        speeds = state.velocities + (speeds - state.velocities) / max(1.0, late)
        return np.array([*(commanded + speeds * self._period), waypoint.gripper])

    def _velocity(self, state: JointState) -> tuple[FloatArray, FloatArray]:
        """Measured velocity (3,) m/s and angular velocity (3,) rad/s of the tool."""
        instant = 0.01
        position, rotation = self._kinematics.forward(state.positions)
        moved, turned = self._kinematics.forward(state.positions + instant * state.velocities)
        spin: FloatArray = mink.SO3.from_matrix(turned @ rotation.T).log()
        return (moved - position) / instant, spin / instant

    def _step(self, waypoint: Waypoint, position: FloatArray, velocity: FloatArray) -> FloatArray:
        """Movement (3,) of the tool in this step: fast far away, slow near, never changing velocity too suddenly.

        Sideways and up-and-down slow down each for its own distance, so that the tool does not shoot past a height.
        """
        way = waypoint.position - position
        wanted = np.zeros(3)
        for part in (slice(0, 2), slice(2, 3)):
            far = float(np.linalg.norm(way[part]))
            if far > 1e-6:
                wanted[part] = way[part] / far * min(math.sqrt(2 * _BRAKING * far), _NEAR * far / self._period)
        # Stretched out, an arm needs high joint speeds for a little way.
        far = float(np.linalg.norm(position[:2] - self.arm.mount[:2])) / float(self.arm.workspace_high[0])
        most = waypoint.speed * min(1.0, max(0.5, 2.6 - 2.4 * far))
        wanted *= min(1.0, most / max(float(np.linalg.norm(wanted)), 1e-9))
        return _approach(velocity, wanted, _CHANGE) * self._period

    def _yaw(self, waypoint: Waypoint, yaw: float, position: FloatArray, following: FloatArray, spin: float) -> float:
        """Yaw after this step. Where none is asked for, an arm with five joints lets it turn with its base."""
        if waypoint.yaw is not None:
            wanted = waypoint.yaw
        elif self.arm.spec.action.frame == "base":
            wanted = yaw
        else:
            wanted = yaw + wrap(self._bearing(following) - self._bearing(position))
        most = _TURN[self.arm.name]
        # The way round that the wrist can go, which may be the longer one.
        ahead = self._bearing(position) if self.arm.spec.action.frame == "joint" else 0.0
        left = wrap(wanted - ahead) - wrap(yaw - ahead)
        rate = float(np.clip(_NEAR * left / self._period, -most, most))
        return yaw + float(np.clip(rate, spin - _TURN_CHANGE, spin + _TURN_CHANGE)) * self._period

    def _bearing(self, position: FloatArray) -> float:
        return self._kinematics.bearing(position - self.arm.mount)
