"""How often the expert solves the tabletop's tasks, through the guard, per family and arm.

python tools/expert_success.py --episodes 100 --out results/expert_success.json
python tools/expert_success.py --episodes 20 --families put_in pick_up --arms so101 --split slip
"""

import argparse
import json
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from premotor.evaluation.machine import machine, revision
from premotor.evaluation.statistics import Interval, mean_of_rates, wilson
from premotor.robots.embodiment import EMBODIMENTS
from premotor.safety.guard import Guard
from premotor.sim.tabletop.episode import FAMILIES, SPLITS, Family, Split
from premotor.sim.tabletop.expert import Expert
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import TabletopWorld


def attempt(world: TabletopWorld, expert: Expert, guard: Guard) -> tuple[bool, int, int]:
    """Run one episode to success or to its end: success, steps, steps in which the guard changed the action."""
    guard.reset(world.joint_state())
    changed = 0
    for step in range(world.episode.max_steps):
        command, verdict = guard.step(expert.action(), world.joint_state(), world.stamp_ns)
        changed += type(verdict).__name__ != "Pass"
        world.apply(command)
        if world.success():
            return True, step + 1, changed
    return False, world.episode.max_steps, changed


def measure(arm: str, family: Family, split: Split, seeds: range) -> dict[str, Any]:
    """Success, steps, and time per step of one family on one arm."""
    world = TabletopWorld(arm, render=False)
    expert, guard = Expert(world), Guard(world.embodiment)
    steps: list[int] = []
    failed: list[int] = []
    changed = total = 0
    began = time.process_time()
    for seed in seeds:
        world.reset(sample(arm, family, split, seed))
        success, length, cut = attempt(world, expert, guard)
        changed += cut
        total += length
        if success:
            steps.append(length)
        else:
            failed.append(seed)
    seconds = time.process_time() - began
    world.close()
    return {
        "arm": arm,
        "family": family,
        "split": split,
        "episodes": len(seeds),
        "solved": len(steps),
        "failed_seeds": failed,
        "median_steps": float(np.median(steps)) if steps else None,
        "longest": max(steps, default=None),
        "guard_changed": changed / total,
        "cpu_ms_per_step": 1e3 * seconds / total,
    }


def line(figure: str, found: Interval) -> dict[str, Any]:
    """One line of the README's table."""
    shown = {"value": round(found.rate, 4), "low": round(found.low, 4), "high": round(found.high, 4)}
    return {"figure": figure, "unit": "%", "n": found.n, "target": "98 %", **shown}


def report(rows: list[dict[str, Any]], command: str) -> Mapping[str, Any]:
    """All rows, and what the README quotes of them: the mean, and the worst family and arm."""
    worst = min(rows, key=lambda row: row["solved"] / row["episodes"])
    return {
        "command": command,
        "revision": revision(),
        "machine": machine(),
        "rows": rows,
        "summary": [
            line("expert, mean over families and arms", mean_of_rates([(r["solved"], r["episodes"]) for r in rows])),
            line(f"expert, worst: {worst['family']} on {worst['arm']}", wilson(worst["solved"], worst["episodes"])),
        ],
    }


def main() -> None:
    """Read the command line, print a line per family and arm, and write all of it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--arms", nargs="+", default=sorted(EMBODIMENTS), choices=sorted(EMBODIMENTS))
    parser.add_argument("--split", default="train", choices=SPLITS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.episodes)
    rows = []
    with ProcessPoolExecutor(given.workers) as pool:
        jobs = [
            pool.submit(measure, arm, family, given.split, seeds) for arm in given.arms for family in given.families
        ]
        for job in as_completed(jobs):
            row = job.result()
            rows.append(row)
            print(
                f"{row['arm']:6} {row['family']:19} {row['solved']}/{row['episodes']}  steps {row['median_steps']} "
                f"(to {row['longest']})  {row['cpu_ms_per_step']:.1f} ms/step  "
                f"guard changed {row['guard_changed']:.1%}  failed {row['failed_seeds']}",
                flush=True,
            )
    rows.sort(key=lambda row: (row["arm"], FAMILIES.index(row["family"])))
    if given.out:
        command = f"python tools/expert_success.py --episodes {given.episodes} --out {given.out}"
        given.out.write_text(json.dumps(report(rows, command), indent=1) + "\n")


if __name__ == "__main__":
    main()
