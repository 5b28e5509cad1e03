"""What our scripted expert reaches on LIBERO's tasks, in the states that evaluations begin in: who learns from it?

    python tools/libero_ceiling.py --suites spatial object --episodes 5

Needs the package of LIBERO: pip install 'premotor[libero]'. Nothing is drawn; an episode takes some three seconds.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from metaworld_ceiling import row
from premotor.evaluation.evaluate import Progress, play
from premotor.evaluation.libero import LiberoProtocol
from premotor.evaluation.policies import chosen
from premotor.evaluation.statistics import clopper_pearson
from premotor.evaluation.summary import Summary
from premotor.sim.libero.tasks import SUITES, of_suite


def report(summary: Summary, errors: dict[str, str]) -> dict[str, Any]:
    """Every task with its exact interval, or why it has no script, and what the README quotes of each suite."""
    tasks: list[dict[str, Any]] = []
    for cell in summary.cells:
        name, suite = cell.cell.family, cell.cell.split
        told: dict[str, Any] = {"task": name, "suite": suite}
        found = (
            {"no_script": errors[name]}
            if name in errors
            else dataclasses.asdict(clopper_pearson(cell.successes, cell.n))
        )
        tasks.append(told | found)
    per_suite = {}
    for suite in summary.protocol.splits:
        here = [task for task in tasks if task["suite"] == suite]
        per_suite[suite] = {
            "tasks": len(here),
            "scripted": sum("no_script" not in task for task in here),
            "always_solved": sum(task.get("rate") == 1 for task in here),
            "mean_of_all": dataclasses.asdict(summary.mean(split=suite)),
        }
    return {
        "command": "python tools/libero_ceiling.py " + " ".join(sys.argv[1:]),
        "protocol": summary.protocol.to_json(),
        "protocol_hash": summary.protocol.hash,
        "seeds": [summary.protocol.seeds.start, summary.protocol.seeds.stop - 1],
        "revisions": summary.revisions,
        "machine": summary.machine,
        "elapsed_s": round(summary.elapsed_s, 1),
        "suites": per_suite,
        "tasks": tasks,
        "summary": [
            row(
                f"LIBERO-{suite.capitalize()}: our scripted expert, mean of {found['tasks']} tasks",
                summary.mean(split=suite),
            )
            for suite, found in per_suite.items()
        ],
    }


def told(progress: Progress) -> None:
    """One line an episode."""
    if progress.result is not None:
        done = progress.result
        print(done.job.cell.family, done.job.seed, done.error or done.success, done.seconds, flush=True)


def main() -> None:
    """Run the expert, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/libero_ceiling.json"))
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=list(SUITES[:4]))
    parser.add_argument("--episodes", type=int, default=10, help="episodes a task, from the first of its fifty states")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    suites = tuple(suite for suite in SUITES if suite in args.suites)
    names = tuple(name for suite in suites for name in of_suite(suite))
    protocol = LiberoProtocol(families=names, splits=suites, episodes=args.episodes)
    with tempfile.TemporaryDirectory() as folder:
        choice = chosen("expert", protocol.embodiments)
        summary, results = play(choice, protocol, Path(folder), args.workers, told)
    errors = {result.job.cell.family: result.error for result in results if result.error is not None}
    if broken := [error for error in errors.values() if "has no script" not in error]:
        sys.exit(f"episodes could not be finished, nothing is written: {broken[0]}")
    found = report(summary, errors)
    for line in found["summary"]:
        print(line["figure"], line["value"])
    args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
