"""A whole recipe, very small: it ends in a bundle that loads, goes on after a stop, and refuses a stranger's folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.test_store import CAMERAS, demonstration

from premotor.core.codec import build_codec
from premotor.core.errors import DatasetError
from premotor.models import bundle
from premotor.models.language.lexicon import Lexicon
from premotor.models.policy import BundlePolicy
from premotor.models.systems import SYSTEMS
from premotor.recipes import nano
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import TabletopWorld
from premotor.training import train as training
from premotor.training.collect import CollectConfig
from premotor.training.grounding import collect_scenes
from premotor.training.learn import Batches, LearnConfig
from premotor.training.questions import WORDS
from premotor.training.store import Store, write_shard
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
    assert bundle.verify(folder)["words"]["restated"]
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
    with pytest.raises(DatasetError, match="no demonstrations of panda"):
        train(replace(recipe, arms=("panda",)), tmp_path / "other", lambda *_: None, workers=1)


@pytest.mark.parametrize("system", ["rt2", "palm_e"])
def test_what_speaks_learns_to_act_and_to_answer(system: str, tmp_path: Path) -> None:
    write_shard(tmp_path / "run/data/round-0", "a", [demonstration("so101", 24, 0, side=128)])
    recipe = replace(
        RECIPE,
        families=("push_to",),
        rounds=(Round(episodes=0, learner=False, until=3),),
        system=system,
        preset="toy",
        model={"said": WORDS, "vocabulary": 350, "numbers": 94},
        learn=LearnConfig(batch=8, steps=3, warmup=1, stills=0.5),
        data=str(tmp_path / "run"),
    )
    heard: list[Mapping[str, float]] = []
    made = train(recipe, tmp_path / "out", lambda stage, done, total, numbers: heard.append(numbers), workers=1)
    learned = [numbers for numbers in heard if "loss" in numbers]
    assert len(learned) == 3
    assert all(numbers["action"] > 0 and numbers["words"] > 0 for numbers in learned)
    world = TabletopWorld("so101")
    world.reset(sample("so101", "push_to", "layout", 0))
    policy = BundlePolicy(bundle.load(made), "so101")
    seen = world.observe("how many red blocks are there?")
    assert set(policy.answer([seen])[0].split()) <= set(WORDS)
    assert policy.act(seen).actions.shape[1] == 6


def test_questions_are_drawn_beside_actions_with_their_own_answers(tmp_path: Path) -> None:
    collect_scenes(tmp_path / "scenes", "a", "so101", [("push_to", seed) for seed in range(3)], 1, asked=True)
    write_shard(tmp_path / "round-0", "a", [demonstration("so101", 24, seed) for seed in range(2)])
    store = Store([tmp_path / "round-0"], CAMERAS, ("so101",))
    codec = build_codec(EMBODIMENTS["so101"].spec, *store.chunks("so101", 1)[:2])
    speech = Lexicon(WORDS)
    store = Store([tmp_path / "scenes"], CAMERAS, ("so101",))
    table = store.table({"so101": codec}, range(1), grounded=False, speaks=True)
    assert not table.weight.any()
    assert len(table.row) == 3
    # Features that tell which question it is.
    words = [[torch.full((2, 1), float(j)) for j in range(len(said))] for said in store.texts]
    batches = Batches(store, table, words, LearnConfig(batch=32), speech=speech)
    inputs, targets = batches[0]
    assert targets.said is not None
    pick = [next(i for i in range(3) if np.allclose(table.state[i], s, atol=0.2)) for s in inputs.state.numpy()]
    for row, ids in enumerate(targets.said.tolist()):
        said = speech.text(i for i in ids if i >= 0)
        assert said == store.answers[table.text[pick[row]]][int(inputs.words[row, 0, 0])]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_has_a_recipe(system: str, tmp_path: Path) -> None:
    recipe, reused = nano(system), nano(system, str(tmp_path))
    assert recipe.system == system
    assert [r.episodes for r in reused.rounds] == [0]
    assert recipe.learn.steps == recipe.rounds[-1].until == reused.rounds[-1].until
    # Whoever is not told what to do learns one task.
    assert (len(recipe.families) == 1) == (system in ("act", "diffusion_policy"))
    # Whoever speaks is asked questions, too.
    assert (recipe.config().speech is not None) == (recipe.scenes > 0) == (system in ("rt2", "palm_e", "pi05"))
    assert describe(recipe)["trainable parameters"] < 25e6


def test_a_round_may_be_of_some_families_only() -> None:
    rounds = (Round(episodes=10, learner=False, until=1), Round(episodes=5, learner=True, until=2, families=("stack",)))
    recipe = Recipe(name="some", families=("pick_up", "stack"), rounds=rounds)
    assert describe(recipe)["demonstrations"] == 2 * (2 * 10 + 5)
    jobs = [list(training._jobs(recipe, 0, r.episodes, 10, r.families or recipe.families)) for r in rounds]
    assert [sum(len(cells) for _, _, cells in each) for each in jobs] == [40, 10]
    assert {family for _, _, cells in jobs[1] for family, _ in cells} == {"stack"}
