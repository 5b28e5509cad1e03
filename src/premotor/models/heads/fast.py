"""FAST: a chunk of actions as a short sentence (arXiv 2501.09747).

A cosine transform over time packs a smooth chunk into few coefficients; they are rounded, each becomes one character,
and byte-pair encoding joins the frequent runs (most of them zeros) into single tokens.

Not every sequence of tokens is a chunk. Here such a sequence raises; published code answers with zeros, which for
absolute actions is a pose, not a pause. Likewise a chunk that the vocabulary cannot spell raises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from premotor.core.errors import ActionTokenError
from premotor.models.heads.cosine import dct, idct

__all__ = ["FastCodec"]

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]

_SURROGATES = 0xD800  # characters from here on cannot stand alone in a text
_UNDECODABLE = "\N{REPLACEMENT CHARACTER}"
_ENDLESS = 10_000  # longest token in characters; a whole chunk may become one


@dataclass(frozen=True, kw_only=True, slots=True)
class FastCodec:
    """Chunks (N, H, D), about -1..1 -> lists of ids, and back.

    scale: steps per unit of a coefficient. lowest: the coefficient that is character 0. horizon, dims: the usual shape
    of a chunk, if the codec has one.
    """

    tokenizer: Tokenizer
    scale: float = 10.0
    lowest: int = 0
    horizon: int | None = None
    dims: int | None = None

    @property
    def size(self) -> int:
        """How many ids there are."""
        return int(self.tokenizer.get_vocab_size())

    def coefficients(self, chunks: ArrayLike) -> _Ints:
        """Rounded, scaled cosine coefficients over time of chunks (N, H, D)."""
        return _quantised(_batch(chunks), self.scale)

    def encode(self, chunks: ArrayLike, *, lossy: bool = False) -> list[list[int]]:
        """Ids of each chunk.

        Raises ActionTokenError for a chunk that its ids would not give back. With `lossy`, as in published code, what
        lies below the codec's range is moved to its border and characters without an id are left out.
        """
        symbols = np.maximum(self.coefficients(chunks) - self.lowest, 0)
        if int(symbols.max(initial=0)) >= _SURROGATES:
            raise ActionTokenError(
                f"coefficients up to {int(symbols.max()) + self.lowest} are too large for characters"
            )
        texts = ["".join(map(chr, row)) for row in symbols.reshape(len(symbols), -1).tolist()]
        ids: list[list[int]] = [each.ids for each in self.tokenizer.encode_batch(texts)]
        if not lossy:
            self._check(ids, self.coefficients(chunks))
        return ids

    def decode(
        self,
        ids: Iterable[Sequence[int]],
        horizon: int | None = None,
        dims: int | None = None,
        *,
        undecodable: Literal["raise", "zeros"] = "raise",
    ) -> _Floats:
        """Chunks (N, H, D) that the ids stand for; shape from the codec where not given.

        Raises ActionTokenError for ids that are no chunk; `undecodable="zeros"` gives zeros for those, as published
        code does.
        """
        horizon, dims = horizon or self.horizon, dims or self.dims
        if horizon is None or dims is None:
            raise ActionTokenError(
                "decoding needs the chunk's shape: pass horizon and dims, or fit the codec with them"
            )
        found = []
        for sequence in ids:
            try:
                symbols = self._symbols(sequence, horizon * dims, loose=undecodable == "zeros")
            except ActionTokenError:
                if undecodable == "raise":
                    raise
                symbols = np.full(horizon * dims, -self.lowest)
            found.append((symbols + self.lowest).reshape(horizon, dims) / self.scale)
        return idct(np.array(found, dtype=np.float64).reshape(-1, horizon, dims))

    @classmethod
    def fit(
        cls,
        chunks: Sequence[ArrayLike] | NDArray[Any],
        vocabulary: int = 1024,
        scale: float = 10.0,
        *,
        alphabet: Literal["bytes", "published"] = "bytes",
    ) -> Self:
        """Learn the tokens from chunks of shape (H, D); lengths may differ.

        The alphabet of "bytes" spells every coefficient from the lowest seen upwards. "published" is the reference's,
        which has no id for many characters that did not occur while fitting.
        """
        quantised = [_quantised(_batch(chunk), scale)[0] for chunk in chunks]
        if not quantised:
            raise ActionTokenError("no chunks to fit a FAST codec to")
        lowest, highest = min(int(q.min()) for q in quantised), max(int(q.max()) for q in quantised)
        span = highest - lowest + 1
        needed = 256 if alphabet == "bytes" else span - 1
        if vocabulary < needed or span > _SURROGATES:
            raise ActionTokenError(
                f"coefficients span {span} values; a vocabulary of {vocabulary} must hold at least {needed}. "
                "Use a larger vocabulary, a smaller scale or normalised chunks"
            )
        letters = pre_tokenizers.ByteLevel.alphabet() if alphabet == "bytes" else [chr(i) for i in range(span)]
        tokenizer = _byte_level()
        trainer = BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=2,
            show_progress=False,
            special_tokens=[],
            initial_alphabet=letters,
            max_token_length=_ENDLESS,
        )
        tokenizer.train_from_iterator(("".join(map(chr, (q - lowest).flatten())) for q in quantised), trainer=trainer)
        shapes = {q.shape for q in quantised}
        horizon, dims = shapes.pop() if len(shapes) == 1 else (None, None)
        return cls(tokenizer=tokenizer, scale=scale, lowest=lowest, horizon=horizon, dims=dims)

    def _symbols(self, ids: Sequence[int], count: int, *, loose: bool) -> _Ints:
        """The `count` character codes that ids spell."""
        foreign = [i for i in ids if not 0 <= i < self.size]
        if foreign and not loose:
            raise ActionTokenError(f"ids {foreign[:3]} are not among this codec's 0 to {self.size - 1}")
        text: str = self.tokenizer.decode([i for i in ids if i >= 0], skip_special_tokens=False)
        if _UNDECODABLE in text and not loose:
            raise ActionTokenError(
                f"{len(ids)} FAST tokens spell half a character; the sequence was cut or is no chunk"
            )
        if len(text) != count:
            raise ActionTokenError(
                f"{len(ids)} FAST tokens stand for {len(text)} coefficients, a chunk has {count}; "
                "hold, sample again, or train the policy further"
            )
        return np.array([ord(letter) for letter in text], dtype=np.int64)

    def _check(self, ids: list[list[int]], coefficients: _Ints) -> None:
        for number, (row, wanted) in enumerate(zip(ids, coefficients, strict=True)):
            text: str = self.tokenizer.decode(row, skip_special_tokens=False)
            if [ord(letter) + self.lowest for letter in text] != wanted.flatten().tolist():
                raise ActionTokenError(
                    f"chunk {number} has coefficients {int(wanted.min())} to {int(wanted.max())} that this codec "
                    f"(from {self.lowest} on) cannot spell; fit it on such chunks, clip them, or encode with lossy=True"
                )


def _batch(chunks: ArrayLike) -> _Floats:
    array = np.asarray(chunks, dtype=np.float64)
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or 0 in array.shape[1:] or not np.isfinite(array).all():
        raise ActionTokenError(f"chunks of shape {array.shape}; need finite (N, H, D) or (H, D)")
    return array


def _quantised(chunks: _Floats, scale: float) -> _Ints:
    return np.around(dct(chunks) * scale).astype(np.int64)


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer
