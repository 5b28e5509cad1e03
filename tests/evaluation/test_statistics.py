"""Intervals and tests against published or independently computed values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from premotor.evaluation.statistics import (
    Paired,
    clopper_pearson,
    mcnemar,
    mean_of_rates,
    paired,
    paired_sentence,
    wilson,
)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 400))
    return draw(st.integers(0, n)), n


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_newcombes_table(successes: int, n: int, low: float, high: float) -> None:
    got = wilson(successes, n)
    assert (round(got.low, 4), round(got.high, 4)) == (low, high)


@given(counts())
def test_wilson_equals_scipy_and_holds_the_rate(pair: tuple[int, int]) -> None:
    got, other = wilson(*pair), stats.binomtest(*pair).proportion_ci(method="wilson")
    assert got.low == pytest.approx(other.low, abs=1e-9)
    assert got.high == pytest.approx(other.high, abs=1e-9)
    assert 0 <= got.low <= got.rate <= got.high <= 1


@given(counts(), st.sampled_from([0.05, 0.01]))
def test_clopper_and_pearson_equal_scipy_and_are_never_narrower_than_their_level(
    pair: tuple[int, int], level: float
) -> None:
    got = clopper_pearson(*pair, level=level)
    other = stats.binomtest(*pair).proportion_ci(confidence_level=1 - level, method="exact")
    assert got.low == pytest.approx(other.low, abs=1e-9)
    assert got.high == pytest.approx(other.high, abs=1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.93])
def test_clopper_and_pearson_cover_every_rate(rate: float) -> None:
    n = 30
    found = [clopper_pearson(k, n) for k in range(n + 1)]
    covered = sum(stats.binom.pmf(k, n, rate) for k in range(n + 1) if found[k].low <= rate <= found[k].high)
    assert covered >= 0.95


def test_clopper_and_pearson_stand_large_and_refuse_bad_counts() -> None:
    got = clopper_pearson(9_000, 10_000)
    assert (got.low, got.high) == pytest.approx(stats.binomtest(9_000, 10_000).proportion_ci(method="exact"), abs=1e-9)
    assert math.isnan(clopper_pearson(0, 0).rate)
    with pytest.raises(ValueError, match="counts must"):
        clopper_pearson(3, 2)


def test_wilson_without_trials_knows_nothing_and_bad_counts_raise() -> None:
    nothing = wilson(0, 0)
    assert math.isnan(nothing.rate)
    assert (nothing.low, nothing.high) == (0, 1)
    for successes, n in [(3, 2), (-1, 5), (0, -1)]:
        with pytest.raises(ValueError, match="counts must"):
            wilson(successes, n)


@given(counts())
def test_the_mean_of_one_group_is_wilson(pair: tuple[int, int]) -> None:
    one, alone = mean_of_rates([pair]), wilson(*pair)
    assert (one.rate, one.low, one.high) == pytest.approx((alone.rate, alone.low, alone.high))


def test_the_mean_weighs_groups_alike_and_never_becomes_certain() -> None:
    got = mean_of_rates([(50, 50), (0, 10), (0, 0)])
    assert got.rate == 0.5
    assert got.n == 60
    perfect = mean_of_rates([(50, 50)] * 10)
    assert perfect.high == 1
    assert wilson(50, 50).low < perfect.low < 0.99


def test_the_means_interval_covers_the_truth_about_95_times_in_100() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    truths = np.array([0.99, 0.95, 0.9, 0.8, 0.97])
    hits = 0
    for _ in range(1000):
        got = mean_of_rates([(int(k), 50) for k in rng.binomial(50, truths)])
        hits += got.low <= truths.mean() <= got.high
    assert 930 <= hits <= 1000


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_the_binomial_test(only_a: int, only_b: int) -> None:
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected)
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)


def test_mcnemar_stands_large_and_refuses_negative_counts() -> None:
    assert mcnemar(3000, 2900) == pytest.approx(stats.binomtest(3000, 5900).pvalue)
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 3)


def test_pairs_are_counted() -> None:
    got = paired([(True, True), (True, False), (True, False), (False, True), (False, False)])
    assert got == Paired(n=5, successes_a=3, successes_b=2, only_a=2, only_b=1, p=1.0)


@pytest.mark.parametrize(
    ("only_a", "only_b", "begins"),
    [
        (14, 3, "A is better than B: 41 of 50 against 30 of 50, p = 0.013"),
        (3, 14, "B is better than A: 41 of 50 against 30 of 50, p = 0.013"),
        (12, 1, "A is better than B"),
        (5, 3, "No difference between A and B can be told: 41 of 50 against 39 of 50, p = 0.73; 5 solved only by A"),
    ],
)
def test_the_sentence_says_who_is_better(only_a: int, only_b: int, begins: str) -> None:
    most, least = 41, 41 - abs(only_a - only_b)
    a, b = (most, least) if only_a > only_b else (least, most)
    said = paired_sentence(
        "A", "B", Paired(n=50, successes_a=a, successes_b=b, only_a=only_a, only_b=only_b, p=mcnemar(only_a, only_b))
    )
    assert said.startswith(begins)


def test_the_sentence_without_common_episodes() -> None:
    assert "cannot be compared" in paired_sentence("A", "B", paired([]))
