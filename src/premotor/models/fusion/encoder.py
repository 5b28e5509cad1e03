"""A plain transformer encoder: pre-norm blocks over one sequence, told by a mask who may read whom.

That of `detr.py` stays another: it adds places in every layer, and its weights hold query, key and value in one.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.fusion.decoder import rotate
from premotor.models.fusion.masks import additive

__all__ = ["Encoder"]

# Cosine and sine, each (T, W / 2) for heads so wide.
_Angles = tuple[Tensor, Tensor]


class _SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, bias: Tensor | None, angles: _Angles | None) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        if angles is not None:
            q, k = rotate(q, angles), rotate(k, angles)
        if bias is not None and q.dtype != bias.dtype:
            # The lowest number of a wider type would become -inf.
            bias = bias.clamp(min=torch.finfo(q.dtype).min).to(q.dtype)
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(read.transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, mlp: int, told: int, *, scaled: bool, exact: bool, eps: float) -> None:
        super().__init__()
        self.approximate = "none" if exact else "tanh"
        self.before_read, self.before_think = (nn.LayerNorm(width, eps=eps) for _ in range(2))
        self.read = _SelfAttention(width, heads)
        self.widen, self.narrow = nn.Linear(width, mlp), nn.Linear(mlp, width)
        self.read_scale = nn.Parameter(torch.ones(width)) if scaled else None
        self.think_scale = nn.Parameter(torch.ones(width)) if scaled else None
        if told:
            self.factor, self.shift = nn.Linear(told, width), nn.Linear(told, width)

    def forward(self, x: Tensor, bias: Tensor | None, told: Tensor | None, angles: _Angles | None) -> Tensor:
        x = x + _scaled(self.read(self.before_read(x), bias, angles), self.read_scale)
        if told is not None:
            x = x * (1 + self.factor(told)) + self.shift(told)
        opened = F.gelu(self.widen(self.before_think(x)), approximate=self.approximate)
        return x + _scaled(self.narrow(opened), self.think_scale)


class Encoder(nn.Module):
    """x (B, T, D), mask (B, T, T) True where the row may read the column, None when all may -> (B, T, D).

    told: width of a condition (B, T or 1, C) that scales and shifts what was read (arXiv 1709.07871), 0 for none.
    scaled: what a block adds has a learned scale (arXiv 2103.17239). exact: GELU itself, not its tanh form.
    end_norm: what comes out is normalised. eps: of the norms.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        mlp: int,
        *,
        told: int = 0,
        scaled: bool = False,
        exact: bool = False,
        end_norm: bool = True,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _Block(width, heads, mlp, told, scaled=scaled, exact=exact, eps=eps) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width, eps=eps) if end_norm else nn.Identity()
        for name, part in self.named_modules():
            if isinstance(part, nn.Linear):
                # A condition changes nothing before it has been learned.
                conditions = name.endswith(("factor", "shift"))
                (nn.init.zeros_ if conditions else nn.init.xavier_uniform_)(part.weight)
                nn.init.zeros_(part.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, told: Tensor | None = None) -> Tensor:
        """Encode; see the class for shapes."""
        for layer in self.layers(x, mask, told=told):
            x = layer
        return self.norm(x)

    def layers(
        self, x: Tensor, mask: Tensor | None = None, *, told: Tensor | None = None, angles: _Angles | None = None
    ) -> Iterator[Tensor]:
        """(B, T, D) after each block. angles: queries and keys are turned by where their token stands."""
        bias = None if mask is None else additive(mask, x.dtype)[:, None]
        for block in self.blocks:
            x = block(x, bias, told, angles)
            yield x


def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else x * scale
