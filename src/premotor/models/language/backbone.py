"""What a policy asks of a VLM, whichever it is: show it pictures, tell it words, let it think, hear what it says.

A sentence is read in one direction, so that what stands at its end has read all of it, and more can be said after it.
Padding may stand anywhere: nobody reads it and places are counted without it.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from premotor.models.batch import Inputs
from premotor.models.fusion.decoder import Past
from premotor.models.language.prismatic import Span

__all__ = ["Backbone", "in_order"]


class Backbone(nn.Module, ABC):
    """A VLM. width: of its tokens. spoken: how many words it knows, of which `stop` ends what is said."""

    width: int
    spoken: int
    stop: int

    @abstractmethod
    def look(self, inputs: Inputs) -> list[Span]:
        """What each camera shows, from pictures (B, H, W, 3); nothing of a camera that is missing."""

    @abstractmethod
    def read(self, inputs: Inputs) -> tuple[Span, Span]:
        """What stands before the pictures, and the words after them."""

    @abstractmethod
    def end(self, rows: int) -> list[Span]:
        """What ends a sentence; nothing where words are not its own."""

    @abstractmethod
    def word(self, ids: Tensor) -> Tensor:
        """(B, L) ids -> (B, L, D)."""

    @abstractmethod
    def score(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., V) how likely each word comes next."""

    @abstractmethod
    def think(self, tokens: Tensor, real: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Features (B, T, D) of tokens that follow the P of the past, and the past with them. real: (B, P + T)."""


def in_order(real: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Who reads whom (B, 1, T, P + T), and where the last T tokens stand (B, T), of those that are real (B, P + T).

    Each reads itself and what is real before it, so that no row reads nothing, which would be NaN.
    """
    before = torch.ones(count, real.shape[1], dtype=torch.bool, device=real.device).tril(real.shape[1] - count)
    itself = before.triu(real.shape[1] - count)
    return (before & real[:, None] | itself)[:, None], (real.cumsum(1) - 1).clamp(min=0)[:, -count:]
