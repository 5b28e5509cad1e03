"""What is in a picture, one token a thing: slot attention (arXiv 2006.15055).

The slots compete for each cell, so that every cell is mostly explained by one of them. Nothing is drawn: each slot
starts from what it has learned, and is the same thing for the same picture.
"""

import torch
from torch import Tensor, nn

__all__ = ["ObjectSlots"]

_ROUNDS = 3


class ObjectSlots(nn.Module):
    """cells (B, N, D), mask (B, N) True where real -> slots (B, K, D)."""

    def __init__(self, width: int, slots: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(slots, width))
        self.before_cells, self.before_slots, self.before_think = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.update = nn.GRUCell(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, cells: Tensor, mask: Tensor) -> Tensor:
        """Find them; see the class for shapes."""
        cells = self.before_cells(cells)
        keys, values = self.key(cells), self.value(cells)
        slots = self.start.expand(len(cells), -1, -1)
        for _ in range(_ROUNDS):
            asked = self.query(self.before_slots(slots))
            scores = asked @ keys.transpose(1, 2) * keys.shape[-1] ** -0.5
            share = scores.softmax(1) * mask[:, None]
            share = share / (share.sum(-1, keepdim=True) + 1e-6)
            read = self.update((share @ values).flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
            slots = read + self.think(self.before_think(read))
        return slots
