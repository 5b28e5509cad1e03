"""How numbers and names are written on the page."""

import math
from collections.abc import Iterable

from premotor.evaluation.statistics import Interval

__all__ = ["listed", "percent", "span", "words"]


def percent(rate: float) -> str:
    """A rate in percent, or a dash where there is none."""
    return "-" if math.isnan(rate) else f"{100 * rate:.1f} %"


def span(mean: Interval) -> str:
    """The interval of a rate in percent, without the sign; nothing where nothing was run."""
    return "" if mean.n == 0 else f"{100 * mean.low:.0f}&ndash;{100 * mean.high:.0f}"


def words(family: str) -> str:
    """A name as one reads it."""
    return family.replace("_", " ")


def listed(names: Iterable[str]) -> str:
    """One, two and three."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
