"""Real-time chunking (arXiv 2506.07339): a chunk by flow matching that goes on where the last one has led.

While a chunk is made, the robot goes on with the last one. Its rows until the new chunk is there are certain; those
after are less and less so. At every step of the flow, where it would end is compared with these rows, and it is turned
towards them, by as much as the flow's own end would move.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.heads.flow import Flow

__all__ = ["Continuation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Continuation:
    """How a new chunk goes on.

    left: (B, L, A) what is left of the last chunk, from now on, normalised for now; deltas are from where the robot is
    now. delay: rows that will be carried out before the new chunk is there. until: from this row on it is free; in the
    paper, of a chunk of H rows of which s are carried out, H - s. fade: how the rows between count less and less.
    limit: of the guidance. exact: turn by the gradient through the network, as in the paper; without it by the
    difference itself, as LeRobot does, which costs no way back and makes a chunk less consistent.
    """

    left: Tensor
    delay: int
    until: int
    fade: Literal["exponential", "linear"] = "exponential"
    limit: float = 5.0
    exact: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.delay <= self.until <= self.left.shape[1]:
            raise SpecMismatch(
                f"delay {self.delay} and until {self.until} with {self.left.shape[1]} rows left of the last chunk; "
                "give 0 <= delay <= until <= rows left"
            )

    def weights(self, rows: int) -> Tensor:
        """(rows,) how much each counts, 1 to 0."""
        row = torch.arange(rows, dtype=torch.float64)
        share = ((self.until - row) / (self.until - self.delay + 1)).clamp(0, 1)
        if self.fade == "exponential":
            share = share * share.expm1() / (math.e - 1)
        return torch.where(row < self.delay, 1.0, share).float()

    def strength(self, done: Tensor) -> Tensor:
        """How strongly a flow is turned that has come this share of its way."""
        spread = (done.square() + (1 - done).square()) / (done * (1 - done))
        return spread.nan_to_num(posinf=self.limit).clamp(max=self.limit)

    def guided(self, flow: Flow, velocity: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        """The velocity (B, H, R) of that flow, turned; padding beyond A is turned towards zero, as it was trained.

        Raises SpecMismatch when what is left is for other chunks. An exact one must not run in inference mode.
        """
        sign = -1 if flow.noise_at else 1

        def turned(x: Tensor, time: Tensor) -> Tensor:
            kept = self._fitted(x)
            done = 1 - time if flow.noise_at else time
            with torch.set_grad_enabled(self.exact):
                x = x.detach().requires_grad_(self.exact)
                way = velocity(x, time)
                end = x + sign * (1 - done)[:, None, None] * way
            miss = (kept - end.detach()) * self.weights(x.shape[1]).to(x.device)[:, None]
            if self.exact:
                (miss,) = torch.autograd.grad(end, x, miss)
            return way.detach() + sign * self.strength(done)[:, None, None] * miss

        return turned

    def _fitted(self, x: Tensor) -> Tensor:
        """What is left, padded to the shape of a chunk."""
        (batch, rows, numbers), (count, left, told) = x.shape, self.left.shape
        if batch != count or left > rows or told > numbers:
            raise SpecMismatch(f"what is left, {tuple(self.left.shape)}, does not fit into chunks {tuple(x.shape)}")
        return F.pad(self.left.to(x), (0, numbers - told, 0, rows - left))
