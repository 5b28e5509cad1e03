"""FAST tokens as words of a language model: the last of its vocabulary, counted down (arXiv 2501.09747)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from premotor.core.errors import ActionTokenError
from premotor.models.batch import Targets
from premotor.models.heads.bins import mirrored
from premotor.models.heads.fast import FastCodec

__all__ = ["LIMIT", "FastWords", "codec_for", "restored", "stored"]

LIMIT = 4.0
"""Of normalised actions: what is farther out is an outlier, and said as this."""


def codec_for(chunks: NDArray[np.floating], size: int, scale: float) -> FastCodec:
    """A codec of at most `size` tokens that is good at chunks (N, H, A) like these, and can spell any within LIMIT."""
    far = np.full(chunks.shape[1:], LIMIT)
    return FastCodec.fit([*chunks.clip(-LIMIT, LIMIT), far, -far], size, scale)


def stored(codec: FastCodec) -> dict[str, Any]:
    """A codec as settings of a configuration: fast, scale and lowest."""
    return {"fast": codec.tokenizer.to_str(), "scale": codec.scale, "lowest": codec.lowest}


def restored(fast: str, scale: float, lowest: int, room: int) -> FastCodec:
    """The codec again. Raises ActionTokenError when there is none, or more tokens than a vocabulary has room for."""
    if not fast:
        raise ActionTokenError("this system has no codec yet; fit one to its actions: config.prepared(chunks)")
    codec = FastCodec(tokenizer=Tokenizer.from_str(fast), scale=scale, lowest=lowest)
    if codec.size > room:
        raise ActionTokenError(f"{codec.size} FAST tokens do not fit into a vocabulary with room for {room}")
    return codec


class FastWords:
    """Chunks as sentences: `opening`, the tokens of a chunk, `closing`. last: the id that stands for token 0."""

    def __init__(self, codec: FastCodec, last: int, opening: tuple[int, ...], closing: tuple[int, ...]) -> None:
        self.codec, self._last, self._opening, self._closing = codec, last, opening, closing

    def ids(self, tokens: Tensor) -> Tensor:
        """The words that stand for these tokens."""
        return mirrored(tokens, self._last)

    def sentences(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """(B, L) ids of the chunks with what stands around, and which of them (B, L) are to be learned."""
        # What a robot lacks stands still.
        has = targets.weight.amax(1, keepdim=True) > 0
        actions = torch.where(has, targets.actions, 0.0).clamp(-LIMIT, LIMIT)
        said = self.codec.encode(actions.cpu().numpy())
        rows = [[*self._opening, *self.ids(torch.tensor(row)).tolist(), *self._closing] for row in said]
        ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        real = torch.arange(ids.shape[1]) < lengths[:, None]
        return ids.to(has.device), real.to(has.device) & has.any(-1)
