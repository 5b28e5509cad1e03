"""SmolVLM2 (arXiv 2504.05299): as PaliGemma, but with a Llama for a Gemma, and fewer tokens to a picture.

Pictures come as SmolVLA shows them: whole, at the bottom right of a black square, and as strong as words.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from premotor.models.fusion.decoder import DecoderConfig
from premotor.models.language.paligemma import PaliGemma, PaliGemmaConfig
from premotor.models.vision.letterbox import letterbox
from premotor.models.vision.shuffle import pixel_shuffle

__all__ = ["SmolVlm", "SmolVlmConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SmolVlmConfig(PaliGemmaConfig):
    """Sizes; the defaults are those of the first half of SmolVLM2-500M. See PaliGemmaConfig for the others.

    shuffle: a square of so many tokens a side is seen as one.
    """

    vocabulary: int = 49280
    image_size: int = 512
    antialias: bool = False
    patch: int = 16
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    vision_mlp: int = 3072
    shuffle: int = 4
    width: int = 960
    mlp: int = 2560
    layers: int = 16
    heads: int = 15
    kv_heads: int = 5
    head_width: int = 64

    def reader(self) -> DecoderConfig:
        """Sizes of what reads pictures and words. SmolVLA turns its angles as PaliGemma does, not as SmolVLM2 did."""
        return DecoderConfig(
            width=self.width,
            layers=self.layers,
            mlp=self.mlp,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_width=self.head_width,
            near_one=False,
            activation="silu",
            eps=1e-5,
        )


class SmolVlm(PaliGemma):
    """Reads inputs."""

    config: SmolVlmConfig

    def __init__(self, config: SmolVlmConfig) -> None:
        super().__init__(config, numbers=False)
        self.seen = nn.Linear(config.vision_width * config.shuffle**2, config.width, bias=False)

    def see(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) in -1..1 -> (B, T, D)."""
        return self.seen(pixel_shuffle(self.eye(pixels), self.config.shuffle)) * math.sqrt(self.config.width)

    def picture(self, image: Tensor) -> Tensor:
        """(B, H, W, 3) in 0..255 -> (B, 3, S, S) in -1..1."""
        c, pixels = self.config, image.permute(0, 3, 1, 2).float()
        fitted = letterbox(pixels, c.image_size, fill=0.0, antialias=c.antialias, centred=False)
        return (fitted / 127.5 - 1).to(self.seen.weight.dtype)
