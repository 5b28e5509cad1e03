"""Fewer, wider tokens of a picture: those of a small square become one (pixel shuffle, arXiv 1609.05158, backwards)."""

import math

from torch import Tensor

__all__ = ["pixel_shuffle"]


def pixel_shuffle(tokens: Tensor, side: int) -> Tensor:
    """(N, T, D) of a square picture, row by row -> (N, T / side^2, D * side^2); a square's are joined row by row."""
    across = math.isqrt(tokens.shape[1])
    if across**2 != tokens.shape[1] or across % side:
        raise ValueError(f"{tokens.shape[1]} tokens are not the rows of a square that divides by {side}")
    squares = tokens.reshape(len(tokens), across // side, side, across // side, side, -1)
    return squares.transpose(2, 3).flatten(3).flatten(1, 2)
