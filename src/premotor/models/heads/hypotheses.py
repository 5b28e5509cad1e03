"""Several chunks of actions, and which of them to act on: multiple hypotheses (arXiv 1612.00197).

Where two ways are equally good, or it cannot be seen which one is, the median of both is to stand still. Of several
hypotheses only the one that comes nearest learns from an example, so each becomes a way of its own; a classifier learns
which will be nearest, and acting follows the likeliest.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.heads.regression import Trunk

__all__ = ["HypothesesHead", "likeliest", "nearest_loss"]

_RELAXED = 0.05  # the share of every hypothesis in the loss, so that none is left behind


class HypothesesHead(nn.Module):
    """Features (B, F) -> chunks (B, N, H, A), normalised, and logits (B, N) of which is the right one."""

    def __init__(self, features: int, width: int, blocks: int, horizon: int, action: int, count: int) -> None:
        super().__init__()
        self._shape = (count, horizon, action)
        self.trunk = Trunk(features, width, blocks)
        self.out = nn.Linear(width, count * horizon * action)
        self.choose = nn.Linear(width, count)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Predict; see the class for shapes."""
        known = self.trunk(features)
        return self.out(known).unflatten(-1, self._shape), self.choose(known)


def likeliest(chunks: Tensor, logits: Tensor) -> Tensor:
    """(B, N, H, A) and (B, N) -> the chunk (B, H, A) to act on."""
    return chunks[torch.arange(len(chunks), device=chunks.device), logits.argmax(-1)]


def nearest_loss(chunks: Tensor, logits: Tensor, actions: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean absolute error of the nearest hypothesis, and the cross-entropy of telling which that is.

    actions, weight: (B, H, A); a row without weight has nothing to say.
    """
    amount = weight.sum((1, 2))
    error = ((chunks - actions[:, None]).abs() * weight[:, None]).sum((2, 3))
    nearest = error.argmin(-1)
    relaxed = (1 - _RELAXED) * error.gather(1, nearest[:, None])[:, 0] + _RELAXED * error.mean(-1)
    told = F.cross_entropy(logits, nearest, reduction="none") * (amount > 0)
    return relaxed.sum() / amount.sum().clamp(min=1.0), told.sum() / (amount > 0).sum().clamp(min=1)
