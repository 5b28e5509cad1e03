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
    frequency, time = np.arange(length)[:, None], np.arange(length) + 0.5
    basis = np.cos(np.pi * frequency * time / length) * np.sqrt(2.0 / length)
    basis[0] = np.sqrt(1.0 / length)
    return np.asarray(basis)
