"""Any robot with noisy senses; whoever drives it is not told."""

from premotor.core.ports import Robot
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Command, JointState, Observation
from premotor.sim.perturb.axes import Perturbation
from premotor.sim.perturb.noise import noisy

__all__ = ["PerturbedRobot"]


class PerturbedRobot:
    """Implements core.ports.Robot around another one. key: which episode it is of.

    Joints are read without noise where the guard reads them: what is perturbed is the policy's task, not the safety.
    """

    def __init__(self, robot: Robot, change: Perturbation, key: str) -> None:
        self._robot, self._change, self._key = robot, change, key

    @property
    def spec(self) -> EmbodimentSpec:
        """What it sends and accepts."""
        return self._robot.spec

    def observe(self, instruction: str) -> Observation:
        """What the cameras and joints seem to say."""
        return noisy(self._robot.observe(instruction), self.spec, self._change, self._key)

    def joint_state(self) -> JointState:
        """The joints as they are."""
        return self._robot.joint_state()

    def apply(self, command: Command) -> None:
        """Carry out a command."""
        self._robot.apply(command)
