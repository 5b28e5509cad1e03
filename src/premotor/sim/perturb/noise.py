"""Noise on what a robot sees and feels of itself. It follows from the moment, not from how often somebody looks."""

import dataclasses

import numpy as np

from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Image, Observation
from premotor.sim.perturb.axes import Perturbation
from premotor.sim.stream import stream

__all__ = ["noisy"]


def noisy(seen: Observation, spec: EmbodimentSpec, change: Perturbation, key: str) -> Observation:
    """The same moment with Gaussian noise on every pixel and every number of the state, by its unit.

    key: which episode it is of. Numbers without a unit, as of a rotation, have the noise of radians.
    """
    if not change.amount("pixels"):
        return seen
    rng = stream("noise", key, seen.stamp_ns)
    sizes = [change.amount("rad" if dim.unit == "none" else dim.unit) for dim in spec.state]
    state = seen.state + rng.normal(size=len(seen.state)) * sizes
    images = {name: _grainy(image, change.amount("pixels"), rng) for name, image in sorted(seen.images.items())}
    return dataclasses.replace(seen, images={name: images[name] for name in seen.images}, state=state)


def _grainy(image: Image, size: float, rng: np.random.Generator) -> Image:
    drawn = image + size * rng.standard_normal(image.shape, np.float32)
    return np.rint(drawn).clip(0, 255).astype(np.uint8)
