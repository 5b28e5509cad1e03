"""A bundle at work on one robot: observations in, action chunks out."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.models.batch import Inputs, window
from premotor.models.bundle import Bundle
from premotor.models.contract import FlowSystem, Plan
from premotor.models.handover import handover
from premotor.models.vision.cnn import folded

__all__ = ["Belief", "BundlePolicy", "Memory"]

_NS = 1_000_000_000
_TOGETHER, _LEVEL = 0.045, 0.025  # metres


@dataclass(frozen=True, kw_only=True, slots=True)
class Belief:
    """What the policy believes it was asked about, for people to look at.

    heat: camera -> (R, G, G) probabilities; uv: camera -> (R, 2) in 0..1; seen: camera -> (R,) probability that
    it is in the picture; places: (R, 3) metres in the base frame. R: 0 the object, 1 the target.
    """

    heat: dict[str, FloatArray]
    uv: dict[str, FloatArray]
    seen: dict[str, FloatArray]
    places: FloatArray


class Memory:
    """What was seen of one world, as far back as a policy looks.

    ages: how long ago its moments were, oldest first, in seconds. grace: by which one may be younger, in seconds.
    """

    def __init__(self, ages: Sequence[float], grace: float) -> None:
        self._back = [max(0, round((age - grace) * _NS)) for age in ages[:-1]]
        self._seen: list[Observation] = []
        self._plans: list[tuple[int, str, Tensor]] = []

    def look(self, now: Observation) -> list[Observation | None]:
        """Remember `now`; the moments that there were: of each age the newest that is as old, and last `now` itself.

        Time only goes on within an episode: whoever is shown something that is not newer has begun anew.
        """
        if self._seen and now.stamp_ns < self._seen[-1].stamp_ns:
            self._seen = []
        # To be asked twice about one moment is no second moment.
        self._seen = [seen for seen in self._seen if seen.stamp_ns < now.stamp_ns]
        found = [self._newest(now.stamp_ns - back) for back in self._back]
        if self._back:
            first = self._newest(now.stamp_ns - self._back[0])
            self._seen = [s for s in self._seen if first is None or s.stamp_ns >= first.stamp_ns] + [now]
        return [*found, now]

    def believe(self, now: Observation, places: Tensor) -> None:
        """Remember where object and target were believed to be, (R, 3) metres."""
        before = [plan for plan in self._plans if plan[0] < now.stamp_ns]
        self._plans = [*before[-1:], (now.stamp_ns, now.instruction, places)]

    def believed(self, now: Observation) -> Tensor | None:
        """(R, 3) what was believed at the last plan before now; None where there was none for this instruction, or the
        object was where it belongs.
        """
        if self._plans and now.stamp_ns < self._plans[-1][0]:
            self._plans = []
        before = [places for stamp, told, places in self._plans if stamp < now.stamp_ns and told == now.instruction]
        return before[-1] if before and not _arrived(before[-1]) else None

    def _newest(self, until_ns: int) -> Observation | None:
        return next((seen for seen in reversed(self._seen) if seen.stamp_ns <= until_ns), None)


class BundlePolicy:
    """The Policy port over a bundle. `act_batch` serves many worlds of the same robot at once.

    exact: where a chunk goes on from the last one, guide it by the gradient; see models/heads/realtime.py.
    """

    def __init__(self, bundle: Bundle, embodiment: str, *, exact: bool = True) -> None:
        """Raises BundleError when the bundle does not know this robot, SpecMismatch when it has no such senses."""
        self._codec, self._exact = bundle.codec(embodiment), exact
        self._config, self._words = bundle.config, bundle.words
        self._system = folded(bundle.system)
        self._index = bundle.config.index_of(embodiment)
        eaten = bundle.config.fake_inputs(1)
        if eaten.senses:
            raise SpecMismatch(
                f"the policy feels {', '.join(eaten.senses)}, which observations here do not hold; ask its system "
                "itself (System.sample), with inputs of your own"
            )
        # Some systems do without a camera that a robot lacks.
        has = {camera.name for camera in self.spec.cameras}
        self._cameras = tuple(name for name in eaten.images if name in has)
        # In place of a belief at the first plan of an episode; None for a system that has none.
        self._nothing = None if eaten.believed is None else torch.zeros_like(eaten.believed[0])
        self._wide = max(eaten.state.shape[-1], len(self.spec.state))
        self._memories: dict[Hashable, Memory] = {}
        self.beliefs: list[Belief] = []

    @property
    def spec(self) -> EmbodimentSpec:
        """The embodiment it acts for."""
        return self._codec.spec

    @property
    def believes(self) -> bool:
        """Whether `beliefs` will hold anything."""
        return self._config.grounded

    def reset(self) -> None:
        """Forget all episodes."""
        self.beliefs, self._memories = [], {}

    def act(self, observation: Observation) -> ActionChunk:
        """Plan from one observation."""
        return self.act_batch([observation])[0]

    def act_batch(self, observations: Sequence[Observation], worlds: Sequence[Hashable] = ()) -> list[ActionChunk]:
        """Plan for several worlds at once; `beliefs` then holds one entry for each, if the policy has any.

        worlds: of which world each observation is, for a policy that looks back; the first, second, ... when left out.
        """
        worlds = worlds or range(len(observations))
        inputs = self._inputs(observations, worlds)
        # What a system draws is the same at every call, so that an episode can be repeated.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            plan = self._plan(inputs, observations)
        self.beliefs = _beliefs(plan)
        if plan.places is not None:
            for observation, world, places in zip(observations, worlds, plan.places, strict=True):
                self._memories[world].believe(observation, places)
        width = len(self.spec.action.dims)
        states = np.stack([o.state for o in observations])
        actions = self._codec.decode_actions(plan.actions[..., :width].double().numpy(), states)
        stamped = zip(observations, actions, strict=True)
        return [ActionChunk(stamp_ns=o.stamp_ns, rate_hz=self.spec.rate_hz, actions=a) for o, a in stamped]

    def _plan(self, inputs: Inputs, observations: Sequence[Observation]) -> Plan:
        """Where a flow system still carries something out, its chunks go on from there; others begin anew."""
        system = self._system
        if isinstance(system, FlowSystem):
            after = handover(observations, self._codec, self._config.horizon, exact=self._exact)
            if after is not None:
                # Guidance follows gradients, which there are none of in inference mode.
                return Plan(after.pinned(system.sample(inputs, after)))
        with torch.inference_mode():
            return system.plan(inputs)

    def answer(self, observations: Sequence[Observation]) -> list[str]:
        """What it says about what is seen, where the instruction is a question. It is not remembered.

        Raises SpecMismatch from a system that says nothing.
        """
        moments = [[*[None] * (len(self._config.ages) - 1), seen] for seen in observations]
        with torch.inference_mode():
            return self._system.answer(self._encoded(observations, moments))

    def _inputs(self, observations: Sequence[Observation], worlds: Sequence[Hashable]) -> Inputs:
        """Observations -> a batch of tensors; a moment that there was not is this one, masked."""
        grace = 0.5 / self.spec.rate_hz
        moments, believed = [], []
        for observation, world in zip(observations, worlds, strict=True):
            memory = self._memories.setdefault(world, Memory(self._config.ages, grace))
            moments.append(memory.look(observation))
            believed.append(memory.believed(observation))
        inputs = self._encoded(observations, moments)
        if self._nothing is None:
            return inputs
        places = torch.stack([self._nothing if b is None else b for b in believed])
        return replace(inputs, believed=places, recalls=torch.tensor([b is not None for b in believed]))

    def _encoded(self, observations: Sequence[Observation], moments: Sequence[Sequence[Observation | None]]) -> Inputs:
        seen = [[o or now for o in row] for row, now in zip(moments, observations, strict=True)]
        state = np.zeros((len(seen), len(self._config.ages), self._wide), np.float32)
        for at, row in zip(state, seen, strict=True):
            for values, observation in zip(at, row, strict=True):
                encoded = self._codec.encode_state(observation)
                values[: len(encoded)] = encoded
        told = torch.from_numpy(state[:, -1, : len(self.spec.state)])
        words, mask = self._words.batch([o.instruction for o in observations], told)
        return window(
            {camera: _stacked(seen, camera) for camera in self._cameras},
            torch.from_numpy(state),
            torch.tensor([[o is not None for o in row] for row in moments]),
            words=words,
            words_mask=mask,
            embodiment=torch.full((len(seen),), self._index),
        )


def _arrived(places: Tensor) -> bool:
    """Whether the object lies in its target. What comes next is about another thing, if there is one left."""
    away = (places[0] - places[1]).abs()
    return bool(away[:2].norm() < _TOGETHER and away[2] < _LEVEL)


def _stacked(seen: Sequence[Sequence[Observation]], camera: str) -> Tensor:
    return torch.from_numpy(np.stack([np.stack([o.images[camera] for o in row]) for row in seen]))


def _beliefs(plan: Plan) -> list[Belief]:
    def rows(index: int, places: Tensor) -> Belief:
        return Belief(
            heat={
                c: said.logits[index].flatten(1).softmax(-1).view_as(said.logits[index]).double().numpy()
                for c, said in plan.pointing.items()
            },
            uv={c: said.uv[index].double().numpy() for c, said in plan.pointing.items()},
            seen={c: said.seen[index].sigmoid().double().numpy() for c, said in plan.pointing.items()},
            places=places.double().numpy(),
        )

    return [] if plan.places is None else [rows(i, places) for i, places in enumerate(plan.places)]
