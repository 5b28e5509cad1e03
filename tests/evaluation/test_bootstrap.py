"""An interval over tasks: wider than one over episodes where tasks differ, and right about 95 times in 100."""

import math

import numpy as np
import pytest

from premotor.evaluation.bootstrap import over_tasks, over_tasks_difference
from premotor.evaluation.statistics import mean_of_rates


def test_tasks_that_differ_make_it_wider_than_episodes_alone() -> None:
    mixed = [(20, 20)] * 5 + [(0, 20)] * 5
    got = over_tasks(mixed)
    assert got.rate == 0.5
    assert got.n == 200
    assert got.high - got.low > 2 * (mean_of_rates(mixed).high - mean_of_rates(mixed).low)


def test_it_covers_the_mean_of_the_kind_of_tasks() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        truths = rng.beta(4, 1, size=30)  # mean 0.8
        got = over_tasks([(int(k), 20) for k in rng.binomial(20, truths)], seed=trial)
        hits += got.low <= 0.8 <= got.high
    assert 180 <= hits < 200


def test_the_same_seed_gives_the_same_interval_and_tasks_without_episodes_are_left_out() -> None:
    counts = [(3, 10), (7, 10), (9, 10)]
    assert over_tasks(counts) == over_tasks([*counts, (0, 0)])
    assert over_tasks(counts) != over_tasks(counts, seed=1)
    assert math.isnan(over_tasks([]).rate)


def test_a_difference_in_every_task_is_found_and_its_sign_is_theirs() -> None:
    got = over_tasks_difference([(6, 1, 20)] * 10)
    assert got.rate == pytest.approx(0.25)
    assert 0 < got.low < got.rate < got.high < 0.5
    turned = over_tasks_difference([(1, 6, 20)] * 10)
    assert turned.high < 0


def test_a_difference_that_comes_from_one_task_is_not_one_of_the_kind() -> None:
    counts = [(20, 0, 20)] + [(0, 0, 20)] * 9
    got = over_tasks_difference(counts)
    assert got.low == 0


@pytest.mark.parametrize("bad", [[(3, 2)], [(-1, 2)]])
def test_impossible_counts_are_refused(bad: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        over_tasks(bad)


def test_impossible_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="their sum"):
        over_tasks_difference([(3, 3, 5)])
    with pytest.raises(ValueError, match="both policies ran"):
        over_tasks_difference([(0, 0, 0)])
