"""Fixed sinusoidal codes of where a token is in a sequence, a picture or a diffusion."""

import math

import torch
from torch import Tensor

__all__ = ["picture_positions", "sequence_positions", "step_code"]


def sequence_positions(length: int, width: int) -> Tensor:
    """(length, width): sine on even, cosine on odd channels (arXiv 1706.03762)."""
    channel = torch.arange(width)
    rate = 10000.0 ** (2 * (channel // 2).double() / width)
    angle = torch.arange(length).double()[:, None] / rate
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()


def picture_positions(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """(height * width, channels): half for the row, half for the column (arXiv 2005.12872), both ending at 2 pi."""
    half = channels // 2
    rate = 10000.0 ** (2 * (torch.arange(half, dtype=torch.float32, device=device) // 2) / half)

    def code(side: int) -> Tensor:
        place = torch.arange(1, side + 1, dtype=torch.float32, device=device)
        angle = (place / (place[-1] + 1e-6) * (2 * math.pi))[:, None] / rate
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], -1).flatten(1)

    rows, columns = code(height), code(width)
    both = [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)]
    return torch.cat(both, -1).flatten(0, 1)


def step_code(step: Tensor, width: int) -> Tensor:
    """Diffusion steps (B,) -> (B, width): all sines, then all cosines."""
    half = width // 2
    rate = torch.exp(torch.arange(half, device=step.device) * -(math.log(10000) / (half - 1)))
    angle = step[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], -1)
