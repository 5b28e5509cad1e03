"""What a reference drew at random, drawn again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

__all__ = ["replayed"]


@contextmanager
def replayed(recorded: Iterable[Tensor]) -> Iterator[None]:
    """The recorded draws in place of random ones, all of them and in order."""
    draws = iter(recorded)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("rand", "randn", "randn_like", "randint"):
            patch.setattr(torch, name, lambda *_, **__: next(draws))
        yield
    assert next(draws, None) is None, "a draw was not used"
