"""Flax's files are read as they were written, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from premotor.core.errors import WeightsError
from premotor.models.weights.flax import load_flax

from ..importing.folders import packed

# What flax.serialization.msgpack_serialize makes of {"a": {"k": float32 [[1, 2, 3]]}}.
WRITTEN = "81a16181a16bc71a01 93920103 a7666c6f61743332 c40c 0000803f 00000040 00004040"


def write(folder: Path, content: bytes) -> Path:
    (folder / "checkpoint").write_bytes(content)
    return folder / "checkpoint"


def test_what_flax_wrote_is_read(tmp_path: Path) -> None:
    found = load_flax(write(tmp_path, bytes.fromhex(WRITTEN)))
    assert list(found) == ["a/k"]
    assert torch.equal(found["a/k"], torch.tensor([[1.0, 2.0, 3.0]]))


@pytest.mark.parametrize("kind", ["float32", "float16", "float64", "int32", "int64", "uint32", "bool"])
def test_every_kind_of_number_comes_back(kind: str, tmp_path: Path) -> None:
    value = np.arange(6).reshape(2, 3).astype(kind)
    found = load_flax(write(tmp_path, packed({"x": {"y": value}, "z": np.array(3, kind)})))
    assert np.array_equal(found["x/y"].numpy(), value)
    assert found["z"].shape == ()


def test_large_arrays_come_in_chunks(tmp_path: Path) -> None:
    whole = np.arange(12, dtype=np.float32)
    chunks = {str(i): part for i, part in enumerate(np.split(whole, 3))}
    told = {"__msgpack_chunked_array__": 1, "shape": {"0": 3, "1": 4}, "chunks": chunks}
    found = load_flax(write(tmp_path, packed({"w": told})))
    assert np.array_equal(found["w"].numpy(), whole.reshape(3, 4))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "ends too early"),
        (bytes.fromhex(WRITTEN)[:-3], "ends too early"),
        (bytes.fromhex(WRITTEN) + b"\x00", "1 bytes too many"),
        (packed({"w": "PLACEHOLDER://w"}), "in files of their own"),
        (b"\x81\xa1w\xd4\x02\x00", "kind 2, which is no array"),
        (b"\x81\xa1w" * 5000, "RecursionError"),
    ],
)
def test_what_is_damaged_or_foreign_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=said):
        load_flax(write(tmp_path, content))
