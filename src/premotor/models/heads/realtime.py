"""Real-time chunking (arXiv 2506.07339): a chunk by flow matching that goes on where the last one has led.

While a chunk is made, the robot goes on with the last one. Its rows until the new chunk is there are certain; those
after are less and less so. At every step of the flow, where it would end is compared with these rows, and it is turned
towards them, by as much as the flow's own end would move. A flow that was taught with rows given (arXiv 2512.05964) is
given the certain ones instead, and needs no turning.
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
    paper, of a chunk of H rows of which s are carried out, H - s. Both of all chunks or of each (B,); one with nothing
    left has 0 and 0. fade: how the rows between count less and less.
    limit: of the guidance. exact: turn by the gradient through the network, as in the paper; without it by the
    difference itself, as LeRobot does, which costs no way back and makes a chunk less consistent.
    """

    left: Tensor
    delay: int | Tensor
    until: int | Tensor
    fade: Literal["exponential", "linear"] = "exponential"
    limit: float = 5.0
    exact: bool = True

    def __post_init__(self) -> None:
        delay, until = self._bounds()
        if not bool(((delay >= 0) & (delay <= until) & (until <= self.left.shape[1])).all()):
            told = [torch.as_tensor(bound).tolist() for bound in (self.delay, self.until)]
            raise SpecMismatch(
                f"delay {told[0]} and until {told[1]} with {self.left.shape[1]} rows left of the last chunk; "
                "give 0 <= delay <= until <= rows left"
            )

    def weights(self, rows: int) -> Tensor:
        """(B or 1, rows) how much each counts, 1 to 0."""
        row, (delay, until) = torch.arange(rows, dtype=torch.float64), self._bounds()
        share = ((until - row) / (until - delay + 1)).clamp(0, 1)
        if self.fade == "exponential":
            share = share * share.expm1() / (math.e - 1)
        return torch.where(row < delay, 1.0, share).float()

    def certain(self, rows: int) -> Tensor:
        """(B or 1, rows) True for those that will be carried out whatever the new chunk says."""
        return torch.arange(rows) < self._bounds()[0]

    def pinned(self, chunk: Tensor) -> Tensor:
        """The chunk (B, H, R), its certain rows as they are, padding beyond A zero."""
        certain = self.certain(chunk.shape[1]).to(chunk.device)[..., None]
        return torch.where(certain, self._fitted(chunk), chunk)

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
            miss = (kept - end.detach()) * self.weights(x.shape[1]).to(x.device)[..., None]
            if self.exact:
                (miss,) = torch.autograd.grad(end, x, miss)
            return way.detach() + sign * self.strength(done)[:, None, None] * miss

        return turned

    def given(self, flow: Flow, velocity: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        """The velocity (B, H, R) of a flow that was taught with rows given: the certain ones are, in every step.

        It is told the time of each row (B, H). Raises SpecMismatch when what is left is for other chunks.
        """

        def told(x: Tensor, time: Tensor) -> Tensor:
            certain = self.certain(x.shape[1]).to(x.device).expand(x.shape[:2])
            return velocity(self.pinned(x), flow.told(time, certain))

        return told

    def _bounds(self) -> tuple[Tensor, Tensor]:
        """delay and until, (B or 1, 1) each."""
        return torch.as_tensor(self.delay).view(-1, 1).cpu(), torch.as_tensor(self.until).view(-1, 1).cpu()

    def _fitted(self, x: Tensor) -> Tensor:
        """What is left, padded to the shape of a chunk."""
        (batch, rows, numbers), (count, left, told) = x.shape, self.left.shape
        if batch != count or left > rows or told > numbers:
            raise SpecMismatch(f"what is left, {tuple(self.left.shape)}, does not fit into chunks {tuple(x.shape)}")
        return F.pad(self.left.to(x), (0, numbers - told, 0, rows - left))
