"""Saying one word after another, with any language model that goes on with what it has read."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from premotor.models.batch import Inputs
from premotor.models.fusion.decoder import Past
from premotor.models.language.paligemma import Prefix

__all__ = ["Backbone", "hear", "lesson", "spell", "talk"]


class Backbone(Protocol):
    """All that RT-2 and PaLM-E ask of the language model that they are made of."""

    def __call__(self, inputs: Inputs) -> Prefix:
        """Read pictures and words, once."""

    def follow(self, ids: Tensor, prefix: Prefix) -> tuple[Tensor, Past]:
        """Features (B, L, D) of words that follow a prefix, each reading those before, and the past with them."""

    def score(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., V) how likely each word comes next."""


def hear(model: Backbone, ids: Tensor, prefix: Prefix) -> tuple[Tensor, Prefix]:
    """Features (B, D) of the last of these words (B, L), and what was read with them."""
    features, past = model.follow(ids, prefix)
    return features[:, -1], Prefix(past, F.pad(prefix.real, (0, ids.shape[1]), value=True))


def talk(
    model: Backbone,
    last: Tensor,
    prefix: Prefix,
    scores: Callable[[Tensor], Tensor],
    choose: Callable[[Tensor], Tensor | None],
) -> None:
    """Go on after a word with features `last` (B, D): choose(scores (B, V)) gives the next (B,), None at the end."""
    while (ids := choose(scores(last))) is not None:
        last, prefix = hear(model, ids[:, None], prefix)


def lesson(said: Tensor, opening: Tensor, stop: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """How to teach words (B, L), -1 after the last, that follow a mark (B,) and end with `stop`.

    All (B, 1 + L): what is read, the mark first; which of that is real; what comes next after each; where that is
    learned, which is nowhere in a row without words.
    """
    some = said >= 0
    read = torch.cat([opening[:, None], said.clamp(min=0)], 1)
    real = F.pad(some, (1, 0), value=True)
    follows = F.pad(said, (0, 1)).masked_fill(~F.pad(some, (0, 1)), stop)
    return read, real, follows, real & some.any(1, keepdim=True)


def spell(model: Backbone, prefix: Prefix, opening: int, sayable: Tensor, stop: int, limit: int) -> Tensor:
    """(B, L) the best words after `opening`, of those that are sayable (V,), until each row says `stop`.

    At most `limit` of them. What follows a row's `stop` is `stop`.
    """
    allowed, said = sayable.clone(), list[Tensor]()
    allowed[stop] = True
    ended = torch.zeros(len(prefix.real), dtype=torch.bool, device=prefix.real.device)

    def choose(scores: Tensor) -> Tensor | None:
        nonlocal ended
        best = scores.masked_fill(~allowed, -torch.inf).argmax(1)
        said.append(torch.where(ended, stop, best))
        ended = ended | (best == stop)
        return None if bool(ended.all()) or len(said) == limit else said[-1]

    first = torch.full_like(prefix.places, opening)
    talk(model, *hear(model, first, prefix), model.score, choose)
    return torch.stack(said, 1)
