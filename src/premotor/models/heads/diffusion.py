"""Denoising diffusion over action chunks: the forward process, and two ways back.

`ddpm` (arXiv 2006.11239) draws fresh noise at every step; `ddim` (arXiv 2010.02502) draws none after the start, and
stays good with far fewer steps. Steps count up towards noise.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Betas", "Corrupted", "Diffusion", "Prediction", "Sampler", "noise_betas", "noised"]

Sampler = Literal["ddpm", "ddim"]
Prediction = Literal["noise", "sample"]
Betas = Literal["cosine", "linear", "scaled_linear"]


class Corrupted(NamedTuple):
    """A training example: noisy (B, H, A) at step (B,), and what the network should say about it (B, H, A)."""

    noisy: Tensor
    step: Tensor
    target: Tensor


class Diffusion(nn.Module):
    """Noise in, noise out. The network that says what is noise is passed to `sample`, not held.

    steps: of the forward process. betas: how much noise each adds; first and last are used by the linear ones.
    prediction: what the network says. clip: bound on what is believed to be the clean chunk, 0 for none.
    """

    kept: Tensor

    def __init__(
        self,
        steps: int,
        *,
        sampler: Sampler = "ddpm",
        prediction: Prediction = "noise",
        betas: Betas = "cosine",
        first: float = 1e-4,
        last: float = 0.02,
        clip: float = 1.0,
    ) -> None:
        super().__init__()
        self.steps, self.sampler, self.prediction, self.clip = steps, sampler, prediction, clip
        # Share of the clean chunk's variance that is left after each step.
        kept = torch.cumprod(1.0 - noise_betas(betas, steps, first, last), 0)
        self.register_buffer("kept", kept, persistent=False)

    def corrupt(self, clean: Tensor) -> Corrupted:
        """Draw noise and a step for each chunk of (B, H, A)."""
        noise = torch.randn(clean.shape, device=clean.device)
        step = torch.randint(0, self.steps, (len(clean),), device=clean.device)
        kept = self.kept[step].view(-1, *[1] * (clean.ndim - 1))
        return Corrupted(noised(clean, noise, kept), step, noise if self.prediction == "noise" else clean)

    def sample(self, network: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int) -> Tensor:
        """From noise (B, H, A) to a clean chunk in `steps` evenly spaced steps; network(noisy, step (B,)) predicts."""
        if not 0 < steps <= self.steps:
            raise ValueError(f"{steps} sampling steps; it takes 1 to {self.steps}, the steps of training")
        stride = self.steps // steps
        back = self._ddpm if self.sampler == "ddpm" else self._ddim
        for step in range((steps - 1) * stride, -1, -stride):
            said = network(noise, torch.full(noise.shape[:1], step, device=noise.device))
            kept = self.kept[step]
            clean = (noise - (1 - kept) ** 0.5 * said) / kept**0.5 if self.prediction == "noise" else said
            if self.clip:
                clean = clean.clamp(-self.clip, self.clip)
            before = self.kept[step - stride] if step >= stride else torch.ones_like(kept)
            noise = back(noise, clean, said, kept, before)
        return noise

    def _ddpm(self, noisy: Tensor, clean: Tensor, said: Tensor, kept: Tensor, before: Tensor) -> Tensor:
        """The mean of the posterior, and noise of its variance unless this was the last step."""
        alpha = kept / before
        mean = before**0.5 * (1 - alpha) / (1 - kept) * clean + alpha**0.5 * (1 - before) / (1 - kept) * noisy
        if before == 1:
            return mean
        variance = ((1 - before) / (1 - kept) * (1 - alpha)).clamp(min=1e-20)
        return mean + variance**0.5 * torch.randn(noisy.shape, dtype=noisy.dtype, device=noisy.device)

    def _ddim(self, noisy: Tensor, clean: Tensor, said: Tensor, kept: Tensor, before: Tensor) -> Tensor:
        """The clean chunk, with the very noise that was seen (before any clipping) at the earlier step's level."""
        noise = said if self.prediction == "noise" else (noisy - kept**0.5 * said) / (1 - kept) ** 0.5
        return before**0.5 * clean + (1 - before) ** 0.5 * noise


def noised(clean: Tensor, noise: Tensor, kept: Tensor) -> Tensor:
    """The mixture in which the clean part keeps this share of the variance."""
    return kept**0.5 * clean + (1 - kept) ** 0.5 * noise


def noise_betas(kind: Betas, steps: int, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """(steps,) share of the variance that each step turns into noise; first and last are used by the linear ones."""
    if kind == "linear":
        return torch.linspace(first, last, steps)
    if kind == "scaled_linear":
        return torch.linspace(first**0.5, last**0.5, steps) ** 2

    def left(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    return torch.tensor([min(1 - left((i + 1) / steps) / left(i / steps), 0.999) for i in range(steps)])
