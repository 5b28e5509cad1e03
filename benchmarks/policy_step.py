"""Time of one policy step on one core: two camera pictures in, a chunk of actions out, as a robot would call it.

    python benchmarks/policy_step.py [--out results/policy_step.json]

The same run times a matrix product of known size, so that the figure can be read on another machine as a ratio.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from premotor.core.types import Observation
from premotor.evaluation.machine import machine, revision
from premotor.models import bundle
from premotor.models.policy import BundlePolicy

FLOOR_MS, AIM_MS = 20.0, 8.0


def measure(policy: BundlePolicy, calls: int) -> list[float]:
    """CPU milliseconds of each call."""
    rng = np.random.default_rng(0)
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in policy.spec.cameras}
    state = np.array([(d.low + d.high) / 2 for d in policy.spec.state])
    times = []
    for call in range(calls + 10):
        seen = Observation(stamp_ns=call, images=images, state=state, instruction="put the blue cup in the bowl")
        begin = time.process_time()
        policy.act(seen)
        times.append((time.process_time() - begin) * 1e3)
    return times[10:]


def product(calls: int) -> float:
    """Median CPU milliseconds of a 512 x 512 float32 matrix product."""
    left = torch.randn(512, 512)
    times = []
    for _ in range(calls):
        begin = time.process_time()
        left @ left
        times.append((time.process_time() - begin) * 1e3)
    return float(np.median(times))


def main() -> None:
    """Measure the shipped bundle for every robot it knows and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/policy_step.json"))
    parser.add_argument("--calls", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(1)
    loaded = bundle.load(bundle.DEFAULT)
    robots: dict[str, Any] = {}
    for arm in loaded.codecs:
        times = measure(BundlePolicy(loaded, arm), args.calls)
        robots[arm] = {f"p{q}_ms": round(float(np.percentile(times, q)), 2) for q in (50, 90, 99)}
    worst = max(robot["p50_ms"] for robot in robots.values())
    reference = product(args.calls)
    report = {
        "command": "python benchmarks/policy_step.py",
        "revision": revision(),
        "machine": machine(),
        "bundle": loaded.digest,
        "robots": robots,
        "matmul_512_ms": round(reference, 3),
        "ratio_to_matmul_512": round(worst / reference, 1),
        "summary": [
            {
                "figure": "policy step, two cameras in, chunk out, one core, p50 of CPU time",
                "value": worst,
                "unit": "ms",
                "n": args.calls,
                "target": f"floor {FLOOR_MS:.0f} ms, aim {AIM_MS:.0f} ms",
            }
        ],
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["robots"]), f"512 x 512 product {reference:.2f} ms")


if __name__ == "__main__":
    main()
