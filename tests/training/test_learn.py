"""Learning resumes exactly, and learns."""

from pathlib import Path

import numpy as np
import torch
from tests.training.test_store import CAMERAS, demonstration

from premotor.core.codec import build_codec
from premotor.models.systems.premotor import PremotorConfig
from premotor.robots.embodiment import EMBODIMENTS
from premotor.training.learn import Batches, LearnConfig, Learner
from premotor.training.store import Store, write_shard

MODEL = PremotorConfig(
    embodiments=("panda",), state_dims=(len(EMBODIMENTS["panda"].spec.state),), action_dims=(7,),
    image_size=16, stem=8, fine=8, coarse=8, width=16, heads=2, head_width=16, horizon=4,
)  # fmt: skip
CONFIG = LearnConfig(batch=8, steps=12, warmup=2)


def batches(folder: Path) -> Batches:
    write_shard(folder, "a", [demonstration("panda", 30, seed) for seed in range(2)])
    store = Store([folder], CAMERAS, ("panda",))
    actions, states, valid = store.chunks("panda", 4)
    table = store.table({"panda": build_codec(EMBODIMENTS["panda"].spec, actions, states, valid=valid)}, range(4))
    generator = torch.Generator().manual_seed(0)
    words = [[torch.randn(5, 384, generator=generator) for _ in texts] for texts in store.texts]
    return Batches(store, table, words, CONFIG)


def run(folder: Path, stops: list[int], save: Path) -> dict[str, torch.Tensor]:
    for stop in stops:
        learner = Learner(MODEL, CONFIG)
        assert learner.resume(save) == (stop != stops[0])
        learner.learn(batches(folder), stop, lambda step, parts: None)
        learner.save(save)
    return {**learner.system.state_dict(), **{f"average.{k}": v for k, v in learner.average.state_dict().items()}}


def test_a_resumed_run_is_bit_identical(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = run(tmp_path / "data", [12], tmp_path / "whole")
    parts = run(tmp_path / "data", [5, 12], tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_a_batch_depends_on_its_step_alone(tmp_path: Path) -> None:
    source = batches(tmp_path)
    first, again = source[3], source[3]
    other = source[4]
    assert torch.equal(first[0].images["front"], again[0].images["front"])
    assert torch.equal(first[1].actions, again[1].actions)
    assert not torch.equal(first[1].actions, other[1].actions)


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    learner = Learner(MODEL, CONFIG)
    rates = [learner.rate(step) for step in range(13)]
    assert rates[0] < rates[1] == max(rates)
    assert rates[12] == 0.0
    assert np.all(np.diff(rates[2:]) < 0)


def test_the_average_follows(tmp_path: Path) -> None:
    learner = Learner(MODEL, CONFIG)
    start = {k: v.clone() for k, v in learner.average.state_dict().items()}
    learner.learn(batches(tmp_path), 6, lambda step, parts: None)
    moved = [k for k, v in learner.average.state_dict().items() if not torch.equal(v, start[k])]
    assert len(moved) > 0.9 * len(start)


def test_earlier_beliefs_are_near_forgotten_or_of_another_thing(tmp_path: Path) -> None:
    source = batches(tmp_path)
    table = source._table
    drawn = [source[step][0] for step in range(60)]
    recalled = torch.cat([i.recalls for i in drawn if i.recalls is not None]).float()
    assert len(recalled) == 480
    assert abs(float(recalled.mean()) - (1 - CONFIG.forgotten)) < 0.08
    believed = torch.cat([i.believed for i in drawn if i.believed is not None]).flatten(0, 1).numpy()
    places = np.concatenate([table.before.reshape(-1, 3), table.crowd_places.reshape(-1, 3)])
    # Places are at random in a cube of a metre here, so what is meant is what is near.
    named = np.concatenate([table.before[table.named]])
    away = np.abs(believed[:, None] - places).max(-1).min(1)
    about_it = np.abs(believed[:, None] - named).max(-1).min(1) < 0.05
    assert np.quantile(away, 0.5) < 0.015
    assert np.quantile(away, 0.97) > 0.03  # what is remembered must not be trusted blindly
    assert 0.3 < about_it.mean() < 0.7  # half of the references are named, few of these are mistaken
