"""A/A trials: how often each test that is offered calls copies of one policy different.

    python benchmarks/false_alarms.py [--out results/false_alarms.json]

The last row is not offered: it is what becomes of a fair test when one looks at it again and again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from premotor.evaluation.false_alarms import PEEKING, TESTS, false_alarms
from premotor.evaluation.machine import machine, revision
from premotor.evaluation.statistics import clopper_pearson


def main() -> None:
    """Run the trials, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/false_alarms.json"))
    parser.add_argument("--runs", type=int, default=200)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, test in {**TESTS, "not offered: the exact paired test, looked at every ten episodes": PEEKING}.items():
        found = clopper_pearson(false_alarms(test, runs=args.runs), args.runs)
        row = {"figure": f"A/A trials flagged: {name}", "value": found.rate, "unit": "%"}
        row |= {"low": found.low, "high": found.high, "n": found.n}
        rows.append(row if test is PEEKING else row | {"target": "at most 5 %"})
        print(f"{name}: {found.rate:.1%}")
    report = {
        "command": "python benchmarks/false_alarms.py",
        "revision": revision(),
        "machine": machine(),
        "seed": 0,
        "summary": rows,
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
