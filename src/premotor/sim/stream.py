"""Random numbers for worlds: a stream follows from what it is for, and from nothing else."""

import hashlib

import numpy as np

__all__ = ["stream"]


def stream(*parts: object) -> np.random.Generator:
    """Random numbers that depend on `parts` only, on every machine and in every process."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))
