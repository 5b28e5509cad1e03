"""Many policies at once: which differ, and which rank each may have, with one error rate for all that is said.

With ten policies there are 45 pairs, and at 5 % each two of them "differ" by chance. Holm's procedure (1979) keeps the
probability of a single false difference below the level. A rank then has an interval: above a policy stand at least
those that are surely better, and at most those that are not surely worse (Mogstad, Romano, Shaikh and Wilhelm,
"Inference for ranks", Review of Economic Studies 2024).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from premotor.core.errors import EvaluationError
from premotor.evaluation.bootstrap import over_tasks
from premotor.evaluation.statistics import Interval, Paired
from premotor.evaluation.summary import Summary, compare

__all__ = ["Difference", "Place", "Ranking", "holm", "places", "rank"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One policy among others. best, worst: the ranks it may have, 1 is first."""

    label: str
    best: int
    worst: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Two policies on common episodes. p: adjusted for how many pairs were looked at."""

    a: str
    b: str
    result: Paired
    p: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Policies, the highest mean first. means: of the tasks that were run. over_tasks: for tasks like these."""

    level: float
    places: tuple[Place, ...]
    means: tuple[Interval, ...]
    over_tasks: tuple[Interval, ...]
    differences: tuple[Difference, ...]


def holm(p: Sequence[float]) -> list[float]:
    """p values adjusted by Holm's step-down procedure, in the order given; each at least as large as before."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted, floor = [0.0] * len(p), 0.0
    for done, index in enumerate(order):
        # Never smaller than one that came before it, or a weaker difference would seem surer than a stronger one.
        floor = max(floor, min(1.0, (len(p) - done) * p[index]))
        adjusted[index] = floor
    return adjusted


def places(labels: Sequence[str], differences: Sequence[Difference], level: float) -> tuple[Place, ...]:
    """The ranks that each policy may have, from all pairs of them."""
    above, below = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0)
    for difference in differences:
        if difference.p < level:
            a_wins = difference.result.only_a > difference.result.only_b
            better, worse = (difference.a, difference.b) if a_wins else (difference.b, difference.a)
            above[worse] += 1
            below[better] += 1
    return tuple(Place(label=label, best=1 + above[label], worst=len(labels) - below[label]) for label in labels)


def rank(summaries: Sequence[Summary], *, level: float = 0.05) -> Ranking:
    """Rank policies by their results under one protocol.

    Raises EvaluationError when there are fewer than two, two have one label, or any two may not be compared: when they
    ran different protocols, it lists in what.
    """
    labels = [summary.label for summary in summaries]
    if len(labels) < 2:
        raise EvaluationError(f"{len(labels)} policies cannot be ranked; give at least two")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise EvaluationError(f"two policies are called {twice[0]!r}; results are told apart by their label")
    ordered = sorted(summaries, key=lambda summary: -summary.mean().rate)
    pairs = list(itertools.combinations(ordered, 2))
    results = [compare(a, b).result for a, b in pairs]
    differences = tuple(
        Difference(a=a.label, b=b.label, result=result, p=p)
        for (a, b), result, p in zip(pairs, results, holm([result.p for result in results]), strict=True)
    )
    return Ranking(
        level=level,
        places=places([summary.label for summary in ordered], differences, level),
        means=tuple(summary.mean() for summary in ordered),
        over_tasks=tuple(over_tasks([(cell.successes, cell.n) for cell in s.cells]) for s in ordered),
        differences=differences,
    )
