"""A guard driven tick by tick, and an oracle that knows only the commands that came out."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest

from premotor.core.types import FloatArray, JointState
from premotor.robots.embodiment import Embodiment, embodiment
from premotor.robots.kinematics import Kinematics
from premotor.safety.guard import Guard
from premotor.safety.verdict import Verdict

PERIOD = 50_000_000


@dataclass
class Drive:
    """Steps a guard with an arm that follows perfectly, and keeps what came out."""

    guard: Guard
    tick: int = 0
    commands: list[FloatArray] = field(default_factory=list)
    grippers: list[float] = field(default_factory=list)

    @property
    def arm(self) -> Embodiment:
        return self.guard.arm

    @property
    def zero(self) -> FloatArray:
        """An action that asks to stay: no delta, or the joints last commanded."""
        if self.arm.spec.action.frame == "base":
            return np.zeros(len(self.arm.spec.action.dims))
        return np.append(self.guard.commanded, 0.0)

    def state(self, positions: FloatArray | None = None) -> JointState:
        joints = self.guard.commanded if positions is None else positions
        return JointState(
            stamp_ns=self.tick * PERIOD, positions=joints, velocities=np.zeros(len(self.arm.home)), gripper=0.5
        )

    def start(self, positions: FloatArray | None = None) -> "Drive":
        self.tick = 0
        self.guard.reset(self.state(self.arm.home if positions is None else positions))
        # standing still before: the differences of the first commands count as well
        self.commands, self.grippers = [self.guard.commanded] * 4, [0.5]
        return self

    def step(self, action: FloatArray | None, positions: FloatArray | None = None, stamp: int | None = None) -> Verdict:
        self.tick += 1
        command, verdict = self.guard.step(action, self.state(positions), self.tick * PERIOD, stamp_ns=stamp)
        self.commands.append(command.positions)
        self.grippers.append(command.gripper)
        return verdict

    def check(self) -> None:
        """Position, velocity, acceleration and jerk by finite differences of the commands."""
        dt, p = 1.0 / self.arm.spec.rate_hz, np.array(self.commands)
        assert np.isfinite(p).all()
        assert np.all(p >= self.arm.position_low)
        assert np.all(p <= self.arm.position_high)
        for order, limit in enumerate((self.arm.velocity, self.arm.acceleration, self.arm.jerk), start=1):
            worst = np.abs(np.diff(p, n=order, axis=0) / dt**order).max(axis=0)
            assert np.all(worst <= limit * (1 + 1e-9)), f"difference {order}: {worst / limit} of the limit"
        assert np.abs(np.diff(self.grippers)).max(initial=0.0) <= self.arm.gripper_speed * dt + 1e-12


@pytest.fixture(scope="module", params=["panda", "so101"])
def drive(request: pytest.FixtureRequest) -> Drive:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Drive(Guard(embodiment(request.param)))


@pytest.fixture(scope="module")
def kinematics(drive: Drive) -> Kinematics:
    return Kinematics(drive.arm)
