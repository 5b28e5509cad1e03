"""A small convolutional encoder made for two CPU cores: plain 3x3 convolutions, narrow where the map is large.

The stem halves the image twice and has few channels while it does, since most of the time of a usual network goes
there. BatchNorm is used because it folds into the convolutions at inference.
"""

import copy
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["PyramidEncoder", "conv", "folded"]

_Net = TypeVar("_Net", bound=nn.Module)


def conv(inside: int, outside: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution, levelled and rectified."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


class PyramidEncoder(nn.Module):
    """(B, 3, S, S) in -1..1 -> maps (B, stem, S/4, S/4), (B, fine, S/8, S/8) and (B, coarse, S/16, S/16).

    The fine map carries the coarse one upsampled and added (a one-level feature pyramid), so each of its
    cells knows its surroundings.
    """

    def __init__(self, stem: int, fine: int, coarse: int) -> None:
        super().__init__()
        # Levelling so large a map would take longer than making it.
        first = nn.Sequential(nn.Conv2d(3, stem // 3, 3, 2, 1), nn.ReLU(inplace=True))
        self.stem = nn.Sequential(first, conv(stem // 3, stem, 3, 2))
        self.middle = nn.Sequential(conv(stem, fine, 3, 2), conv(fine, fine, 3, 1))
        self.deep = nn.Sequential(conv(fine, coarse, 3, 2), conv(coarse, coarse, 3, 1))
        self.lateral = nn.Conv2d(fine, fine, 1)
        self.down = nn.Conv2d(coarse, fine, 1)
        self.mix = conv(fine, fine, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode one camera; see the class for shapes."""
        near = self.stem(image)
        middle = self.middle(near)
        coarse = self.deep(middle)
        up = F.interpolate(self.down(coarse), scale_factor=2, mode="nearest")
        return near, self.mix(self.lateral(middle) + up), coarse


def folded(network: _Net) -> _Net:
    """A copy for inference: every BatchNorm that follows a convolution is folded into it."""
    network = copy.deepcopy(network).eval()
    for part in network.modules():
        if isinstance(part, nn.Sequential) and len(part) > 1:
            conv, norm = part[0], part[1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                part[0], part[1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return network
