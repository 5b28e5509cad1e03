"""A/A: copies of one policy are told apart in at most 5 % of 200 trials, by every test that is offered."""

import numpy as np
import pytest

from premotor.evaluation.false_alarms import PEEKING, TESTS, copies, false_alarms


@pytest.mark.parametrize("name", TESTS)
def test_copies_are_flagged_in_at_most_five_of_a_hundred_trials(name: str) -> None:
    assert false_alarms(TESTS[name], runs=200) <= 10


def test_the_trial_catches_a_test_that_is_not_fair() -> None:
    assert false_alarms(PEEKING, runs=100) > 10


def test_every_test_finds_policies_that_differ() -> None:
    rng = np.random.default_rng(1)
    solved = copies(rng, 5)
    solved[0] |= rng.random(solved[0].shape) < 0.5
    assert all(test(solved) for test in TESTS.values())
