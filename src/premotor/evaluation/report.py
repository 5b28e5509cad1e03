"""What an evaluation leaves behind: numbers as JSON for machines, the same as one page for people."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.statistics import Interval
from premotor.evaluation.summary import Comparison, Summary
from premotor.sim.tabletop.episode import Split

__all__ = ["AIMS", "CONTROLS_AIM", "FORMAT", "Filmed", "Report", "read_summary", "replace_text", "write_json"]

FORMAT = 1
AIMS: Mapping[Split, float] = {
    "layout": 0.97,
    "combination": 0.93,
    "words": 0.93,
    "moved": 0.93,
    "slip": 0.90,
    "light": 0.85,
    "camera": 0.75,
    "clutter": 0.85,
}
"""Success that is aimed at, mean over families and arms."""
CONTROLS_AIM = 0.05
"""Success of the blindfolded and of the deaf policy that is still taken for chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filmed:
    """One episode that was run once more with both cameras on. same: whether it then went exactly as before."""

    result: EpisodeResult
    mp4: bytes
    same: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All that goes on the page. comparisons: label of a baseline -> the policy against it."""

    summary: Summary
    baselines: tuple[Summary, ...] = ()
    comparisons: Mapping[str, Comparison]
    films: tuple[Filmed, ...] = ()
    errors: tuple[EpisodeResult, ...] = ()
    command: str = "premotor eval"


def write_json(report: Report, path: Path) -> None:
    """Write the report's numbers, whole or not at all."""
    replace_text(path, json.dumps(_as_json(report), indent=1) + "\n")


def read_summary(path: Path) -> Summary:
    """The policy's summary out of a report. Raises EvaluationError when it is missing, damaged or of other tasks."""
    try:
        data = json.loads(path.read_text())
        found = data["policy"]
    except FileNotFoundError as missing:
        raise EvaluationError(f"{path} does not exist; `premotor eval` writes one") from missing
    except (OSError, ValueError, KeyError, TypeError) as damage:
        raise EvaluationError(f"{path} is not a report of `premotor eval` ({damage!r}); write it again") from damage
    if data.get("format") != FORMAT:
        raise EvaluationError(f"{path} has format {data.get('format')!r}, this premotor reads {FORMAT}; write it again")
    return Summary.from_json(found)


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "command": report.command,
        "summary": list(_rows(report)),
        "policy": report.summary.to_json(),
        "baselines": [baseline.to_json() for baseline in report.baselines],
        "comparisons": {
            label: {"sentence": found.sentence, **dataclasses.asdict(found.result)}
            for label, found in report.comparisons.items()
        },
        "errors": [result.to_json() for result in report.errors],
    }


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    """What the README quotes."""
    arms = ", ".join(report.summary.protocol.embodiments)
    for split in report.summary.protocol.splits:
        aim = {"target": f"{100 * AIMS[split]:.0f} %"} if split in AIMS else {}
        mean = report.summary.mean(split=split)
        yield {"figure": f"success, {split}, mean over families ({arms})", **_measured(mean), **aim}
    for baseline in report.baselines:
        splits = ", ".join(baseline.protocol.splits)
        aim = {"target": f"at most {100 * CONTROLS_AIM:.0f} %"} if baseline.label in ("blind", "deaf") else {}
        yield {"figure": f"success of the {baseline.label} baseline, {splits}", **_measured(baseline.mean()), **aim}


def _measured(mean: Interval) -> dict[str, Any]:
    return {"value": mean.rate, "unit": "%", "low": mean.low, "high": mean.high, "n": mean.n}


def replace_text(path: Path, text: str) -> None:
    """Write a text file so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
