"""The vision tower of SigLIP (arXiv 2303.15343): a picture in patches, every patch read by all."""

import torch
from torch import Tensor, nn

from premotor.models.fusion.encoder import Encoder

__all__ = ["SigLip"]


class SigLip(nn.Module):
    """Pictures (N, 3, S, S) in -1..1 -> tokens (N, T, D), row by row. What does not fill a patch is not seen.

    end_norm: what comes out is normalised.
    """

    def __init__(
        self, size: int, patch: int, width: int, layers: int, heads: int, mlp: int, *, end_norm: bool = True
    ) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.places = nn.Parameter(torch.randn((size // patch) ** 2, width) * width**-0.5)
        self.encoder = Encoder(width, layers, heads, mlp, end_norm=end_norm)

    def forward(self, pictures: Tensor) -> Tensor:
        """Encode; see the class for shapes."""
        return self.encoder(self.patch(pictures).flatten(2).transpose(1, 2) + self.places)
