"""Fine-tuning, very small: only the adapter moves, it goes on after a stop, and ends in an adapter and a bundle."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.test_store import CAMERAS, demonstration
from tests.training.test_train import RECIPE, Stopped

from premotor.core.errors import BundleError, DatasetError, SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.data import Dataset, DatasetWriter
from premotor.models import adapter, bundle
from premotor.models.adapter import LoraConfig
from premotor.recipes import fine_tuned
from premotor.robots.embodiment import EMBODIMENTS
from premotor.training.learn import LearnConfig, Learner
from premotor.training.recorded import write_recorded
from premotor.training.store import Store, write_shard
from premotor.training.train import Recipe, Round, describe, train
from premotor.training.tune import Tune

SPEC = EMBODIMENTS["so101"].spec


@pytest.fixture(scope="module")
def peft() -> None:
    pytest.importorskip("peft", reason="the extra premotor[lora] is not installed")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("base")
    write_shard(run / "old/data/round-0", "a", [demonstration("so101", 24, seed, side=128) for seed in range(2)])
    recipe = replace(RECIPE, families=("push_to",), rounds=(Round(episodes=0, learner=False, until=2),), scenes=0)
    return train(replace(recipe, data=str(run / "old")), run / "run", lambda *_: None, workers=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("new")
    write_shard(run / "data/round-0", "a", [demonstration("so101", 24, seed, side=128) for seed in range(5, 7)])
    return run


def recipe(base: Path, data: Path) -> Recipe:
    rounds = (Round(episodes=0, learner=False, until=4),)
    return replace(fine_tuned(base, data, rank=4), rounds=rounds, learn=LearnConfig(batch=4, steps=4, warmup=1))


def test_a_stopped_fine_tuning_goes_on_and_is_an_adapter_and_a_bundle(
    peft: None, base: Path, data: Path, tmp_path: Path
) -> None:
    def stop(stage: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        if stage == "learn" and done == 2:
            raise Stopped

    tuning = recipe(base, data)
    whole = train(tuning, tmp_path / "whole", lambda *_: None, workers=1)
    with pytest.raises(Stopped):
        train(tuning, tmp_path / "parts", stop, workers=1)
    heard: list[int] = []
    train(tuning, tmp_path / "parts", lambda stage, done, *_: heard.append(done), workers=1)
    assert heard == [3, 4]
    weights = [tmp_path / run / "adapter/adapter.safetensors" for run in ("whole", "parts")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    # Checkpoints and adapters hold what was learned and nothing else.
    assert (tmp_path / "whole/checkpoint.safetensors").stat().st_size < 6 * weights[0].stat().st_size
    merged, before = bundle.load(whole), bundle.load(base)
    assert merged.lineage["base"]["digest"] == before.digest
    assert merged.lineage["adapter"]["recipe"]["tune"]["digest"] == before.digest
    learned, given = merged.system.state_dict(), before.system.state_dict()
    linear = {f"{name}.weight" for name in adapter.linear_layers(before.system)}
    moved = {name for name in given if not torch.equal(learned[name], given[name])}
    assert moved
    assert moved <= linear
    with pytest.raises(DatasetError, match="another recipe"):
        train(replace(tuning, first_seed=1), tmp_path / "whole", lambda *_: None, workers=1)


def test_what_is_frozen_stays_to_the_last_bit(peft: None, base: Path) -> None:
    tune = Tune.of(base, LoraConfig(rank=2))
    config = tune.config()
    learner = Learner(config, LearnConfig(steps=3, warmup=1), tune.start)
    before = {name: value.clone() for name, value in learner.system.state_dict().items()}

    class Fakes:
        def ahead(self, start: int, stop: int) -> list[object]:
            return [(config.fake_inputs(4), config.fake_targets(4)) for _ in range(start, stop)]

    learner.learn(Fakes(), 3, lambda *_: None)  # type: ignore[arg-type]
    after = learner.system.state_dict()
    moved = {name for name in before if not torch.equal(after[name], before[name])}
    assert any("lora_B" in name for name in moved)
    assert all("lora_" in name for name in moved), "running statistics are frozen, too"


def test_the_plan_counts_what_will_be_learned(peft: None, base: Path, data: Path) -> None:
    plan = describe(recipe(base, data))
    state = bundle.load(base).system.state_dict()
    sides = [state[f"{name}.weight"].shape for name in adapter.linear_layers(bundle.load(base).system)]
    assert plan["trainable parameters"] == sum(4 * (rows + columns) for rows, columns in sides)
    assert plan["fine-tuned"] == str(base)


def test_another_base_than_the_one_it_began_with_is_refused(base: Path, data: Path, tmp_path: Path) -> None:
    loaded = bundle.load(base)
    bundle.derive(base, tmp_path / "b", loaded.system, {"first": True})
    tuning = recipe(tmp_path / "b", data)
    bundle.derive(base, tmp_path / "b", loaded.system, {"second": True})
    with pytest.raises(BundleError, match=r"is another bundle .* than when this run began"):
        train(tuning, tmp_path / "run", lambda *_: None, workers=1)


def test_what_cannot_be_fine_tuned_is_said(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecMismatch, match="no linear layer of Premotor is called 'tail'"):
        fine_tuned(base, data, layers="tail")
    with pytest.raises(BundleError, match="not a bundle"):
        fine_tuned(tmp_path, data)
    tuning = replace(recipe(base, data), data=str(tmp_path))
    with pytest.raises(DatasetError, match="no demonstrations in"):
        train(tuning, tmp_path / "run", lambda *_: None, workers=1)


def recorded(folder: Path, episodes: int, spec: EmbodimentSpec = SPEC) -> Path:
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, spec) as writer:
        for _ in range(episodes):
            for step in range(9):
                images = {c.name: np.full((c.height, c.width, 3), 20 * step, np.uint8) for c in spec.cameras}
                state = np.array([(d.low + d.high) / 2 for d in spec.state]) + rng.normal(0, 0.01, len(spec.state))
                action = np.array([(d.low + d.high) / 2 for d in spec.action.dims])
                writer.add_frame(images, state, action, "push the red block to the left")
            writer.save_episode()
    return folder


def test_recorded_demonstrations_are_learned_from_as_they_were_recorded(tmp_path: Path) -> None:
    dataset = recorded(tmp_path / "demos", 12)
    write_recorded(dataset, tmp_path / "out", {"so101": SPEC})
    write_recorded(dataset, tmp_path / "out", {"so101": SPEC})
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["so101-recorded-0000000", "so101-recorded-0000010"]
    store = Store([tmp_path / "out"], CAMERAS, ("panda", "so101"))
    assert len(store.demonstrations) == 12
    read = Dataset(dataset).episode(11)
    mine = store.demonstrations[11]
    assert mine.instructions == ("push the red block to the left",)
    assert mine.at.tolist() == [0, 2, 4, 6, 8]
    assert np.allclose(mine.state, read.state)
    assert np.allclose(mine.action, read.action)
    assert all(np.array_equal(mine.images[camera], read.images[camera][::2]) for camera in CAMERAS)
    assert not mine.named.any()


def test_recorded_demonstrations_teach_an_adapter(peft: None, base: Path, tmp_path: Path) -> None:
    tuning = recipe(base, recorded(tmp_path / "demos", 2))
    heard: list[Mapping[str, float]] = []
    train(tuning, tmp_path / "run", lambda stage, done, total, numbers: heard.append(numbers), workers=1)
    assert all(numbers["action"] > 0 for numbers in heard)
    # Nobody says where things are, so that nothing is learned about it.
    assert all(numbers["heat"] == numbers["place_m"] == numbers["name"] == 0 for numbers in heard)


def test_recordings_of_another_robot_are_refused(tmp_path: Path) -> None:
    dataset = recorded(tmp_path / "demos", 1)
    with pytest.raises(DatasetError, match="is of 'so101'; the policy knows panda"):
        write_recorded(dataset, tmp_path / "out", {"panda": EMBODIMENTS["panda"].spec})
    with pytest.raises(SpecMismatch, match="rate_hz"):
        write_recorded(dataset, tmp_path / "out", {"so101": replace(SPEC, rate_hz=10.0)})
    (dataset / "meta" / "embodiment.json").unlink()
    with pytest.raises(DatasetError, match="does not say which robot"):
        write_recorded(dataset, tmp_path / "out", {"so101": SPEC})
