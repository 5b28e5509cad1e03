"""Senses beside sight and words: each one file, a network that turns what is felt into tokens (B, N, D).

SENSES is the whole registry: kind -> "module:Class". A class is made with the width D alone; `fake` gives an input.
"""

from importlib import import_module
from typing import Protocol

from torch import Tensor, nn

from premotor.core.errors import SpecMismatch

__all__ = ["SENSES", "Sense", "sense"]

SENSES = {
    "depth": "premotor.models.senses.depth:Depth",
    "points": "premotor.models.senses.points:Points",
    "sound": "premotor.models.senses.sound:Sound",
    "touch": "premotor.models.senses.touch:Touch",
    "wrench": "premotor.models.senses.wrench:Wrench",
}


class Sense(Protocol):
    """How one is made, and what it is given."""

    def __call__(self, width: int) -> nn.Module:
        """A network with fresh weights; what it is called with is as `fake` gives it."""

    def fake(self, batch: int) -> Tensor:
        """Random readings of the right shape and unit."""


def sense(kind: str) -> Sense:
    """The class of a kind; raises SpecMismatch that lists the kinds there are. Imports only that."""
    if kind not in SENSES:
        raise SpecMismatch(f"no sense is called {kind!r}; choose one of {', '.join(SENSES)}")
    module, _, attribute = SENSES[kind].partition(":")
    found: Sense = getattr(import_module(module), attribute)
    return found
