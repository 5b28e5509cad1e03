"""Training samples per second on this machine, and where a step's time goes.

    python benchmarks/training_speed.py [--out results/training_speed.json]

The bound in the same run is what the processor does on a large matrix product, so the figure survives a busy or a
different machine: `share_of_bound` is the policy's multiply-adds a second over that product's.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from premotor.evaluation.machine import machine, revision
from premotor.recipes import RECIPES
from premotor.training.learn import Learner
from premotor.training.train import keep_memory


def bound(size: int = 1536, repeats: int = 5) -> float:
    """Floating-point operations a second of a float32 matrix product, best of `repeats`."""
    left = torch.randn(size, size)
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def main() -> None:
    """Measure the shipped recipe's training step and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/training_speed.json"))
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    recipe = RECIPES["tabletop"]()
    config, batch = recipe.config(), recipe.learn.batch
    keep_memory()
    learner = Learner(config, recipe.learn)
    inputs, targets = config.fake_inputs(batch), config.fake_targets(batch)
    kind = torch.bfloat16 if learner.mixed else torch.float32
    numbers = str(kind).removeprefix("torch.")
    inputs = replace(inputs, images={name: picture.to(kind) for name, picture in inputs.images.items()})
    learner.system.train()

    def step() -> None:
        loss, _ = learner.system.loss(inputs, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        learner.optimiser.step()
        learner.optimiser.zero_grad()

    with FlopCounterMode(display=False) as counted:
        step()
    times = []
    for _ in range(args.steps):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        step()
    rows = sorted(seen.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    shares: dict[str, Any] = {row.key: round(row.self_cpu_time_total / total, 3) for row in rows[:8]}
    median = sorted(times)[len(times) // 2]
    report = {
        "command": "python benchmarks/training_speed.py",
        "revision": revision(),
        "machine": machine(),
        "batch": batch,
        "threads": torch.get_num_threads(),
        "flop_per_sample": counted.get_total_flops() // batch,
        "share_of_bound": round(counted.get_total_flops() / median / bound(), 3),
        "time_by_operation": shares,
        "summary": [
            {
                "figure": f"training samples per second, {torch.get_num_threads()} threads, {numbers}",
                "value": round(batch / median, 1),
                "unit": "samples/s",
                "n": args.steps,
            }
        ],
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
