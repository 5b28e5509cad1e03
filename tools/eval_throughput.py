"""Episodes an hour on two cores with a policy in the loop: `premotor eval` against LeRobot's evaluation.

    python tools/eval_throughput.py --lerobot .venv-lerobot/bin/python --policy outputs/train/bundle

The same bundle plays the same episodes of the protocol `metaworld-lerobot` on both sides: here by the command itself,
there in LeRobot's environments (one process each) and its `eval_policy`, which is what `lerobot-eval` runs; the bundle
answers through a pipe, so what the policy costs is the same. Two things are to LeRobot's advantage: its command also
films the first ten episodes of a task and cannot be told not to, which is left out; and it gets --envs processes,
where on two cores it would take one. Both are timed from the start of Python to the last result. Sides take turns, so
that a machine that gets slower is slower for both; CPU time is what a busy machine says least wrong. Run it on an
idle one.
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if sys.platform.startswith("linux"):
    os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from lerobot_peer import Guest, Peer
from premotor.evaluation.machine import machine, revision
from premotor.evaluation.metaworld import METAWORLD, MetaWorldProtocol

CORES, FLOOR, AIM = 2, 3, 6
_COMMAND = [sys.executable, "-c", "from premotor.cli import main; raise SystemExit(main())", "eval"]


def timed(run: Callable[[], object], episodes: int) -> dict[str, float]:
    """What a side took for so many episodes: seconds on the clock and of CPUs, in this process and its children."""
    wall, cpu = time.perf_counter(), _cpu_s()
    run()
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "episodes_per_hour": round(3600 * episodes / wall, 1),
        "cpu_s_per_episode": round(cpu / episodes, 2),
    }


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ours(policy: str, protocol: MetaWorldProtocol) -> None:
    """`premotor eval`."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--policy", policy, "--protocol", "metaworld-lerobot", "--families", *protocol.families]
        words += ["--episodes", str(protocol.episodes), "--workers", str(CORES), "--films", "0", "--out", folder]
        subprocess.run([*_COMMAND, *words], check=True, stdout=subprocess.DEVNULL)


def theirs(python: str, policy: str, protocol: MetaWorldProtocol, envs: int) -> dict[str, str]:
    """LeRobot's loop. Returns its versions."""
    with Peer(python) as peer:
        guest = Guest(policy, protocol)
        for name in protocol.families:
            asked = {"episodes": protocol.episodes, "first": protocol.first_seed, "every": protocol.replan_every}
            peer.ask("play", guest, task=name, envs=envs, processes=True, **asked)
        return dict(peer.versions)


def main() -> None:
    """Measure both sides, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lerobot", required=True, help="python of an environment with lerobot[metaworld]")
    parser.add_argument("--policy", required=True, help="folder of a bundle")
    parser.add_argument("--families", nargs="+", help="only these tasks; all fifty when left out")
    parser.add_argument("--episodes", type=int, default=10, help="a task")
    parser.add_argument("--envs", type=int, default=CORES, help="processes that LeRobot steps side by side")
    parser.add_argument("--repeats", type=int, default=1, help="times that both sides are measured")
    parser.add_argument("--out", type=Path, default=Path("results/eval_throughput.json"))
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    protocol = dataclasses.replace(METAWORLD["metaworld-lerobot"], episodes=args.episodes)
    if args.families:
        protocol = dataclasses.replace(protocol, families=tuple(args.families))
    episodes, versions = len(protocol.jobs()), dict[str, str]()
    sides: dict[str, list[dict[str, float]]] = {"premotor": [], "lerobot": []}
    for turn in range(args.repeats):
        for side in ("premotor", "lerobot") if turn % 2 == 0 else ("lerobot", "premotor"):
            if side == "premotor":
                found = timed(lambda: ours(args.policy, protocol), episodes)
            else:
                found = timed(lambda: versions.update(theirs(args.lerobot, args.policy, protocol, args.envs)), episodes)
            print(side, json.dumps(found), flush=True)
            sides[side].append(found)
    middle = {
        key: {side: statistics.median(one[key] for one in found) for side, found in sides.items()}
        for key in ("episodes_per_hour", "cpu_s_per_episode")
    }
    ratio = middle["episodes_per_hour"]["premotor"] / middle["episodes_per_hour"]["lerobot"]
    report: dict[str, Any] = {
        "command": "python tools/eval_throughput.py " + " ".join(sys.argv[1:]),
        "revision": revision(),
        "machine": machine(),
        "lerobot": versions,
        "protocol": protocol.to_json(),
        "protocol_hash": protocol.hash,
        "envs": args.envs,
        "sides": sides,
        "median": middle,
        "summary": [
            {
                "figure": f"MT50 evaluation on {CORES} cores, episodes an hour against LeRobot's, same policy",
                "value": round(ratio, 2),
                "unit": "x",
                "n": episodes,
                "target": f"floor {FLOOR}x, aim {AIM}x",
            }
        ],
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["median"]), f"{ratio:.2f}x")


if __name__ == "__main__":
    main()
