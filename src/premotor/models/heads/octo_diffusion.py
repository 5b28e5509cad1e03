"""Octo's action head (arXiv 2405.12213): a chunk is denoised by a small residual MLP that sees what was read out.

The transformer runs once; only this head runs at each of the steps. DDPM (arXiv 2006.11239) with the cosine schedule
(arXiv 2102.09672), noise as the prediction. The way back is not that of `diffusion.Diffusion`: Octo keeps the chunk in
bounds rather than what is believed to be clean, adds a step's whole variance, and knows of dimensions that are missing.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.heads.diffusion import noise_betas, noised

__all__ = ["DiffusionHead"]


class _Fourier(nn.Module):
    """A step number (..., 1) -> cosines and sines of learned frequencies (..., width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(width // 2, 1) * 0.2)

    def forward(self, step: Tensor) -> Tensor:
        angle = 2 * math.pi * F.linear(step, self.frequencies)
        return torch.cat([angle.cos(), angle.sin()], -1)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.silu(self.widen(self.norm(x))))


class DiffusionHead(nn.Module):
    """Features (..., F) -> chunks of H actions of A numbers, flattened to (..., H * A).

    limit: actions are kept within +-limit. Dimensions that a robot lacks hold, at each step, what noise they held in
    training.
    """

    betas: Tensor
    kept: Tensor

    def __init__(
        self, features: int, horizon: int, dims: int, *, width: int, blocks: int, steps: int, time: int, limit: float
    ) -> None:
        super().__init__()
        self.horizon, self.dims, self.steps, self.limit = horizon, dims, steps, limit
        self.time = _Fourier(time)
        self.when = nn.ModuleList([nn.Linear(time, 2 * time), nn.Linear(2 * time, time)])
        self.into = nn.Linear(time + features + horizon * dims, width)
        self.blocks = nn.ModuleList(_Residual(width) for _ in range(blocks))
        self.out = nn.Linear(width, horizon * dims)
        for part in (*self.when, self.into, self.out):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
        betas = noise_betas("cosine", steps)
        self.register_buffer("betas", betas, persistent=False)
        self.register_buffer("kept", (1 - betas).cumprod(0), persistent=False)

    def forward(self, features: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """The noise in `noisy` (..., H * A), given features (..., F) and step numbers (..., 1)."""
        first, second = self.when
        when = second(F.silu(first(self.time(step.to(noisy.dtype)))))
        x = self.into(torch.cat([when, features.expand(*when.shape[:-1], -1), noisy], -1))
        for block in self.blocks:
            x = block(x)
        return self.out(F.silu(x))

    def draw(self, features: Tensor, repeats: int) -> tuple[Tensor, Tensor]:
        """Random step numbers (R, ..., 1) and noise (R, ..., H * A) to train with."""
        shape, device = (repeats, *features.shape[:-1]), features.device
        step = torch.randint(self.steps, (*shape, 1), device=device)
        return step, torch.randn(*shape, self.horizon * self.dims, device=device)

    def loss(self, features: Tensor, actions: Tensor, weight: Tensor, step: Tensor, noise: Tensor) -> Tensor:
        """Mean square error of the noise, summed over an action's numbers.

        features (..., F); actions and weight (..., H, A), weight 0 where there is no label; step and noise as drawn.
        """
        clean = actions.flatten(-2).clamp(-self.limit, self.limit)
        found = self(features, noised(clean, noise, self.kept[step]), step)
        weight = weight.flatten(-2).expand_as(noise)
        return ((found - noise) ** 2 * weight).mean() / weight.mean().clamp(min=1e-5) * self.dims

    def sample(self, features: Tensor, noise: Tensor, mask: Tensor) -> list[Tensor]:
        """The chunk (..., H * A) after each step; the last one is the answer.

        noise (steps + 1, ..., H * A): the start, then one draw for each step. mask (..., H, A): False where the robot
        has no such dimension.
        """
        x, real, seen = noise[0], mask.flatten(-2), []
        for step, z in zip(reversed(range(self.steps)), noise[1:], strict=True):
            beta, kept = self.betas[step], self.kept[step]
            numbers = torch.full((*x.shape[:-1], 1), step, device=x.device)
            x = (x - beta / (1 - kept).sqrt() * self(features, x, numbers)) / (1 - beta).sqrt()
            if step > 0:
                x = x + beta.sqrt() * z
            x = torch.where(real, x.clamp(-self.limit, self.limit), (1 - kept).sqrt() * z)
            seen.append(x)
        return seen
