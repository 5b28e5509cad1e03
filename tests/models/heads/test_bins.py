"""Bins give back what fell into them, and have the ids of published systems."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from premotor.core.errors import ActionTokenError
from premotor.models.heads.bins import Bins, mirrored

GOLDEN = Path(__file__).parents[2] / "golden"


def golden(group: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / group / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


@pytest.mark.parametrize(
    ("system", "actions", "tokens", "last"),
    [
        ("openvla", "in/table_actions", "table/token_ids", 31999),
        ("robovlms", "in/table_actions", "table/ids", 1183),
    ],
)
def test_tokens_are_those_of_published_systems(system: str, actions: str, tokens: str, last: int) -> None:
    table = {k.removeprefix(f"{system}/"): v for k, v in golden("bins").items() if k.startswith(system)}
    bins = Bins.uniform(255, top=True)
    assert bins.count == 256
    ids = bins.encode(table[actions])
    assert torch.equal(mirrored(ids, last), table[tokens])
    assert (bins.decode(ids) - table["table/decoded"]).abs().max() < 1e-12
    said = bins.decode(mirrored(table["in/table_decode_ids"], last), nearest=True)
    assert (said - table["table/decode_out"]).abs().max() < 1e-12


def test_edges_and_centres_are_openvla_s() -> None:
    table, bins = golden("bins"), Bins.uniform(255, top=True)
    assert (bins.edges - table["openvla/table/bins"]).abs().max() < 1e-12
    assert (bins.centres - table["openvla/table/bin_centers"]).abs().max() < 1e-12


def test_states_in_words_are_pi0_fast_s() -> None:
    table = golden("fast")
    assert torch.equal(Bins.uniform(256, below=True).encode(table["in/bin_states"]), table["out/state_bins"])


def test_fast_ids_in_paligemma() -> None:
    table = golden("fast")
    last = int(table["out/paligemma_vocab_size"]) - 1 - 128
    assert torch.equal(mirrored(torch.arange(12), last), table["out/fast_to_paligemma_ids"])
    assert torch.equal(mirrored(mirrored(torch.arange(12), last), last), torch.arange(12))


@given(st.integers(1, 300), st.lists(st.floats(-3, 3), min_size=1, max_size=20))
def test_a_value_is_found_within_half_a_bin(count: int, values: list[float]) -> None:
    bins, x = Bins.uniform(count), torch.tensor(values, dtype=torch.float64)
    ids = bins.encode(x)
    assert int(ids.min()) >= 0
    assert int(ids.max()) < bins.count == count
    assert ((bins.decode(ids) - x.clamp(-1, 1)).abs() <= 1 / count + 1e-12).all()
    assert torch.equal(bins.encode(bins.decode(ids)), ids)


def test_quantile_bins_are_used_equally_often() -> None:
    torch.manual_seed(0)
    samples = torch.randn(10, 640, 3).double() * torch.tensor([1.0, 5.0, 0.01]) + 2.0
    bins = Bins.quantile(samples, 16)
    ids = bins.encode(samples)
    assert ids.shape == samples.shape
    for dim in range(3):
        assert torch.bincount(ids[..., dim].flatten(), minlength=16).float().sub(400).abs().max() <= 1
    assert torch.equal(bins.encode(bins.decode(ids)), ids)


def test_gaussian_bins_are_used_equally_often() -> None:
    torch.manual_seed(0)
    counts = torch.bincount(Bins.gaussian(8).encode(torch.randn(80_000)), minlength=8)
    assert (counts - 10_000).abs().max() < 500


def test_what_has_no_bin_is_refused() -> None:
    with pytest.raises(ActionTokenError, match="not finite"):
        Bins.uniform().encode(torch.tensor([0.0, torch.nan]))
    with pytest.raises(ActionTokenError, match="0 to 255"):
        Bins.uniform().decode(torch.tensor([256]))
    with pytest.raises(ActionTokenError, match="ascending"):
        Bins(torch.tensor([0.0, 1.0, 0.5]))
