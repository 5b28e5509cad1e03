"""The Prismatic VLM of OpenVLA (arXiv 2402.07865): an eye of two towers, and Llama 2 (arXiv 2307.09288) that reads.

A sentence begins with BOS, then what is seen, then the prompt. Padding may stand anywhere: nobody reads it and places
are counted without it, so a sentence is the same whatever else is in the batch.

Where there is no pretrained VLM, features of a frozen text encoder may stand in for the words of the prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs
from premotor.models.contract import SystemConfig
from premotor.models.fusion.decoder import DecoderConfig, Past
from premotor.models.vision.prismatic import PrismaticEye, Tower
from premotor.models.vision.squeeze import squeeze

__all__ = ["BOS", "STOP", "Prismatic", "PrismaticConfig", "PrismaticSizes", "Span", "agreement", "before", "joined"]

BOS, STOP = 1, 2  # of Llama 2's tokenizer

# Tokens (B, T, D), and which of them (B, T) are real.
Span = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class PrismaticSizes:
    """Sizes of the VLM, and what a robot shows and tells it; the defaults are OpenVLA's as published.

    spoken: words of the tokenizer; ids from there on to `vocabulary` are padding. The last `bins` words stand for
    numbers. empty: the word between a prompt and the action. words: of fake inputs, any number will do. text_width: of
    the features that instructions come as, 0 where they come as ids. layers of a tower: as published, with the last
    one, which is not used. pixel_mean, pixel_std: what DINOv2 is shown, of 0..1; ImageNet's in the precision that they
    were published in.
    """

    cameras: tuple[str, ...] = ("primary",)
    action_dim: int = 7
    words: int = 32
    vocabulary: int = 32064
    spoken: int = 32000
    empty: int = 29871
    bins: int = 256
    text_width: int = 0
    image_size: int = 224
    pixel_mean: tuple[float, ...] = (0.484375, 0.455078125, 0.40625)
    pixel_std: tuple[float, ...] = (0.228515625, 0.2236328125, 0.224609375)
    patch: int = 14
    registers: int = 4
    dino_width: int = 1024
    dino_layers: int = 24
    dino_heads: int = 16
    dino_mlp: int = 4096
    siglip_width: int = 1152
    siglip_layers: int = 27
    siglip_heads: int = 16
    siglip_mlp: int = 4304
    width: int = 4096
    mlp: int = 11008
    layers: int = 32
    heads: int = 32
    kv_heads: int = 32
    eps: float = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class PrismaticConfig(PrismaticSizes, SystemConfig):
    """Of a system that is this VLM and more; see PrismaticSizes."""

    def inputs(self, batch: int, *, state: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        cameras = dict.fromkeys(self.cameras, (self.image_size, self.image_size))
        inputs = Inputs.fake(batch, cameras=cameras, words=(self.words, self.text_width), state=state)
        if self.text_width:
            return inputs
        return replace(inputs, words=torch.randint(self.spoken, (batch, self.words)))


class Prismatic(nn.Module):
    """Sees, reads and speaks. film: the towers are told what it is about. speaks: words are said at all."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: PrismaticSizes, *, film: bool = False, speaks: bool = True) -> None:
        super().__init__()
        self.config = c = config
        told, seen = c.width if film else 0, c.dino_width + c.siglip_width
        self.eye = PrismaticEye(
            Tower(
                c.image_size, c.patch, c.dino_width, c.dino_layers, c.dino_heads, c.dino_mlp,
                registers=c.registers, told=told,
            ),
            Tower(c.image_size, c.patch, c.siglip_width, c.siglip_layers, c.siglip_heads, c.siglip_mlp, told=told),
        )  # fmt: skip
        self.seen = nn.ModuleList(
            [nn.Linear(seen, 4 * seen), nn.Linear(4 * seen, c.width), nn.Linear(c.width, c.width)]
        )
        self.word = nn.Embedding(c.vocabulary, c.width)
        self.text = nn.Linear(c.text_width, c.width) if c.text_width else None
        self.decoder = DecoderConfig(
            width=c.width,
            layers=c.layers,
            mlp=c.mlp,
            heads=c.heads,
            kv_heads=c.kv_heads,
            head_width=c.width // c.heads,
            near_one=False,
            activation="silu",
            eps=c.eps,
        ).build()
        if speaks:
            self.says = nn.Linear(c.width, c.vocabulary, bias=False)
        # SigLIP is shown -1..1.
        for name, values in (("pixel_mean", c.pixel_mean), ("pixel_std", c.pixel_std)):
            both = torch.tensor([*values, 0.5, 0.5, 0.5]).view(6, 1, 1)
            self.register_buffer(name, both, persistent=False)

    def pixels(self, image: Tensor) -> Tensor:
        """(B, H, W, 3) in 0..255 -> (B, 6, S, S), for each tower as it was trained."""
        fitted = squeeze(image.permute(0, 3, 1, 2), self.config.image_size).float() / 255
        shown = (torch.cat([fitted, fitted], 1) - self.pixel_mean.float()) / self.pixel_std.float()
        return shown.to(self.word.weight.dtype)

    def look(self, inputs: Inputs, told: Tensor | None = None) -> list[Span]:
        """What each camera shows; nothing of a camera that is missing."""
        found = list[Span]()
        into, through, out = self.seen
        for camera in self.config.cameras:
            if camera in inputs.images:
                patches = self.eye(self.pixels(inputs.images[camera]), told)
                tokens = out(F.gelu(through(F.gelu(into(patches)))))
                has = inputs.present.get(camera, torch.ones_like(inputs.embodiment, dtype=torch.bool))
                found.append((tokens, has.view(-1, 1).expand(tokens.shape[:2])))
        return found

    def read(self, inputs: Inputs) -> tuple[Span, Span]:
        """BOS, and the rest of the prompt."""
        if self.text is not None:
            first = torch.full_like(inputs.words_mask[:, :1], BOS, dtype=torch.long)
            return self.spell(first), (self.text(inputs.words.to(self.word.weight.dtype)), inputs.words_mask)
        if inputs.words.is_floating_point():
            raise SpecMismatch("words are features; this VLM has words of its own, so give their ids")
        ids, real = _ended(inputs.words, inputs.words_mask, self.config.empty)
        words = self.word(ids)
        return (words[:, :1], real[:, :1]), (words[:, 1:], real[:, 1:])

    def spell(self, ids: Tensor) -> Span:
        """Ids (B, L) of words, all real."""
        return self.word(ids), torch.ones_like(ids, dtype=torch.bool)

    def think(self, tokens: Tensor, real: Tensor, *, causal: bool) -> tuple[Tensor, Past]:
        """Features of a sentence, each token reading those before it or all of them, and what later ones need."""
        mask = real[:, None, None]
        if causal:
            count = real.shape[1]
            mask = mask & torch.ones(count, count, dtype=torch.bool, device=real.device).tril()
        return self.decoder(tokens, mask, real.cumsum(1) - 1)

    def scored(self, features: Tensor, ids: Tensor, known: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Mean cross entropy, and its parts, of features (B, L, D) that shall say words (B, L) where known (B, L)."""
        return agreement(self.says(features[known]).float(), ids[known])

    def number(self, features: Tensor) -> Tensor:
        """(...) ids of the words said after features (..., D), of those that stand for numbers."""
        c = self.config
        first = c.spoken - c.bins
        return self.says(features)[..., first : c.spoken].argmax(-1) + first


def before(features: Tensor, real: Tensor, count: int) -> Tensor:
    """(B, count, D) features of the last real token before each of the last `count` tokens."""
    at = torch.arange(real.shape[1], device=real.device)
    last = torch.where(real, at, 0).cummax(1).values[:, -count - 1 : -1]
    return features.gather(1, last[..., None].expand(-1, -1, features.shape[-1]))


def agreement(scores: Tensor, right: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Mean cross entropy of scores (N, V) for the words that are right (N,), and its parts."""
    total = F.cross_entropy(scores, right, reduction="sum") / max(len(right), 1)
    hits = (scores.detach().argmax(-1) == right).sum() / max(len(right), 1)
    return total, {"loss": float(total.detach()), "accuracy": float(hits)}


def joined(spans: Sequence[Span]) -> Span:
    """One after the other."""
    tokens, real = zip(*spans, strict=True)
    return torch.cat(tokens, 1), torch.cat(real, 1)


def _ended(ids: Tensor, real: Tensor, empty: int) -> tuple[Tensor, Tensor]:
    """The prompt with the word `empty` at its end, as in training; not every tokenizer puts it there."""
    count = real.sum(1, keepdim=True)
    open_end = ids.gather(1, count - 1) != empty
    if bool((open_end & (count == ids.shape[1])).any()):
        ids, real = F.pad(ids, (0, 1)), F.pad(real, (0, 1))
    here = open_end & (torch.arange(ids.shape[1], device=ids.device) == count)
    return torch.where(here, empty, ids), real | here
