"""Every named system goes the whole road at toy size: learn, stop, go on, become a bundle, act in a world."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.test_store import CAMERAS, demonstration

from premotor.control.loop import EpisodeRunner
from premotor.core.codec import Codec, build_codec
from premotor.models import bundle
from premotor.models.contract import SystemConfig
from premotor.models.policy import BundlePolicy
from premotor.models.systems import SYSTEMS, config_for
from premotor.robots.embodiment import EMBODIMENTS
from premotor.safety.guard import Guard
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import TabletopWorld
from premotor.training.learn import Batches, LearnConfig, Learner
from premotor.training.questions import WORDS
from premotor.training.store import Store, write_shard

ARMS = tuple(EMBODIMENTS)
SPECS = [arm.spec for arm in EMBODIMENTS.values()]
LEARN = LearnConfig(batch=4, steps=4, warmup=1)
SAYS = {"said": WORDS, "vocabulary": 350, "numbers": 94}
# Some read ids of words at toy size, as published; on the tabletop they read features. Some speak.
READS: dict[str, dict[str, Any]] = {
    "groot": {"text_width": 384, "vocabulary": 0},
    "groot_n15": {"text_width": 384, "vocabulary": 0},
    "openvla": {"text_width": 384},
    "openvla_oft": {"text_width": 384},
    "palm_e": SAYS,
    "rt2": SAYS,
    "pi0": {"text_width": 384, "vocabulary": 0},
    "pi05": {"text_width": 384, "said": WORDS, "vocabulary": 400},
    "pi0_fast": {"text_width": 384},
    "smolvla": {"text_width": 384, "vocabulary": 0},
    "robovlms": {"text_width": 384},
}


@dataclass(frozen=True)
class Ready:
    config: SystemConfig
    codecs: dict[str, Codec]
    batches: Batches


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    write_shard(out, "a", [demonstration(arm, 24, seed, side=128) for seed, arm in enumerate(ARMS)])
    return out


@pytest.fixture(scope="module")
def world() -> TabletopWorld:
    return TabletopWorld("so101")


def ready(name: str, folder: Path) -> Ready:
    config = config_for(name, SPECS, "toy", **READS.get(name, {}))
    store, codecs = Store([folder], CAMERAS, ARMS), {}
    for arm in ARMS:
        actions, states, valid = store.chunks(arm, config.taught.stop)
        codecs[arm] = build_codec(EMBODIMENTS[arm].spec, actions, states, valid=valid)
    table = store.table(codecs, config.taught, config.ages, grounded=config.grounded)
    words = [[torch.randn(5, 384, generator=torch.Generator().manual_seed(0)) for _ in said] for said in store.texts]
    batches = Batches(store, table, words, LEARN, speech=config.speech)
    return Ready(config.prepared(table.actions), codecs, batches)


def learned(ready: Ready, stops: list[int], save: Path) -> Learner:
    for stop in stops:
        learner = Learner(ready.config, LEARN)
        assert learner.resume(save) == (stop != stops[0])
        learner.learn(ready.batches, stop, lambda step, parts: None)
        learner.save(save)
    return learner


def two_plans(policy: BundlePolicy, world: TabletopWorld) -> list[np.ndarray]:
    world.reset(sample("so101", "open_drawer", "train", 0))
    policy.reset()
    runner = EpisodeRunner(
        world, Guard(world.embodiment), policy.spec, instruction="open the drawer", replan_every=8, max_ticks=20
    )
    plans: list[np.ndarray] = []
    while len(plans) < 2:
        seen = runner.prepare()
        chunk = None if seen is None else policy.act(seen)
        plans += [] if chunk is None else [chunk.actions]
        runner.advance(chunk)
    return plans


@pytest.mark.parametrize("name", SYSTEMS)
def test_learns_goes_on_is_bundled_and_acts(name: str, folder: Path, world: TabletopWorld, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    given = ready(name, folder)
    whole = learned(given, [3], tmp_path / "whole")
    parts = learned(given, [1, 3], tmp_path / "parts")
    for net in ("system", "average"):
        other = getattr(parts, net).state_dict()
        for key, value in getattr(whole, net).state_dict().items():
            assert torch.equal(value, other[key]), (net, key)
    made = tmp_path / "bundle"
    bundle.save(made, whole.average, whole.model, given.codecs, bundle.DEFAULT, {})
    loaded = bundle.load(made)
    assert loaded.config == given.config
    for key, value in loaded.system.state_dict().items():
        assert torch.equal(value, whole.average.state_dict()[key].half().to(value.dtype)), key
    policy = BundlePolicy(loaded, "so101")
    first, again = two_plans(policy, world), two_plans(policy, world)
    for plan, same in zip(first, again, strict=True):
        assert plan.shape == (given.config.horizon, len(SPECS[1].action.dims))
        assert np.isfinite(plan).all()
        assert np.array_equal(plan, same)
    assert bool(policy.beliefs) == policy.believes == (name == "premotor")


def test_another_robot_acts_with_what_was_made_for_several(folder: Path, tmp_path: Path) -> None:
    given = ready("octo", folder)
    bundle.save(tmp_path / "b", given.config.build(), given.config, given.codecs, bundle.DEFAULT, {})
    loaded = bundle.load(tmp_path / "b")
    assert [loaded.config.index_of(arm) for arm in ARMS] == [0, 1]
    assert config_for("act", SPECS, "toy").index_of("so101") == 0


def test_windows_reach_the_system_masked_where_an_episode_had_not_begun(folder: Path) -> None:
    given = ready("octo", folder)
    assert given.config.ages == (0.8, 0.4, 0.0)
    inputs, targets = given.batches[0]
    assert inputs.images["front"].shape == (4, 3, 128, 128, 3)
    assert inputs.state.shape == (4, 3, 17)
    assert inputs.moments is not None
    assert inputs.moments[:, 2].all()
    assert not (inputs.moments[:, 0] & ~inputs.moments[:, 1]).any()
    assert targets.actions.shape == (4, 4, 7)
