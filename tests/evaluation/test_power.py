"""The planner agrees with simulation and with published tables."""

import numpy as np
import pytest

from premotor.evaluation.power import episodes_for_difference, episodes_for_width, power
from premotor.evaluation.statistics import mcnemar, wilson


@pytest.mark.parametrize(("a", "b", "both"), [(0.8, 0.6, None), (0.8, 0.6, 0.58)])
def test_power_is_how_often_the_test_finds_it(a: float, b: float, both: float | None) -> None:
    rng, n, trials = np.random.default_rng(0), 60, 4000
    shared = a * b if both is None else both
    drawn = rng.multinomial(n, [a - shared, b - shared, 1 - a - b + 2 * shared], size=trials)
    found = np.mean([mcnemar(int(x), int(y)) < 0.05 for x, y, _ in drawn])
    assert power(n, a, b, both=both) == pytest.approx(found, abs=0.03)


def test_the_number_of_episodes_is_enough_and_one_less_is_hardly() -> None:
    n = episodes_for_difference(0.9, 0.7, wanted=0.8)
    assert 60 <= n <= 75  # the usual normal formula says 58, and the exact test is a little more careful
    assert power(n, 0.9, 0.7) >= 0.8 > power(n - 1, 0.9, 0.7)
    # Policies that fail in the same scenes are told apart sooner.
    assert episodes_for_difference(0.9, 0.7, both=0.7) < 0.6 * n


def test_equal_policies_are_flagged_no_more_than_the_level_allows() -> None:
    assert all(power(n, 0.7, 0.7) <= 0.05 for n in (5, 50, 500))
    assert power(50, 0.5, 0.5, both=0.5) == 0


def test_the_width_is_kept() -> None:
    n = episodes_for_width(0.85, 0.02)
    assert 1225 < n < 1400  # the normal formula says 1225; Wilson's longer side asks for some more
    got = wilson(round(0.85 * n), n)
    assert max(got.high - got.rate, got.rate - got.low) <= 0.02


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(ValueError, match="no number of episodes"):
        episodes_for_difference(0.8, 0.8)
    with pytest.raises(ValueError, match="more than 200,000"):
        episodes_for_width(0.5, 0.0005)
    with pytest.raises(ValueError, match="fractions between 0 and 1"):
        power(10, 80, 0.5)
    with pytest.raises(ValueError, match=r"allow both to solve 0\.5 to 0\.7"):
        power(10, 0.8, 0.7, both=0.2)
    with pytest.raises(ValueError, match="fractions"):
        episodes_for_width(85, 2)
