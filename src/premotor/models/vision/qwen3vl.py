"""The vision tower of Qwen3-VL (arXiv 2511.21631): any grid of patches, of which each square becomes one token.

A picture passes for a film of two frames that are alike. Places are learned on a square grid and stretched to the
picture's own; rows and columns turn queries and keys, too. What some of the earlier layers saw comes out beside the
tokens, for the language model to add in its first layers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.fusion.encoder import Encoder

__all__ = ["Grid", "QwenEye", "patches"]

_FRAMES = 2
_EPS = 1e-6
_BASE = 10000.0

# Patches in a column and in a row of a picture.
Grid = tuple[int, int]


def patches(pictures: Tensor, patch: int, merge: int) -> tuple[Tensor, Grid]:
    """(N, 3, H, W) -> (N, T, 3 * 2 * patch * patch), square after square of merge by merge patches; and their grid.

    What does not fill a square is left out.
    """
    rows, columns = (side // (patch * merge) for side in pictures.shape[-2:])
    x = pictures[..., : rows * patch * merge, : columns * patch * merge]
    x = x.reshape(*x.shape[:2], rows, merge, patch, columns, merge, patch)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7).flatten(1, 4)
    return x[:, :, :, None].expand(-1, -1, -1, _FRAMES, -1, -1).flatten(2), (rows * merge, columns * merge)


class _Merger(nn.Module):
    """The patches of a square, one after the other -> one token. late: normalised together, else each."""

    def __init__(self, width: int, patches: int, out: int, *, late: bool) -> None:
        super().__init__()
        self.patches, self.late = patches, late
        self.norm = nn.LayerNorm(width * patches if late else width, eps=_EPS)
        self.widen = nn.Linear(width * patches, width * patches)
        self.out = nn.Linear(width * patches, out)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.late else self.norm(x)
        x = x.unflatten(1, (-1, self.patches)).flatten(2)
        return self.out(F.gelu(self.widen(self.norm(x) if self.late else x)))


class QwenEye(nn.Module):
    """Patches (N, T, P) and their grid -> tokens (N, T / merge², out), row by row, and as many for each layer in deep.

    side: of the grid that places are learned on. deep: layers whose features come out beside, the first is 0.
    """

    def __init__(
        self,
        side: int,
        patch: int,
        merge: int,
        width: int,
        layers: int,
        heads: int,
        mlp: int,
        out: int,
        deep: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.side, self.merge, self.deep, self.head_width = side, merge, deep, width // heads
        self.patch = nn.Linear(3 * _FRAMES * patch * patch, width)
        self.places = nn.Parameter(torch.randn(side * side, width) * width**-0.5)
        self.encoder = Encoder(width, layers, heads, mlp, end_norm=False)
        self.merger = _Merger(width, merge**2, out, late=False)
        self.deep_mergers = nn.ModuleList(_Merger(width, merge**2, out, late=True) for _ in deep)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, list[Tensor]]:
        """See the class for shapes."""
        x, seen = self.patch(x) + self._stretched(grid), dict[int, Tensor]()
        for index, layer in enumerate(self.encoder.layers(x, angles=self._angles(grid))):
            x = layer
            if index in self.deep:
                seen[index] = x
        beside = [merger(seen[index]) for merger, index in zip(self.deep_mergers, self.deep, strict=True)]
        return self.merger(x), beside

    def _stretched(self, grid: Grid) -> Tensor:
        """(T, D) learned places, on this grid."""
        square = self.places.T.view(1, -1, self.side, self.side)
        stretched = F.interpolate(square, grid, mode="bilinear", align_corners=True)[0]
        return self._by_squares(stretched.permute(1, 2, 0))

    def _angles(self, grid: Grid) -> tuple[Tensor, Tensor]:
        """Cosine and sine, each (T, W / 2): the first half of the row, the second of the column."""
        quarter = self.head_width // 4
        steps = torch.arange(quarter, dtype=torch.float32, device=self.places.device) / quarter
        ranges = (torch.arange(count, dtype=torch.float32, device=self.places.device) for count in grid)
        places = torch.stack(torch.meshgrid(*ranges, indexing="ij"), -1)
        angles = self._by_squares((places[..., None] * _BASE**-steps).flatten(2))
        return angles.cos(), angles.sin()

    def _by_squares(self, x: Tensor) -> Tensor:
        """(rows, columns, D) -> (T, D) in the order of the patches."""
        rows, columns, width = x.shape
        x = x.reshape(rows // self.merge, self.merge, columns // self.merge, self.merge, width)
        return x.transpose(1, 2).flatten(0, 3)
