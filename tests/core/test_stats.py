import json

import numpy as np
import pytest

from premotor.core.errors import SpecMismatch
from premotor.core.stats import Stats


def test_stats_match_numpy_and_survive_json() -> None:
    samples = np.random.default_rng(0).normal(size=(40, 5, 3)) * [1.0, 10.0, 0.0]
    stats = Stats.of(samples)
    rows = samples.reshape(-1, 3)
    assert stats.count == 200
    assert stats.size == 3
    np.testing.assert_allclose(stats.mean, rows.mean(0))
    np.testing.assert_allclose(stats.std, rows.std(0))
    np.testing.assert_allclose(stats.q99, np.quantile(rows, 0.99, axis=0))
    assert Stats.from_json(json.loads(json.dumps(stats.to_json()))) == stats


def test_mask_leaves_padding_out() -> None:
    samples = np.array([[[1.0], [2.0], [99.0]], [[3.0], [99.0], [99.0]]])
    valid = np.array([[True, True, False], [True, False, False]])
    assert Stats.of(samples, valid).max == (3.0,)
    assert Stats.of(samples, valid).count == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_refused(bad: float) -> None:
    samples = np.zeros((10, 2))
    samples[3, 1] = bad
    with pytest.raises(SpecMismatch, match="number 3"):
        Stats.of(samples)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (5,), ()])
def test_empty_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecMismatch):
        Stats.of(np.zeros(shape))


@pytest.mark.parametrize(
    ("key", "value"),
    [("q01", [5.0, 0.0]), ("std", [-1.0, 1.0]), ("mean", [float("nan"), 0.0]), ("max", [1.0]), ("count", 0)],
)
def test_impossible_statistics_are_refused_at_load(key: str, value: object) -> None:
    good = Stats.of(np.random.default_rng(0).normal(size=(50, 2))).to_json()
    with pytest.raises(SpecMismatch):
        Stats.from_json({**good, key: value})


def test_missing_and_unknown_entries_are_named() -> None:
    good = Stats.of(np.ones((3, 1))).to_json()
    renamed = {("average" if k == "mean" else k): v for k, v in good.items()}
    with pytest.raises(SpecMismatch, match=r"missing \['mean'\], unknown \['average'\]"):
        Stats.from_json(renamed)
