"""The style of a demonstration as a latent variable: the encoder of a conditional VAE over action chunks.

Two people do the same task differently; told a latent that says how, the policy need not average them. It is used in
training only: acting takes the prior's mean, zero (arXiv 2304.13705).
"""

import torch
from torch import Tensor, nn

from premotor.models.fusion.detr import DetrTransformer
from premotor.models.fusion.positions import sequence_positions

__all__ = ["StyleEncoder", "divergence"]


class StyleEncoder(nn.Module):
    """State (B, S) and actions (B, H, A) -> mean and log variance (B, Z) of the style.

    places: the positions of summary, state and actions; state 0 means that there is no state to be told.
    """

    places: Tensor

    def __init__(self, body: DetrTransformer, width: int, latent: int, state: int, horizon: int, action: int) -> None:
        super().__init__()
        self.body = body
        self.summary = nn.Embedding(1, width)
        self.state = nn.Linear(state, width) if state else None
        self.action = nn.Linear(action, width)
        self.out = nn.Linear(width, 2 * latent)
        self.register_buffer("places", sequence_positions(horizon + (2 if state else 1), width)[None])

    def forward(self, state: Tensor, actions: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """padding (B, H): True where a row is past the end of the demonstration."""
        tokens = [self.summary.weight.expand(len(actions), 1, -1)]
        if self.state is not None:
            tokens.append(self.state(state)[:, None])
        hidden = torch.cat([padding.new_zeros(len(padding), len(tokens)), padding], 1)
        seen = self.body(torch.cat([*tokens, self.action(actions)], 1), self.places, padding=hidden)
        mean, log_variance = self.out(seen[:, 0]).chunk(2, -1)
        return mean, log_variance


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) (B, Z) from N(0, 1): summed over Z, averaged over B."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1).mean()
