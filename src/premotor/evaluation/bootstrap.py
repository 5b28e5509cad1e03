"""Hierarchical bootstrap: what a mean over tasks would be with other tasks of the kind and other episodes of each.

Wilson's interval speaks of the tasks that were run. Tasks are themselves a sample, and episodes of one task are alike,
so an interval that is to hold for tasks like these draws tasks first and then episodes within each (Davison and
Hinkley 1997, section 3.8). Outcomes are 0 or 1, so drawing episodes anew is one draw of their count.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from premotor.evaluation.statistics import Interval

__all__ = ["over_tasks", "over_tasks_difference"]

_DRAWS = 4000
_Counts = Sequence[tuple[int, int]]


def over_tasks(counts: _Counts, *, level: float = 0.05, seed: int = 0) -> Interval:
    """Mean success with an interval for tasks like these.

    counts: (successes, n) of each task; every task weighs the same, those without episodes are left out. Where every
    task was solved always, or never, nothing varies and the interval has no width: `mean_of_rates` then says what the
    episodes allow. Raises ValueError when counts are impossible.
    """
    for good, trials in counts:
        if not 0 <= good <= trials:
            raise ValueError(f"{good} successes of {trials} trials; counts must satisfy 0 <= successes <= n")
    known = np.array([pair for pair in counts if pair[1] > 0], np.int64).reshape(-1, 2)
    if not len(known):
        return Interval(rate=float("nan"), low=0.0, high=1.0, n=0)
    k, n = known[:, 0], known[:, 1]
    rng = np.random.default_rng(seed)
    tasks = rng.integers(len(n), size=(_DRAWS, len(n)))
    means = (rng.binomial(n[tasks], (k / n)[tasks]) / n[tasks]).mean(axis=1)
    return _interval(float((k / n).mean()), means, level, int(n.sum()))


def over_tasks_difference(tasks: Sequence[tuple[int, int, int]], *, level: float = 0.05, seed: int = 0) -> Interval:
    """Mean of success of A minus success of B on common episodes, in -1..1, with an interval for tasks like these.

    tasks: (only A solved it, only B solved it, n) of each task, every task weighs the same. When 0 is outside, the
    policies differ. Raises ValueError when counts are impossible, or when no task has episodes.
    """
    for only_a, only_b, episodes in tasks:
        if min(only_a, only_b) < 0 or only_a + only_b > episodes:
            told = f"{only_a} and {only_b} one-sided successes of {episodes} episodes"
            raise ValueError(f"{told}; their sum must be at least 0 and at most {episodes}")
    known = np.array([task for task in tasks if task[2] > 0], np.int64).reshape(-1, 3)
    if not len(known):
        raise ValueError("no task has an episode that both policies ran; run both on the same protocol")
    one_sided, n = known[:, :2], known[:, 2]
    shares = np.column_stack([one_sided / n[:, None], 1 - one_sided.sum(axis=1) / n])
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(n), size=(_DRAWS, len(n)))
    counts = rng.multinomial(n[drawn], shares[drawn])
    means = ((counts[..., 0] - counts[..., 1]) / n[drawn]).mean(axis=1)
    return _interval(float(((known[:, 0] - known[:, 1]) / n).mean()), means, level, int(n.sum()))


def _interval(value: float, means: NDArray[np.float64], level: float, n: int) -> Interval:
    low, high = np.quantile(means, [level / 2, 1 - level / 2])
    return Interval(rate=value, low=min(value, float(low)), high=max(value, float(high)), n=n)
