"""A plain transformer encoder: pre-norm blocks over one sequence, told by a mask who may read whom.

That of `detr.py` stays another: it adds places in every layer, and its weights hold query, key and value in one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.fusion.masks import additive

__all__ = ["Encoder"]

_EPS = 1e-6


class _SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        if bias is not None and q.dtype != bias.dtype:
            # The lowest number of a wider type would become -inf.
            bias = bias.clamp(min=torch.finfo(q.dtype).min).to(q.dtype)
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(read.transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.before_read, self.before_think = (nn.LayerNorm(width, eps=_EPS) for _ in range(2))
        self.read = _SelfAttention(width, heads)
        self.widen, self.narrow = nn.Linear(width, mlp), nn.Linear(mlp, width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.read(self.before_read(x), bias)
        return x + self.narrow(F.gelu(self.widen(self.before_think(x)), approximate="tanh"))


class Encoder(nn.Module):
    """x (B, T, D), mask (B, T, T) True where the row may read the column, None when all may -> (B, T, D)."""

    def __init__(self, width: int, layers: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width, heads, mlp) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=_EPS)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode; see the class for shapes."""
        bias = None if mask is None else additive(mask, x.dtype)[:, None]
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)
