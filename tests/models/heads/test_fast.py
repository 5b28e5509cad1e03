"""The FAST codec is the published one bit for bit, and says so when tokens are no chunk."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from premotor.core.errors import ActionTokenError, WeightsError
from premotor.models.heads.cosine import dct, idct
from premotor.models.heads.fast import FastCodec
from premotor.models.weights.fast import load_fast, save_fast

FOLDER = Path(__file__).parents[2] / "golden" / "fast"


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.float64]]:
    with np.load(FOLDER / "golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def codec() -> FastCodec:
    return load_fast(FOLDER)


def ids_of(rows: NDArray[np.float64]) -> list[list[int]]:
    return [[int(i) for i in row if i >= 0] for row in rows]


def test_the_transform_is_orthonormal() -> None:
    chunk = np.random.default_rng(0).normal(size=(3, 17, 5))
    assert np.allclose(idct(dct(chunk)), chunk, atol=1e-12)
    assert np.allclose((dct(chunk) ** 2).sum(), (chunk**2).sum())


def test_ids_are_the_reference_s(golden: dict[str, NDArray[np.float64]], codec: FastCodec) -> None:
    assert codec.size == int(golden["out/bpe_vocab_size"])
    assert codec.lowest == int(golden["out/min_token"])
    assert np.array_equal(codec.coefficients(golden["in/chunks"]), golden["out/dct_rounded"])
    ids = codec.encode(golden["in/chunks"], lossy=True)
    assert [len(row) for row in ids] == golden["out/lengths"].tolist()
    assert ids == ids_of(golden["out/ids"])


def test_chunks_are_the_reference_s(golden: dict[str, NDArray[np.float64]], codec: FastCodec) -> None:
    chunks = codec.decode(ids_of(golden["out/ids"]), undecodable="zeros")
    assert np.abs(chunks - golden["out/decoded"]).max() < 1e-12
    broken = codec.decode(ids_of(golden["in/broken_ids"]), undecodable="zeros")
    assert np.abs(broken - golden["out/broken_decoded"]).max() < 1e-12


def test_fitting_gives_the_reference_s_vocabulary(golden: dict[str, NDArray[np.float64]], codec: FastCodec) -> None:
    fitted = FastCodec.fit(golden["in/train_chunks"], 512, alphabet="published")
    assert (fitted.lowest, fitted.horizon, fitted.dims) == (codec.lowest, codec.horizon, codec.dims)
    mine, theirs = (json.loads(c.tokenizer.to_str())["model"] for c in (fitted, codec))
    assert mine["vocab"] == theirs["vocab"]
    assert mine["merges"] == theirs["merges"]


def test_what_the_reference_loses_is_refused(golden: dict[str, NDArray[np.float64]], codec: FastCodec) -> None:
    """Where it gives zeros, or silently moves a coefficient, this codec raises; elsewhere it agrees."""
    clamped = (golden["out/dct_rounded"] < codec.lowest).any((1, 2))
    lost = golden["out/decode_failed"].astype(bool) | clamped
    assert lost.any()
    for chunk, ids, bad in zip(golden["in/chunks"], ids_of(golden["out/ids"]), lost, strict=True):
        if bad:
            with pytest.raises(ActionTokenError, match="cannot spell"):
                codec.encode(chunk)
        else:
            assert codec.encode(chunk) == [ids]
    for ids in ids_of(golden["in/broken_ids"]):
        with pytest.raises(ActionTokenError, match="FAST tokens"):
            codec.decode([ids])


def test_ids_of_another_codec_are_refused(codec: FastCodec) -> None:
    with pytest.raises(ActionTokenError, match="0 to 511"):
        codec.decode([[3, 512]])


@pytest.mark.parametrize(("horizon", "dims"), [(1, 1), (8, 6), (25, 14)])
def test_a_fitted_codec_gives_back_every_chunk(horizon: int, dims: int) -> None:
    """Also those that go further up than anything it was fitted to; the error is that of rounding alone."""
    rng = np.random.default_rng(horizon)
    walk = np.clip(np.cumsum(rng.normal(0, 0.15, (60, horizon, dims)), 1), -1, 1)
    codec = FastCodec.fit(np.concatenate([walk, -walk]), 512)
    for chunks in (walk, np.full((1, horizon, dims), 3.0)):
        found = codec.decode(codec.encode(chunks))
        assert np.abs(found - chunks).max() <= 0.5 / codec.scale * np.sqrt(horizon) + 1e-9
    assert sum(map(len, codec.encode(walk))) <= walk.size


def test_a_folder_gives_back_the_codec(tmp_path: Path, golden: dict[str, NDArray[np.float64]]) -> None:
    fitted = FastCodec.fit(golden["in/train_chunks"][:50], 400, 8.0)
    save_fast(tmp_path, fitted)
    again = load_fast(tmp_path)
    assert again.encode(golden["in/train_chunks"][:50]) == fitted.encode(golden["in/train_chunks"][:50])
    assert (again.scale, again.lowest, again.horizon, again.dims) == (8.0, fitted.lowest, 10, 7)


@pytest.mark.parametrize("name", ["tokenizer.json", "processor_config.json"])
def test_a_damaged_folder_is_refused(tmp_path: Path, name: str) -> None:
    save_fast(tmp_path, load_fast(FOLDER))
    (tmp_path / name).write_text("{}")
    with pytest.raises(WeightsError, match="damaged"):
        load_fast(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(WeightsError, match=f"{name} is missing"):
        load_fast(tmp_path)


def test_what_cannot_be_fitted_is_said() -> None:
    with pytest.raises(ActionTokenError, match="at least 256"):
        FastCodec.fit(np.zeros((3, 4, 2)), 100)
    with pytest.raises(ActionTokenError, match="finite"):
        FastCodec.fit(np.full((3, 4, 2), np.nan))
    with pytest.raises(ActionTokenError, match="no chunks"):
        FastCodec.fit([])
