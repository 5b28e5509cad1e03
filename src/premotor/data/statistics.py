"""The ten numbers that LeRobot keeps of every feature, of one episode and of many."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from premotor.core.types import Image

__all__ = ["QUANTILES", "STATISTICS", "ImageStatistics", "Statistics", "merge", "of_column", "to_json"]

Statistics = dict[str, NDArray[Any]]
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STATISTICS = ("min", "max", "mean", "std", "count", *QUANTILES)
_SIDE = 64  # pixels a side that are enough to know the distribution of an image


def of_column(values: NDArray[Any]) -> Statistics:
    """Statistics of (T, D) numbers, each (D,); count is (1,)."""
    values = values.astype(np.float64)
    ranks = np.quantile(values, list(QUANTILES.values()), axis=0)
    return {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": values.mean(axis=0),
        "std": values.std(axis=0),
        "count": np.array([len(values)]),
        **dict(zip(QUANTILES, ranks, strict=True)),
    }


class ImageStatistics:
    """Statistics of the frames of one camera, gathered as counts of the 256 levels so that they cost no memory."""

    def __init__(self) -> None:
        """Start with no frames."""
        self._levels = np.zeros((3, 256), dtype=np.int64)
        self._frames = 0

    def add(self, frame: Image) -> None:
        """Count the pixels of one (H, W, 3) frame, every n-th of them where it is large."""
        step = max(1, max(frame.shape[:2]) // _SIDE)
        pixels = frame[::step, ::step]
        for channel in range(3):
            self._levels[channel] += np.bincount(pixels[..., channel].ravel(), minlength=256)
        self._frames += 1

    def statistics(self) -> Statistics:
        """Each (3, 1, 1) in 0..1 as LeRobot keeps them; count is (1,) frames. Needs at least one frame."""
        level = np.arange(256) / 255
        share = self._levels / self._levels.sum(axis=1, keepdims=True)
        mean = share @ level
        below = np.cumsum(share, axis=1)
        seen = self._levels > 0
        found: Statistics = {
            "min": level[seen.argmax(axis=1)],
            "max": level[255 - seen[:, ::-1].argmax(axis=1)],
            "mean": mean,
            "std": np.sqrt(np.maximum(share @ level**2 - mean**2, 0)),
            **{name: level[(below >= rank - 1e-12).argmax(axis=1)] for name, rank in QUANTILES.items()},
        }
        return {**{name: value.reshape(3, 1, 1) for name, value in found.items()}, "count": np.array([self._frames])}


def merge(total: Statistics | None, new: Statistics) -> Statistics:
    """Statistics of both parts together. Quantiles are averaged by count, as LeRobot does: exact ones need the data."""
    if total is None:
        return new
    count = total["count"] + new["count"]
    part = new["count"] / count
    mean = total["mean"] + (new["mean"] - total["mean"]) * part
    spread = (total["mean"] - mean) ** 2 * (1 - part) + (new["mean"] - mean) ** 2 * part
    return {
        "min": np.minimum(total["min"], new["min"]),
        "max": np.maximum(total["max"], new["max"]),
        "mean": mean,
        "std": np.sqrt(total["std"] ** 2 * (1 - part) + new["std"] ** 2 * part + spread),
        "count": count,
        **{name: total[name] * (1 - part) + new[name] * part for name in QUANTILES},
    }


def to_json(statistics: Mapping[str, Statistics]) -> dict[str, dict[str, Any]]:
    """Plain lists, as stats.json has them."""
    return {feature: {name: entry[name].tolist() for name in STATISTICS} for feature, entry in statistics.items()}
