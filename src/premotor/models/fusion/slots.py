"""Transformer fusion through slots: a few learned tokens read the words, then the cameras, block after block.

Cost grows with the number of slots (8), not with the number of image cells squared, which is what makes a
transformer affordable on a CPU. The idea of learned queries reading a larger set is Perceiver's
(arXiv 2103.03206); reading words and image in turn lets a reference such as "the block next to the bowl" be
resolved in two steps.
"""

import torch
from torch import Tensor, nn

__all__ = ["Attention", "SlotFusion"]


class Attention(nn.Module):
    """Multi-head attention of queries (B, Q, D) over memory (B, M, E); mask (B, M) is True where memory is real.

    Keys and values are the memory itself: each head projects the few queries into the memory's space and what was read
    out of it, which are the same products in another order, and an eighth of the work where M is many times Q.
    """

    def __init__(self, width: int, heads: int, memory: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, heads * memory)
        self.out = nn.Linear(heads * memory, width)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, Q, D) read from memory."""
        b, n, _ = queries.shape
        asked = self.query(queries).view(b, -1, memory.shape[-1])
        scores = asked @ memory.transpose(1, 2) * memory.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        read = scores.softmax(-1).to(memory.dtype) @ memory
        return self.out(read.view(b, n, -1))


class _Block(nn.Module):
    """Slots read the words, the cameras, then each other; then each thinks alone. Pre-norm residual."""

    def __init__(self, width: int, heads: int, cells: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.words = Attention(width, heads, width)
        self.cells = Attention(width, heads, cells)
        self.slots = Attention(width, heads, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, slots: Tensor, words: Tensor, mask: Tensor, cells: Tensor) -> Tensor:
        slots = slots + self.words(self.norms[0](slots), words, mask)
        slots = slots + self.cells(self.norms[1](slots), cells)
        normed = self.norms[2](slots)
        slots = slots + self.slots(normed, normed)
        return slots + self.mlp(self.norms[3](slots))


class SlotFusion(nn.Module):
    """words (B, L, D), mask (B, L), cells (B, M, E), context (B, K, D) -> slots (B, K, D).

    context (proprioception, embodiment, what is remembered) is added to the slots before the first block.
    """

    def __init__(self, width: int, heads: int, blocks: int, slots: int, cells: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(slots, width) * 0.5)
        self.blocks = nn.ModuleList(_Block(width, heads, cells) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, mask: Tensor, cells: Tensor, context: Tensor) -> Tensor:
        """Fuse; see the class for shapes."""
        slots = self.start + context
        for block in self.blocks:
            slots = block(slots, words, mask, cells)
        return self.norm(slots)
