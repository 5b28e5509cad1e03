"""pi0-FAST (arXiv 2501.09747): a VLM says a chunk of actions as a sentence of FAST tokens.

Pictures and words are read as in pi0; then "Action: ", the tokens and "|" follow one by one. Each reads what was said
before. FAST tokens stand in place of the VLM's last words. The state is told in the instruction.

Faithful: loss, gradients and tokens are LeRobot's (models/weights/pi0_fast.py), whose sentence begins with a further
<bos>; openpi's has none, and averages the loss within each sample first. Not faithful: `sample` says only what is a
chunk (heads/spelling.py), where published code says anything, as `say` does, and takes what is no chunk for zeros.
With `text_width`, see models/language/paligemma.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System
from premotor.models.heads.fast import FastCodec
from premotor.models.heads.fast_words import LIMIT, FastWords, codec_for, restored, stored
from premotor.models.heads.spelling import Spelling
from premotor.models.language.paligemma import PaliGemma, PaliGemmaConfig, Prefix
from premotor.models.language.talk import hear, talk

__all__ = ["Pi0Fast", "Pi0FastConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pi0FastConfig(PaliGemmaConfig):
    """Sizes; the defaults are the published ones. See PaliGemmaConfig for the others.

    opening, closing: ids before and after the tokens of a chunk. kept: ids at the end of the vocabulary that FAST
    leaves alone. tied: words said share their weights with words read. fast: the tokenizer of the codec as JSON, with
    its scale and lowest; see `fitted`.
    """

    words: int = 180
    action_dim: int = 32
    horizon: int = 32
    opening: tuple[int, ...] = (2, 4022, 235292, 235248)
    closing: tuple[int, ...] = (235371, 1)
    kept: int = 128
    tied: bool = True
    fast: str = ""
    scale: float = 10.0
    lowest: int = 0

    @classmethod
    def published(cls) -> Self:
        """The published size, 2.9 billion numbers, without a codec yet."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder; fit a codec to its data."""
        return cls(
            cameras=("front", "wrist"), state_dim=17, action_dim=7, horizon=12, words=16, text_width=384,
            vocabulary=1026, opening=(0,), closing=(1,), kept=0, image_size=128, patch=16,
            vision_width=128, vision_layers=4, vision_heads=4, vision_mlp=384,
            width=192, mlp=512, layers=4, heads=4, kv_heads=1, head_width=48,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        config = cls(
            cameras=("front", "wrist"), state_dim=7, action_dim=7, horizon=6, words=12, vocabulary=512,
            opening=(2, 5), closing=(6, 1), kept=16, image_size=32, patch=8,
            vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64,
            width=32, mlp=64, layers=2, heads=4, kv_heads=1, head_width=8,
        )  # fmt: skip
        still = np.full((config.horizon, config.action_dim), LIMIT)
        return config.fitted([still, -still], 300)

    def fitted(self, chunks: Sequence[ArrayLike] | NDArray[Any], vocabulary: int = 1024) -> Self:
        """The same with a codec of this many tokens that can spell chunks like these (H, D)."""
        return self.with_codec(FastCodec.fit(chunks, vocabulary, self.scale))

    def with_codec(self, codec: FastCodec) -> Self:
        """The same with this codec."""
        return replace(self, **stored(codec))

    def codec(self) -> FastCodec:
        """The codec. Raises ActionTokenError when there is none, or the vocabulary has no room for it."""
        return restored(self.fast, self.scale, self.lowest, self.vocabulary - self.kept)

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        return replace(self, **self.told(robots), action_dim=robots.action_dim)

    def prepared(self, chunks: NDArray[np.floating]) -> Self:
        """The same with a codec for such chunks, which can spell any within the limit."""
        room = self.vocabulary - self.kept - max(self.opening + self.closing) - 1
        return self.with_codec(codec_for(chunks, min(1024, room), self.scale))

    def build(self) -> "Pi0Fast":
        """Make the policy with fresh weights."""
        return Pi0Fast(self)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.horizon, self.action_dim)
        return Targets(actions=torch.randn(action).clamp(-LIMIT, LIMIT), weight=torch.ones(action))


class Pi0Fast(System):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: Pi0FastConfig) -> None:
        super().__init__()
        self.config = c = config
        self.vlm = PaliGemma(c, numbers=bool(c.text_width))
        self.spoken = None if c.tied else nn.Linear(c.width, c.vocabulary, bias=False)
        self.fast = self._words() if c.fast else None

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss, the cross entropy of a token, and its parts."""
        targets.must_be(len(self.config.taught))
        ids, real = self.sentences(targets)
        features, _ = self.vlm.follow(ids[:, :-1], self.vlm(inputs))
        error = F.cross_entropy(self.scores(features).transpose(1, 2), ids[:, 1:], reduction="none")
        weight = real[:, 1:].float()
        total = (error * weight).sum() / weight.sum().clamp(min=1.0)
        return total, {"loss": float(total.detach())}

    def sentences(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """(B, L) ids of the chunks with what stands before and after, and which of them (B, L) are to be learned."""
        return self._fast().sentences(targets)

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions: the best token that is part of a chunk, again and again."""
        c, fast, device = self.config, self._fast(), inputs.state.device
        spelling = Spelling(fast.codec, c.horizon * c.action_dim, len(inputs.state), device)
        ours = fast.ids(torch.arange(fast.codec.size, device=device))

        def choose(scores: Tensor) -> Tensor | None:
            best = spelling.choose(scores[:, ours])
            return None if spelling.done else ours[best]

        talk(self.vlm, *hear(self.vlm, self._row(c.opening, inputs), self.vlm(inputs)), self.scores, choose)
        return torch.from_numpy(fast.codec.decode(spelling.ids(), c.horizon, c.action_dim)).float().to(device)

    @torch.inference_mode()
    def say(self, inputs: Inputs, limit: int, *, as_published: bool = False) -> Tensor:
        """(B, L) the best ids, whatever they mean, until each row has closed or there are `limit` of them.

        as_published: pictures and words read <bos>, too, which LeRobot has them do when it acts, but not in training.
        """
        said: list[Tensor] = []

        def choose(scores: Tensor) -> Tensor | None:
            said.append(scores.argmax(1))
            closed = (torch.stack(said, 1) == self.config.closing[0]).any(1).all()
            return None if bool(closed) or len(said) == limit else said[-1]

        begin = self._row(self.config.opening[:1], inputs)
        if as_published:
            words = torch.cat([inputs.words, begin], 1)
            tokens, real = self.vlm.tokens(
                replace(inputs, words=words, words_mask=F.pad(inputs.words_mask, (0, 1), value=True))
            )
            features, past = self.vlm.decoder(tokens, real[:, None, None], real.cumsum(1) - 1)
            talk(self.vlm, features[:, -1], Prefix(past, real), self.scores, choose)
        else:
            talk(self.vlm, *hear(self.vlm, begin, self.vlm(inputs)), self.scores, choose)
        return torch.stack(said, 1)

    def _row(self, ids: tuple[int, ...], inputs: Inputs) -> Tensor:
        return torch.tensor(ids, device=inputs.state.device).expand(len(inputs.state), -1)

    def scores(self, features: Tensor) -> Tensor:
        """How likely each word comes next."""
        return self.vlm.score(features) if self.spoken is None else self.spoken(features)

    def _fast(self) -> FastWords:
        return self._words() if self.fast is None else self.fast

    def _words(self) -> FastWords:
        c = self.config
        return FastWords(c.codec(), c.vocabulary - 1 - c.kept, c.opening, c.closing)
