"""What every system eats, as tensors."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Inputs", "SceneTargets", "Targets"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """One batch of observations.

    images: camera -> (B, H, W, 3) in 0..255, uint8 (floating point when augmented).
    words: (B, L, T) text features; words_mask: (B, L) True where real.
    state: (B, S) normalised, zero-padded to the widest embodiment. embodiment: (B,) index.
    environment: (B, E) what a system is told about the scene instead of seeing it; most are not.

    A system that looks back takes images (B, T, H, W, 3), state (B, T, S) and environment (B, T, E), oldest first.
    """

    images: dict[str, Tensor]
    words: Tensor
    words_mask: Tensor
    state: Tensor
    embodiment: Tensor
    environment: Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What the expert did.

    actions: (B, P, A) normalised, padded. weight: (B, P, A), 0 where there is no label: past the end of an episode, and
    dimensions that this row's robot lacks. P is the horizon, and the rows before now if a system predicts those too.
    """

    actions: Tensor
    weight: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneTargets(Targets):
    """What the expert did and meant, as only a simulator can tell.

    points: (B, C, R, 2) image points (u, v in 0..1) of object and target in each camera; seen: (B, C, R) is it in
    the picture; places: (B, R, 3) their positions in the base frame (m); named: (B, R) does the instruction name one.
    asked: (B, R, 3) kind, colour and size of object and target, -1 where there is none. crowd: (B, N, 3) the same of
    everything in the scene, crowd_points (B, C, N, 2) and crowd_seen (B, C, N) where it is.
    """

    points: Tensor
    seen: Tensor
    places: Tensor
    named: Tensor
    asked: Tensor
    crowd: Tensor
    crowd_points: Tensor
    crowd_seen: Tensor
