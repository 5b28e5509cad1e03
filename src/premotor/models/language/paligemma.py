"""PaliGemma (arXiv 2407.07726): pictures and words as one sequence, read by all of itself; what follows reads it.

Where there is no pretrained VLM, features of a frozen text encoder may stand in for its own words, and numbers are
told in words made for them.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs
from premotor.models.contract import Robots, SystemConfig
from premotor.models.fusion.decoder import DecoderConfig, Past
from premotor.models.heads.bins import Bins
from premotor.models.vision.letterbox import letterbox
from premotor.models.vision.siglip import SigLip

__all__ = ["PaliGemma", "PaliGemmaConfig", "PaliGemmaSizes", "Prefix"]

# Of a state that was normalised by quantiles.
_BINS = Bins.uniform(256)


@dataclass(frozen=True, slots=True)
class Prefix:
    """What was read: keys and values of each layer, and which of its tokens (B, P) are real."""

    past: Past
    real: Tensor

    @property
    def places(self) -> Tensor:
        """(B, 1) where the next token stands."""
        return self.real.sum(1, keepdim=True)

    def detached(self) -> "Prefix":
        """The same, for who reads it without teaching who has read."""
        return Prefix([(keys.detach(), values.detach()) for keys, values in self.past], self.real)


@dataclass(frozen=True, kw_only=True, slots=True)
class PaliGemmaSizes:
    """Sizes of the VLM, and what a robot shows and tells it; the defaults are the published ones.

    words: of fake inputs, any number will do. vocabulary: 0 for a VLM without words of its own. text_width: of the
    features that instructions come as, 0 where they come as ids. antialias: smooth pictures that shrink, as the
    published weights were trained; openpi's PyTorch code and LeRobot do not.
    """

    cameras: tuple[str, ...] = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
    state_dim: int = 32
    words: int = 48
    vocabulary: int = 257152
    text_width: int = 0
    image_size: int = 224
    antialias: bool = True
    patch: int = 14
    vision_width: int = 1152
    vision_layers: int = 27
    vision_heads: int = 16
    vision_mlp: int = 4304
    width: int = 2048
    mlp: int = 16384
    layers: int = 18
    heads: int = 8
    kv_heads: int = 1
    head_width: int = 256

    def reader(self) -> DecoderConfig:
        """Sizes of what reads pictures and words."""
        return DecoderConfig(
            width=self.width,
            layers=self.layers,
            mlp=self.mlp,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_width=self.head_width,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PaliGemmaConfig(PaliGemmaSizes, SystemConfig):
    """Of a system that is this VLM and more; see PaliGemmaSizes."""

    def told(self, robots: Robots) -> dict[str, Any]:
        """Sizes that robots decide, whatever else does."""
        return {"cameras": tuple(robots.cameras), "state_dim": robots.state_dim}

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        cameras = dict.fromkeys(self.cameras, (self.image_size, self.image_size))
        inputs = Inputs.fake(batch, cameras=cameras, words=(self.words, self.text_width), state=self.state_dim)
        if self.text_width:
            return inputs
        return replace(inputs, words=torch.randint(self.vocabulary, (batch, self.words)))


class PaliGemma(nn.Module):
    """Reads inputs. numbers: the state is told, too, in 256 words that are learned for it."""

    def __init__(self, config: PaliGemmaSizes, *, numbers: bool) -> None:
        super().__init__()
        self.config = c = config
        self.eye = SigLip(c.image_size, c.patch, c.vision_width, c.vision_layers, c.vision_heads, c.vision_mlp)
        self.seen = nn.Linear(c.vision_width, c.width)
        self.word = nn.Embedding(c.vocabulary, c.width) if c.vocabulary else None
        self.text = nn.Linear(c.text_width, c.width) if c.text_width else None
        self.number = nn.Embedding(_BINS.count, c.width) if numbers else None
        self.decoder = c.reader().build()

    def forward(self, inputs: Inputs) -> Prefix:
        """Read pictures and words, once."""
        tokens, real = self.tokens(inputs)
        # Nobody reads the padding, so it does not matter what padding reads.
        return Prefix(self.decoder.remember(tokens, real[:, None, None], real.cumsum(1) - 1), real)

    def tokens(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """(B, P, D) pictures, then words, and which of them (B, P) are real. A camera that is missing has none."""
        found = [*self.look(inputs), (self.read(inputs.words), inputs.words_mask)]
        if self.number is not None:
            numbers = self.number(_BINS.encode(inputs.state))
            found.append((numbers, torch.ones_like(numbers[..., 0], dtype=torch.bool)))
        tokens, real = zip(*found, strict=True)
        return torch.cat(tokens, 1), torch.cat(real, 1)

    def look(self, inputs: Inputs) -> list[tuple[Tensor, Tensor]]:
        """What each camera shows (B, N, D), and whether it does (B, N); nothing of a camera that is missing."""
        found = list[tuple[Tensor, Tensor]]()
        for camera in self.config.cameras:
            if camera in inputs.images:
                seen = self.see(self.picture(inputs.images[camera]))
                has = inputs.present.get(camera, torch.ones_like(inputs.embodiment, dtype=torch.bool))
                found.append((seen, has.view(-1, 1).expand(seen.shape[:2])))
        return found

    def read(self, words: Tensor) -> Tensor:
        """(B, L, D) of the words of an instruction, as ids or as features."""
        return self.embed(words) if self.text is None else self.text(words.to(self.seen.weight.dtype))

    def see(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) in -1..1 -> (B, T, D)."""
        return self.seen(self.eye(pixels))

    def embed(self, ids: Tensor) -> Tensor:
        """(B, L) ids of words -> (B, L, D)."""
        if ids.is_floating_point():
            raise SpecMismatch(f"words came as features {tuple(ids.shape)}; without text_width, ids are read")
        # Gemma is used to words that are longer than pictures, which come as they are.
        return self._own_words(ids) * math.sqrt(self.config.width)

    def score(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., V) how likely each word comes next, by the weights that words are read with."""
        return F.linear(features, self._own_words.weight)

    def follow(self, ids: Tensor, prefix: Prefix) -> tuple[Tensor, Past]:
        """Features (B, L, D) of words that follow a prefix, each reading those before, and the past with them."""
        count, before = ids.shape[1], prefix.real.shape[1]
        order = torch.ones(count, before + count, dtype=torch.bool, device=ids.device).tril(before)
        mask = order & F.pad(prefix.real, (0, count), value=True)[:, None, None]
        places = prefix.places + torch.arange(count, device=ids.device)
        return self.decoder(self.embed(ids), mask, places, past=prefix.past)

    def picture(self, image: Tensor) -> Tensor:
        """(B, H, W, 3) in 0..255 -> (B, 3, S, S) in -1..1."""
        c = self.config
        pixels = letterbox(image.permute(0, 3, 1, 2).float(), c.image_size, fill=0.0, antialias=c.antialias)
        return (pixels / 127.5 - 1).to(self.seen.weight.dtype)

    @property
    def _own_words(self) -> nn.Embedding:
        if self.word is None:
            raise SpecMismatch("this VLM has no words of its own (vocabulary 0): it reads features, and says nothing")
        return self.word
