"""Forward and inverse kinematics of one arm, and the one place where an action becomes joint targets."""

from dataclasses import dataclass

import mink
import mujoco
import numpy as np

from premotor.core.errors import SpecMismatch
from premotor.core.types import FloatArray
from premotor.robots.embodiment import Embodiment

__all__ = ["Kinematics", "Solution", "tool_down"]

# Costs of the inverse kinematics, per metre and per radian. An arm with six or more joints can have any pose, so both
# count; one with five cannot, so there the rotation is only a preference (bias at 20 degrees of forced tilt: 0.3 mm).
_ROTATION_COST = 0.3
_ROTATION_PREFERENCE = 0.01
_POSTURE_COST = 1e-3
_POSTURE_GAIN = 0.05  # the elbow drifts home slowly instead of jumping there in one step
_STRETCH = 0.94  # share of its full length to which the folding part of a five-joint arm may be stretched
_LEANS = 40  # steps in which the lean of its tool is looked for, over a quarter turn
_DAMPING = 1e-8
_LARGEST_STEP = 0.3  # rad; beyond it the linear model of the arm is not to be trusted
_SMALLEST_STEP = 2e-3  # rad; the error left after a step that small is a few micrometres
_SMALLEST_COST = 1e-10  # 10 micrometres, squared


def tool_down(yaw: float) -> FloatArray:
    """(3, 3) rotation of a tool that points straight down, its x axis turned `yaw` rad from the base's x axis."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Solution:
    """Joints (J,) that come nearest to a wanted pose, always inside the limits, and what is left of the error.

    position_error: m. rotation_error: rad.
    """

    positions: FloatArray
    position_error: float
    rotation_error: float

    @property
    def reached(self) -> bool:
        """Whether the tool is within 1 mm of the wanted position."""
        return self.position_error < 1e-3


class Kinematics:
    """Kinematics of `arm` in its base frame; its own small model, so it never touches a simulation's state."""

    def __init__(self, arm: Embodiment) -> None:
        self.arm = arm
        self._configuration = mink.Configuration(_bare_model(arm))
        model = self._configuration.model
        joints = len(arm.joint_names)
        self._frame = mink.FrameTask(
            arm.tcp_site,
            "site",
            position_cost=1.0,
            orientation_cost=_ROTATION_COST if joints >= 6 else _ROTATION_PREFERENCE,
        )
        self._tasks: list[mink.Task] = [self._frame]
        if joints > 6:
            posture = mink.PostureTask(model, cost=_POSTURE_COST, gain=_POSTURE_GAIN)
            posture.set_target(arm.home)
            self._tasks.append(posture)
        self._chain = _Chain.of(self._configuration, arm) if joints == 5 else None
        self._limits: list[mink.Limit] = [mink.ConfigurationLimit(model, gain=1.0)]

    def forward(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Tool position (3,) and rotation (3, 3) in the base frame at joints (J,)."""
        self._configuration.update(np.asarray(positions, dtype=np.float64))
        site = self._configuration.data.site(self.arm.tcp_site)
        return site.xpos.copy(), site.xmat.reshape(3, 3).copy()

    def downward(self, position: FloatArray, yaw: float) -> FloatArray:
        """(3, 3) rotation nearest to straight down, at `yaw` rad, that the arm can hold at tool `position` (3,).

        An arm with six joints or more points straight down. One with five leans its tool outwards where it could not
        reach otherwise; the lean is a continuous function of the position.
        """
        return self._leaning(position) @ tool_down(yaw)

    def yaw(self, position: FloatArray, rotation: FloatArray) -> float:
        """The yaw (rad) of `downward` that a tool at `position` (3,) with `rotation` (3, 3) comes nearest to."""
        upright = self._leaning(position).T @ rotation
        return float(np.arctan2(upright[1, 0], upright[0, 0]))

    def _leaning(self, position: FloatArray) -> FloatArray:
        """(3, 3) rotation from straight down to how the arm has to lean at `position` (3,)."""
        if self._chain is None:
            return np.eye(3)
        lean, bearing = self._chain.lean(position), self._chain.bearing(position)
        return mink.SO3.exp(lean * np.array([np.sin(bearing), -np.cos(bearing), 0.0])).as_matrix()

    def bearing(self, position: FloatArray) -> float:
        """Direction (rad about the vertical) in which the arm's first joint sees `position` (3,), base frame."""
        first = np.zeros(3) if self._chain is None else self._chain.pan
        return float(np.arctan2(position[1] - first[1], position[0] - first[0]))

    def solve(
        self, position: FloatArray, rotation: FloatArray | None, start: FloatArray, *, iterations: int = 20
    ) -> Solution:
        """Joints whose tool is at `position` (3,) in the base frame, searched from `start` (J,).

        rotation: (3, 3); None keeps the rotation at `start`. An arm with five joints reaches the position first and
        the rotation as nearly as it can. What cannot be reached shows in the errors of the answer.
        """
        start = np.clip(start, self.arm.position_low, self.arm.position_high)
        if rotation is None:
            _, rotation = self.forward(start)
        else:
            self._configuration.update(start)
        target = mink.SE3.from_rotation_and_translation(mink.SO3.from_matrix(rotation), position)
        self._frame.set_target(target)
        damping, cost = _DAMPING, self._cost()
        for _ in range(iterations):
            before = self._configuration.q
            largest = self._move(damping)
            after = self._cost()
            if largest < _SMALLEST_STEP or after < _SMALLEST_COST:
                break
            if after > cost:  # stretched out, the arm is far from linear: take back and go more carefully
                self._configuration.update(before)
                damping = max(100.0 * damping, 1e-4)
            else:
                damping, cost = max(damping / 10.0, _DAMPING), after
        error = self._frame.compute_error(self._configuration)
        return Solution(
            positions=np.clip(self._configuration.q, self.arm.position_low, self.arm.position_high),
            position_error=float(np.linalg.norm(error[:3])),
            rotation_error=float(np.linalg.norm(error[3:])),
        )

    def reach(self, position: FloatArray, near: FloatArray) -> FloatArray:
        """Joints (J,) like `near` (J,), inside the limits, that bring the tool to `position` (3,), or towards it."""
        return self.solve(position, None, near, iterations=4).positions

    def _cost(self) -> float:
        return float(np.square(self._frame.cost * self._frame.compute_error(self._configuration)).sum())

    def _move(self, damping: float) -> float:
        """Take one step and return its largest joint movement (rad), before it was shortened."""
        step = self._step(damping)
        largest = float(np.abs(step).max())
        self._configuration.integrate_inplace(step * min(1.0, _LARGEST_STEP / max(largest, 1e-12)), 1.0)
        return largest

    def _step(self, damping: float) -> FloatArray:
        """One Gauss-Newton step (J,) towards the target, inside the joint limits."""
        objectives = [task.compute_qp_objective(self._configuration) for task in self._tasks]
        h = sum(o.H for o in objectives) + damping * np.eye(self._configuration.nv)
        step = -np.linalg.solve(h, sum(o.c for o in objectives))
        after = self._configuration.q + step
        if np.all(after >= self.arm.position_low) and np.all(after <= self.arm.position_high):
            return step
        # The quadratic program is ten times dearer, so it is only asked when a limit is in the way.
        return mink.solve_ik(self._configuration, self._tasks, 1.0, "daqp", damping=damping, limits=self._limits)

    def targets(self, action: FloatArray, commanded: FloatArray) -> tuple[FloatArray, float]:
        """Joint targets (J,) and gripper ratio of one embodiment action (A,), from the joints last commanded (J,).

        Everything is clipped to the joint range, the workspace and the gripper's 0..1; speeds are the guard's part.
        Raises SpecMismatch on a wrong shape.
        """
        size = len(self.arm.spec.action.dims)
        if np.shape(action) != (size,):
            raise SpecMismatch(f"action for {self.arm.name} has shape {np.shape(action)}; it must be ({size},)")
        gripper = float(np.clip(action[-1], 0.0, 1.0))
        if self.arm.spec.action.frame == "joint":
            return np.clip(action[:-1], self.arm.position_low, self.arm.position_high), gripper
        if not np.any(action[:6]):
            return np.array(commanded, dtype=np.float64), gripper
        position, rotation = self.forward(commanded)
        # A tool that is outside the workspace already may stay or come back, but not go further out.
        low = np.minimum(self.arm.workspace_low, position)
        high = np.maximum(self.arm.workspace_high, position)
        turn = mink.SO3.exp(np.asarray(action[3:6], dtype=np.float64)).as_matrix()
        goal = np.clip(position + action[:3], low, high)
        return self.solve(goal, turn @ rotation, commanded, iterations=3).positions, gripper


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Chain:
    """Lengths of an arm that pans, folds in one vertical plane with three joints, and rolls its tool.

    pan: (3,) point on the first axis. forward, height: of the second axis from there, and above the base.
    folding: length of the two links after it. tool: from the fourth axis to the tool point.
    """

    pan: FloatArray
    forward: float
    height: float
    folding: float
    tool: float

    @classmethod
    def of(cls, configuration: mink.Configuration, arm: Embodiment) -> "_Chain":
        """Measure the arm at home."""
        configuration.update(arm.home)
        data = configuration.data
        pan, shoulder, elbow, wrist = (data.xanchor[configuration.model.joint(n).id] for n in arm.joint_names[:4])
        tool = data.site(arm.tcp_site).xpos
        # Joint anchors lie anywhere along their axes, so lengths are taken in the plane that the arm folds in.
        bearing = float(np.arctan2(tool[1] - pan[1], tool[0] - pan[0]))
        plane = np.array([[np.cos(bearing), np.sin(bearing), 0.0], [0.0, 0.0, 1.0]])
        s, e, w, t = (plane @ (point - pan) for point in (shoulder, elbow, wrist, tool))
        return cls(
            pan=pan.copy(),
            forward=float(s[0]),
            height=float(shoulder[2]),
            folding=float(np.linalg.norm(e - s) + np.linalg.norm(w - e)),
            tool=float(np.linalg.norm(t - w)),
        )

    def bearing(self, position: FloatArray) -> float:
        """Direction of `position` (3,) from the first axis, rad."""
        return float(np.arctan2(position[1] - self.pan[1], position[0] - self.pan[0]))

    def lean(self, position: FloatArray) -> float:
        """Least angle (rad) from the vertical at which the folding part still reaches the tool's root."""
        far = float(np.hypot(position[0] - self.pan[0], position[1] - self.pan[1])) - self.forward
        angles = np.linspace(0.0, np.pi / 2, _LEANS)
        roots = np.hypot(far - self.tool * np.sin(angles), position[2] - self.height + self.tool * np.cos(angles))
        missing = roots - _STRETCH * self.folding
        within = np.flatnonzero(missing <= 0)
        if not len(within):
            return float(angles[int(np.argmin(missing))])
        k = int(within[0])
        if k == 0:
            return 0.0
        share = missing[k - 1] / (missing[k - 1] - missing[k])
        return float(angles[k - 1] + share * (angles[k] - angles[k - 1]))


def _bare_model(arm: Embodiment) -> mujoco.MjModel:
    """The arm's joints and tool alone: no shapes, no servos, no moving fingers; ranges as commanded."""
    spec = mujoco.MjSpec.from_file(str(arm.model_file))
    names = set(arm.joint_names)
    for element in (*spec.actuators, *spec.equalities, *spec.tendons, *spec.cameras, *spec.geoms, *spec.meshes):
        spec.delete(element)
    for body in list(spec.bodies):
        if any(joint.name not in names for joint in body.joints):
            spec.delete(body)
    for name, low, high in zip(arm.joint_names, arm.position_low, arm.position_high, strict=True):
        spec.joint(name).range = [low, high]
    return spec.compile()
