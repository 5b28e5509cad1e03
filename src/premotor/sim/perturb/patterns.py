"""Pictures of surfaces: stripes, checks, blobs and grain in two colours that are never as strong as a thing's."""

import colorsys
import math

import numpy as np

from premotor.core.types import FloatArray

__all__ = ["pattern"]


def pattern(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    """(height, width, 3) in 0 .. 255."""
    kinds = (_stripes, _checks, _blobs, _grain)
    kind = kinds[int(rng.integers(len(kinds)))]
    # Muted, so that a red thing on a reddish table can still be told from it.
    hue, apart = rng.uniform(0, 1), rng.uniform(0.2, 0.8)
    first = colorsys.hsv_to_rgb(hue, rng.uniform(0.15, 0.5), rng.uniform(0.65, 0.95))
    second = colorsys.hsv_to_rgb((hue + apart) % 1, rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.6))
    # Waves a picture is wide, whatever its size.
    y, x = np.meshgrid(np.linspace(0, height / width, height), np.linspace(0, 1, width), indexing="ij")
    share = kind(rng, x, y)[..., None]
    mixed: FloatArray = 255 * (share * np.array(first) + (1 - share) * np.array(second))
    return mixed


def _stripes(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    angle, count = rng.uniform(0, math.pi), rng.uniform(5, 14)
    return _edges(np.sin(2 * math.pi * count * (x * math.cos(angle) + y * math.sin(angle))))


def _checks(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    angle, count = rng.uniform(0, math.pi / 2), rng.uniform(3, 8)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return _edges(np.sin(2 * math.pi * count * along) * np.sin(2 * math.pi * count * across) * 2)


def _blobs(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    return _edges(_waves(rng, x, y, 3, 9))


def _grain(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    bend = 0.04 * _waves(rng, x, y, 1, 3)
    angle, count = rng.uniform(0, math.pi), rng.uniform(10, 20)
    along = x * math.cos(angle) + y * math.sin(angle)
    return 0.5 + 0.5 * np.sin(2 * math.pi * count * (along + bend))


def _waves(rng: np.random.Generator, x: FloatArray, y: FloatArray, least: float, most: float) -> FloatArray:
    """A sum of waves in random directions, about -1 .. 1."""
    total = np.zeros_like(x)
    for _ in range(6):
        angle, count, phase = rng.uniform(0, 2 * math.pi), rng.uniform(least, most), rng.uniform(0, 2 * math.pi)
        total += np.sin(2 * math.pi * count * (x * math.cos(angle) + y * math.sin(angle)) + phase)
    return total / 2


def _edges(wave: FloatArray) -> FloatArray:
    """0 or 1 with soft edges, so that nothing flickers from far away."""
    return np.clip(0.5 + 2.5 * wave, 0, 1)
