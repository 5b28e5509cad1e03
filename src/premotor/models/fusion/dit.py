"""A diffusion transformer (arXiv 2212.09748) that reads what a VLM left behind, as GR00T's (arXiv 2503.14734).

Blocks take turns: the even ones read the context, the odd ones the sequence itself. The step of denoising scales and
shifts what each of them is shown. Without a step, and reading only itself, a block is a plain transformer's.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Block", "DiT"]

_STEP_CODE = 256


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.value = (nn.Linear(context, width) for _ in range(2))

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        parts = ((self.query, x), (self.key, context), (self.value, context))
        q, k, v = (part(of).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part, of in parts)
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(read.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x (B, T, D) -> (B, T, D). context: width of what is read instead of x, 0 for x. step: it is told a step."""

    def __init__(self, width: int, heads: int, *, context: int = 0, step: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.before_read, self.before_think = (nn.LayerNorm(width, elementwise_affine=not step) for _ in range(2))
        self.told = nn.Linear(width, 2 * width) if step else None
        self.read = _Attention(width, heads, context or width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, *, context: Tensor | None = None, mask: Tensor | None = None, step: Tensor | None = None
    ) -> Tensor:
        """context: (B, S, C); mask: (B, 1, 1, S or T), True where it may be read; step: (B, D), coded."""
        at = self.before_read(x)
        if self.told is not None and step is not None:
            scale, shift = self.told(F.silu(step))[:, None].chunk(2, -1)
            at = at * (1 + scale) + shift
        # Dropped twice, as published.
        x = x + self.drop(self.drop(self.read(at, at if context is None else context, mask)))
        opened = self.drop(F.gelu(self.widen(self.before_think(x)), approximate="tanh"))
        return x + self.drop(self.narrow(opened))


class DiT(nn.Module):
    """x (B, T, D) at steps (B,), and a context (B, S, C) -> (B, T, out)."""

    def __init__(self, width: int, layers: int, heads: int, context: int, out: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.step_in, self.step_out = nn.Linear(_STEP_CODE, width), nn.Linear(width, width)
        self.blocks = nn.ModuleList(
            Block(width, heads, context=0 if index % 2 else context, step=True, dropout=dropout)
            for index in range(layers)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.told, self.out = nn.Linear(width, 2 * width), nn.Linear(width, out)

    def forward(self, x: Tensor, steps: Tensor, context: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        """masks: (B, 1, 1, S) each, True where the context may be read; blocks that read it take them in turns."""
        step = self.code(steps)
        for index, block in enumerate(self.blocks):
            if index % 2:
                x = block(x, step=step)
            else:
                x = block(x, context=context, mask=masks[index // 2 % len(masks)], step=step)
        # Not in the order that the blocks have it in, as published.
        shift, scale = self.told(F.silu(step))[:, None].chunk(2, -1)
        return self.out(self.norm(x) * (1 + scale) + shift)

    def code(self, steps: Tensor) -> Tensor:
        """Steps (B,) -> (B, D) what the blocks are told."""
        half = _STEP_CODE // 2
        # Rounded in this order as published: at a thousand steps, another order is seen.
        rate = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=steps.device) / (half - 1))
        angle = steps[:, None] * rate
        code = torch.cat([angle.cos(), angle.sin()], -1).to(self.out.weight.dtype)
        return self.step_out(F.silu(self.step_in(code)))
