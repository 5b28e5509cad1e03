"""LoRA: an adapter moves only itself, merges to the same policy, and goes with no other bundle."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from tests.models.test_bundle import observation, small_bundle
from torch import Tensor, nn

from premotor.core.errors import BundleError, PremotorError, SpecMismatch
from premotor.models import adapter, bundle
from premotor.models.adapter import LoraConfig
from premotor.models.digest import manifest_digest
from premotor.models.policy import BundlePolicy
from premotor.models.systems import SYSTEMS, system_config


@pytest.fixture(scope="module")
def peft() -> None:
    pytest.importorskip("peft", reason="the extra premotor[lora] is not installed")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "base")


@pytest.fixture(scope="module")
def made(peft: None, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """A system with an adapter that does something, and where that is saved."""
    config, system = LoraConfig(rank=3), bundle.load(base).system
    torch.manual_seed(0)
    adapter.attach(system, config)
    for value in adapter.learned(system).values():
        value.normal_(std=0.1)
    out = tmp_path_factory.mktemp("adapters") / "adapter"
    adapter.save(out, system, config, bundle.verify(base), {"recipe": "test"})
    return system, out


def sampled(system: nn.Module, base: Path) -> Tensor:
    torch.manual_seed(0)
    inputs = bundle.load(base).config.fake_inputs(4)
    with torch.inference_mode():
        actions: Tensor = system.sample(inputs)  # type: ignore[operator]
    return actions


def test_merging_changes_nothing_that_it_does(base: Path, made: tuple[nn.Module, Path], tmp_path: Path) -> None:
    system, folder = made
    applied, before = sampled(system, base), sampled(bundle.load(base).system, base)
    assert (applied - before).abs().max() > 0.05
    merged = bundle.load(base).system
    adapter.restore(merged, folder, base)
    assert torch.equal(sampled(merged, base), applied)
    adapter.merge(merged)
    assert (sampled(merged, base) - applied).abs().max() < 1e-5
    # The bundle is an ordinary one; its float16 is all that is lost.
    adapter.merge_into(base, folder, tmp_path / "b")
    again = bundle.load(tmp_path / "b")
    assert again.system.state_dict().keys() == bundle.load(base).system.state_dict().keys()
    assert (sampled(again.system, base) - applied).abs().max() < 0.02
    assert again.lineage["base"]["digest"] == bundle.load(base).digest
    assert again.lineage["adapter"] == {"recipe": "test"}
    assert BundlePolicy(again, "panda").act(observation()).actions.shape == (4, 7)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_takes_an_adapter_to_all_its_linear_layers(peft: None, name: str) -> None:
    config = system_config(name).toy()
    torch.manual_seed(0)
    system, inputs, targets = config.build().eval(), config.fake_inputs(2), config.fake_targets(2)
    names = {key: value.clone() for key, value in system.state_dict().items()}

    def loss() -> Tensor:
        torch.manual_seed(1)
        value: Tensor = system.loss(inputs, targets)[0]
        return value

    with torch.no_grad():
        before = loss()
    layers = adapter.attach(system, LoraConfig(rank=2))
    assert len(layers) == sum(type(m) is nn.Linear for m in config.build().modules())
    assert torch.allclose(loss(), before, atol=1e-5)
    for key, value in adapter.learned(system).items():
        if "lora_B" in key:
            value.normal_(std=0.1)
    applied = loss()
    applied.backward()  # type: ignore[no-untyped-call]
    assert abs(float(applied.detach() - before)) > 1e-4
    moving = {key for key, weight in system.named_parameters() if weight.grad is not None}
    assert moving
    assert all("lora_" in key for key in moving)
    adapter.merge(system)
    with torch.no_grad():
        assert torch.allclose(loss(), applied, atol=1e-5, rtol=1e-5)
    assert system.state_dict().keys() == names.keys()
    touched = {f"{layer}.weight" for layer in layers}
    assert all(torch.equal(value, names[key]) for key, value in system.state_dict().items() if key not in touched)


def test_layers_can_be_chosen(peft: None, base: Path) -> None:
    system = bundle.load(base).system
    assert adapter.attach(system, LoraConfig(layers=r"head\.trunk\.\d+")) == ["head.trunk.0"]
    assert {name.partition(".lora_")[0] for name in adapter.learned(system)} == {"head.trunk.0"}


def test_an_adapter_goes_with_its_own_bundle_only(base: Path, made: tuple[nn.Module, Path], tmp_path: Path) -> None:
    loaded = bundle.load(base)
    bundle.derive(base, tmp_path / "other", loaded.system, {})
    with pytest.raises(BundleError, match=f"learned for the bundle {loaded.digest[:16]}.*the bundle that it was"):
        adapter.merge_into(tmp_path / "other", made[1], tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["adapter.json", "adapter.safetensors"])
def test_one_flipped_bit_and_a_missing_file_are_found(
    base: Path, made: tuple[nn.Module, Path], tmp_path: Path, name: str
) -> None:
    shutil.copytree(made[1], tmp_path / "a")
    content = bytearray((tmp_path / "a" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a" / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} (is missing or )?(was altered|is damaged)"):
        adapter.verify(tmp_path / "a", base)
    (tmp_path / "a" / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        adapter.verify(tmp_path / "a", base)


def test_weights_that_do_not_fit_are_refused(base: Path, made: tuple[nn.Module, Path], tmp_path: Path) -> None:
    shutil.copytree(made[1], tmp_path / "a")
    path = tmp_path / "a/adapter.json"

    def told(**lora: object) -> None:
        manifest = json.loads((made[1] / "adapter.json").read_text())
        manifest["lora"] |= lora
        manifest["digest"] = manifest_digest(manifest)
        path.write_text(json.dumps(manifest))

    for wrong in ({"rank": 2}, {"layers": "head.*"}, {"layers": "tail"}, {"colour": "red"}):
        told(**wrong)
        with pytest.raises(BundleError, match=r"does not fit"):
            adapter.restore(bundle.load(base).system, tmp_path / "a", base)


def test_what_makes_no_sense_is_said(base: Path, made: tuple[nn.Module, Path]) -> None:
    with pytest.raises(SpecMismatch, match="rank 0; it must be at least 1"):
        LoraConfig(rank=0)
    with pytest.raises(SpecMismatch, match=r"'\(' are no regular expression"):
        LoraConfig(layers="(")
    with pytest.raises(
        SpecMismatch, match=r"no linear layer of Premotor is called 'tail'; there are cells.front, .*more"
    ):
        adapter.linear_layers(bundle.load(base).system, "tail")
    with pytest.raises(BundleError, match="it is an adapter, which `premotor merge`"):
        bundle.load(made[1])
    with pytest.raises(BundleError, match=r"no adapter: adapter.json is missing; `premotor train --from"):
        adapter.verify(base, base)


def test_one_adapter_at_a_time_and_a_sound_one(peft: None, base: Path, tmp_path: Path) -> None:
    config, system = LoraConfig(rank=1, layers="asked"), bundle.load(base).system
    adapter.attach(system, config)
    with pytest.raises(SpecMismatch, match="Premotor has an adapter already; merge"):
        adapter.attach(system, config)
    adapter.learned(system)["asked.lora_B.weight"][0, 0] = torch.nan
    adapter.save(tmp_path / "a", system, config, bundle.verify(base), {})
    with pytest.raises(BundleError, match=r"not finite in asked\.lora_B\.weight; learn it again"):
        adapter.merge_into(base, tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_few_bits_take_no_adapter(peft: None, base: Path) -> None:
    pytest.importorskip("torchao", reason="the extra premotor[quant] is not installed")
    from premotor.models.quantised import quantise

    system = bundle.load(base).system
    quantise(system, 8)
    with pytest.raises(SpecMismatch, match="is quantised; fine-tune it before"):
        adapter.attach(system, LoraConfig())


def test_a_missing_library_names_its_extra(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(PremotorError, match=r"peft is not installed.*premotor\[lora\]"):
        adapter.attach(bundle.load(base).system, LoraConfig())
