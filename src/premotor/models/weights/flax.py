"""Flax's checkpoints in one file (MessagePack, https://msgpack.org), flat with "/" between names.

Only what such a file is made of is read; nothing in it can be run.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from premotor.core.errors import WeightsError

__all__ = ["load_flax"]

_ARRAY, _CHUNKED = 1, "__msgpack_chunked_array__"
_KINDS = {
    "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64,
    "int32": torch.int32, "int64": torch.int64, "uint32": torch.int64, "bool": torch.bool,
}  # fmt: skip
# First byte -> form of the number behind it, and of the length of what is behind that.
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
    0xD3: ">q",
}  # fmt: skip
_BYTES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_TEXTS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_LISTS, _MAPS = {0xDC: ">H", 0xDD: ">I"}, {0xDE: ">H", 0xDF: ">I"}
_EXTRAS, _FIXED = {0xC7: ">B", 0xC8: ">H", 0xC9: ">I"}, {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def load_flax(file: Path) -> dict[str, Tensor]:
    """The arrays of a checkpoint by name; raises WeightsError when it is damaged or holds anything else."""
    try:
        tree = _Reader(memoryview(file.read_bytes())).whole()
        return dict(_flat(tree, ""))
    except (OSError, ValueError, KeyError, IndexError, struct.error, RecursionError) as damage:
        raise WeightsError(f"{file} is no Flax checkpoint, or damaged: {damage!r}; fetch it again") from damage


def _flat(tree: Any, name: str) -> list[tuple[str, Tensor]]:
    if isinstance(tree, Tensor):
        return [(name, tree)]
    if isinstance(tree, Mapping) and _CHUNKED in tree:
        shape = [int(tree["shape"][str(i)]) for i in range(len(tree["shape"]))]
        chunks = [tree["chunks"][str(i)] for i in range(len(tree["chunks"]))]
        return [(name, torch.cat(chunks).view(shape))]
    if not isinstance(tree, Mapping):
        raise ValueError(f"{name or 'the whole'} is {tree!r:.80}, no array (its arrays may be in files of their own)")
    return [pair for key, inner in tree.items() for pair in _flat(inner, f"{name}/{key}" if name else str(key))]


class _Reader:
    """One MessagePack value after another."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def whole(self) -> Any:
        """The only value."""
        value = self._value()
        if self._at != len(self._data):
            raise ValueError(f"{len(self._data) - self._at} bytes too many")
        return value

    def _value(self) -> Any:
        first = self._number(">B")
        if first < 0x80 or first >= 0xE0:
            return first if first < 0x80 else first - 0x100
        if first < 0x90:
            return self._map(first & 0x0F)
        if first < 0xA0:
            return self._list(first & 0x0F)
        if first < 0xC0:
            return self._text(first & 0x1F)
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _NUMBERS:
            return self._number(_NUMBERS[first])
        for table, read in (
            (_BYTES, self._take), (_TEXTS, self._text), (_LISTS, self._list), (_MAPS, self._map),
            (_EXTRAS, self._extra),
        ):  # fmt: skip
            if first in table:
                return read(self._number(table[first]))
        return self._extra(_FIXED[first])

    def _take(self, count: int) -> memoryview:
        part = self._data[self._at : self._at + count]
        if len(part) != count:
            raise ValueError("it ends too early")
        self._at += count
        return part

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _text(self, count: int) -> str:
        return bytes(self._take(count)).decode()

    def _list(self, count: int) -> list[Any]:
        return [self._value() for _ in range(count)]

    def _map(self, count: int) -> dict[Any, Any]:
        return {self._value(): self._value() for _ in range(count)}

    def _extra(self, count: int) -> Tensor:
        kind, content = self._number(">b"), self._take(count)
        if kind != _ARRAY:
            raise ValueError(f"a value of kind {kind}, which is no array")
        shape, name, raw = _Reader(content).whole()
        if name not in _KINDS:
            raise ValueError(f"an array of {name!r}; known: {', '.join(_KINDS)}")
        if name == "uint32":
            return torch.from_numpy(np.frombuffer(raw, np.uint32).astype(np.int64)).view(shape)
        # A copy, since what was read cannot be written.
        return torch.frombuffer(bytearray(raw), dtype=_KINDS[name]).view(shape) if raw else torch.zeros(shape)
