"""Few bits: smaller, nearly the same, exactly the same after saving; and refused where it makes no sense."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.models.test_bundle import observation, small_bundle
from torch import Tensor, nn

from premotor.core.errors import BundleError, PremotorError
from premotor.models import bundle
from premotor.models.policy import BundlePolicy
from premotor.models.quantised import _one_each, _two_in_one, fill, quantise
from premotor.models.systems import SYSTEMS, system_config

# How far an action may be from the original's, as a share of the largest; measured 0.6 % and 6 % on random weights.
TOLERANCE = {8: 0.03, 4: 0.25}


@pytest.fixture(scope="module")
def torchao() -> None:
    pytest.importorskip("torchao", reason="the extra premotor[quant] is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Wide enough that numbers matter more than names.
    return small_bundle(tmp_path_factory.mktemp("bundles") / "small", width=128, head_width=256)


@pytest.fixture(scope="module")
def smaller(torchao: None, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    made = {}
    for bits in (8, 4):
        made[bits] = tmp_path_factory.mktemp("smaller") / str(bits)
        loaded = bundle.load(folder)
        quantise(loaded.system, bits)
        bundle.derive(folder, made[bits], loaded.system, {"quantised": bits}, bits=bits)
    return made


def sampled(system: nn.Module, folder: Path) -> Tensor:
    torch.manual_seed(0)
    inputs = bundle.load(folder).config.fake_inputs(8)
    with torch.inference_mode():
        actions: Tensor = system.sample(inputs)  # type: ignore[operator]
    return actions


@pytest.mark.parametrize("bits", [8, 4])
def test_it_acts_nearly_as_before(folder: Path, smaller: dict[int, Path], bits: int) -> None:
    before, after = sampled(bundle.load(folder).system, folder), sampled(bundle.load(smaller[bits]).system, folder)
    apart = float((after - before).abs().mean() / before.abs().mean())
    assert 0 < apart < TOLERANCE[bits]


def test_fewer_bits_are_fewer_bytes(folder: Path, smaller: dict[int, Path]) -> None:
    linear = sum(m.weight.numel() for m in bundle.load(folder).system.modules() if type(m) is nn.Linear)
    size = {bits: (path / "model.safetensors").stat().st_size for bits, path in ({16: folder} | smaller).items()}
    assert size[16] - size[8] > 0.9 * linear  # a byte less for each
    assert size[8] - size[4] > 0.2 * linear  # half a byte less for each whose inputs come in groups, but for scales


@pytest.mark.parametrize("bits", [8, 4])
def test_it_is_the_same_after_it_was_saved(folder: Path, smaller: dict[int, Path], bits: int) -> None:
    made = bundle.load(folder).system
    quantise(made, bits)
    again = bundle.load(smaller[bits])
    assert torch.equal(sampled(made, folder), sampled(again.system, folder))
    assert again.bits == bits
    assert again.lineage["base"]["digest"] == bundle.load(folder).digest
    # The road that a robot takes folds and copies the system.
    assert BundlePolicy(again, "panda").act(observation()).actions.shape == (4, 7)


def test_it_is_saved_only_as_what_it_is(folder: Path, smaller: dict[int, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not quantised"):
        bundle.derive(folder, tmp_path / "b", bundle.load(folder).system, {}, bits=8)
    with pytest.raises(BundleError, match=r"quantised already.*made of"):
        quantise(bundle.load(smaller[8]).system, 4)


def test_weights_of_another_size_are_refused(smaller: dict[int, Path]) -> None:
    config = bundle.load(smaller[8]).config
    weights = load_file(smaller[8] / "model.safetensors")
    with pytest.raises(ValueError, match=r"unexpected \['more'\]"):
        fill(config.build(), 8, weights | {"more": torch.zeros(1)})
    name = next(name for name in weights if name.endswith(".q"))
    with pytest.raises(ValueError, match=f"{name} has the shape"):
        fill(config.build(), 8, weights | {name: weights[name][:1]})
    with pytest.raises(ValueError, match="missing"):
        fill(config.build(), 8, {k: v for k, v in weights.items() if k != name})


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_can_be_quantised(torchao: None, system: str) -> None:
    config = system_config(system).toy()
    torch.manual_seed(0)
    made, inputs = config.build().eval(), config.fake_inputs(1)
    shape = made.sample(inputs).shape
    layers = quantise(made, 4)
    assert set(layers.values()) <= {8, 4}
    actions = made.sample(inputs)
    assert actions.shape == shape
    assert actions.isfinite().all()


def test_what_cannot_be_is_said(torchao: None) -> None:
    with pytest.raises(BundleError, match="3 bits; choose one of 8, 4"):
        quantise(nn.Linear(32, 32), 3)
    with pytest.raises(BundleError, match="Conv2d has no linear layer of 32 inputs"):
        quantise(nn.Conv2d(3, 3, 1), 8)
    last = nn.Linear(32, 32)
    broken = nn.Sequential(nn.Linear(32, 32), last)
    with torch.no_grad():
        last.weight[3, 4] = torch.nan
    with pytest.raises(BundleError, match="weights of 1 are not finite"):
        quantise(broken, 8)


def test_two_numbers_in_a_byte_come_out_again() -> None:
    numbers = torch.arange(-8, 8, dtype=torch.int8).repeat(3, 2)
    assert _two_in_one(numbers).shape == (3, 16)
    assert torch.equal(_one_each(_two_in_one(numbers)), numbers)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(PremotorError, match=r"torchao is not installed.*premotor\[quant\]"):
        quantise(nn.Sequential(nn.Linear(32, 32)), 8)


def test_a_shared_weight_stays_shared(torchao: None) -> None:
    made = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32))
    made[2].weight = made[0].weight
    assert quantise(made, 8) == {"1": 8}
    assert made[2].weight is made[0].weight
