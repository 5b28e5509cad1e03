"""A one-dimensional U-Net over the rows of an action chunk, told the diffusion step and the observation by FiLM.

Convolutions along time suit actions that change smoothly and positions that do not matter (arXiv 2303.04137).
"""

import torch
from torch import Tensor, nn

from premotor.models.fusion.positions import step_code

__all__ = ["ChunkUNet"]


def _conv(inside: int, outside: int, kernel: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inside, outside, kernel, padding=kernel // 2), nn.GroupNorm(groups, outside), nn.Mish()
    )


class _Residual(nn.Module):
    """(B, C, H) -> (B, C', H), its middle shifted, and scaled if `scale`, by the condition (B, E)."""

    def __init__(self, inside: int, outside: int, condition: int, kernel: int, groups: int, scale: bool) -> None:
        super().__init__()
        self.first = _conv(inside, outside, kernel, groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, outside * 2 if scale else outside))
        self.second = _conv(outside, outside, kernel, groups)
        self.shortcut = nn.Conv1d(inside, outside, 1) if inside != outside else nn.Identity()
        self.scale = scale

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        middle, told = self.first(x), self.film(condition)[..., None]
        if self.scale:
            factor, shift = told.chunk(2, 1)
            middle = factor * middle + shift
        else:
            middle = middle + told
        return self.second(middle) + self.shortcut(x)


class _Level(nn.Module):
    """Two residual blocks at one resolution, and the way to the next."""

    def __init__(self, first: _Residual, second: _Residual, leave: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.leave = first, second, leave

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        x = self.second(self.first(x, condition), condition)
        return x, self.leave(x)


class ChunkUNet(nn.Module):
    """Noisy chunk (B, H, A), step (B,), condition (B, E) -> prediction (B, H, A).

    widths: channels at each resolution; each halves H, which must divide by 2 ** (len(widths) - 1).
    """

    def __init__(
        self, action: int, condition: int, widths: tuple[int, ...], kernel: int, groups: int, step: int, scale: bool
    ) -> None:
        super().__init__()
        self.step = step
        self.time = nn.Sequential(nn.Linear(step, 4 * step), nn.Mish(), nn.Linear(4 * step, step))

        def block(inside: int, outside: int) -> _Residual:
            return _Residual(inside, outside, step + condition, kernel, groups, scale)

        down: list[nn.Module] = []
        for inside, width in zip((action, *widths), widths, strict=False):
            last = len(down) == len(widths) - 1
            shrink = nn.Identity() if last else nn.Conv1d(width, width, 3, 2, 1)
            down.append(_Level(block(inside, width), block(width, width), shrink))
        self.down = nn.ModuleList(down)
        self.middle = nn.ModuleList(block(widths[-1], widths[-1]) for _ in range(2))
        self.up = nn.ModuleList(
            # Each reads the level below it and, beside that, what the same level said on the way down.
            _Level(block(2 * below, width), block(width, width), nn.ConvTranspose1d(width, width, 4, 2, 1))
            for width, below in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        # As published, the last convolution has eight groups whatever the others have.
        self.out = nn.Sequential(_conv(widths[0], widths[0], kernel, 8), nn.Conv1d(widths[0], action, 1))

    def forward(self, noisy: Tensor, step: Tensor, condition: Tensor) -> Tensor:
        """Predict; see the class for shapes."""
        told = torch.cat([self.time(step_code(step, self.step)), condition], -1)
        x, kept = noisy.transpose(1, 2), []
        for level in self.down:
            seen, x = level(x, told)
            kept.append(seen)
        for block in self.middle:
            x = block(x, told)
        for level in self.up:
            _, x = level(torch.cat([x, kept.pop()], 1), told)
        return self.out(x).transpose(1, 2)
