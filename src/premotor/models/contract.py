"""What every named system keeps, so that one road trains, saves, loads and runs them all."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from premotor.core.errors import SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.models.batch import Inputs, Targets
from premotor.models.heads.pointing import Pointing
from premotor.models.heads.realtime import Continuation
from premotor.models.language.lexicon import Lexicon
from premotor.models.language.minilm import MAX_TOKENS, TextEncoder

__all__ = ["FlowSystem", "Plan", "Robots", "System", "SystemConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Robots:
    """What a system is made for. names, state_dims and action_dims go together, in the order of Inputs.embodiment.

    cameras: name -> (height, width). text_width, words: instructions are features so wide of at most so many tokens.
    """

    names: tuple[str, ...]
    state_dims: tuple[int, ...]
    action_dims: tuple[int, ...]
    cameras: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    text_width: int = TextEncoder.width
    words: int = MAX_TOKENS

    @classmethod
    def of(cls, specs: Sequence[EmbodimentSpec]) -> Self:
        """Read it off the robots' specs; raises SpecMismatch when there are none, or their cameras differ."""
        pictures = {s.name: {c.name: (c.height, c.width) for c in s.cameras} for s in specs}
        cameras = next(iter(pictures.values()), {})
        if any(other != cameras for other in pictures.values()) or not cameras:
            raise SpecMismatch(f"a policy's robots have the same cameras, and at least one; got {pictures}")
        return cls(
            names=tuple(s.name for s in specs),
            state_dims=tuple(len(s.state) for s in specs),
            action_dims=tuple(len(s.action.dims) for s in specs),
            cameras=cameras,
        )

    @property
    def state_dim(self) -> int:
        """Of the widest state; those of the other robots are padded with zeros."""
        return max(self.state_dims)

    @property
    def action_dim(self) -> int:
        """Of the widest action."""
        return max(self.action_dims)


class Plan(NamedTuple):
    """actions (B, H, A), normalised; and of a system that is grounded, where it points and places (B, R, 3), metres."""

    actions: Tensor
    pointing: Mapping[str, Pointing] = {}
    places: Tensor | None = None


class SystemConfig(ABC):
    """Sizes of a system. `fake_inputs` and `fake_targets` are its specification of what it eats, too."""

    __slots__ = ()

    @property
    @abstractmethod
    def horizon(self) -> int:
        """Rows given out, the first for now."""

    @property
    def taught(self) -> range:
        """Rows that the loss asks for; 0 is now."""
        return range(self.horizon)

    @property
    def ages(self) -> tuple[float, ...]:
        """How long ago the moments looked at were, oldest first, in seconds. Of one alone, inputs have no window."""
        return (0.0,)

    @property
    def grounded(self) -> bool:
        """Whether it says where things are; its loss then asks for SceneTargets."""
        return False

    @property
    def speech(self) -> Lexicon | None:
        """Spells the words that it is taught to say, None where it is taught none; its loss then reads `said`."""
        return None

    @abstractmethod
    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots."""

    def prepared(self, chunks: NDArray[np.floating]) -> Self:
        """The same, ready to learn from normalised chunks (N, P, A) like these."""
        return self

    def index_of(self, robot: str) -> int:
        """What tells this robot from the others in Inputs.embodiment; 0 for systems that do not ask."""
        return 0

    @abstractmethod
    def build(self) -> "System":
        """Make the system with fresh weights."""

    @abstractmethod
    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes."""

    @abstractmethod
    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""


class System(nn.Module, ABC):
    """A policy's network. `loss` trains, `sample` acts."""

    @abstractmethod
    def loss(self, inputs: Inputs, targets: Any) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts. targets: Targets, or SceneTargets for a system that is grounded."""

    @abstractmethod
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions."""

    def plan(self, inputs: Inputs) -> Plan:
        """What `sample` gives, and what the system believes if it says so."""
        return Plan(self.sample(inputs))

    def answer(self, inputs: Inputs) -> list[str]:
        """What it says when asked a question, for each row; raises SpecMismatch from a system that says nothing."""
        raise SpecMismatch(f"{type(self).__name__} only acts; rt2, palm_e and pi05 answer, when they were taught words")

    def mix(self) -> bool:
        """Compute in bfloat16 where that does no harm, from now on; False from a system that does not know where."""
        return False


class FlowSystem(System):
    """A system whose chunks, made by flow matching, can go on where the last ones led."""

    @abstractmethod
    def sample(self, inputs: Inputs, after: Continuation | None = None) -> Tensor:
        """(B, H, A) normalised actions. after: what is left of the last chunks; exact only outside inference mode."""
