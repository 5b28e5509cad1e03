"""Transformer encoder and decoder in DETR's form (arXiv 2005.12872).

Positions are added to queries and keys in every layer, never to values, so content and place stay apart.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Activation", "DetrTransformer"]

Activation = Literal["relu", "gelu"]


class _Layer(nn.Module):
    """Tokens attend to themselves, to a memory if there is one, and each thinks alone."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float,
        *,
        cross: bool,
        pre_norm: bool,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.own = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.memory = nn.MultiheadAttention(width, heads, dropout, batch_first=True) if cross else None
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if cross else 2))
        self.dropout, self.pre_norm = nn.Dropout(dropout), pre_norm
        self.activation = F.relu if activation == "relu" else F.gelu

    def forward(
        self,
        x: Tensor,
        place: Tensor,
        padding: Tensor | None,
        memory: Tensor | None,
        memory_place: Tensor | None,
    ) -> Tensor:
        def attend(read: Tensor) -> Tensor:
            key = read + place
            return self.own(key, key, read, key_padding_mask=padding, need_weights=False)[0]

        def think(read: Tensor) -> Tensor:
            return self.down(self.dropout(self.activation(self.up(read))))

        x = self._add(0, x, attend)
        if self.memory is not None and memory is not None:
            key, cross = memory if memory_place is None else memory + memory_place, self.memory
            x = self._add(1, x, lambda read: cross(read + place, key, memory, need_weights=False)[0])
        return self._add(-1, x, think)

    def _add(self, index: int, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        """x and what the part makes of it, normalised before or after."""
        norm = self.norms[index]
        if self.pre_norm:
            return x + self.dropout(part(norm(x)))
        return norm(x + self.dropout(part(x)))


class DetrTransformer(nn.Module):
    """A stack of layers: tokens (B, N, D) -> (B, N, D), reading a memory (B, M, D) when made with cross=True.

    end_norm: normalise what comes out; a pre-norm stack needs it.
    """

    def __init__(
        self,
        layers: int,
        width: int,
        heads: int,
        hidden: int,
        dropout: float,
        *,
        cross: bool = False,
        pre_norm: bool = False,
        end_norm: bool = False,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Layer(width, heads, hidden, dropout, cross=cross, pre_norm=pre_norm, activation=activation)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width) if end_norm else nn.Identity()

    def forward(
        self,
        tokens: Tensor,
        place: Tensor,
        *,
        padding: Tensor | None = None,
        memory: Tensor | None = None,
        memory_place: Tensor | None = None,
    ) -> Tensor:
        """place and memory_place: positions that broadcast to tokens and memory; padding (B, N) True where empty."""
        for layer in self.layers:
            tokens = layer(tokens, place, padding, memory, memory_place)
        return self.norm(tokens)
