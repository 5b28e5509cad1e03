"""The VLMs that RoboVLMs may think with, by name, in the sizes that there are of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs
from premotor.models.fusion.decoder import DecoderConfig, Past
from premotor.models.language.backbone import Backbone, in_order
from premotor.models.language.paligemma import PaliGemma, PaliGemmaSizes
from premotor.models.language.prismatic import STOP, Prismatic, PrismaticSizes, Span
from premotor.models.vision.squeeze import squeeze
from premotor.models.vision.stem import SmallStem

__all__ = ["SIZES", "Sizes", "SmallSizes", "backbone", "sizes"]

_EOS = 1  # of PaliGemma's tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallSizes:
    """Sizes of the small VLM; see PaliGemmaSizes. stem: channels, see SmallStem."""

    cameras: tuple[str, ...] = ("front", "wrist")
    words: int = 16
    vocabulary: int = 259
    text_width: int = 0
    image_size: int = 128
    patch: int = 16
    stem: tuple[int, ...] = (32, 64, 96, 128)
    width: int = 192
    mlp: int = 512
    layers: int = 4
    heads: int = 4


Sizes = PaliGemmaSizes | PrismaticSizes | SmallSizes

# fmt: off
SIZES: Mapping[str, Mapping[str, Sizes]] = {
    "paligemma": {
        "published": PaliGemmaSizes(),
        "nano": PaliGemmaSizes(
            words=16, vocabulary=259, image_size=128, patch=16,
            vision_width=128, vision_layers=4, vision_heads=4, vision_mlp=384,
            width=192, mlp=512, layers=4, heads=4, kv_heads=1, head_width=48,
        ),
        "toy": PaliGemmaSizes(
            words=6, vocabulary=320, image_size=32, patch=8,
            vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64,
            width=32, mlp=64, layers=2, heads=4, kv_heads=1, head_width=8,
        ),
    },
    "prismatic": {
        "published": PrismaticSizes(),
        "nano": PrismaticSizes(
            words=16, vocabulary=259, spoken=259, image_size=128, patch=16,
            dino_width=96, dino_layers=4, dino_heads=4, dino_mlp=288,
            siglip_width=96, siglip_layers=4, siglip_heads=4, siglip_mlp=288,
            width=192, mlp=512, layers=4, heads=4, kv_heads=4,
        ),
        "toy": PrismaticSizes(
            words=6, vocabulary=320, spoken=300, empty=40, image_size=28,
            dino_width=24, dino_layers=3, dino_heads=3, dino_mlp=48,
            siglip_width=32, siglip_layers=3, siglip_heads=4, siglip_mlp=48,
            width=32, mlp=48, layers=2, heads=4, kv_heads=4,
        ),
    },
    "small": {
        "nano": SmallSizes(),
        "toy": SmallSizes(words=6, vocabulary=320, image_size=32, patch=8, stem=(32, 32), width=32, mlp=64, layers=2),
    },
}
# fmt: on


def sizes(name: str, size: str, **changes: Any) -> Sizes:
    """The sizes of a backbone, some of them changed. Raises SpecMismatch when it does not come in this size."""
    if size not in SIZES[name]:
        raise SpecMismatch(f"the backbone {name!r} has no size {size!r}; it has {', '.join(SIZES[name])}")
    return replace(SIZES[name][size], **changes)


def backbone(c: Sizes, *, speaks: bool) -> Backbone:
    """The VLM of these sizes with fresh weights. speaks: words are said, so it has some even if it is told features."""
    if isinstance(c, PrismaticSizes):
        return _Prismatic(c, speaks=speaks)
    # What is neither read nor said would never learn.
    c = replace(c, vocabulary=0) if c.text_width and not speaks else c
    return _PaliGemma(c) if isinstance(c, PaliGemmaSizes) else _Small(c)


class _PaliGemma(Backbone):
    stop = _EOS

    def __init__(self, c: PaliGemmaSizes) -> None:
        super().__init__()
        self.width, self.spoken = c.width, c.vocabulary
        self.vlm = PaliGemma(c, numbers=False)
        if self.vlm.word is not None:
            _quieten(self.vlm.word)

    def look(self, inputs: Inputs) -> list[Span]:
        return self.vlm.look(inputs)

    def read(self, inputs: Inputs) -> tuple[Span, Span]:
        return _split(self.vlm.read(inputs.words), inputs.words_mask, int(self.vlm.text is None))

    def end(self, rows: int) -> list[Span]:
        return [] if self.vlm.text is not None else [_said(self, rows)]

    def word(self, ids: Tensor) -> Tensor:
        return self.vlm.embed(ids)

    def score(self, features: Tensor) -> Tensor:
        return self.vlm.score(features)

    def think(self, tokens: Tensor, real: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        return self.vlm.decoder(tokens, *in_order(real, tokens.shape[1]), past=past)


class _Prismatic(Backbone):
    stop = STOP

    def __init__(self, c: PrismaticSizes, *, speaks: bool) -> None:
        super().__init__()
        self.width, self.spoken = c.width, c.spoken
        self.vlm = Prismatic(c, speaks=speaks)

    def look(self, inputs: Inputs) -> list[Span]:
        return self.vlm.look(inputs)

    def read(self, inputs: Inputs) -> tuple[Span, Span]:
        return self.vlm.read(inputs)

    def end(self, rows: int) -> list[Span]:
        return [_said(self, rows)]

    def word(self, ids: Tensor) -> Tensor:
        words: Tensor = self.vlm.word(ids)
        return words

    def score(self, features: Tensor) -> Tensor:
        scores: Tensor = self.vlm.says(features)
        return scores

    def think(self, tokens: Tensor, real: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        features: tuple[Tensor, Past] = self.vlm.decoder(tokens, *in_order(real, tokens.shape[1]), past=past)
        return features


class _Small(Backbone):
    """Ours, to train on a CPU: a few convolutions see, a small decoder reads."""

    stop = STOP

    def __init__(self, c: SmallSizes) -> None:
        super().__init__()
        self.config, self.width, self.spoken = c, c.width, c.vocabulary
        self.eye = SmallStem(3, c.stem, c.width, c.patch)
        self.text = nn.Linear(c.text_width, c.width) if c.text_width else None
        self.words = nn.Embedding(c.vocabulary, c.width) if c.vocabulary else None
        if self.words is not None:
            _quieten(self.words)
        self.decoder = DecoderConfig(
            width=c.width, layers=c.layers, mlp=c.mlp, heads=c.heads, kv_heads=c.heads, head_width=c.width // c.heads
        ).build()

    def look(self, inputs: Inputs) -> list[Span]:
        found = list[Span]()
        for camera in self.config.cameras:
            if camera in inputs.images:
                pixels = squeeze(inputs.images[camera].permute(0, 3, 1, 2), self.config.image_size)
                tokens = self.eye(pixels.to(self.eye.patch.weight.dtype) / 127.5 - 1)
                has = inputs.present.get(camera, torch.ones_like(inputs.embodiment, dtype=torch.bool))
                found.append((tokens, has.view(-1, 1).expand(tokens.shape[:2])))
        return found

    def read(self, inputs: Inputs) -> tuple[Span, Span]:
        if self.text is None:
            return _split(self.word(inputs.words), inputs.words_mask, 1)
        return _split(self.text(inputs.words.to(self.text.weight.dtype)), inputs.words_mask, 0)

    def end(self, rows: int) -> list[Span]:
        return [] if self.text is not None else [_said(self, rows)]

    def word(self, ids: Tensor) -> Tensor:
        return self._own_words(ids)

    def score(self, features: Tensor) -> Tensor:
        return F.linear(features, self._own_words.weight)

    def think(self, tokens: Tensor, real: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        features: tuple[Tensor, Past] = self.decoder(tokens, *in_order(real, tokens.shape[1]), past=past)
        return features

    @property
    def _own_words(self) -> nn.Embedding:
        if self.words is None:
            raise SpecMismatch("this VLM has no words of its own (vocabulary 0): it reads features, and says nothing")
        return self.words


def _quieten(words: nn.Embedding) -> None:
    """Weights that words are both read and said with: all are about equally likely at first."""
    nn.init.normal_(words.weight, std=words.embedding_dim**-0.5)


def _split(tokens: Tensor, real: Tensor, first: int) -> tuple[Span, Span]:
    return (tokens[:, :first], real[:, :first]), (tokens[:, first:], real[:, first:])


def _said(vlm: Backbone, rows: int) -> Span:
    """The word that ends a sentence."""
    device = next(vlm.parameters()).device
    ids = torch.full((rows, 1), vlm.stop, device=device)
    return vlm.word(ids), torch.ones_like(ids, dtype=torch.bool)
