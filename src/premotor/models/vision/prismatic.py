"""The eye of Prismatic VLMs (arXiv 2402.07865): DINOv2 sees where things are, SigLIP what they are.

Both look at the same picture; each patch is told by the features of both. DINOv2 (arXiv 2304.07193) has registers
(arXiv 2309.16588). The features are those before the last block, so that block is not here.
"""

import torch
from torch import Tensor, nn

from premotor.models.fusion.encoder import Encoder

__all__ = ["PrismaticEye", "Tower"]


class Tower(nn.Module):
    """Pictures (N, 3, S, S) -> patches (N, T, D), row by row, from all blocks but the last.

    registers: tokens beside the patches, and one for the whole picture; 0 for none of these. told: see Encoder.
    """

    def __init__(
        self, size: int, patch: int, width: int, layers: int, heads: int, mlp: int, *, registers: int = 0, told: int = 0
    ) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.places = nn.Parameter(torch.randn((size // patch) ** 2, width) * width**-0.5)
        self.beside = 1 + registers if registers else 0
        if registers:
            self.whole = nn.Parameter(torch.randn(1, width) * 0.02)
            self.registers = nn.Parameter(torch.randn(registers, width) * 0.02)
        self.encoder = Encoder(
            width, layers - 1, heads, mlp, told=told, scaled=registers > 0, exact=True, end_norm=False
        )

    def forward(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        """Encode; told (N, C), see the class for the rest."""
        x = self.patch(pictures).flatten(2).transpose(1, 2) + self.places
        if self.beside:
            beside = torch.cat([self.whole, self.registers]).expand(len(x), -1, -1)
            x = torch.cat([beside, x], 1)
        read = self.encoder(x, told=None if told is None else told[:, None])
        return read[:, self.beside :]


class PrismaticEye(nn.Module):
    """Pictures (N, 6, S, S), normalised for DINOv2 and again for SigLIP -> patches (N, T, D1 + D2)."""

    def __init__(self, dino: Tower, siglip: Tower) -> None:
        super().__init__()
        self.dino, self.siglip = dino, siglip

    def forward(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        """Encode; told (N, C)."""
        return torch.cat([self.dino(pictures[:, :3], told), self.siglip(pictures[:, 3:], told)], -1)
