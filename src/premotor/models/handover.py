"""From a plan that is still being carried out to the next one, in several worlds at once."""

from collections.abc import Sequence

import torch

from premotor.core.codec import Codec
from premotor.core.types import Observation
from premotor.models.heads.realtime import Continuation

__all__ = ["handover"]


def handover(observations: Sequence[Observation], codec: Codec, rows: int, *, exact: bool) -> Continuation | None:
    """How chunks of so many rows go on where the last ones led; None when nothing is left in any of the worlds.

    exact: see Continuation. What is left is encoded anew, since what is relative now is so to another state.
    """
    if all(observation.left is None for observation in observations):
        return None
    left = torch.zeros(len(observations), rows, len(codec.spec.action.dims))
    delay, until = torch.zeros(2, len(observations), dtype=torch.long)
    for index, observation in enumerate(observations):
        if observation.left is not None:
            actions = codec.encode_actions(observation.left.actions[:rows], observation.state)
            left[index, : len(actions)] = torch.from_numpy(actions)
            delay[index], until[index] = observation.left.delay, len(actions)
    return Continuation(left=left, delay=delay, until=until, exact=exact)
