"""The encoder of T5 (arXiv 1910.10683): ids of words -> features, every position read by all real ones.

Where a word stands is told by a learned bias on how far apart two words are, the same in all blocks.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.fusion.masks import additive

__all__ = ["T5Config", "T5Encoder"]


@dataclass(frozen=True, kw_only=True, slots=True)
class T5Config:
    """Sizes; those of T5-base unless changed. buckets and farthest: how distances between words are told apart."""

    vocabulary: int = 32128
    width: int = 768
    layers: int = 12
    heads: int = 12
    head_width: int = 64
    mlp: int = 3072
    buckets: int = 32
    farthest: int = 128

    def build(self) -> "T5Encoder":
        """Make the encoder with fresh weights."""
        return T5Encoder(self)


class _Norm(nn.Module):
    """Divides by the root of the mean square; nothing is subtracted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight


class _Block(nn.Module):
    def __init__(self, c: T5Config) -> None:
        super().__init__()
        inner, self.heads = c.heads * c.head_width, c.heads
        self.before_read, self.before_think = _Norm(c.width), _Norm(c.width)
        self.query, self.key, self.value = (nn.Linear(c.width, inner, bias=False) for _ in range(3))
        self.out = nn.Linear(inner, c.width, bias=False)
        self.widen, self.narrow = nn.Linear(c.width, c.mlp, bias=False), nn.Linear(c.mlp, c.width, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        at = self.before_read(x)
        q, k, v = (
            part(at).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        # Scores are not divided by the root of the width.
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
        x = x + self.out(read.transpose(1, 2).flatten(2))
        return x + self.narrow(F.relu(self.widen(self.before_think(x))))


class T5Encoder(nn.Module):
    """ids (B, L), mask (B, L) True where a word is -> features (B, L, D)."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocabulary, config.width)
        self.distance = nn.Embedding(config.buckets, config.heads)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = _Norm(config.width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Encode; see the class for shapes."""
        x, at = self.embed(ids), torch.arange(ids.shape[1], device=ids.device)
        near = self.distance(_bucket(at[None] - at[:, None], self.config.buckets, self.config.farthest))
        bias = near.permute(2, 0, 1)[None] + additive(mask, x.dtype)[:, None, None]
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)


def _bucket(ahead: Tensor, buckets: int, farthest: int) -> Tensor:
    """Which bucket a distance falls into: half are for what is ahead; small distances exactly, large by logarithm."""
    half, exact = buckets // 2, buckets // 4
    far = ahead.abs()
    ratio = torch.log(far.clamp(min=1).float() / exact) / math.log(farthest / exact)
    coarse = (exact + (ratio * (half - exact)).long()).clamp(max=half - 1)
    return torch.where(far < exact, far, coarse) + half * (ahead > 0)
