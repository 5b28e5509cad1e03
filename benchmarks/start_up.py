"""How long a person waits: for help, for `premotor run`, and, on request, for `make demo` in a fresh clone.

    python benchmarks/start_up.py [--runs 3] [--demo] [--out results/start_up.json]

Whole commands, as they are typed. `--demo` clones the repository into an empty folder and lets `make demo` install
everything there, which takes minutes and network; without it, the figure of the last report is kept.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from premotor.evaluation.machine import machine, revision

ROOT = Path(__file__).resolve().parent.parent
PREMOTOR = str(Path(sys.executable).with_name("premotor"))
INSTRUCTION = "put the blue cup in the bowl"


def seconds(command: Sequence[str], folder: Path, runs: int) -> list[float]:
    """Wall-clock seconds of each run of a command; raises CalledProcessError when it could not do its work."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        times.append(time.perf_counter() - began)
        if done.returncode > 1:  # 1: it ran, and the robot did not succeed
            sys.stderr.write(done.stdout[-2000:] + done.stderr[-2000:])
            done.check_returncode()
    return times


def demo() -> float:
    """Seconds of `make demo` in a fresh clone of the committed state."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "premotor"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        return seconds(["make", "demo"], clone, 1)[0]


def row(figure: str, times: Sequence[float], target: str) -> dict[str, Any]:
    """One line of the README's table: the median."""
    value = round(statistics.median(times), 2)
    return {"figure": figure, "value": value, "unit": "s", "n": len(times), "target": target}


def kept(out: Path) -> list[dict[str, Any]]:
    """The figure of `make demo` in the report that is there, if any."""
    if not out.is_file():
        return []
    return [line for line in json.loads(out.read_text())["summary"] if "make demo" in line["figure"]]


def main() -> None:
    """Time the commands and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/start_up.json"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--demo", action="store_true")
    args = parser.parse_args()
    os.environ.setdefault("MUJOCO_GL", "egl")
    with tempfile.TemporaryDirectory() as folder:
        helped = seconds([PREMOTOR, "--help"], Path(folder), args.runs)
        ran = seconds([PREMOTOR, "run", INSTRUCTION, "--robot", "so101"], Path(folder), args.runs)
    summary = [
        row("`premotor --help`", helped, "0.5 s"),
        row("`premotor run`, from the command to the film, when set up", ran, "floor 40 s, aim 15 s"),
    ]
    if args.demo:
        summary.append(row("`make demo` in a fresh clone, everything installed", [demo()], "floor 600 s, aim 240 s"))
    else:
        summary.extend(kept(args.out))
    report = {
        "command": "python benchmarks/start_up.py --demo",
        "revision": revision(),
        "machine": machine(),
        "seconds": {"help": helped, "run": ran},
        "summary": summary,
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    for line in summary:
        print(f"{line['figure']}: {line['value']} s")


if __name__ == "__main__":
    main()
