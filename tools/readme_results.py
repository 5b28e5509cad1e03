"""Write the tables of measured results in README.md from results/*.json, so that the two cannot drift apart.

Three forms of report are quoted; others are kept, but not quoted.

An evaluation, as `premotor eval` writes it: "label", "complete", and "means", a list of success rates with "split",
"embodiment" ("all" or one arm), "rate", "low", "high" and "n". It must be complete.

The same under perturbations, with "profile": of that only what each perturbation costs is quoted.

A measurement, which any script may write:

    "command": the command that wrote it, e.g. "make bench"
    "summary": a list of rows, in the order to show:
        "figure": what was measured, in words          "value": a number
        "unit":   "%", "ms", "steps/s", "s", or ""      "low", "high": 95 % interval, same unit (optional)
        "n":      how many trials (optional)            "target": the aim, as text (optional)

For "%" the value and the interval are fractions of one.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BEGIN", "END", "Evaluation", "Measurement", "Profile", "ReportError", "Row", "main", "reports", "rewrite"]

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = "bundle"
_BENCHMARKS = {"metaworld": "Meta-World MT50", "libero": "LIBERO"}
BEGIN, END = "<!-- results -->", "<!-- /results -->"
_KEYS = {"figure", "value", "unit", "low", "high", "n", "target"}


class ReportError(ValueError):
    """A report in results/ does not keep the form."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    figure: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    n: int | None = None
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One file of results/ with rows of its own."""

    command: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One file of results/ with success rates. rates: split -> embodiment -> (rate, low, high, n).

    benchmark: the published one that it is of, "" for the tabletop.
    """

    label: str
    rates: Mapping[str, Mapping[str, tuple[float, float, float, int]]]
    benchmark: str = ""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One file of results/ under perturbations. drops: axis -> its strengths' (rate, low, high, n)."""

    label: str
    drops: Mapping[str, Sequence[tuple[float, float, float, int]]]


def _row(name: str, data: Mapping[str, Any]) -> Row:
    missing, extra = {"figure", "value", "unit"} - data.keys(), data.keys() - _KEYS
    if missing or extra:
        raise ReportError(f"{name}: row {dict(data)} lacks {sorted(missing)} or has unknown {sorted(extra)}")
    if ("low" in data) != ("high" in data):
        raise ReportError(f"{name}: row {data['figure']!r} has half an interval; give low and high, or neither")
    return Row(**data)


def _evaluation(name: str, data: Mapping[str, Any]) -> Evaluation | Profile:
    if not data.get("complete"):
        raise ReportError(f"{name}: the evaluation is not complete; run its command again, it goes on where it was")
    if courses := data.get("profile"):
        drops = {
            course["what"]: [_interval(strength["drop"]) for strength in course["strengths"]] for course in courses
        }
        return Profile(label=data["label"], drops=drops)
    rates: dict[str, dict[str, tuple[float, float, float, int]]] = {}
    for mean in data["means"]:
        rates.setdefault(mean["split"], {})[mean["embodiment"]] = _interval(mean)
    benchmark = _BENCHMARKS.get(str(data["protocol"]["suite"]).split()[0], "")
    if benchmark:
        # What papers print, and what every task counts in alike.
        rates["mean of these"] = {"all": _interval(data["mean_of_splits"])}
        rates["mean of all tasks"] = {"all": _interval(data["mean_of_cells"])}
    return Evaluation(label=data["label"], rates=rates, benchmark=benchmark)


def _interval(data: Mapping[str, Any]) -> tuple[float, float, float, int]:
    return data["rate"], data["low"], data["high"], data["n"]


def reports(folder: Path) -> list[Evaluation | Profile | Measurement]:
    """All quoted reports of a folder, by file name.

    Raises:
        ReportError: a report has rows of the wrong form, is not complete, or does not say which command wrote it.
    """
    found: list[Evaluation | Profile | Measurement] = []
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        if isinstance(data, dict) and "means" in data:
            found.append(_evaluation(path.name, data))
        elif isinstance(data, dict) and "summary" in data:
            if "command" not in data:
                raise ReportError(f"{path.name}: has a summary but no command; say which command wrote it")
            rows = tuple(_row(path.name, row) for row in data["summary"])
            found.append(Measurement(command=data["command"], rows=rows))
    return found


def _number(value: float, unit: str, *, bare: bool = False) -> str:
    if unit == "%":
        text = f"{100 * value:.1f}"
    elif value == int(value) or abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}"
    return text if bare or not unit else f"{text} {unit}"


def _success(found: Sequence[Evaluation]) -> list[str]:
    """A table of success rates: a line for each policy and split, of the largest evaluation, a column for each arm."""
    benchmark = found[0].benchmark
    # A benchmark has one arm, which is all arms.
    every = [arm for report in found for rates in report.rates.values() for arm in rates]
    arms = ["all"] if benchmark else list(dict.fromkeys(every))
    together = "success" if benchmark else "both arms"
    lines = [
        f"| {benchmark + ': ' if benchmark else ''}policy | {'tasks' if benchmark else 'split'} | "
        + " | ".join(together if arm == "all" else arm for arm in arms)
        + " | episodes |",
        "|---" * (len(arms) + 3) + "|",
    ]
    widest: dict[tuple[str, str], Mapping[str, tuple[float, float, float, int]]] = {}
    for report in found:
        for split, rates in report.rates.items():
            if _episodes(rates) > _episodes(widest.get((report.label, split), {})):
                widest[report.label, split] = rates
    for label in dict.fromkeys(report.label for report in sorted(found, key=lambda r: r.label != SHIPPED)):
        for (who, split), rates in widest.items():
            if who == label:
                cells = [_rate(rates[arm]) if arm in rates else "" for arm in arms]
                lines.append(
                    f"| {label} | {split if ' ' in split else f'`{split}`'} | "
                    + " | ".join(cells)
                    + f" | {_episodes(rates):,} |"
                )
    return lines


def _episodes(rates: Mapping[str, tuple[float, float, float, int]]) -> int:
    return max((n for _, _, _, n in rates.values()), default=0)


def _rate(value: tuple[float, float, float, int]) -> str:
    rate, low, high, _ = value
    return f"{100 * rate:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _profile(found: Profile) -> list[str]:
    """A table of what perturbations cost: a line for each, a column for each strength."""
    lines = [f"| {found.label}: points of success lost to | mild | clear | harsh | episodes each |", "|---" * 5 + "|"]
    for what, drops in found.drops.items():
        cells = [f"{100 * rate:.0f} ({100 * low:.0f} to {100 * high:.0f})" for rate, low, high, _ in drops]
        lines.append(f"| {what} | " + " | ".join(cells) + f" | {max(n for _, _, _, n in drops):,} |")
    return lines


def _figures(found: Sequence[Measurement]) -> list[str]:
    """A table of everything else: one line a figure."""
    lines = ["| figure | measured | 95 % interval | trials | aim | command |", "|---|---|---|---|---|---|"]
    for report in found:
        for row in report.rows:
            interval = ""
            if row.low is not None and row.high is not None:
                interval = f"{_number(row.low, row.unit, bare=True)} to {_number(row.high, row.unit, bare=True)}"
            trials = "" if row.n is None else f"{row.n:,}"
            cells = [row.figure, _number(row.value, row.unit), interval, trials, row.target, f"`{report.command}`"]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def rewrite(text: str, found: Sequence[Evaluation | Profile | Measurement]) -> str:
    """`text` with the block between the markers replaced by the tables.

    Raises:
        ReportError: the markers are missing.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ReportError(f"README.md must hold {BEGIN} and {END} exactly once")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    evaluations = [report for report in found if isinstance(report, Evaluation)]
    measurements = [report for report in found if isinstance(report, Measurement)]
    worlds = sorted({report.benchmark for report in evaluations})
    tables = [_success([report for report in evaluations if report.benchmark == name]) for name in worlds]
    tables += [_profile(report) for report in found if isinstance(report, Profile)]
    tables += [_figures(measurements)] if measurements else []
    body = "\n\n".join("\n".join(table) for table in tables)
    return f"{head}{BEGIN}\n{body or 'Nothing measured yet: `make results` fills this table.'}\n{END}{tail}"


def main() -> int:
    """Rewrite README.md; 0 on success."""
    page = ROOT / "README.md"
    try:
        page.write_text(rewrite(page.read_text(), reports(ROOT / "results")))
    except ReportError as error:
        print(f"premotor: {error}", file=sys.stderr)
        return 1
    print("premotor: README.md quotes results/ as it is now")
    return 0


if __name__ == "__main__":
    sys.exit(main())
