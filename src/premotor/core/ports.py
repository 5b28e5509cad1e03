"""The doors between rooms: whoever implements one can stand in for any other."""

from typing import Protocol

from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, Command, JointState, Observation

__all__ = ["Policy", "Robot"]


class Policy(Protocol):
    """Turns an observation into a chunk of actions."""

    @property
    def spec(self) -> EmbodimentSpec:
        """The embodiment it was built for."""

    def reset(self) -> None:
        """Forget the episode so far."""

    def act(self, observation: Observation) -> ActionChunk:
        """Plan the next actions from `observation`."""


class Robot(Protocol):
    """An arm with its cameras, real or simulated."""

    @property
    def spec(self) -> EmbodimentSpec:
        """What it sends and accepts."""

    def observe(self, instruction: str) -> Observation:
        """Read cameras and joints, stamped at capture."""

    def joint_state(self) -> JointState:
        """Read the joints alone; cheap enough for every control tick."""

    def apply(self, command: Command) -> None:
        """Send joint targets for one control period."""
