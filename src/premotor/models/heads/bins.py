"""Actions as words: each number falls into one of a few bins, and each bin has an id.

256 uniform bins are the action tokens of RT-2 (arXiv 2307.15818); OpenVLA (arXiv 2406.09246) has 256 edges, so 255
bins, and an id of its own for the last edge. Quantile bins hold equally many samples each, so that ids are not wasted
where actions never go.
"""

from statistics import NormalDist
from typing import Self

import torch
from torch import Tensor

from premotor.core.errors import ActionTokenError

__all__ = ["Bins", "mirrored"]

_TAIL = 1e-6  # the outermost Gaussian edges stand here instead of at infinity


class Bins:
    """N bins of numbers, the same for every dimension or each dimension its own.

    edges: (N + 1,) or (D, N + 1), ascending. A bin holds its lower edge. Ids are 0..N-1; beyond the edges the nearest
    bin is used, except that `top` gives the last edge, and all above it, the id N, and `below` gives all below the
    first edge the id -1.
    """

    def __init__(self, edges: Tensor, *, top: bool = False, below: bool = False) -> None:
        """Raises ActionTokenError when edges are not finite and ascending."""
        edges = edges.double()
        if edges.ndim not in (1, 2) or edges.shape[-1] < 2:
            raise ActionTokenError(f"bin edges of shape {tuple(edges.shape)}; need (N + 1,) or (D, N + 1) with N >= 1")
        if not bool(edges.isfinite().all()) or bool((edges.diff() < 0).any()):
            raise ActionTokenError("bin edges must be finite and ascending")
        self.edges, self.top, self.below = edges, top, below
        self.centres = (edges[..., 1:] + edges[..., :-1]) / 2

    @classmethod
    def uniform(
        cls, count: int = 256, low: float = -1.0, high: float = 1.0, *, top: bool = False, below: bool = False
    ) -> Self:
        """Bins of one width."""
        return cls(low + (high - low) * _grid(count, 0.0, 1.0), top=top, below=below)

    @classmethod
    def gaussian(cls, count: int = 256) -> Self:
        """Bins that numbers of mean 0 and deviation 1 fall into equally often."""
        normal = NormalDist()
        edges = [normal.inv_cdf(p) for p in _grid(count, _TAIL, 1 - _TAIL).tolist()]
        return cls(torch.tensor(edges, dtype=torch.float64))

    @classmethod
    def quantile(cls, samples: Tensor, count: int = 256) -> Self:
        """Bins that the samples (..., D) fall into equally often, for each dimension its own."""
        flat = samples.double().flatten(0, -2)
        if len(flat) == 0 or not bool(flat.isfinite().all()):
            raise ActionTokenError(f"quantile bins need finite samples, got {tuple(samples.shape)}")
        ranks = _grid(count, 0.0, 1.0) * (len(flat) - 1)
        ordered, lower = flat.sort(0).values, ranks.long()
        upper = (lower + 1).clamp(max=len(flat) - 1)
        return cls(torch.lerp(ordered[lower], ordered[upper], (ranks - lower)[:, None]).T.contiguous())

    @property
    def count(self) -> int:
        """How many ids there are, from 0 on."""
        return self.centres.shape[-1] + self.top

    def encode(self, values: Tensor) -> Tensor:
        """Ids of values (..., D), int64. Raises ActionTokenError for a number that is not finite."""
        if not bool(values.isfinite().all()):
            raise ActionTokenError("a value that is not finite falls into no bin; check the data or the policy")
        edges = (self.edges if self.top else self.edges[..., :-1]).to(values.device)
        if edges.ndim == 1:
            ids = torch.bucketize(values.double(), edges, right=True)
        else:
            rows = values.double().reshape(-1, len(edges)).T.contiguous()
            ids = torch.searchsorted(edges.contiguous(), rows, right=True).T.reshape(values.shape)
        return ids - 1 if self.below else (ids - 1).clamp(min=0)

    def decode(self, ids: Tensor, *, nearest: bool = False) -> Tensor:
        """Centres of the bins with ids (..., D), float64.

        Ids that name no bin raise ActionTokenError; with `nearest` the closest bin is taken, as OpenVLA does.
        """
        if not nearest and bool(((ids < 0) | (ids >= self.count)).any()):
            raise ActionTokenError(f"bin ids {int(ids.min())} to {int(ids.max())}; valid are 0 to {self.count - 1}")
        ids, centres = ids.clamp(0, self.centres.shape[-1] - 1), self.centres.to(ids.device)
        if centres.ndim == 1:
            return centres[ids]
        return centres[torch.arange(len(centres), device=ids.device), ids]


def mirrored(ids: Tensor, last: int) -> Tensor:
    """Action ids <-> vocabulary ids, where action id 0 is the vocabulary's entry `last` and counting goes down.

    OpenVLA's `last` is its vocabulary's size less 1; FAST's in PaliGemma is that less the 128 entries kept for images.
    """
    return last - ids


def _grid(count: int, low: float, high: float) -> Tensor:
    if count < 1:
        raise ActionTokenError(f"{count} bins; need at least 1")
    # These are numbers to compare with, no weights, so they exist also while a model has no memory yet.
    return torch.linspace(low, high, count + 1, dtype=torch.float64, device="cpu")
