"""Evidence that may be looked at after every episode: fair under its claim, and quick when things are clear."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premotor.evaluation.sequential import Race, log_evidence, log_evidence_of_sameness, race_sentence


def test_nothing_seen_is_no_evidence() -> None:
    assert log_evidence(0, 0) == pytest.approx(0)
    assert log_evidence_of_sameness(0, 0, 0, 0.1) == pytest.approx(0)


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_bet_for_a_difference_is_fair(only_a: int, only_b: int) -> None:
    """Under "no difference" the next pair leaves the capital as it is on average, which is all that Ville asks for."""
    now = math.exp(log_evidence(only_a, only_b))
    after = (math.exp(log_evidence(only_a + 1, only_b)) + math.exp(log_evidence(only_a, only_b + 1))) / 2
    assert after == pytest.approx(now)


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_bet_for_sameness_wins_nothing_when_they_are_a_margin_apart(share: float) -> None:
    """Mean capital over all ways that six pairs can go, with A exactly the margin better."""
    margin = share
    chances = {1: (share + margin) / 2 + 0.1, -1: (share - margin) / 2 + 0.1}
    chances[0] = 1 - chances[1] - chances[-1]
    mean = 0.0
    for way in itertools.product(chances, repeat=6):
        against_a = log_evidence_of_sameness(way.count(1), way.count(-1), 6, margin)
        mean += math.prod(chances[x] for x in way) * math.exp(against_a)
    assert mean <= 1 + 1e-9


def test_a_clear_race_is_short_and_the_first_verdict_stands() -> None:
    race = Race()
    assert race.run([(True, False)] * 100) == "a"
    assert race.n < 12
    before = race.result
    assert race.add(False, True) == "a"
    assert race.result == before
    assert race.p <= 0.05
    assert Race().run([(False, True)] * 100) == "b"


def test_two_that_do_the_same_are_called_the_same_within_a_margin_only_when_one_is_given() -> None:
    pairs = [(True, True), (False, False)] * 400
    assert Race().run(pairs) == "open"
    race = Race(margin=0.05)
    assert race.run(pairs) == "same"
    assert race.n < 200


def test_a_real_difference_is_found_earlier_than_the_end() -> None:
    rng = np.random.default_rng(0)
    lengths, right = [], 0
    for _ in range(100):
        race = Race()
        right += race.run(zip(rng.random(1000) < 0.9, rng.random(1000) < 0.7, strict=True)) == "a"
        lengths.append(race.n)
    assert right >= 99
    assert np.median(lengths) < 200


def test_levels_and_margins_outside_their_range_are_refused() -> None:
    for level in (0.0, 1.0):
        with pytest.raises(ValueError, match="level = "):
            Race(level=level)
    with pytest.raises(ValueError, match="margin = "):
        Race(margin=-0.1)


def test_the_sentence_says_who_and_what_was_saved() -> None:
    race = Race()
    race.run([(False, True)] * 100)
    said = race_sentence("A", "B", race, 80)
    assert said.startswith(f"B is better than A: {race.n} of {race.n} against 0 of {race.n}, p = 0.0")
    assert said.endswith(f"clear after {race.n} episodes of each, and saved 80.")
    same = Race(margin=0.1)
    same.run([(True, True)] * 500)
    assert race_sentence("A", "B", same, 2).startswith("A and B are less than 10 points apart")
    assert "can be told" in race_sentence("A", "B", Race(), 0)
