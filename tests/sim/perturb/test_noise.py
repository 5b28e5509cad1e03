"""Noise on the senses: as large as it says, and the same whenever the same moment is looked at."""

import numpy as np
import pytest

from premotor.core.types import Command, JointState, Observation
from premotor.robots.embodiment import embodiment
from premotor.sim.perturb.axes import STRENGTHS, Perturbation
from premotor.sim.perturb.noise import noisy
from premotor.sim.perturb.robot import PerturbedRobot

SPEC = embodiment("panda").spec
SEEN = Observation(
    stamp_ns=50,
    images={"front": np.full((64, 64, 3), 128, np.uint8), "wrist": np.full((64, 64, 3), 250, np.uint8)},
    state=np.zeros(len(SPEC.state)),
    instruction="lift it",
)


def same(a: Observation, b: Observation) -> bool:
    alike = a.state.tobytes() == b.state.tobytes() and (a.instruction, a.stamp_ns) == (b.instruction, b.stamp_ns)
    return alike and all(np.array_equal(a.images[name], b.images[name]) for name in b.images)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_noise_has_the_size_that_it_says(strength: int) -> None:
    change = Perturbation("noise", strength)
    seen = noisy(SEEN, SPEC, change, "a")
    assert list(seen.images) == ["front", "wrist"]
    assert (seen.images["front"] - 128.0).std() == pytest.approx(change.amount("pixels"), rel=0.05)
    assert seen.images["wrist"].max() == 255, "clipped, not wrapped"
    many = np.array([noisy(SEEN, SPEC, change, str(k)).state for k in range(200)]).std(axis=0)
    for size, dim in zip(many, SPEC.state, strict=True):
        assert size == pytest.approx(change.amount("rad" if dim.unit == "none" else dim.unit), rel=0.25)


def test_it_follows_from_the_moment_and_the_episode_alone() -> None:
    change = Perturbation("noise", 2)
    first = noisy(SEEN, SPEC, change, "a")
    assert same(first, noisy(SEEN, SPEC, change, "a"))
    assert not same(first, noisy(SEEN, SPEC, change, "b"))
    assert noisy(SEEN, SPEC, Perturbation("noise", 0), "a") is SEEN
    assert noisy(SEEN, SPEC, Perturbation("camera", 3), "a") is SEEN


class Still:
    """A robot that remembers its commands."""

    spec = SPEC

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def observe(self, instruction: str) -> Observation:
        return SEEN

    def joint_state(self) -> JointState:
        return JointState(stamp_ns=50, positions=np.zeros(7), velocities=np.zeros(7), gripper=1.0)

    def apply(self, command: Command) -> None:
        self.commands.append(command)


def test_only_what_the_policy_sees_is_noisy() -> None:
    robot = Still()
    around = PerturbedRobot(robot, Perturbation("noise", 3), "a")
    assert around.spec == SPEC
    assert same(around.observe("lift it"), noisy(SEEN, SPEC, Perturbation("noise", 3), "a"))
    assert not around.joint_state().positions.any()
    command = Command(stamp_ns=50, positions=np.ones(7), gripper=0.0)
    around.apply(command)
    assert robot.commands == [command]
