"""Transformer fusion through slots: a few learned tokens read the words, then the cameras, block after block.

Cost grows with the number of slots (8), not with the number of image cells squared, which is what makes a
transformer affordable on a CPU. The idea of learned queries reading a larger set is Perceiver's
(arXiv 2103.03206); reading words and image in turn lets a reference such as "the block next to the bowl" be
resolved in two steps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Attention", "SlotFusion"]


class Attention(nn.Module):
    """Multi-head attention of queries (B, Q, D) over memory (B, M, D); mask (B, M) is True where memory is real."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.memory = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, Q, D) read from memory."""
        b, n, d = queries.shape
        q = self.query(queries).view(b, n, self.heads, -1).transpose(1, 2)
        k, v = self.memory(memory).view(b, memory.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        where = None if mask is None else mask[:, None, None, :]
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=where)
        return self.out(read.transpose(1, 2).reshape(b, n, d))


class _Block(nn.Module):
    """Slots read the words, the cameras, then each other; then each thinks alone. Pre-norm residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.words = Attention(width, heads)
        self.cells = Attention(width, heads)
        self.slots = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, slots: Tensor, words: Tensor, mask: Tensor, cells: Tensor) -> Tensor:
        slots = slots + self.words(self.norms[0](slots), words, mask)
        slots = slots + self.cells(self.norms[1](slots), cells)
        normed = self.norms[2](slots)
        slots = slots + self.slots(normed, normed)
        return slots + self.mlp(self.norms[3](slots))


class SlotFusion(nn.Module):
    """words (B, L, D), mask (B, L), cells (B, M, D), context (B, D) -> slots (B, K, D).

    context (proprioception and embodiment) is added to every slot before the first block.
    """

    def __init__(self, width: int, heads: int, blocks: int, slots: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(slots, width) * 0.5)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, mask: Tensor, cells: Tensor, context: Tensor) -> Tensor:
        """Fuse; see the class for shapes."""
        slots = self.start + context[:, None]
        for block in self.blocks:
            slots = block(slots, words, mask, cells)
        return self.norm(slots)
