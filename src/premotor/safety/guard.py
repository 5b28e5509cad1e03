"""The last room before the motors. Whatever comes in, what goes out keeps the arm's limits and can still stop.

Order of a step: shape and type, finite, age, measured joints, spec bounds, conversion to joint targets, workspace
box, joint limits (limiter.py), and a last look at the command itself. No flag turns any of it off.

What it promises, and does not: docs of MotionLimiter for joint limits; the tool centre point is sent to, and comes
to rest in, the workspace box. It is deterministic software on an ordinary computer, not a certified safety function:
keep the hardware's own emergency stop within reach.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from premotor.core.errors import SafetyError
from premotor.core.types import Command, FloatArray, JointState
from premotor.robots.embodiment import Embodiment
from premotor.robots.kinematics import Kinematics
from premotor.safety.limiter import MotionLimiter
from premotor.safety.limits import GuardConfig, check_embodiment
from premotor.safety.verdict import Clamp, Hold, Pass, Stop, Verdict

__all__ = ["ActionKinematics", "Guard"]

_RESET_SLACK = 0.05  # rad outside the position limits at which an arm may still be when the guard takes it over
_JUMP = 2.0  # a target that moves faster than this many times a joint's speed limit has jumped
_LEAD = 0.25  # share of a joint target's speed that is matched when it cannot be met: less lags, more overshoots
_BOX_CUTS = 6  # halvings when a joint target is pulled back into the workspace box
_BOX_ERROR = 2e-4  # metres by which inverse kinematics may miss a side of the box


class ActionKinematics(Protocol):
    """The part of robots.Kinematics that the guard uses."""

    def forward(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Tool position (3,) and rotation (3, 3) in the base frame at joints (J,)."""

    def targets(self, action: FloatArray, commanded: FloatArray) -> tuple[FloatArray, float]:
        """Joint targets (J,) and gripper ratio for one action (A,)."""

    def reach(self, position: FloatArray, near: FloatArray) -> FloatArray:
        """Joints (J,) like `near` (J,), inside the limits, that bring the tool to `position` (3,), or towards it."""


class Guard:
    """Turns actions of one arm into commands that its limits allow.

    Raises SafetyError, naming the joint, when the arm's limits cannot be kept. After that it never raises on an
    action or on a measured state, however bad; only reset() refuses. kinematics: the arm's own when None.

    A joint takes its target bit for bit when the differences of the command sequence (velocity, acceleration, jerk)
    keep the limits, and the arm could still brake inside its position limits and the workspace box afterwards; that
    is the case for any smooth motion within the limits. Otherwise the joint follows as fast as its limits allow.
    The gripper's number is a goal: it is approached at the gripper's speed, and that alone is no intervention.
    """

    def __init__(
        self, arm: Embodiment, config: GuardConfig | None = None, kinematics: ActionKinematics | None = None
    ) -> None:
        check_embodiment(arm)
        self.arm = arm
        self.config = GuardConfig() if config is None else config
        self._kinematics: ActionKinematics = Kinematics(arm) if kinematics is None else kinematics
        self._period = 1.0 / arm.spec.rate_hz
        lead = 1.0 if arm.spec.action.frame == "base" else _LEAD
        self._limiter = MotionLimiter(
            arm.position_low, arm.position_high, arm.velocity, arm.acceleration, arm.jerk, self._period, lead=lead
        )
        dims = arm.spec.action.dims
        self._low, self._high = arm.spec.action.low, arm.spec.action.high
        self._cartesian = arm.spec.action.frame == "base"
        self._judged = np.array([d.unit != "ratio" for d in dims])
        self._moves = [i for i, d in enumerate(dims) if d.kind == "delta" and d.unit == "m"]
        self._ready = False
        self._gripper = 0.0
        self._stopped: str | None = None
        self._bad = 0
        self._last_ns: int | None = None
        self._previous: FloatArray | None = None
        self._excess = 0.0
        self._sent = (self._limiter.position, self._gripper)

    @property
    def commanded(self) -> FloatArray:
        """(J,) rad, the joints last commanded."""
        return self._limiter.position.copy()

    @property
    def stopped(self) -> str | None:
        """Why the stop is latched, or None."""
        return self._stopped

    @property
    def at_rest(self) -> bool:
        """Whether the commanded motion has ended."""
        return self._limiter.at_rest

    def reset(self, state: JointState) -> None:
        """Take over an arm that stands at `state`, and release a latched stop. Commands no motion.

        Raises SafetyError when the state is not finite, has another shape, or is outside the position limits.
        """
        measured = self._measured(state)
        if measured is None or not np.isfinite(state.gripper):
            raise SafetyError(
                f"{self.arm.name}: cannot start from joints {state.positions}, gripper {state.gripper}; "
                f"need {len(self.arm.joint_names)} finite numbers. Check the encoders."
            )
        low, high = self.arm.position_low - _RESET_SLACK, self.arm.position_high + _RESET_SLACK
        for name, value, a, b in zip(self.arm.joint_names, measured, low, high, strict=True):
            if not a <= value <= b:
                raise SafetyError(
                    f"{self.arm.name}: {name} stands at {value:.3f}, outside [{a:.3f}, {b:.3f}]. Move it."
                )
        self._limiter.rest(measured)
        self._gripper = float(np.clip(state.gripper, 0.0, 1.0))
        self._stopped, self._bad, self._last_ns, self._previous = None, 0, None, None
        self._excess = max(0.0, self._outside(self._limiter.position))
        self._sent = (self._limiter.position, self._gripper)
        self._ready = True

    def stop(self, reason: str = "stop requested") -> None:
        """Latch a stop: from the next step on the arm brakes and stands, until reset()."""
        if self._stopped is None:
            self._stopped = reason

    def step(
        self, action: FloatArray | None, state: JointState, now_ns: int, *, stamp_ns: int | None = None
    ) -> tuple[Command, Verdict]:
        """One control period: an action (A,) or None for nothing to do, in; what the motors get, out.

        state: measured joints. now_ns: monotonic. stamp_ns: stamp of the observation that the action came from.
        Raises SafetyError only when reset() was never called.
        """
        if not self._ready:
            raise SafetyError("guard: call reset(joint_state) before the first step")
        verdict = self._refusal(action, state, now_ns, stamp_ns)
        if verdict is None and (strayed := self._off_leash(state)) is not None:
            self._give_way(state)
            verdict = Hold(strayed)
        elif verdict is None and action is not None:
            verdict = self._move(action)
        else:
            verdict = self._brake(verdict or Hold("no action"))
        return self._checked(now_ns, verdict)

    def _refusal(
        self, action: FloatArray | None, state: JointState, now_ns: int, stamp_ns: int | None
    ) -> Verdict | None:
        """The verdict when nothing may move the arm, or None."""
        late = self._late(now_ns)
        wrong = None if action is None else self._unusable(action)
        if wrong is not None:
            self._bad += 1
            if self._bad >= self.config.bad_in_a_row:
                self.stop(f"{self._bad} unusable actions in a row, the last: {wrong}")
        elif action is not None:
            self._bad = 0
        if self._stopped is not None:
            return Stop(self._stopped)
        if late is not None:
            return Hold(late)
        if wrong is not None:
            return Hold(wrong)
        if self._measured(state) is None:
            return Hold("measured joints are not finite numbers")
        if abs(age := (now_ns - state.stamp_ns) * 1e-9) > self.config.state_age:
            return Hold(f"measured joints are {age:.3f} s old; at most {self.config.state_age} s")
        if stamp_ns is not None and not 0 <= (age := (now_ns - stamp_ns) * 1e-9) <= self.config.action_age:
            return Hold(f"action from {age:.3f} s ago; at most {self.config.action_age} s")
        return None

    def _late(self, now_ns: int) -> str | None:
        """Why the step does not follow the one before in time, or None. After a gap the arm stands."""
        last = self._last_ns
        self._last_ns = now_ns if last is None else max(now_ns, last)
        elapsed = 0.0 if last is None else (now_ns - last) * 1e-9
        if elapsed < 0:
            return f"the clock went back by {-elapsed:.3f} s"
        if elapsed > self.config.gap * self._period:
            self._limiter.rest(self._limiter.position)
            return f"no step for {elapsed:.3f} s"
        return None

    def _unusable(self, action: object) -> str | None:
        # Exactly an array of floats: a list, an int array or a masked array has been somewhere it should not have.
        size = len(self._low)
        if type(action) is not np.ndarray or action.dtype.kind != "f" or action.dtype.itemsize > 8:
            what = (
                f"{type(action).__name__} of {action.dtype}" if isinstance(action, np.ndarray) else repr(type(action))
            )
            return f"action is {what}, not a float array"
        if action.shape != (size,):
            return f"action has shape {action.shape}, not ({size},)"
        finite = np.isfinite(action.astype(np.float64))
        if not finite.all():
            names = [d.name for d, ok in zip(self.arm.spec.action.dims, finite, strict=True) if not ok]
            return f"action is not finite in {', '.join(names)}"
        return None

    def _measured(self, state: JointState) -> FloatArray | None:
        positions: object = state.positions
        if not isinstance(positions, np.ndarray) or positions.dtype.kind != "f":
            return None
        ok = positions.shape == (len(self.arm.joint_names),) and bool(np.isfinite(positions).all())
        return positions.astype(np.float64) if ok else None

    def _off_leash(self, state: JointState) -> str | None:
        """Which joint is too far from where it was commanded, or None."""
        error = np.abs(state.positions - self._limiter.position)
        worst = int(np.argmax(error))
        if error[worst] <= self.config.leash:
            return None
        name = self.arm.joint_names[worst]
        return f"joint {name} is {error[worst]:.3f} rad from its command; at most {self.config.leash}"

    def _give_way(self, state: JointState) -> None:
        """An arm that is held back is not pushed: the command moves to where the arm is, within the limits."""
        measured = state.positions.astype(np.float64)
        self._excess = max(self._excess, self._outside(measured))
        self._limiter.follow(measured, np.zeros(len(self.arm.joint_names)), self._may_go)
        self._excess = max(0.0, *map(self._outside, (self._limiter.position, self._limiter.resting_point)))
        self._previous = None

    def _move(self, action: FloatArray) -> Verdict:
        notes: list[str] = []
        bounded = self._bounded(action.astype(np.float64), notes)
        try:
            target, gripper = self._kinematics.targets(bounded, self._limiter.position)
            if np.shape(target) == self._limiter.position.shape and not self._cartesian:
                target = self._into_box(target, notes)
        except Exception as error:  # noqa: BLE001 - whatever a solver raises, the arm brakes and the reason is told
            return self._brake(Hold(f"no joint targets for this action: {type(error).__name__}: {error}"))
        if np.shape(target) != self._limiter.position.shape or not (np.isfinite(target).all() and np.isfinite(gripper)):
            return self._brake(Hold("the joint targets of this action are not finite"))
        position = self._limiter.follow(target, self._rate(target), self._may_go)
        self._previous = None if self._cartesian else target
        changed = position != target
        if changed.any():
            names = [n for n, c in zip(self.arm.joint_names, changed, strict=True) if c]
            notes.append(f"motion limits of {', '.join(names)}")
        travel = self.arm.gripper_speed * self._period
        goal = min(max(float(gripper), 0.0), 1.0)
        self._gripper += min(max(goal - self._gripper, -travel), travel)
        return Clamp("; ".join(notes)) if notes else Pass()

    def _brake(self, verdict: Verdict) -> Verdict:
        self._limiter.brake()
        self._previous = None
        return verdict

    def _bounded(self, action: FloatArray, notes: list[str]) -> FloatArray:
        """The action clipped to the spec's bounds and, when Cartesian, to the workspace box."""
        bounded = np.minimum(np.maximum(action, self._low), self._high)
        outside = (bounded != action) & self._judged
        if outside.any():
            notes.append("bounds of " + ", ".join(self.arm.spec.action.dims[i].name for i in np.flatnonzero(outside)))
        if self._cartesian:
            tool, _ = self._kinematics.forward(self._limiter.position)
            # A tool that is outside already may stay or come back, but not go further out.
            low, high = np.minimum(self.arm.workspace_low, tool), np.maximum(self.arm.workspace_high, tool)
            delta = bounded[self._moves]
            goal = np.minimum(np.maximum(tool + delta, low), high)
            cut = goal != tool + delta
            if cut.any():
                notes.append("workspace box")
                bounded[self._moves] = np.where(cut, goal - tool, delta)
        return bounded

    def _into_box(self, target: FloatArray, notes: list[str]) -> FloatArray:
        """The target with its tool brought into the workspace box: an arm sent through a side of it slides along there.

        Where that fails, the target is pulled back along the way from the last command. A tool that is outside already
        may stay or come back, but not go further out.
        """
        start = self._limiter.position
        allowed = max(0.0, self._outside(start))
        if not self._outside(target) > allowed:
            return target
        notes.append("workspace box")
        tool, _ = self._kinematics.forward(target)
        low, high = self.arm.workspace_low - allowed, self.arm.workspace_high + allowed
        target = self._kinematics.reach(np.minimum(np.maximum(tool, low), high), target)
        if self._outside(target) <= allowed + _BOX_ERROR:
            return target
        good, bad = 0.0, 1.0
        for _ in range(_BOX_CUTS):
            middle = 0.5 * (good + bad)
            good, bad = (middle, bad) if self._outside(start + middle * (target - start)) <= allowed else (good, middle)
        return np.asarray(start + good * (target - start))

    def _outside(self, positions: FloatArray) -> float:
        """How far (m) the tool is outside the workspace box at joints (J,); negative inside."""
        tool, _ = self._kinematics.forward(positions)
        return float(np.maximum(self.arm.workspace_low - tool, tool - self.arm.workspace_high).max())

    def _may_go(self, path: FloatArray) -> bool:
        """Whether the tool stays in the box at places (K, J) or, outside already, goes no further out."""
        excess = float(np.max([self._outside(place) for place in path]))
        # NaN compares false, so a tool position that is not a number is not allowed either.
        allowed = excess <= max(self.config.box_tolerance, self._excess)
        if allowed:
            self._excess = max(0.0, excess)
        return allowed

    def _rate(self, target: FloatArray) -> FloatArray:
        """How fast the target itself moves (J,): a delta is asked for every period, a joint target moves on."""
        if self._cartesian:
            return np.asarray((target - self._limiter.position) / self._period)
        if self._previous is None:
            return np.zeros_like(target)
        rate = (target - self._previous) / self._period
        # A jump is a new place to go to, not a speed.
        return np.where(np.abs(rate) <= _JUMP * self.arm.velocity, rate, 0.0)

    def _checked(self, now_ns: int, verdict: Verdict) -> tuple[Command, Verdict]:
        """The command, looked at once more. Not known to fail; if it ever does, the last good one is repeated."""
        positions, arm = self._limiter.position, self.arm
        # NaN compares false, so it fails here too.
        within: NDArray[np.bool_] = (positions >= arm.position_low) & (positions <= arm.position_high)
        if within.all() and 0.0 <= self._gripper <= 1.0:
            self._sent = (positions, self._gripper)
        else:
            self.stop(f"the guard itself came to {positions}, gripper {self._gripper}")
            verdict = Stop(self._stopped or "")
        positions, gripper = self._sent
        return Command(stamp_ns=now_ns, positions=positions.copy(), gripper=gripper), verdict
