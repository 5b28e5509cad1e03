"""The decoder that today's language models share: rotary places, fewer heads for keys than for queries, a gated MLP.

Two streams with one attention, such as an action expert beside a language model, are two decoders with heads alike:
the first reads only its own tokens, so it goes first, and the second is handed its keys and values as `past`. That is
the same arithmetic as running both together, and when acting, the past is computed once and read at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Block", "Decoder", "DecoderConfig", "Norm", "Past", "rotary", "rotate"]

# Keys and values of each layer, both (B, K, T, W).
Past = Sequence[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """Sizes; what is not one is Gemma's unless changed.

    near_one: norms hold how far their factors are from 1, else the factors. told: width of a condition that sets the
    factors instead, 0 where there is none. bias: queries, keys and values have one. head_norm: queries and keys are
    normalised head by head. base: of the rotary angles. sections: how many of the angles tell the time, the row and
    the column of a token that has all three, () where places are one number. end_norm: what comes out is normalised.
    """

    width: int
    layers: int
    mlp: int
    heads: int
    kv_heads: int
    head_width: int
    near_one: bool = True
    told: int = 0
    bias: bool = False
    head_norm: bool = False
    activation: Literal["gelu", "silu"] = "gelu"
    base: float = 10000.0
    sections: tuple[int, ...] = ()
    eps: float = 1e-6
    end_norm: bool = True

    def build(self) -> "Decoder":
        """Make the decoder with fresh weights."""
        return Decoder(self)


class Decoder(nn.Module):
    """x (B, T, D) -> (B, T, D), and what later tokens need of it.

    mask: (B or 1, 1, T, P + T) True where the row may read the column, the P tokens of the past first; every row must
    read something. places: (B or 1, T), or (3, B or 1, T) with sections. told: (B, 1 or T, C).
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config, config.width) for _ in range(config.layers))
        self.norm = Norm(config) if config.end_norm else None

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        places: Tensor,
        *,
        told: Tensor | None = None,
        past: Past | None = None,
        added: Sequence[Tensor] = (),
    ) -> tuple[Tensor, Past]:
        """Features, and the past with these tokens added; see the class for shapes.

        added: (B, T, D) each, on top of what comes out of the first layers (DeepStack, arXiv 2406.04334).
        """
        angles, read = rotary(places, self.config), []
        for index, block in enumerate(self.blocks):
            x, kept = block(x, mask, angles, told, None if past is None else past[index])
            x = x + added[index] if index < len(added) else x
            read.append(kept)
        return (x if self.norm is None else self.norm(x, told)[0]), read

    def remember(self, x: Tensor, mask: Tensor, places: Tensor) -> Past:
        """What later tokens need of these and no more: what only makes features in the last layer is left out."""
        angles, read = rotary(places, self.config), []
        for block in self.blocks[:-1]:
            x, kept = block(x, mask, angles, None, None)
            read.append(kept)
        return [*read, self._last.keep(self._last.before_read(x, None)[0], angles)]

    def unread(self) -> list[nn.Parameter]:
        """The weights that `remember` leaves out."""
        last = self._last
        parts = (last.query, last.out, last.before_think, last.gate, last.widen, last.narrow, self.norm)
        return [weight for part in parts if part is not None for weight in part.parameters()]

    @property
    def _last(self) -> "Block":
        return cast(Block, self.blocks[-1])


class Norm(nn.Module):
    """Divides by the root of the mean square; gives back, too, how much of what follows is added to the residual."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.eps, self.near_one = config.eps, config.near_one
        if config.told:
            # At first, factors are 1, nothing is shifted and nothing added.
            self.factors = nn.Linear(config.told, 3 * config.width)
            nn.init.zeros_(self.factors.weight)
            nn.init.zeros_(self.factors.bias)
        else:
            self.weight = nn.Parameter(torch.full((config.width,), 0.0 if config.near_one else 1.0))

    def forward(self, x: Tensor, told: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Normalised, and the share; told (B, 1 or T, C)."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        if told is None:
            weight = self.weight.float()
            return (wide * (1 + weight if self.near_one else weight)).to(x.dtype), None
        factor, shift, gate = self.factors(told).chunk(3, -1)
        return (wide * (1 + factor.float()) + shift.float()).to(x.dtype), gate


class Block(nn.Module):
    """One layer: reads, then thinks. source: width of what keys and values are made of."""

    def __init__(self, c: DecoderConfig, source: int) -> None:
        super().__init__()
        self.config = c
        self.before_read, self.before_think = Norm(c), Norm(c)
        self.query = nn.Linear(c.width, c.heads * c.head_width, bias=c.bias)
        self.key, self.value = (nn.Linear(source, c.kv_heads * c.head_width, bias=c.bias) for _ in range(2))
        self.out = nn.Linear(c.heads * c.head_width, c.width, bias=False)
        if c.head_norm:
            self.query_norm, self.key_norm = (nn.RMSNorm(c.head_width, eps=c.eps) for _ in range(2))
        self.gate, self.widen = (nn.Linear(c.width, c.mlp, bias=False) for _ in range(2))
        self.narrow = nn.Linear(c.mlp, c.width, bias=False)

    def keep(self, x: Tensor, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Keys and values of normalised features."""
        k = self.split(self.key(x))
        return rotate(self.key_norm(k) if self.config.head_norm else k, angles), self.split(self.value(x))

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        angles: tuple[Tensor, Tensor],
        told: Tensor | None,
        past: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """What becomes of x (B, T, D), and the keys and values that were read."""
        at, share = self.before_read(x, told)
        k, v = self.keep(at, angles)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        x = _added(x, self.read(at, k, v, mask, angles), share)
        return self.think(x, told), (k, v)

    def read(self, at: Tensor, k: Tensor, v: Tensor, mask: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        """What normalised features find among keys and values."""
        q = self.split(self.query(at))
        q = rotate(self.query_norm(q) if self.config.head_norm else q, angles)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        return self.out(found.transpose(1, 2).flatten(2))

    def think(self, x: Tensor, told: Tensor | None) -> Tensor:
        """Each token for itself."""
        at, share = self.before_think(x, told)
        opened = self.gate(at)
        opened = F.silu(opened) if self.config.activation == "silu" else F.gelu(opened, approximate="tanh")
        return _added(x, self.narrow(opened * self.widen(at)), share)

    def split(self, x: Tensor) -> Tensor:
        """(B, T, heads * W) -> (B, heads, T, W)."""
        return x.view(*x.shape[:2], -1, self.config.head_width).transpose(1, 2)


def rotary(places: Tensor, config: DecoderConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each (B, 1, T, W / 2), of where tokens (B, T), or (3, B, T) with sections, stand."""
    steps = torch.arange(0, config.head_width, 2, dtype=torch.float32, device=places.device) / config.head_width
    angles = places[..., None, :, None].float() * config.base**-steps
    if config.sections:
        angles = _sectioned(angles, config.sections)
    return angles.cos(), angles.sin()


def _sectioned(angles: Tensor, sections: tuple[int, ...]) -> Tensor:
    """(3, B, 1, T, W / 2) -> (B, 1, T, W / 2): time, row and column in turns, and time for the rest."""
    axis = torch.zeros(angles.shape[-1], dtype=torch.long, device=angles.device)
    for index in (1, 2):
        axis[index : 3 * sections[index] : 3] = index
    return angles.gather(0, axis.expand(1, *angles.shape[1:]))[0]


def _added(x: Tensor, more: Tensor, share: Tensor | None) -> Tensor:
    return x + (more if share is None else more * share)


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (first half, second half) of each head (..., T, W) by the angles of where the token stands.

    angles: their cosine and sine, (..., T, W / 2) each.
    """
    cos, sin = angles
    first, second = x.float().chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)
