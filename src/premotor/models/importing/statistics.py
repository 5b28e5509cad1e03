"""How checkpoints normalise, as the codec's own step.

A step needs two numbers of each dimension. The others that Stats holds follow from these and are not read.
"""

import numpy as np
from numpy.typing import ArrayLike

from premotor.core.codec import Normalize
from premotor.core.errors import WeightsError
from premotor.core.stats import Stats
from premotor.core.types import FloatArray

__all__ = ["between", "gauss", "untouched"]

_LEAST = 4e-6  # the codec takes a smaller spread for none, and would then not hold the value


def gauss(mean: ArrayLike, std: ArrayLike, *, eps: float = 0.0, kept: ArrayLike | None = None) -> Normalize:
    """(x - mean) / (std + eps). kept: (D,) True for numbers that stay as they are."""
    middle, spread = _numbers("mean", mean), np.maximum(_numbers("std", std) + eps, _LEAST)
    if kept is not None:
        middle, spread = np.where(kept, 0.0, middle), np.where(kept, 1.0, spread)
    return Normalize(form="gauss", stats=_stats(middle - spread, middle + spread, middle, spread))


def between(low: ArrayLike, high: ArrayLike, *, wider: float = 0.0) -> Normalize:
    """low becomes -1, and high + wider 1."""
    low, high = _numbers("the lowest", low), _numbers("the highest", high)
    if np.any(high < low):
        raise WeightsError(f"statistics: the highest numbers {high.tolist()} are below the lowest {low.tolist()}")
    high = np.maximum(high + wider, low + _LEAST)
    return Normalize(form="quantile", stats=_stats(low, high, (low + high) / 2, (high - low) / 2))


def untouched(size: int) -> Normalize:
    """Of numbers that are not normalised, or not read."""
    return between(np.full(size, -1.0), np.full(size, 1.0))


def _numbers(name: str, values: ArrayLike) -> FloatArray:
    """(D,) finite; raises WeightsError otherwise."""
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    if not array.size or not np.isfinite(array).all():
        raise WeightsError(f"statistics: {name} = {array.tolist()} must be finite numbers; fetch the checkpoint again")
    return array


def _stats(low: FloatArray, high: FloatArray, mean: FloatArray, std: FloatArray) -> Stats:
    ends, middle = (tuple(low.tolist()), tuple(high.tolist())), tuple(mean.tolist())
    return Stats(min=ends[0], max=ends[1], q01=ends[0], q99=ends[1], mean=middle, std=tuple(std.tolist()), count=1)
