"""Residual networks (arXiv 1512.03385) as published policies use them: feature map out, no pooling, no classes.

Any depth and width, plain or bottleneck blocks, and a choice of normalisation: `frozen` keeps pretrained statistics
through small-batch training, `group` needs none, `batch` is what the network was made with.
"""

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["EXPANSION", "FrozenBatchNorm", "Norm", "ResNet", "map_side"]

Norm = Literal["frozen", "batch", "group"]
EXPANSION = 4  # a bottleneck block puts out this many times its width


class FrozenBatchNorm(nn.Module):
    """Batch normalisation whose statistics and affine are constants."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        scale = self.weight * (self.running_var + 1e-5).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "group":
        return nn.GroupNorm(channels // 16, channels)
    return nn.BatchNorm2d(channels) if kind == "batch" else FrozenBatchNorm(channels)


def _conv(inside: int, outside: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inside, outside, kernel, stride, padding, dilation, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class _Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3, 1x1 in a bottleneck, around a shortcut."""

    def __init__(self, inside: int, width: int, stride: int, dilation: int, bottleneck: bool, norm: Norm) -> None:
        super().__init__()
        outside = width * EXPANSION if bottleneck else width
        if bottleneck:
            convs = [_conv(inside, width, 1), _conv(width, width, 3, stride, dilation), _conv(width, outside, 1)]
        else:
            convs = [_conv(inside, width, 3, stride, dilation), _conv(width, width, 3)]
        steps: list[nn.Module] = []
        for conv in convs:
            steps += [conv, _norm(norm, conv.out_channels), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*steps[:-1])
        same = stride == 1 and inside == outside
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(_conv(inside, outside, 1, stride), _norm(norm, outside))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """(B, 3, H, W) -> (B, `channels`, H/32, W/32), sides rounded up; H/16, W/16 with `dilated`.

    dilated: the last stage looks wider instead of halving the map; bottleneck networks only.
    """

    def __init__(
        self,
        stem: int,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        *,
        norm: Norm,
        bottleneck: bool = False,
        dilated: bool = False,
    ) -> None:
        super().__init__()
        if dilated and not bottleneck:
            raise ValueError("dilated needs bottleneck=True: plain blocks have no dilated form")
        self.stem = nn.Sequential(_conv(3, stem, 7, 2), _norm(norm, stem), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        stages, inside = [], stem
        for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            wide = dilated and index == len(widths) - 1
            blocks = []
            for place in range(depth):
                stride = 2 if place == 0 and index > 0 and not wide else 1
                # The first block of a dilated stage still sees the undilated map.
                blocks.append(_Block(inside, width, stride, 2 if wide and place > 0 else 1, bottleneck, norm))
                inside = width * EXPANSION if bottleneck else width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.channels = inside

    def forward(self, image: Tensor) -> Tensor:
        """Encode; see the class for shapes."""
        return self.stages(self.stem(image))


def map_side(side: int) -> int:
    """Side of the feature map of an undilated four-stage network for an image of this side."""
    return -(-side // 32)
