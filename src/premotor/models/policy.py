"""A bundle at work on one robot: observations in, action chunks out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from premotor.core.codec import Codec
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.models.batch import Inputs
from premotor.models.bundle import Bundle
from premotor.models.language.minilm import TextEncoder
from premotor.models.systems.premotor import Output, Premotor
from premotor.models.vision.cnn import folded

__all__ = ["Belief", "NativePolicy", "inputs_of"]


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


class NativePolicy:
    """The Policy port over a bundle. `act_batch` serves many worlds of the same robot at once."""

    def __init__(self, bundle: Bundle, embodiment: str) -> None:
        """Raises BundleError when the bundle does not know this robot."""
        self._codec = bundle.codec(embodiment)
        self._system, self._text = folded(bundle.system), bundle.text
        self.beliefs: list[Belief] = []

    @property
    def spec(self) -> EmbodimentSpec:
        """The embodiment it acts for."""
        return self._codec.spec

    def reset(self) -> None:
        """Forget the episode; this policy has no memory but its last beliefs."""
        self.beliefs = []

    def act(self, observation: Observation) -> ActionChunk:
        """Plan from one observation."""
        return self.act_batch([observation])[0]

    def act_batch(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        """Plan for several worlds at once; `beliefs` then holds one entry for each."""
        with torch.inference_mode():
            out = self._system(inputs_of(observations, self._codec, self._system, self._text))
        self.beliefs = _beliefs(out)
        width = len(self.spec.action.dims)
        states = np.stack([o.state for o in observations])
        actions = self._codec.decode_actions(out.actions[..., :width].double().numpy(), states)
        stamped = zip(observations, actions, strict=True)
        return [ActionChunk(stamp_ns=o.stamp_ns, rate_hz=self.spec.rate_hz, actions=a) for o, a in stamped]


def inputs_of(observations: Sequence[Observation], codec: Codec, system: Premotor, text: TextEncoder) -> Inputs:
    """Observations of one robot -> a batch of tensors."""
    config = system.config
    words, mask = text.batch([o.instruction for o in observations])
    state = np.zeros((len(observations), max(config.state_dims)), np.float32)
    for row, observation in zip(state, observations, strict=True):
        encoded = codec.encode_state(observation)
        row[: len(encoded)] = encoded
    return Inputs(
        images={c: torch.from_numpy(np.stack([o.images[c] for o in observations])) for c in config.cameras},
        words=words,
        words_mask=mask,
        state=torch.from_numpy(state),
        embodiment=torch.full((len(observations),), config.embodiments.index(codec.spec.name)),
    )


def _beliefs(out: Output) -> list[Belief]:
    def rows(index: int) -> Belief:
        return Belief(
            heat={
                c: said.logits[index].flatten(1).softmax(-1).view_as(said.logits[index]).double().numpy()
                for c, said in out.pointing.items()
            },
            uv={c: said.uv[index].double().numpy() for c, said in out.pointing.items()},
            seen={c: said.seen[index].sigmoid().double().numpy() for c, said in out.pointing.items()},
            places=out.places[index].double().numpy(),
        )

    return [rows(i) for i in range(len(out.places))]
