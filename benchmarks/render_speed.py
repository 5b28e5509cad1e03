"""Rendered control steps of the tabletop per second on one core: physics, two 128x128 pictures, observation.

    python benchmarks/render_speed.py [--out results/render_speed.json]

A rendered control step is one `apply` (10 physics steps) and one `observe`. Scenes are training episodes of every
family; building a scene is counted apart. CPU time is what a core must give; wall time is what this machine took.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

if sys.platform.startswith("linux"):
    os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mujoco
import numpy as np

from premotor.core.types import Command
from premotor.evaluation.machine import machine, revision
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.tabletop.episode import FAMILIES
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import TabletopWorld

FLOOR, AIM = 120, 250


def measure(arm: str, steps: int) -> dict[str, Any]:
    """Times of one arm, in milliseconds and steps a second."""
    world = TabletopWorld(arm)
    physics, pictures, builds, walls = [], [], [], []
    for seed, family in enumerate(FAMILIES):
        episode = sample(arm, family, "train", seed)
        started = time.process_time()
        world.reset(episode)
        builds.append(time.process_time() - started)
        world.observe()
        for step in range(steps):
            joints = world.embodiment.home + 0.15 * np.sin(step / 15)
            command = Command(stamp_ns=world.stamp_ns, positions=joints, gripper=0.5 + 0.5 * np.sin(step / 5))
            wall, begin = time.perf_counter(), time.process_time()
            world.apply(command)
            middle = time.process_time()
            world.observe()
            end = time.process_time()
            walls.append(time.perf_counter() - wall)
            physics.append(middle - begin)
            pictures.append(end - middle)
    world.close()
    cpu = sum(physics) + sum(pictures)
    return {
        "steps": len(walls),
        "steps_per_second_per_core": round(len(walls) / cpu, 1),
        "steps_per_second_wall": round(len(walls) / sum(walls), 1),
        "physics_ms": round(1e3 * statistics.fmean(physics), 3),
        "pictures_ms": round(1e3 * statistics.fmean(pictures), 3),
        "reset_ms": round(1e3 * statistics.median(builds), 1),
    }


def main() -> None:
    """Measure both arms, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/render_speed.json"))
    parser.add_argument("--steps", type=int, default=60, help="control steps in each of the ten scenes of an arm")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    report: dict[str, Any] = {
        "command": "python benchmarks/render_speed.py",
        "revision": revision(),
        "machine": machine() | {"mujoco": mujoco.__version__},
        "arms": {},
    }
    for arm in sorted(EMBODIMENTS):
        report["arms"][arm] = measure(arm, args.steps)
        print(arm, json.dumps(report["arms"][arm]))
    report["summary"] = [
        {
            "figure": f"{arm}: rendered control steps per second of one core's time, two cameras 128x128",
            "value": found["steps_per_second_per_core"],
            "unit": "steps/s",
            "n": found["steps"],
            "target": f"floor {FLOOR}, aim {AIM}",
        }
        for arm, found in report["arms"].items()
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
