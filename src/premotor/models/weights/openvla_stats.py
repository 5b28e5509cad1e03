"""How OpenVLA and OpenVLA-OFT normalise, as statistics that the codec takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from premotor.core.errors import WeightsError
from premotor.core.stats import Stats
from premotor.core.types import FloatArray

__all__ = ["load_openvla_stats", "openvla_stats_names"]

_LEAST = 2e-6  # the codec takes a smaller spread for none, and would then not hold the value


def load_openvla_stats(folder: Path, dataset: str, *, oft: bool = False, extremes: bool = False) -> dict[str, Stats]:
    """Of "action" and, where there are any, "proprio", by the name of the data that the weights were tuned on.

    With them, the codec's form "quantile" is the published normalisation. oft: its ranges are wider by 1e-8. extremes:
    of smallest and largest numbers instead of quantiles, as OFT's policies for two arms. Numbers that were not
    normalised, such as a gripper's, stay as they are. Raises WeightsError, with the names there are.
    """
    known = _known(folder)
    try:
        if dataset not in known:
            raise WeightsError(f"{folder} has no statistics of {dataset!r}; it has: {', '.join(sorted(known))}")
        parts = [part for part in ("action", "proprio") if part in known[dataset]]
        return {part: _stats(known[dataset][part], 1e-8 if oft else 0.0, extremes=extremes) for part in parts}
    except (ValueError, KeyError, TypeError) as damage:
        raise WeightsError(f"the statistics of {dataset!r} in {folder} are damaged: {damage!r}") from damage


def openvla_stats_names(folder: Path) -> list[str]:
    """Names of the data that there are statistics of."""
    return sorted(_known(folder))


def _known(folder: Path) -> dict[str, Any]:
    known: dict[str, Any] = {}
    try:
        for name in ("config.json", "dataset_statistics.json"):
            told = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
            known |= told.get("norm_stats", {}) if name == "config.json" else told
    except (ValueError, TypeError, AttributeError) as damage:
        raise WeightsError(f"the statistics in {folder} are damaged: {damage!r}") from damage
    return known


def _stats(told: Mapping[str, Any], wider: float, *, extremes: bool) -> Stats:
    low, high = (np.array(told[name], dtype=np.float64) for name in (("min", "max") if extremes else ("q01", "q99")))
    normalised = np.array(told.get("mask", np.ones(len(low))), dtype=bool)
    high = np.maximum(high + wider, low)
    lack = np.clip(_LEAST - (high - low), 0, None) * 0.75
    low, high = np.where(normalised, low - lack, -1.0), np.where(normalised, high + lack, 1.0)
    return Stats(
        min=_floats(np.minimum(low, told.get("min", low))),
        max=_floats(np.maximum(high, told.get("max", high))),
        mean=_floats(told.get("mean", (low + high) / 2)),
        std=_floats(told.get("std", (high - low) / 2)),
        q01=_floats(low),
        q99=_floats(high),
        count=1,
    )


def _floats(values: FloatArray | list[float]) -> tuple[float, ...]:
    return tuple(float(x) for x in values)
