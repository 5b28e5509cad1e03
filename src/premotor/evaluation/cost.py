"""What one policy costs beside another: bytes on disk, and time of a step measured in turns, so that both meet the same
moods of the machine."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Observation

__all__ = ["Cost", "cost"]

_WARM_UP = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of two bundles, the first and the second. size: bytes of the weights' file. step_ms: median CPU time."""

    size: tuple[int, int]
    step_ms: tuple[float, float]
    calls: int

    @property
    def size_ratio(self) -> float:
        """The second to the first."""
        return self.size[1] / self.size[0]

    @property
    def step_ratio(self) -> float:
        """The second to the first."""
        return self.step_ms[1] / self.step_ms[0]

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        return {
            "weights_bytes": list(self.size),
            "weights_ratio": round(self.size_ratio, 4),
            "step_ms": [round(ms, 2) for ms in self.step_ms],
            "step_ratio": round(self.step_ratio, 3),
            "calls": self.calls,
        }


def cost(first: Path, second: Path, calls: int = 60) -> Cost:
    """Measure two bundles for the first robot of the first one. Raises BundleError when one does not load."""
    from premotor.models import bundle  # torch takes seconds to import, and most of this room does without it
    from premotor.models.policy import BundlePolicy

    loaded = [bundle.load(folder) for folder in (first, second)]
    robot = next(iter(loaded[0].codecs))
    policies = [BundlePolicy(one, robot) for one in loaded]
    taken: tuple[list[float], list[float]] = ([], [])
    for call in range(calls + _WARM_UP):
        seen = _seen(policies[0].spec, call)
        for policy, times in zip(policies, taken, strict=True):
            begin = time.process_time()
            policy.act(seen)
            times.append((time.process_time() - begin) * 1e3)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (first, second)]
    return Cost(
        size=(sizes[0], sizes[1]),
        step_ms=(median(taken[0][_WARM_UP:]), median(taken[1][_WARM_UP:])),
        calls=calls,
    )


def _seen(spec: EmbodimentSpec, stamp_ns: int) -> Observation:
    """Something to look at: noise, and every joint in the middle."""
    rng = np.random.default_rng(stamp_ns)
    images: Mapping[str, np.ndarray] = {
        camera.name: rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8) for camera in spec.cameras
    }
    state = np.array([(dim.low + dim.high) / 2 for dim in spec.state])
    return Observation(stamp_ns=stamp_ns, images=dict(images), state=state, instruction="pick up the red block")
