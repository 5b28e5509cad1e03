"""A whole recipe, very small: it ends in a bundle that loads, goes on after a stop, and refuses a stranger's folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from premotor.core.errors import DatasetError
from premotor.models import bundle
from premotor.training.collect import CollectConfig
from premotor.training.learn import LearnConfig
from premotor.training.train import Recipe, Round, describe, train

RECIPE = Recipe(
    name="test",
    arms=("so101",),
    families=("pick_up",),
    rounds=(Round(episodes=2, learner=False, until=3), Round(episodes=1, learner=True, until=5)),
    scenes=2,
    model={"stem": 8, "fine": 8, "coarse": 8, "width": 16, "heads": 2, "head_width": 16, "head_blocks": 1},
    learn=LearnConfig(batch=8, steps=5, warmup=1),
    collect=CollectConfig(worlds=2, wordings=2),
)


class Stopped(Exception):
    """What a person's Ctrl-C is to the run."""


def test_a_stopped_run_goes_on_and_ends_in_a_bundle(tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        if stage == "learn" and done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(RECIPE, tmp_path / "run", stop, workers=1)
    heard: list[tuple[str, int]] = []
    folder = train(RECIPE, tmp_path / "run", lambda stage, done, total, numbers: heard.append((stage, done)), workers=1)
    assert [done for stage, done in heard if stage == "learn"] == [3, 4, 5]
    assert "collect 1" in {stage for stage, _ in heard}
    made = bundle.load(folder)
    assert list(made.codecs) == ["so101"]
    assert made.lineage["recipe"]["name"] == "test"
    with pytest.raises(DatasetError, match="another recipe"):
        train(replace(RECIPE, first_seed=1), tmp_path / "run", lambda *_: None, workers=1)


def test_the_plan_counts_what_will_be_done() -> None:
    plan = describe(RECIPE)
    assert plan["demonstrations"] == 3
    assert plan["stills"] == 4
    assert plan["samples"] == 40
