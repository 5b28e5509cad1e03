"""Per-dimension statistics of states and actions: what normalisation needs, and nothing that cannot be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from premotor.core.errors import SpecMismatch
from premotor.core.types import FloatArray

__all__ = ["Stats"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """Statistics of D numbers over `count` samples; tuples of D floats in the unit of the data.

    q01 and q99 are the 1st and 99th percentile. Raises SpecMismatch when built from anything that could not be
    the statistics of finite data: empty, ragged, non-finite, out of order.
    """

    min: tuple[float, ...]
    max: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    q01: tuple[float, ...]
    q99: tuple[float, ...]
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or len(self.min) == 0:
            raise SpecMismatch(f"statistics of {self.count} samples of {len(self.min)} numbers; need at least 1")
        for name in ("min", "max", "mean", "std", "q01", "q99"):
            values = getattr(self, name)
            if len(values) != len(self.min):
                raise SpecMismatch(f"statistics: {name} has {len(values)} numbers, min has {len(self.min)}")
            if not np.all(np.isfinite(values)):
                raise SpecMismatch(f"statistics: {name} = {values} must be finite; compute them from clean data")
        ordered = np.array([self.min, self.q01, self.q99, self.max])
        # Interpolated percentiles and means may leave the extremes by a rounding error.
        slack = 1e-9 * (1.0 + np.abs(ordered).max(axis=0))
        if np.any(np.diff(ordered, axis=0) < -slack) or np.any(np.array(self.std) < 0):
            raise SpecMismatch("statistics must satisfy min <= q01 <= q99 <= max and std >= 0 in every dimension")

    @property
    def size(self) -> int:
        """D, the number of dimensions."""
        return len(self.min)

    @classmethod
    def of(cls, samples: ArrayLike, valid: NDArray[np.bool_] | None = None) -> Self:
        """Statistics over all leading axes of `samples` (..., D).

        valid: (...) marks which samples count (e.g. not padding); all when None.
        Raises SpecMismatch for an empty array or non-finite numbers.
        """
        array = np.asarray(samples, dtype=np.float64)
        if array.ndim < 2 or array.shape[-1] == 0:
            raise SpecMismatch(f"samples of shape {array.shape}: need (..., D) with D >= 1")
        rows: FloatArray = array.reshape(-1, array.shape[-1]) if valid is None else array[valid]
        if rows.shape[0] == 0:
            raise SpecMismatch(f"no samples to take statistics of (shape {array.shape})")
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            first = int(np.argmax(bad))
            raise SpecMismatch(
                f"{int(bad.sum())} of {len(rows)} samples are not finite, the first is number {first}: {rows[first]}"
            )
        low, high = np.quantile(rows, [0.01, 0.99], axis=0)
        return cls(
            min=_floats(rows.min(axis=0)),
            max=_floats(rows.max(axis=0)),
            mean=_floats(rows.mean(axis=0)),
            std=_floats(rows.std(axis=0)),
            q01=_floats(low),
            q99=_floats(high),
            count=len(rows),
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dict that json can write; from_json reads it back equal."""
        return {f.name: list(v) if isinstance(v := getattr(self, f.name), tuple) else v for f in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what to_json wrote; raises SpecMismatch for missing, unknown or wrongly typed entries."""
        names = {f.name for f in fields(cls)}
        if set(data) != names:
            missing, unknown = sorted(names - set(data)), sorted(set(data) - names)
            raise SpecMismatch(f"statistics: missing {missing}, unknown {unknown}")
        try:
            arrays = {n: tuple(float(x) for x in data[n]) for n in names - {"count"}}
            return cls(count=int(data["count"]), **arrays)
        except (TypeError, ValueError) as error:
            raise SpecMismatch(f"statistics: expected lists of numbers and a count ({error})") from error


def _floats(array: FloatArray) -> tuple[float, ...]:
    return tuple(float(x) for x in array)
