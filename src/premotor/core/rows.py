"""Normalise each row of a chunk by numbers of its own: what is relative to now spreads, the later the further."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from premotor.core.errors import SpecMismatch
from premotor.core.types import FloatArray

__all__ = ["NormalizeRows"]


@dataclass(frozen=True, kw_only=True)
class NormalizeRows:
    """In row k, low[k] becomes -1 and high[k] 1. Nothing is clipped, so that it can be undone. A step of a codec.

    low, high: H rows of A numbers in embodiment units, every high above its low. Rows before now are as row 0.
    """

    type: ClassVar[str] = "normalize_rows"
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Raises SpecMismatch when these are no two tables of one shape, finite, with a spread everywhere."""
        low, high = self.low, self.high
        sizes = {len(row) for row in (*low, *high)}
        if not low or len(low) != len(high) or len(sizes) != 1:
            raise SpecMismatch(f"normalize_rows: {len(low)} rows low, {len(high)} high, of {sorted(sizes)} numbers")
        if not (np.isfinite(low).all() and np.isfinite(high).all() and np.all(np.array(low) < np.array(high))):
            raise SpecMismatch("normalize_rows: numbers must be finite, and each high above its low")

    @property
    def size(self) -> int:
        """A, the numbers of one action."""
        return len(self.low[0])

    @cached_property
    def _middle_half(self) -> tuple[FloatArray, FloatArray]:
        low, high = np.array(self.low), np.array(self.high)
        return 0.5 * (high + low), 0.5 * (high - low)

    def encode(self, actions: FloatArray, state: FloatArray, now: int = 0) -> FloatArray:
        """See Step; the state is not used. Raises SpecMismatch for chunks longer than the tables."""
        middle, half = self._rows(actions.shape[-2], now)
        return np.asarray((actions - middle) / half)

    def decode(self, actions: FloatArray, state: FloatArray) -> FloatArray:
        """See Step; the state is not used. Raises SpecMismatch for chunks longer than the tables."""
        middle, half = self._rows(actions.shape[-2], 0)
        return np.asarray(actions * half + middle)

    def _rows(self, count: int, now: int) -> tuple[FloatArray, FloatArray]:
        if count - now > len(self.low):
            raise SpecMismatch(f"a chunk of {count - now} rows; its statistics are of {len(self.low)}")
        at = np.maximum(np.arange(count) - now, 0)
        middle, half = self._middle_half
        return middle[at], half[at]
