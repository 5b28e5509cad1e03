"""Which FAST tokens may come next, so that what is said is always one whole chunk of actions.

A chunk is a fixed number of characters, so a token fits while it has no more than are missing. Where tokens are made
of bytes, a character may begin in one and end in the next; characters of up to two bytes are used, which is 2048
steps of a coefficient and more than normalised actions span.
"""

import torch
from tokenizers import decoders
from torch import Tensor

from premotor.core.errors import ActionTokenError
from premotor.models.heads.fast import FastCodec

__all__ = ["Spelling"]

_UNUSABLE = -1


class Spelling:
    """Rows of chunks of `characters` each, said token by token."""

    def __init__(self, codec: FastCodec, characters: int, rows: int, device: torch.device) -> None:
        told = torch.tensor(_told(codec), dtype=torch.long, device=device)
        self._ends, self._begins, self._open = told.unbind(1)
        self._missing = torch.full((rows,), characters, device=device)
        self._half = torch.zeros(rows, dtype=torch.long, device=device)
        self._said: list[Tensor] = []
        self._lengths = torch.zeros_like(self._half)

    @property
    def done(self) -> bool:
        """Every row is a whole chunk."""
        return not bool((self._missing + self._half).any())

    def choose(self, scores: Tensor) -> Tensor:
        """(B,) the best id of each row, by scores (B, N). Whole rows get any, which is not kept."""
        whole = (self._missing + self._half == 0)[:, None]
        fits = (self._ends == self._half[:, None]) & (self._begins <= self._missing[:, None])
        if not bool((fits | whole).any(1).all()):
            raise ActionTokenError("this codec has no token that ends a chunk that was begun; fit it on bytes")
        best = scores.masked_fill(~(fits | whole), -torch.inf).argmax(1)
        self._said.append(best)
        self._lengths += ~whole[:, 0]
        self._missing = torch.where(whole[:, 0], 0, self._missing - self._begins[best])
        self._half = torch.where(whole[:, 0], 0, self._open[best])
        return best

    def ids(self) -> list[list[int]]:
        """What was said in each row."""
        said = torch.stack(self._said, 1).tolist()
        return [row[:length] for row, length in zip(said, self._lengths.tolist(), strict=True)]


def _told(codec: FastCodec) -> list[tuple[int, int, int]]:
    """For each id: does it end a character that was begun, how many does it begin, does it leave one unended."""
    words = [codec.tokenizer.id_to_token(i) or "" for i in range(codec.size)]
    if not isinstance(codec.tokenizer.decoder, decoders.ByteLevel):
        return [(0, len(word), 0) if word else (_UNUSABLE, 0, 0) for word in words]
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    byte = {chr(b): b for b in shown}
    # Bytes that cannot be shown are written as the letters from 256 on.
    byte |= {chr(256 + n): b for n, b in enumerate(b for b in range(256) if b not in byte.values())}
    # A token with any other letter stands for itself.
    spelt = [[byte[x] for x in word] if set(word) <= byte.keys() else list(word.encode()) for word in words]
    return [_bytes_told(values) for values in spelt]


def _bytes_told(word: list[int]) -> tuple[int, int, int]:
    begins, half = 0, False
    ends = bool(word) and 0x80 <= word[0] < 0xC0
    for value in word[1:] if ends else word:
        follows = 0x80 <= value < 0xC0
        if follows is not half or value >= 0xE0 or value in (0xC0, 0xC1):
            return _UNUSABLE, 0, 0
        begins, half = begins + (not follows), value >= 0xC2
    return (int(ends), begins, int(half)) if word else (_UNUSABLE, 0, 0)
