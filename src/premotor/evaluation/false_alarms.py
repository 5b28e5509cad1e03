"""How often each test calls two copies of one policy different: an A/A trial, by simulation.

Tasks are of different difficulty and so are episodes of one task, as in any benchmark; the copies draw on their own,
so that they seldom solve exactly the same episodes. Whoever is flagged is flagged falsely.
"""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from premotor.evaluation.bootstrap import over_tasks_difference
from premotor.evaluation.ranking import Difference, holm, places
from premotor.evaluation.sequential import Race
from premotor.evaluation.statistics import mcnemar, paired

__all__ = ["PEEKING", "TESTS", "Outcomes", "copies", "false_alarms"]

Outcomes = NDArray[np.bool_]
_Test = Callable[[Outcomes], bool]


def copies(rng: np.random.Generator, many: int, *, tasks: int = 20, episodes: int = 20) -> Outcomes:
    """(many, tasks, episodes) what copies of one policy solve on common episodes."""
    tasks_T = rng.beta(2, 1, size=(tasks, 1))
    # Episodes around the rate of their task, spread widely: some scenes are hard for every copy.
    chances_TE = rng.beta(2 * tasks_T + 1e-3, 2 * (1 - tasks_T) + 1e-3, size=(tasks, episodes))
    return np.asarray(rng.random((many, tasks, episodes)) < chances_TE, np.bool_)


def false_alarms(test: _Test, *, runs: int = 200, seed: int = 0) -> int:
    """In how many of `runs` trials the test tells copies of one policy apart."""
    rng = np.random.default_rng(seed)
    return sum(test(copies(rng, 5)) for _ in range(runs))


def _paired(solved: Outcomes) -> bool:
    return _p(solved[0], solved[1]) < 0.05


def _over_tasks(solved: Outcomes) -> bool:
    a, b = solved[0], solved[1]
    counts = [(int((x & ~y).sum()), int((y & ~x).sum()), x.size) for x, y in zip(a, b, strict=True)]
    found = over_tasks_difference(counts)
    return not found.low <= 0 <= found.high


def _sequential(solved: Outcomes) -> bool:
    race = Race()
    race.run(zip(solved[0].T.ravel().tolist(), solved[1].T.ravel().tolist(), strict=True))
    return race.verdict != "open"


def _ranking(solved: Outcomes) -> bool:
    names = [str(copy) for copy in range(len(solved))]
    pairs = list(itertools.combinations(range(len(solved)), 2))
    results = [paired([*zip(solved[a].ravel().tolist(), solved[b].ravel().tolist(), strict=True)]) for a, b in pairs]
    differences = [
        Difference(a=names[a], b=names[b], result=result, p=p)
        for (a, b), result, p in zip(pairs, results, holm([result.p for result in results]), strict=True)
    ]
    return any((place.best, place.worst) != (1, len(names)) for place in places(names, differences, 0.05))


def _peeking(solved: Outcomes) -> bool:
    a, b = (copy.T.ravel() for copy in solved[:2])
    ends = range(20, a.size + 1, 10)
    return any(_p(a[:end], b[:end]) < 0.05 for end in ends)


def _p(a: Outcomes, b: Outcomes) -> float:
    return mcnemar(int((a & ~b).sum()), int((b & ~a).sum()))


TESTS: Mapping[str, _Test] = {
    "exact paired test, two copies": _paired,
    "hierarchical bootstrap, two copies": _over_tasks,
    "sequential test, looked at after every episode, two copies": _sequential,
    "ranking with Holm's correction, five copies": _ranking,
}
"""Every test that is offered; each says whether it tells copies apart."""

PEEKING: _Test = _peeking
"""What is not offered: the exact paired test, looked at every ten episodes until it says "different"."""
