"""Resize a picture as OpenCV's INTER_AREA does, which Albumentations asks for; what grows, up to one step of a byte."""

from functools import cache

import torch
from torch import Tensor

__all__ = ["area"]


def area(pictures: Tensor, height: int, width: int) -> Tensor:
    """(N, 3, H, W) in 0..255 -> (N, 3, height, width). What shrinks is averaged, what grows in one way is drawn out."""
    before = tuple(pictures.shape[-2:])
    if before == (height, width):
        return pictures
    weights = _drawn_out if height > before[0] or width > before[1] else _averaged
    rows, columns = weights(before[0], height), weights(before[1], width)
    x = rows.to(pictures.device) @ pictures.double() @ columns.T.to(pictures.device)
    return (x if pictures.is_floating_point() else (x + 0.5).floor()).to(pictures.dtype)


@cache
def _averaged(before: int, after: int) -> Tensor:
    """(after, before) how much of each earlier pixel lies in a new one."""
    scale = before / after
    begin = torch.arange(after, dtype=torch.float64, device="cpu")[:, None] * scale
    at = torch.arange(before, dtype=torch.float64, device="cpu")
    shared = (torch.minimum(begin + scale, at + 1) - torch.maximum(begin, at)).clamp(min=0.0)
    return shared / scale


@cache
def _drawn_out(before: int, after: int) -> Tensor:
    """(after, before) two neighbours each; the further one comes in only where a new pixel reaches into it."""
    scale, at = before / after, torch.arange(after, dtype=torch.float64, device="cpu")
    near = (at * scale + 1e-9).floor().clamp(max=before - 1)
    share = at + 1 - (near + 1) / scale
    share = torch.where((share <= 0) | (near == before - 1), 0.0, share - share.floor())[:, None]
    here = torch.nn.functional.one_hot(near.long(), before).double()
    return here * (1 - share) + here.roll(1, 1) * share
