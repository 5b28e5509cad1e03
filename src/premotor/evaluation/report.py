"""What an evaluation leaves behind: numbers as JSON for machines, the same as one page for people."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.profile import profile_json
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.summary import Comparison, Summary

__all__ = ["AIMS", "CONTROLS_AIM", "FORMAT", "Filmed", "Report", "read_summary", "replace_text", "write_json"]

FORMAT = 1
AIMS: Mapping[str, float] = {
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


def write_json(report: Report, out: Path, name: str) -> Path:
    """Write <out>/<name>.json, and <out>/<name>_<label>.json for each baseline; returns the first."""
    about = {"format": FORMAT, "command": report.command}
    written = out / f"{name}.json"
    found = {
        "comparisons": {
            label: {
                "sentence": comparison.sentence,
                **dataclasses.asdict(comparison.result),
                "over_tasks": (found := comparison.over_tasks) and dataclasses.asdict(found),
            }
            for label, comparison in report.comparisons.items()
        },
        "failed_to_run": [result.to_json() for result in report.errors],
    }
    if courses := profile_json(report.summary):
        found["profile"] = courses
    _write(written, about | report.summary.to_json() | found)
    for baseline in report.baselines:
        _write(out / f"{name}_{baseline.label}.json", about | baseline.to_json())
    return written


def read_summary(path: Path) -> Summary:
    """The summary in a file of write_json. Raises EvaluationError when it is missing, damaged or of other tasks."""
    try:
        data = json.loads(path.read_text())
        number = data["format"]
    except FileNotFoundError as missing:
        raise EvaluationError(f"{path} does not exist; `premotor eval` writes one") from missing
    except (OSError, ValueError, KeyError, TypeError) as damage:
        raise EvaluationError(f"{path} is not a report of `premotor eval` ({damage!r}); write it again") from damage
    if number != FORMAT:
        raise EvaluationError(f"{path} has format {number!r}, this premotor reads {FORMAT}; write it again")
    return Summary.from_json(data)


def _write(path: Path, data: Mapping[str, Any]) -> None:
    replace_text(path, json.dumps(data, indent=1) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Write a text file so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
