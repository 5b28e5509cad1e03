"""Write the table of measured results in README.md from results/*.json, so that the two cannot drift apart.

Each report that wants to be quoted has, beside whatever else it holds:

    "command": the command that wrote it, e.g. "make bench"
    "summary": a list of rows, in the order to show:
        "figure": what was measured, in words          "value": a number
        "unit":   "%", "ms", "steps/s", "s", or ""      "low", "high": 95 % interval, same unit (optional)
        "n":      how many trials (optional)            "target": the aim, as text (optional)

For "%" the value and the interval are fractions of one. A report without "summary" is kept, but not quoted.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BEGIN", "END", "Report", "ReportError", "Row", "main", "reports", "rewrite"]

ROOT = Path(__file__).resolve().parent.parent
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
class Report:
    """One file of results/ that is quoted."""

    name: str
    command: str
    rows: tuple[Row, ...]


def _row(name: str, data: Mapping[str, Any]) -> Row:
    missing, extra = {"figure", "value", "unit"} - data.keys(), data.keys() - _KEYS
    if missing or extra:
        raise ReportError(f"{name}: row {dict(data)} lacks {sorted(missing)} or has unknown {sorted(extra)}")
    if ("low" in data) != ("high" in data):
        raise ReportError(f"{name}: row {data['figure']!r} has half an interval; give low and high, or neither")
    return Row(**data)


def reports(folder: Path) -> list[Report]:
    """All quoted reports of a folder, by file name.

    Raises:
        ReportError: a report has rows of the wrong form, or does not say which command wrote it.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        if not isinstance(data, dict) or "summary" not in data:
            continue
        if "command" not in data:
            raise ReportError(f"{path.name}: has a summary but no command; say which command wrote it")
        rows = tuple(_row(path.name, row) for row in data["summary"])
        found.append(Report(name=path.name, command=data["command"], rows=rows))
    return found


def _number(value: float, unit: str, *, bare: bool = False) -> str:
    if unit == "%":
        text = f"{100 * value:.1f}"
    elif value == int(value) or abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}"
    return text if bare or not unit else f"{text} {unit}"


def _line(report: Report, row: Row) -> str:
    interval = ""
    if row.low is not None and row.high is not None:
        interval = f"{_number(row.low, row.unit, bare=True)} to {_number(row.high, row.unit, bare=True)}"
    trials = "" if row.n is None else f"{row.n:,}"
    cells = [row.figure, _number(row.value, row.unit), interval, trials, row.target, f"`{report.command}`"]
    return "| " + " | ".join(cells) + " |"


def rewrite(text: str, found: Sequence[Report]) -> str:
    """`text` with the block between the markers replaced by the table.

    Raises:
        ReportError: the markers are missing.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ReportError(f"README.md must hold {BEGIN} and {END} exactly once")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    lines = [_line(report, row) for report in found for row in report.rows]
    if lines:
        header = ["| figure | measured | 95 % interval | trials | aim | command |", "|---|---|---|---|---|---|"]
        body = "\n".join(header + lines)
    else:
        body = "Nothing measured yet: `make results` fills this table."
    return f"{head}{BEGIN}\n{body}\n{END}{tail}"


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
