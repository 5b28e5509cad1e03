"""A bundle comes back exactly, or not at all."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from premotor.core.codec import build_codec
from premotor.core.errors import BundleError
from premotor.core.types import Observation
from premotor.models import bundle
from premotor.models.digest import manifest_digest
from premotor.models.policy import BundlePolicy
from premotor.models.systems.premotor import PremotorConfig
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.metaworld.robot import View, sawyer

FILES = ("manifest.json", "model.safetensors", "codecs.json", "text.safetensors", "tokenizer.json")


def small_bundle(out: Path, **sizes: int) -> Path:
    """An untrained policy of the Panda in `out`."""
    arm = EMBODIMENTS["panda"].spec
    rng = np.random.default_rng(0)
    actions = rng.normal(0, 0.01, (50, 4, len(arm.action.dims)))
    codec = build_codec(arm, actions, rng.normal(0, 1, (50, len(arm.state))))
    one = {"embodiments": ("panda",), "state_dims": (len(arm.state),), "action_dims": (7,)}
    config = dataclasses.replace(PremotorConfig.toy(), **one, image_size=128, **sizes)  # type: ignore[arg-type]
    torch.manual_seed(0)
    bundle.save(out, config.build(), config, {"panda": codec}, bundle.DEFAULT, {"recipe": "test"})
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "small")


def observation() -> Observation:
    spec = EMBODIMENTS["panda"].spec
    rng = np.random.default_rng(1)
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in spec.cameras}
    state = rng.normal(0, 1, len(spec.state))
    return Observation(stamp_ns=123, images=images, state=state, instruction="pick up the red block")


@pytest.mark.parametrize("name", ["tabletop", "metaworld"])
def test_shipped_bundles_load_and_say_where_they_come_from(name: str) -> None:
    shipped = bundle.load(bundle.DEFAULT.parent / name)
    assert shipped.lineage["recipe"]["name"] == name
    assert list(shipped.codecs) == shipped.lineage["recipe"]["arms"]
    robots = {arm: found.spec for arm, found in EMBODIMENTS.items()} | {"sawyer": sawyer(View())}
    assert all(codec.spec == robots[arm] for arm, codec in shipped.codecs.items())


def test_acts_the_same_after_a_round_trip(folder: Path, tmp_path: Path) -> None:
    first = bundle.load(folder)
    bundle.save(tmp_path / "again", first.system, first.config, first.codecs, folder, first.lineage)
    second = bundle.load(tmp_path / "again")
    chunks = [BundlePolicy(b, "panda").act(observation()) for b in (first, second)]
    assert np.array_equal(chunks[0].actions, chunks[1].actions)
    assert chunks[0].actions.shape == (4, 7)
    assert chunks[0].stamp_ns == 123


def test_a_batch_says_what_single_calls_say(folder: Path) -> None:
    policy = BundlePolicy(bundle.load(folder), "panda")
    single = policy.act(observation()).actions
    both = policy.act_batch([observation(), observation()])
    assert len(policy.beliefs) == 2
    for chunk in both:
        assert np.allclose(chunk.actions, single, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_found(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "b")
    content = bytearray((tmp_path / "b" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "b" / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} (was altered|is damaged)"):
        bundle.load(tmp_path / "b")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "b")
    (tmp_path / "b" / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        bundle.load(tmp_path / "b")


def test_weights_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "b")
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    manifest["config"]["width"] = 64
    manifest["digest"] = manifest_digest(manifest)
    (tmp_path / "b" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="does not fit"):
        bundle.load(tmp_path / "b")


def test_weights_that_are_not_finite_are_refused(folder: Path, tmp_path: Path) -> None:
    made = bundle.load(folder)
    with torch.no_grad():
        broken = next(iter(made.system.parameters()))
        broken.view(-1)[0] = torch.nan
    bundle.save(tmp_path / "b", made.system, made.config, made.codecs, folder, made.lineage)
    with pytest.raises(BundleError, match=r"1 of its weights are not finite.*train or import it again"):
        bundle.load(tmp_path / "b")


def test_another_robot_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"not trained for 'so101'.*panda"):
        BundlePolicy(bundle.load(folder), "so101")


def test_no_bundle_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        bundle.load(tmp_path)
