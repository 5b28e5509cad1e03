"""The orthonormal cosine transform over time (DCT-II) and its inverse; chunks are short, so a matrix does."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["dct", "idct"]

_Floats = NDArray[np.float64]


def dct(chunks: _Floats) -> _Floats:
    """Coefficients (..., H, D) over the time of chunks (..., H, D)."""
    return np.asarray(_basis(chunks.shape[-2]) @ chunks)


def idct(coefficients: _Floats) -> _Floats:
    """The inverse of dct."""
    return np.asarray(_basis(coefficients.shape[-2]).T @ coefficients)


@cache
def _basis(length: int) -> _Floats:
    # Whole turns are taken off while the angle is still a whole number, which keeps the last digits.
    angle = np.arange(length)[:, None] * (2 * np.arange(length) + 1) % (4 * length)
    basis = np.cos(angle * (np.pi / (2 * length))) * np.sqrt(2.0 / length)
    basis[0] = np.sqrt(1.0 / length)
    return np.asarray(basis)
