"""How often the expert solves the tabletop's tasks, through the guard, per family and arm.

python tools/expert_success.py --episodes 20 --families put_in pick_up --arms panda so101 --out results.json
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

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


def measure(arm: str, family: Family, split: Split, seeds: range) -> Mapping[str, object]:
    """Success, steps, and time per step of one family on one arm."""
    world = TabletopWorld(arm, render=False)
    expert, guard = Expert(world), Guard(world.embodiment)
    solved, steps, changed, failed = 0, [], 0, []
    total, began = 0, time.perf_counter()
    for seed in seeds:
        world.reset(sample(arm, family, split, seed))
        success, length, cut = attempt(world, expert, guard)
        solved += success
        changed += cut
        total += length
        steps.append(length) if success else failed.append(seed)
    seconds = time.perf_counter() - began
    world.close()
    return {
        "arm": arm,
        "family": family,
        "split": split,
        "episodes": len(seeds),
        "success": solved / len(seeds),
        "failed_seeds": failed,
        "median_steps": float(np.median(steps)) if steps else None,
        "longest": max(steps, default=None),
        "guard_changed": changed / total,
        "ms_per_step": 1e3 * seconds / total,
    }


def main() -> None:
    """Read the command line, print a line per family and arm, and write all of it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--arms", nargs="+", default=sorted(EMBODIMENTS), choices=sorted(EMBODIMENTS))
    parser.add_argument("--split", default="train", choices=SPLITS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.episodes)
    rows = []
    for arm in arguments.arms:
        for family in arguments.families:
            row = measure(arm, family, arguments.split, seeds)
            rows.append(row)
            print(
                f"{arm:6} {family:19} success {row['success']:.2f}  steps {row['median_steps']} (to {row['longest']})  "
                f"{row['ms_per_step']:.1f} ms/step  guard changed {row['guard_changed']:.1%}  "
                f"failed {row['failed_seeds']}",
                flush=True,
            )
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
