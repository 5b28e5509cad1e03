"""A whole recipe, very small: it ends in a bundle that loads, goes on after a stop, and refuses a stranger's folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.test_store import demonstration

from premotor.core.errors import DatasetError
from premotor.models import bundle
from premotor.models.systems import SYSTEMS
from premotor.recipes import nano
from premotor.training.collect import CollectConfig
from premotor.training.learn import LearnConfig
from premotor.training.store import write_shard
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


def test_another_system_learns_from_the_run_of_one_and_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "run/data/round-0"
    write_shard(source, "a", [demonstration("so101", 24, seed, side=128) for seed in range(2)])
    recipe = replace(
        RECIPE,
        families=("push_to",),
        rounds=(Round(episodes=0, learner=False, until=4),),
        scenes=0,
        system="pi0_fast",
        preset="toy",
        model={"text_width": 384},
        learn=LearnConfig(batch=4, steps=4, warmup=1),
        data=str(tmp_path / "run"),
    )

    def stop(stage: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        if stage == "learn" and done == 2:
            raise Stopped

    whole = train(recipe, tmp_path / "whole", lambda *_: None, workers=1)
    with pytest.raises(Stopped):
        train(recipe, tmp_path / "parts", stop, workers=1)
    parts = train(recipe, tmp_path / "parts", lambda *_: None, workers=1)
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    made = bundle.load(parts)
    assert made.config.horizon == 6
    assert made.lineage["recipe"]["system"] == "pi0_fast"
    with pytest.raises(DatasetError, match="no demonstrations of 'panda'"):
        train(replace(recipe, arms=("panda",)), tmp_path / "other", lambda *_: None, workers=1)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_has_a_recipe(system: str, tmp_path: Path) -> None:
    recipe, reused = nano(system), nano(system, str(tmp_path))
    assert recipe.system == system
    assert [r.episodes for r in reused.rounds] == [0]
    assert recipe.learn.steps == recipe.rounds[-1].until == reused.rounds[-1].until
    # Whoever is not told what to do learns one task.
    assert (len(recipe.families) == 1) == (system in ("act", "diffusion_policy"))
    assert describe(recipe)["trainable parameters"] < 25e6
