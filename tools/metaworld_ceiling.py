"""What Meta-World's own scripted experts reach on each of its fifty tasks: the ceiling of whoever learns from them.

    python tools/metaworld_ceiling.py --episodes 10 --out results/metaworld_ceiling.json

Needs the package metaworld: pip install 'premotor[metaworld]'. Nothing is drawn, so it takes minutes.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.statistics import Interval, clopper_pearson
from premotor.evaluation.suites import find
from premotor.evaluation.summary import Summary


def row(figure: str, found: Interval) -> dict[str, Any]:
    """One line of the README's table."""
    shown = {"value": round(found.rate, 4), "low": round(found.low, 4), "high": round(found.high, 4)}
    return {"figure": figure, "unit": "%", "n": found.n, **shown}


def report(summary: Summary) -> dict[str, Any]:
    """Every task with its exact interval, and what the README quotes: both means, and how many tasks fall short."""
    tasks = []
    for cell in summary.cells:
        found = clopper_pearson(cell.successes, cell.n)
        tasks.append({"task": cell.cell.family, "tier": cell.cell.split, **dataclasses.asdict(found)})
    unsolved = "Meta-World MT50: tasks that their expert does not always solve"
    short = sorted((task for task in tasks if task["rate"] < 1), key=lambda task: task["rate"])
    return {
        "command": "python tools/metaworld_ceiling.py " + " ".join(sys.argv[1:]),
        "protocol": summary.protocol.to_json(),
        "protocol_hash": summary.protocol.hash,
        "seeds": [summary.protocol.seeds.start, summary.protocol.seeds.stop - 1],
        "revisions": summary.revisions,
        "machine": summary.machine,
        "elapsed_s": round(summary.elapsed_s, 1),
        "tiers": {tier: dataclasses.asdict(summary.mean(split=tier)) for tier in summary.protocol.splits},
        "tasks": tasks,
        "below_one": [f"{task['task']} {task['rate']:.0%}" for task in short],
        "summary": [
            row("Meta-World MT50: scripted experts, mean of four tiers", summary.mean_of_splits()),
            row("Meta-World MT50: scripted experts, mean of 50 tasks", summary.mean()),
            {
                "figure": unsolved,
                "value": len(short),
                "unit": "",
            },
        ],
    }


def main() -> None:
    """Run the experts, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/metaworld_ceiling.json"))
    parser.add_argument("--episodes", type=int, default=10, help="episodes a task")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    protocol = dataclasses.replace(find("metaworld-ours"), episodes=args.episodes)
    with tempfile.TemporaryDirectory() as folder:
        done = evaluate("expert", protocol, Path(folder), workers=args.workers, films=(0, 0))
    if done.summary.errors:
        sys.exit(f"{done.summary.errors} episodes could not be finished; nothing is written")
    found = report(done.summary)
    for line in found["summary"]:
        print(line["figure"], line["value"])
    print(*found["below_one"], sep="\n")
    args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
