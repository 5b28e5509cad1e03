"""A few convolutions, then patches: "early convolutions help transformers see better" (arXiv 2106.14881), as in Octo.

Kernels are standardised each time they are used (arXiv 1903.10520), and maps are levelled in groups of channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SmallStem"]

_GROUPS = 32


class _StandardConv(nn.Conv2d):
    """A 3x3 convolution with stride 2 whose kernels have mean 0 and deviation 1."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        std, mean = torch.std_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        return F.conv2d(x, (self.weight - mean) / (std + 1e-5), self.bias, self.stride, self.padding)


class SmallStem(nn.Module):
    """(B, C, S, S) in -1..1 -> tokens (B, (S / patch)², out), row by row. The stem halves once for each of `widths`.

    widths: channels, multiples of 32. patch: a multiple of 2 ** len(widths).
    """

    def __init__(self, channels: int, widths: tuple[int, ...], out: int, patch: int = 16) -> None:
        super().__init__()
        inside = (channels, *widths[:-1])
        self.convs = nn.ModuleList(_StandardConv(a, b) for a, b in zip(inside, widths, strict=True))
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, width, eps=1e-6) for width in widths)
        side = patch // 2 ** len(widths)
        self.patch = nn.Conv2d(widths[-1], out, side, stride=side)

    def forward(self, image: Tensor) -> Tensor:
        """Encode; see the class for shapes."""
        x = image
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        return self.patch(x).flatten(2).transpose(1, 2)
