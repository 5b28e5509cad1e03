"""Intervals and tests for counts of successes; exact or well-known formulas.

Wilson, "Probable inference, the law of succession, and statistical inference" (1927). Newcombe's "square and add"
rule (1998), extended to any weighted sum of proportions by Zou and Donner (2008). McNemar's test (1947) in its exact,
binomial form.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from premotor.core.types import FloatArray

__all__ = [
    "Interval",
    "Paired",
    "clopper_pearson",
    "log_choose",
    "mcnemar",
    "mean_of_intervals",
    "mean_of_rates",
    "paired",
    "paired_difference",
    "paired_sentence",
    "wilson",
]

_Z = 1.959963984540054  # two-sided 95 % of a normal distribution


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A rate with its 95 % interval, all in 0..1. n: trials behind it."""

    rate: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """Two policies on the same episodes. only_a, only_b: episodes that only one of them solved.

    p: exact McNemar, or of a race (sequential.py).
    """

    n: int
    successes_a: int
    successes_b: int
    only_a: int
    only_b: int
    p: float


def wilson(successes: int, n: int) -> Interval:
    """Wilson's 95 % score interval of a proportion. Without trials it is 0..1, which is all that is known.

    Raises ValueError when the counts are impossible.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials; counts must satisfy 0 <= successes <= n")
    if n == 0:
        return Interval(rate=math.nan, low=0.0, high=1.0, n=0)
    rate = successes / n
    z2 = _Z * _Z
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # At 0 and n the bound is exactly 0 or 1; rounding must not push it beyond.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(rate=rate, low=low, high=high, n=n)


def clopper_pearson(successes: int, n: int, *, level: float = 0.05) -> Interval:
    """The exact interval of a proportion (Clopper and Pearson 1934): it never covers less than 1 - level.

    Wider than Wilson's, which covers that much on average. Use it where a promise must hold at every rate.
    Raises ValueError when the counts are impossible.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials; counts must satisfy 0 <= successes <= n")
    if n == 0:
        return Interval(rate=math.nan, low=0.0, high=1.0, n=0)
    # The bounds are the rates at which so many successes or more, or so many or fewer, become too rare.
    low = 0.0 if successes == 0 else 1 - _rate_of_tail(n - successes, n, level / 2)
    high = 1.0 if successes == n else _rate_of_tail(successes, n, level / 2)
    return Interval(rate=successes / n, low=low, high=high, n=n)


def log_choose(n: int) -> FloatArray:
    """(n + 1,) natural logarithms of the binomial coefficients of n."""
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    return np.asarray(logs[n] - logs - logs[::-1], np.float64)


def _rate_of_tail(k: int, n: int, share: float) -> float:
    """The rate at which k or fewer successes in n trials have probability `share`; k < n."""
    coefficients, counts = log_choose(n)[: k + 1], np.arange(k + 1)
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        rate = (low + high) / 2
        tail = np.exp(coefficients + counts * math.log(rate) + (n - counts) * math.log1p(-rate)).sum()
        low, high = (rate, high) if tail > share else (low, rate)
    return (low + high) / 2


def mean_of_rates(counts: Sequence[tuple[int, int]]) -> Interval:
    """Plain mean over groups of (successes, n) with a 95 % interval; every group weighs the same.

    The groups' Wilson bounds are squared and added, so a group with 0 or n successes still adds its uncertainty.
    Groups without trials are left out. With one group this is `wilson`.
    """
    return mean_of_intervals([wilson(successes, n) for successes, n in counts if n > 0])


def mean_of_intervals(parts: Sequence[Interval]) -> Interval:
    """Plain mean of rates that were measured apart, with the interval that theirs give, squared and added."""
    if not parts:
        return wilson(0, 0)
    share = 1 / len(parts)
    rate = share * sum(part.rate for part in parts)
    below = share * math.sqrt(sum((part.rate - part.low) ** 2 for part in parts))
    above = share * math.sqrt(sum((part.high - part.rate) ** 2 for part in parts))
    return Interval(rate=rate, low=max(0.0, rate - below), high=min(1.0, rate + above), n=sum(p.n for p in parts))


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p that two policies differ, from the episodes that only one of them solved.

    Under "no difference" each such episode is a fair coin. Raises ValueError for negative counts.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"discordant counts {only_a} and {only_b} must not be negative")
    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    # Integers throughout: 2 ** n leaves the range of floats beyond some thousand discordant episodes.
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / (1 << n)))


def paired(outcomes: Sequence[tuple[bool, bool]]) -> Paired:
    """Count the (A solved it, B solved it) pairs of the same episodes and test them."""
    only_a = sum(a and not b for a, b in outcomes)
    only_b = sum(b and not a for a, b in outcomes)
    return Paired(
        n=len(outcomes),
        successes_a=sum(a for a, _ in outcomes),
        successes_b=sum(b for _, b in outcomes),
        only_a=only_a,
        only_b=only_b,
        p=mcnemar(only_a, only_b),
    )


def paired_difference(result: Paired) -> Interval:
    """Success of A minus success of B, in -1..1, with a 95 % interval for episodes like these.

    Wilson's bounds of the two one-sided shares, squared and added with the correlation that counts of one whole have
    (Zou and Donner 2008). Without episodes it is -1..1.
    """
    if result.n == 0:
        return Interval(rate=math.nan, low=-1.0, high=1.0, n=0)
    a, b = wilson(result.only_a, result.n), wilson(result.only_b, result.n)
    against = (1 - a.rate) * (1 - b.rate)
    together = -math.sqrt(a.rate * b.rate / against) if against > 0 else 0.0

    def reach(mine: float, other: float) -> float:
        return math.sqrt(mine**2 + other**2 - 2 * together * mine * other)

    value = a.rate - b.rate
    low, high = value - reach(a.rate - a.low, b.high - b.rate), value + reach(a.high - a.rate, b.rate - b.low)
    return Interval(rate=value, low=max(-1.0, low), high=min(1.0, high), n=result.n)


def paired_sentence(a: str, b: str, result: Paired, *, level: float = 0.05) -> str:
    """Say plainly whether policy `a` is better than `b`, worse, or cannot be told apart at this level."""
    if result.n == 0:
        return f"{a} and {b} cannot be compared: there is no episode that both of them ran."
    counts = (a, result.successes_a), (b, result.successes_b)
    (better, more), (worse, fewer) = counts if result.only_a >= result.only_b else counts[::-1]
    p = "p < 0.001" if result.p < 0.001 else f"p = {result.p:.2g}"
    if result.p < level:
        return f"{better} is better than {worse}: {more} of {result.n} against {fewer} of {result.n}, {p}."
    return (
        f"No difference between {a} and {b} can be told: {result.successes_a} of {result.n} against "
        f"{result.successes_b} of {result.n}, {p}; {result.only_a} solved only by {a}, {result.only_b} only by {b}."
    )
