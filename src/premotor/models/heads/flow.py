"""Flow matching (arXiv 2210.02747): a straight path joins noise and actions, and its velocity is learned.

Which end of the path is time 0 differs between systems: in pi0 and SmolVLA noise is at time 1, in GR00T at time 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Flow", "padded", "time_features"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """noise_at: the time at which there is only noise, 0 or 1. steps: of Euler's, from there to the actions.

    summed: time is added up in single precision, as openpi does, and ends up to 1e-7 off.
    """

    noise_at: Literal[0, 1]
    steps: int
    summed: bool = False

    def draw_time(self, count: int, device: torch.device) -> Tensor:
        """(count,) times to train with: noisy ones more often, Beta(1.5, 1) over all but the last thousandth."""
        # The inverse of this Beta's distribution function is a power.
        share = 0.001 + 0.999 * torch.rand(count, dtype=torch.float64, device=device) ** (1 / 1.5)
        return (share if self.noise_at else 1 - share).float()

    def between(self, actions: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Where the path is at times (B,) or (B, H), and its velocity; actions and noise (B, H, A)."""
        time = time.view(len(time), -1, 1)
        if self.noise_at:
            return time * noise + (1 - time) * actions, noise - actions
        return (1 - time) * noise + time * actions, actions - noise

    def error(
        self, actions: Tensor, velocity: Callable[[Tensor, Tensor], Tensor], given: Tensor | None = None
    ) -> Tensor:
        """(B, H, A) squared, of velocity(x, time) at one random place on each chunk's path.

        given: (B, H) True for rows that are at the path's end already, and told so; leave their errors out.
        """
        time, noise = self.draw_time(len(actions), actions.device), torch.randn_like(actions)
        if given is not None:
            time = self.told(time, given)
        x, wanted = self.between(actions, noise, time)
        return (velocity(x, time) - wanted).square()

    def told(self, time: Tensor, given: Tensor) -> Tensor:
        """(B, H) the time (B,) of each row, of rows that are given (B, H) the end's."""
        return torch.where(given, 1.0 - self.noise_at, time[:, None])

    def walk(self, noise: Tensor, velocity: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """From noise to actions; velocity(x, time), time (B,)."""
        x, step = noise, (-1 if self.noise_at else 1) / self.steps
        time = torch.full((len(x),), float(self.noise_at), device=x.device)
        for count in range(1, self.steps + 1):
            x = x + step * velocity(x, time)
            time = time + step if self.summed else torch.full_like(time, self.noise_at + count * step)
        return x


def padded(x: Tensor, room: int) -> Tensor:
    """(..., A) -> (..., room), zeros after what there is."""
    return F.pad(x, (0, room - x.shape[-1]))


def time_features(time: Tensor, width: int, *, shortest: float, longest: float) -> Tensor:
    """Times (...) -> (..., width) sines, then cosines, of periods from shortest to longest in even ratios."""
    # In single precision the shortest periods would be off by 1e-5.
    share = torch.linspace(0, 1, width // 2, dtype=torch.float64, device=time.device)
    angles = time.double()[..., None] * (2 * math.pi / (shortest * (longest / shortest) ** share))
    return torch.cat([angles.sin(), angles.cos()], -1).float()
