"""Joint motion within position, velocity, acceleration and jerk limits, one control period at a time.

The limiter always holds a *stop plan*: a jerk-limited way from its present motion to rest that stays within the
position limits. A step is taken only when a stop plan exists after it too; otherwise the present plan is followed.
So the fall-back never has to be computed in an emergency, and by induction the arm can stop at any moment.

Commands are the samples of a curve whose derivatives keep the limits, hence so do their finite differences:
(p1 - p0) / dt, and the second and third differences. A target is taken as it is, bit for bit, when those differences
keep the limits, a stop plan exists after it, and the joint does not merely rush through its target but arrives at a
speed from which it can go on with it. Joints that cannot take theirs follow it as fast as the limits allow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ruckig import ControlInterface, InputParameter, Ruckig, RuckigError, Synchronization, Trajectory

from premotor.core.types import FloatArray

__all__ = ["MotionLimiter"]

_INNER = 1.0 - 1e-6  # planned within this share of the limits, so that rounding stays inside them
_TOUCH = 1e-10  # rad; how far rounding may put a planned extreme past a position limit before the final clip
_STILL = 1e-9  # rad/s; slower than this is rounding
_CATCH = 0.5  # share of the speed change possible in one period by which an exact step may miss its target's speed
_RATE_SHARE = 0.95  # ruckig needs some velocity left over to catch up with a moving target


@dataclass(frozen=True, slots=True)
class _Motion:
    """position, velocity, acceleration at one instant, each (J,)."""

    p: FloatArray
    v: FloatArray
    a: FloatArray


class MotionLimiter:
    """Limits of J joints and their present commanded motion.

    low, high: (J,) rad. velocity, acceleration, jerk: (J,) rad/s, rad/s2, rad/s3. period: s.
    lead: share of a target's own speed that is matched while it cannot be met: more lags less and overshoots more.
    The numbers are taken as given; Guard refuses bad ones with a reason.
    """

    def __init__(
        self,
        low: FloatArray,
        high: FloatArray,
        velocity: FloatArray,
        acceleration: FloatArray,
        jerk: FloatArray,
        period: float,
        *,
        lead: float,
    ) -> None:
        self._lead = lead
        self._low, self._high, self._period = low, high, period
        self._velocity, self._acceleration, self._jerk = velocity * _INNER, acceleration * _INNER, jerk * _INNER
        self._ruckig = Ruckig(len(low), period)
        self._stopping = self._input(ControlInterface.Velocity)
        self._reaching = self._input(ControlInterface.Position)
        self.rest(0.5 * (low + high))

    @property
    def position(self) -> FloatArray:
        """(J,) the last commanded position."""
        return self._now.p

    @property
    def resting_point(self) -> FloatArray:
        """(J,) where the arm comes to rest when it brakes now."""
        return self._end

    @property
    def at_rest(self) -> bool:
        """Whether the commanded motion has ended."""
        return bool(np.abs(self._now.v).max() < _STILL and np.abs(self._step_velocity).max() < _STILL)

    def rest(self, position: FloatArray) -> None:
        """Stand still at `position` (J,), which is clipped into the limits."""
        p, zero = np.clip(position, self._low, self._high), np.zeros(len(self._low))
        self._now = _Motion(p, zero, zero)
        self._step_velocity = self._step_acceleration = zero
        self._plan: Trajectory | None = None
        self._plan_start, self._plan_time, self._end = p, 0.0, p

    def brake(self) -> FloatArray:
        """One period along the stop plan; returns the position (J,) to command."""
        self._plan_time += self._period
        if self._plan is None or self._plan_time >= self._plan.duration:
            self._commit(_Motion(self._end, np.zeros_like(self._low), np.zeros_like(self._low)))
        else:
            moved = self._sample(self._plan, self._plan_time)
            self._commit(_Motion(self._plan_start + moved.p, moved.v, moved.a))
        return self._now.p

    def follow(self, target: FloatArray, rate: FloatArray, inside: Callable[[FloatArray], bool]) -> FloatArray:
        """One period towards `target` (J,); returns the position (J,) to command, equal to target where it may be.

        rate: (J,) rad/s at which the target is moving, so that it is met in motion and not chased to a standstill.
        inside: whether the arm may go through places (K, J): the next command, half way to rest from there, and rest.
        """
        goal = np.minimum(np.maximum(target, self._low), self._high)
        rate = np.where(goal == target, rate, 0.0)
        step = self._exact(goal)
        free = self._keeps_limits(step, rate)
        if free.all():
            first: _Motion | None = step
        else:
            met = self._reach(goal, self._lead * rate)
            first = None if met is None else _choose(free, step, met)
        within = self._take(first, inside)
        if within is None:
            return self._now.p
        slower = self._reach(goal, np.zeros_like(goal))
        if slower is not None and first is not None:
            slower = _choose(within, first, slower)
        if self._take(slower, inside) is None:
            return self._now.p
        return self.brake()

    def _exact(self, goal: FloatArray) -> _Motion:
        """The motion after stepping onto goal, as the parabola through the last three commands tells it."""
        velocity = (goal - self._now.p) / self._period
        acceleration = (velocity - self._step_velocity) / self._period
        return _Motion(goal, velocity + 0.5 * self._period * acceleration, acceleration)

    def _keeps_limits(self, step: _Motion, rate: FloatArray) -> NDArray[np.bool_]:
        velocity = (step.p - self._now.p) / self._period
        jerk = (step.a - self._step_acceleration) / self._period
        # The speed still gained while the acceleration is brought to zero counts too.
        peak = np.maximum(np.abs(step.v), np.abs(step.v + step.a * np.abs(step.a) / (2.0 * self._jerk)))
        ok: NDArray[np.bool_] = (
            (np.maximum(np.abs(velocity), peak) <= self._velocity)
            & (np.abs(step.a) <= self._acceleration)
            & (np.abs(jerk) <= self._jerk)
            & (np.abs(velocity - rate) <= _CATCH * self._acceleration * self._period)
        )
        return ok

    def _reach(self, goal: FloatArray, rate: FloatArray) -> _Motion | None:
        """The motion after one period of the fastest way to meet a goal that passes by at `rate`.

        Planned in the frame that moves along with the goal, where meeting it means coming to rest.
        """
        rate = np.clip(rate, -_RATE_SHARE * self._velocity, _RATE_SHARE * self._velocity)
        plan = self._reaching
        plan.current_position = (self._now.p - goal + rate * self._period).tolist()
        plan.current_velocity = (self._now.v - rate).tolist()
        plan.current_acceleration = self._now.a.tolist()
        plan.max_velocity = (self._velocity - rate).tolist()
        plan.min_velocity = (-self._velocity - rate).tolist()
        trajectory = self._plan_of(plan)
        if trajectory is None:
            return None
        relative = self._sample(trajectory, self._period)
        return _Motion(relative.p + goal, relative.v + rate, relative.a)

    def _take(self, motion: _Motion | None, inside: Callable[[FloatArray], bool]) -> NDArray[np.bool_] | None:
        """Step to `motion` if the arm can stop from there, and return None; otherwise say which joints could.

        All False when it is a place on the way that is not allowed, since that is not the fault of one joint.
        """
        nowhere = np.zeros(len(self._low), dtype=np.bool_)
        if motion is None:
            return nowhere
        # Planned from 0, since the extremes that ruckig reports for a velocity plan always contain 0.
        stopping = self._stopping
        stopping.current_velocity = motion.v.tolist()
        stopping.current_acceleration = motion.a.tolist()
        plan = self._plan_of(stopping)
        if plan is None:
            return nowhere
        extremes = np.array([(e.min, e.max) for e in plan.position_extrema])
        within = (motion.p + extremes[:, 0] >= self._low - _TOUCH) & (motion.p + extremes[:, 1] <= self._high + _TOUCH)
        end = motion.p + plan.at_time(plan.duration)[0]
        if not within.all():
            return np.asarray(within)
        path = [motion.p, motion.p + plan.at_time(0.5 * plan.duration)[0], end] if plan.duration > 0.0 else [end]
        if not np.isfinite(end).all() or not inside(np.array(path)):
            return nowhere
        self._plan, self._plan_start, self._plan_time, self._end = plan, motion.p, 0.0, end
        self._commit(motion)
        return None

    def _commit(self, motion: _Motion) -> None:
        p = np.minimum(np.maximum(motion.p, self._low), self._high)
        velocity = (p - self._now.p) / self._period
        self._step_acceleration = (velocity - self._step_velocity) / self._period
        self._step_velocity = velocity
        self._now = _Motion(p, motion.v, motion.a)

    def _plan_of(self, request: InputParameter) -> Trajectory | None:
        trajectory = Trajectory(len(self._low))
        try:
            self._ruckig.calculate(request, trajectory)
        except (RuckigError, ValueError):
            # No plan, no step: the caller falls back on the stop plan it already has.
            return None
        return trajectory

    @staticmethod
    def _sample(trajectory: Trajectory, time: float) -> _Motion:
        p, v, a = trajectory.at_time(time)
        return _Motion(np.array(p), np.array(v), np.array(a))

    def _input(self, interface: ControlInterface) -> InputParameter:
        request, zero = InputParameter(len(self._low)), [0.0] * len(self._low)
        request.control_interface = interface
        # Each joint as fast as it can: the stop plan of one must not depend on what another does.
        request.synchronization = Synchronization.No
        request.target_position = request.target_velocity = request.target_acceleration = zero
        request.max_velocity = self._velocity.tolist()
        request.max_acceleration = self._acceleration.tolist()
        request.max_jerk = self._jerk.tolist()
        return request


def _choose(mask: NDArray[np.bool_], yes: _Motion, no: _Motion) -> _Motion:
    return _Motion(np.where(mask, yes.p, no.p), np.where(mask, yes.v, no.v), np.where(mask, yes.a, no.a))
