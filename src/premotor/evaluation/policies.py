"""Who plays: a bundle, and the baselines that say what its numbers mean.

expert      sees the simulation's state; what these tasks allow at best
hold        stands still; what comes for free
blind:X     X with black pictures; what can be done from joints and words alone
deaf:X      X told to do something else in the same scene; whether the words decide
X           the path of a bundle, or "bundle" for the one that is shipped
"""

import dataclasses
import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from premotor.core.errors import EvaluationError, SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation.protocol import SUITE
from premotor.robots.embodiment import embodiment
from premotor.sim.tabletop.episode import Episode
from premotor.sim.tabletop.expert import Expert
from premotor.sim.tabletop.sample import swapped
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["Batch", "Choice", "Control", "ExpertPolicy", "HoldStill", "Player", "bundle_player", "chosen", "player"]

Control = Literal["none", "blind", "deaf"]
Batch = Callable[[Sequence[Observation], Sequence[Hashable]], list[ActionChunk]]

_CONTROLS: Mapping[str, Control] = {"blind": "blind", "deaf": "deaf"}
_SCRIPTED: Mapping[str, Literal["expert", "hold"]] = {"expert": "expert", "hold": "hold"}
_HOLD_ROWS = 100  # longer than anybody waits between two questions


class HoldStill:
    """Stands still, in the way that the arm's spec says (ActionSpec.hold)."""

    def __init__(self, spec: EmbodimentSpec) -> None:
        """Raises SpecMismatch when an absolute action has no state of the same name to be held at."""
        self._spec = spec
        state = {dim.name: index for index, dim in enumerate(spec.state)}
        self._held: dict[int, int] = {}
        for index, dim in enumerate(spec.action.dims):
            if dim.kind == "delta":
                continue
            if dim.name not in state:
                raise SpecMismatch(f"{spec.name}: cannot hold {dim.name!r}; its states are {', '.join(state)}")
            self._held[index] = state[dim.name]

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm it holds."""
        return self._spec

    def reset(self) -> None:
        """Nothing is remembered."""

    def act(self, observation: Observation) -> ActionChunk:
        """The same hold action for as long as anybody listens."""
        action: FloatArray = np.zeros(len(self._spec.action.dims))
        for index, source in self._held.items():
            action[index] = observation.state[source]
        return ActionChunk(
            stamp_ns=observation.stamp_ns, rate_hz=self._spec.rate_hz, actions=np.tile(action, (_HOLD_ROWS, 1))
        )


class ExpertPolicy:
    """The scripted expert of one world; it reads the world's state, so no picture is needed. One row a chunk."""

    def __init__(self, world: TabletopWorld) -> None:
        self._expert, self._spec = Expert(world), world.spec

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm in its world."""
        return self._spec

    def reset(self) -> None:
        """Nothing is remembered: what it does follows from the world's state alone."""

    def act(self, observation: Observation) -> ActionChunk:
        """What to do in the world as it is now."""
        action = self._expert.action()[None]
        return ActionChunk(stamp_ns=observation.stamp_ns, rate_hz=self._spec.rate_hz, actions=action)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which policy, as asked for. digest: equal for equal behaviour. folder: of the bundle, if it is one."""

    text: str
    kind: Literal["bundle", "expert", "hold"]
    control: Control
    folder: Path | None
    digest: str

    @property
    def label(self) -> str:
        """For people, and for file names: bundle, expert, hold, blind, deaf, or the bundle folder's name."""
        if self.control != "none":
            return self.control
        return self.folder.name if self.folder is not None and self.text != "bundle" else self.kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Player:
    """A policy at work on worlds of one arm.

    spec: what it was built for. batch: observations and their worlds -> one chunk each. sees: whether it needs
    pictures. every: control ticks between two questions, None for the protocol's. deaf: whether it is told something
    else than the episode says.
    """

    spec: EmbodimentSpec
    batch: Batch
    sees: bool
    every: int | None = None
    deaf: bool = False

    def instruction(self, episode: Episode) -> str:
        """What the policy is told."""
        return swapped(episode).instruction if self.deaf else episode.instruction


def chosen(text: str, arms: Sequence[str]) -> Choice:
    """Read a policy's name, and check that it can be loaded for these arms.

    Raises EvaluationError for a name that means nothing, BundleError for a bundle that does not load or lacks an arm.
    """
    head, _, rest = text.partition(":")
    control = _CONTROLS.get(head, "none") if rest else "none"
    name = text if control == "none" else rest
    if (kind := _SCRIPTED.get(name)) is not None:
        if control != "none":
            raise EvaluationError(f"{text!r}: only a bundle can be {control}; the {name} neither sees nor hears")
        digest = hashlib.sha256(f"{name} {SUITE}".encode()).hexdigest()
        return Choice(text=text, kind=kind, control=control, folder=None, digest=digest)
    from premotor.models import bundle  # torch takes seconds to import, and the expert does without it

    folder = bundle.DEFAULT if name == "bundle" else Path(name)
    if not folder.is_dir():
        raise EvaluationError(
            f"no policy {text!r}: {folder} is not a folder; give a bundle's path, bundle, expert, hold, "
            "blind:<path> or deaf:<path>"
        )
    loaded = bundle.load(folder)
    for arm in arms:
        loaded.codec(arm)
    digest = loaded.digest
    if control != "none":
        digest = hashlib.sha256(f"{control} {digest}".encode()).hexdigest()
    return Choice(text=text, kind="bundle", control=control, folder=folder.resolve(), digest=digest)


def player(choice: Choice, arm: str) -> Player:
    """Set a policy up for one arm of the tabletop. Raises BundleError when the bundle does not know this arm."""
    spec = embodiment(arm).spec
    if choice.kind == "hold":
        still = HoldStill(spec)
        return Player(spec=spec, batch=lambda seen, _: [still.act(observation) for observation in seen], sees=False)
    if choice.kind == "expert":
        return Player(spec=spec, batch=_ask_experts, sees=False, every=1)
    return bundle_player(choice, arm)


def bundle_player(choice: Choice, arm: str) -> Player:
    """Set a bundle up for one arm of any world. Raises BundleError when it does not know this arm."""
    if choice.folder is None:
        raise EvaluationError(f"{choice.text!r} is not a bundle; give the path of one")
    from premotor.models import bundle
    from premotor.models.policy import BundlePolicy

    policy = BundlePolicy(bundle.load(choice.folder), arm)
    blind = choice.control == "blind"

    def batch(seen: Sequence[Observation], worlds: Sequence[Hashable]) -> list[ActionChunk]:
        return policy.act_batch([_blackened(observation) for observation in seen] if blind else seen, worlds)

    return Player(spec=policy.spec, batch=batch, sees=True, deaf=choice.control == "deaf")


def _blackened(observation: Observation) -> Observation:
    """The same moment with black pictures."""
    images: Mapping[str, np.ndarray] = {name: np.zeros_like(image) for name, image in observation.images.items()}
    return dataclasses.replace(observation, images=images)


def _ask_experts(seen: Sequence[Observation], worlds: Sequence[Hashable]) -> list[ActionChunk]:
    plans = []
    for observation, world in zip(seen, worlds, strict=True):
        if not isinstance(world, TabletopWorld):
            raise EvaluationError(f"the expert of the tabletop plays on it, not in {type(world).__name__}")
        plans.append(ExpertPolicy(world).act(observation))
    return plans
