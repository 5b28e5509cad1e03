"""What every system eats, as tensors."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Inputs", "Targets"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """One batch of observations.

    images: camera -> (B, H, W, 3) in 0..255, uint8 (floating point when augmented).
    words: (B, L, T) text features; words_mask: (B, L) True where real.
    state: (B, S) normalised, zero-padded to the widest embodiment. embodiment: (B,) index.
    """

    images: dict[str, Tensor]
    words: Tensor
    words_mask: Tensor
    state: Tensor
    embodiment: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What the expert did and meant.

    actions: (B, H, A) normalised, padded. weight: (B, H, A), 0 where there is no label.
    points: (B, C, R, 2) image points (u, v in 0..1) of object and target in each camera; seen: (B, C, R) is it in
    the picture; places: (B, R, 3) their positions in the base frame (m); named: (B, R) does the instruction name one.
    asked: (B, R, 3) kind, colour and size of object and target, -1 where there is none. crowd: (B, N, 3) the same of
    everything in the scene, crowd_points (B, C, N, 2) and crowd_seen (B, C, N) where it is.
    """

    actions: Tensor
    weight: Tensor
    points: Tensor
    seen: Tensor
    places: Tensor
    named: Tensor
    asked: Tensor
    crowd: Tensor
    crowd_points: Tensor
    crowd_seen: Tensor
