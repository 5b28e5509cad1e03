"""RoboVLMs' policy heads (arXiv 2412.14058): features of a window of moments -> a chunk of actions after each of them.

"fc" looks at each moment alone; "lstm" and "gpt" remember those before. Moments that there were not are left out, so
that a window is what was remembered since the episode began, however long ago that is.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.fusion.encoder import Encoder

__all__ = ["ArmAndGripper", "HeadLoss", "Kind", "Memorised", "Numbers"]

Kind = Literal["fc", "lstm", "gpt"]

_HEADS = 8  # of GPT-2's attention here, whatever its width


class HeadLoss(NamedTuple):
    """Mean over what has a label. arm: Huber; gripper: cross entropy; accuracy: of open and closed."""

    arm: Tensor
    gripper: Tensor
    accuracy: Tensor


class Memorised(nn.Module):
    """Features (B, K, N, F) of N tokens at each of K moments, real (B, K) -> (B, K, latent * width).

    Each moment is told of itself and, unless it is "fc", of those before it. latent: tokens that the N are pooled to.
    layers: of LSTM or GPT. window: the most moments there may be.
    """

    def __init__(self, kind: Kind, features: int, width: int, *, layers: int, window: int, latent: int = 1) -> None:
        super().__init__()
        self.kind, self.latent = kind, latent
        features, width = features * latent, width * latent
        self.body: nn.Module
        if kind == "fc":
            self.body = nn.Sequential(nn.Linear(features, features // 2), nn.ReLU(), nn.Linear(features // 2, width))
        elif kind == "lstm":
            self.body = nn.LSTM(features, width, layers, batch_first=True)
        else:
            self.body = _Gpt(features, width, layers, window)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Remember; see the class for shapes. A moment that there was not gives nothing of use."""
        pooled = F.adaptive_max_pool1d(tokens.flatten(0, 1).transpose(1, 2), self.latent).transpose(1, 2)
        x = pooled.flatten(1).view(*real.shape, -1)
        if self.kind == "fc":
            read: Tensor = self.body(x)
            return read
        # To the front with the moments that there were: nothing comes before an episode.
        order = (~real).to(torch.uint8).argsort(dim=1, stable=True)
        x = x.gather(1, order[..., None].expand_as(x))
        read = self.body(x)[0] if self.kind == "lstm" else self.body(x)
        return read.gather(1, order.argsort(1)[..., None].expand_as(read))


class _Gpt(nn.Module):
    """GPT-2's blocks over moments (B, K, F), each of which reads those before."""

    def __init__(self, features: int, width: int, layers: int, window: int) -> None:
        super().__init__()
        self.into = nn.Identity() if features == width else nn.Linear(features, width)
        self.places = nn.Parameter(torch.randn(window, width) * 0.02)
        self.encoder = Encoder(width, layers, _HEADS, 4 * width, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[1]
        order = torch.ones(1, count, count, dtype=torch.bool, device=x.device).tril()
        read: Tensor = self.encoder(self.into(x) + self.places[:count], order)
        return read


class ArmAndGripper(nn.Module):
    """What was remembered (..., W) -> the arm's A - 1 numbers in -1..1, (..., H, A - 1), and how far open the gripper
    is to be, as a logit (..., H).
    """

    def __init__(self, inside: int, widths: Sequence[int], horizon: int, action: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.arm = _mlp(inside, widths, horizon * (action - 1))
        self.gripper = _mlp(inside, widths, horizon)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Act; see the class for shapes."""
        return self.arm(x).tanh().unflatten(-1, (self.horizon, -1)), self.gripper(x)

    def loss(self, x: Tensor, arm: Tensor, gripper: Tensor, arm_weight: Tensor, gripper_weight: Tensor) -> HeadLoss:
        """How far from the arm's numbers (..., H, A - 1) and the gripper's (..., H), 0 closed .. 1 open."""
        moved, logit = self(x)
        off = F.huber_loss(moved, arm, reduction="none")
        wrong = F.binary_cross_entropy_with_logits(logit, gripper, reduction="none")
        right = ((logit > 0) == (gripper > 0.5)).to(off.dtype)
        return HeadLoss(_mean(off, arm_weight), _mean(wrong, gripper_weight), _mean(right.detach(), gripper_weight))


class Numbers(nn.Module):
    """What was remembered (..., W) -> how likely each of `bins` is, of each of H * A numbers (..., H, A, bins)."""

    def __init__(self, inside: int, widths: Sequence[int], horizon: int, action: int, bins: int) -> None:
        super().__init__()
        self.shape = (horizon, action, bins)
        self.score = _mlp(inside, widths, horizon * action * bins)

    def forward(self, x: Tensor) -> Tensor:
        """Score; see the class for shapes."""
        return self.score(x).unflatten(-1, self.shape)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def _mlp(inside: int, widths: Sequence[int], outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip((inside, *widths), (*widths, outside), strict=True):
        layer = nn.Linear(before, after)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
