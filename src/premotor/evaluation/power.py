"""How many episodes are needed, before any is run."""

import math
from collections.abc import Callable

import numpy as np

from premotor.evaluation.statistics import log_choose, wilson

__all__ = ["episodes_for_difference", "episodes_for_width", "power"]

_MOST = 200_000


def power(n: int, rate_a: float, rate_b: float, *, both: float | None = None, level: float = 0.05) -> float:
    """Probability that the exact paired test tells A from B after n common episodes.

    rate_a, rate_b: success of each. both: share of episodes that both solve; the product of the rates when None, as if
    they knew nothing of each other, which asks for more episodes than policies that fail in the same scenes.
    Raises ValueError for rates outside 0..1, or a `both` that they do not allow.
    """
    only_a, only_b = _one_sided(rate_a, rate_b, both)
    share = only_a + only_b
    if share == 0:
        return 0.0
    found, tilt = 0.0, only_a / share
    spread = 6 * math.sqrt(n * share * (1 - share)) + 6
    for told in range(max(1, math.floor(n * share - spread)), min(n, math.ceil(n * share + spread)) + 1):
        found += math.exp(_log_binomial(n, told, share)) * _rejects(told, tilt, level)
    return min(1.0, found)


def episodes_for_difference(
    rate_a: float, rate_b: float, *, both: float | None = None, level: float = 0.05, wanted: float = 0.8
) -> int:
    """Common episodes after which the exact paired test finds this difference with probability `wanted`.

    Raises ValueError for equal rates, and for a difference so small that more than 200,000 episodes are needed.
    """
    if rate_a == rate_b:
        raise ValueError(f"both rates are {rate_a}: no number of episodes tells equal policies apart")
    return _least(
        lambda n: power(n, rate_a, rate_b, both=both, level=level) >= wanted, f"between {rate_a} and {rate_b}"
    )


def episodes_for_width(rate: float, half_width: float) -> int:
    """Episodes after which Wilson's 95 % interval around `rate` reaches at most `half_width` to either side.

    Raises ValueError for impossible numbers, and for a width that needs more than 200,000 episodes.
    """
    if not 0 <= rate <= 1 or not 0 < half_width < 1:
        raise ValueError(f"rate {rate} and half width {half_width} must be fractions, such as 0.85 and 0.02")

    def narrow(n: int) -> bool:
        found = wilson(round(rate * n), n)
        return max(found.high - found.rate, found.rate - found.low) <= half_width

    return _least(narrow, f"as narrow as {half_width}")


def _one_sided(rate_a: float, rate_b: float, both: float | None) -> tuple[float, float]:
    if not (0 <= rate_a <= 1 and 0 <= rate_b <= 1):
        raise ValueError(f"rates {rate_a} and {rate_b} must be fractions between 0 and 1")
    least, most = max(0.0, rate_a + rate_b - 1), min(rate_a, rate_b)
    shared = rate_a * rate_b if both is None else both
    if not least - 1e-12 <= shared <= most + 1e-12:
        raise ValueError(f"{rate_a} and {rate_b} allow both to solve {least:g} to {most:g} of the episodes, not {both}")
    return max(0.0, rate_a - shared), max(0.0, rate_b - shared)


def _rejects(told: int, tilt: float, level: float) -> float:
    """Probability that McNemar's exact test rejects when `told` episodes were solved by one policy only."""
    logs, counts = log_choose(told), np.arange(told + 1)
    tail = np.cumsum(np.exp(logs - told * math.log(2)))
    critical = int(np.searchsorted(2 * tail, level))  # counts below it are too few to be chance
    if critical == 0:
        return 0.0
    if tilt in (0.0, 1.0):
        return 1.0
    chances = np.exp(logs + counts * math.log(tilt) + (told - counts) * math.log1p(-tilt))
    return float(chances[:critical].sum() + chances[told + 1 - critical :].sum())


def _log_binomial(n: int, k: int, share: float) -> float:
    if share == 1:
        return 0.0 if k == n else -math.inf
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return choose + k * math.log(share) + (n - k) * math.log1p(-share)


def _least(enough: Callable[[int], bool], what: str) -> int:
    """The least n that is enough, give or take the teeth of a count that is whole."""
    high = 8
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise ValueError(f"a difference {what} needs more than {_MOST:,} episodes; ask for a larger one")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
