"""The robustness profile on the page: what each axis costs at each strength, the dearest first; then task by task."""

import math
from collections.abc import Sequence
from html import escape

from premotor.evaluation.pageparts import percent, span, words
from premotor.evaluation.profile import Course, Point, profile
from premotor.evaluation.statistics import Interval, wilson
from premotor.evaluation.summary import CellResult, Summary
from premotor.sim.perturb.axes import AXES, LEFT_OUT, PLAIN

__all__ = ["profile_matrix", "profile_section"]

_SURE = 0.05
_HIGH, _BAR, _GAP = 42, 10, 3
"""Pixels: of a row's picture, of a bar in it, and between bars."""
_WIDE = 1000
"""Units of a row's picture from side to side; it is stretched to whatever room there is."""


def profile_section(summary: Summary) -> str:
    """Success as it is, and a row an axis."""
    courses = sorted(profile(summary), key=lambda course: -course.drop.rate if course.drop.n else math.inf)
    plain = summary.mean(split=PLAIN)
    low, high = _scale(courses)
    rows = "".join(_row(course, low, high) for course in courses)
    notes = dict(summary.protocol.to_json().get("notes", {}))
    notes |= {f"{words(axis)} is left out": why for axis, why in LEFT_OUT.items()}
    said = "".join(f'<p class="legend">{escape(what)}: {escape(why)}.</p>' for what, why in notes.items())
    return (
        "<section><h2>Robustness profile</h2>"
        f"<p>{percent(plain.rate)} solved ({span(plain)}) as it is. Each bar is what is lost of that, in points, "
        "on the very same episodes with one thing perturbed: mildly, clearly, or harshly, though a person could "
        "still do the task. To the left of zero something is gained.</p>"
        '<div class="wide"><table class="profile"><thead><tr><th>axis</th><th></th>'
        '<th class="num">mild</th><th class="num">clear</th><th class="num">harsh</th><th class="num">mean</th></tr>'
        f"</thead><tbody>{rows}</tbody><tfoot><tr><th></th><td>{_axis(low, high)}</td>"
        '<td colspan="4"></td></tr></tfoot></table></div>'
        '<p class="legend"><i class="key s1"></i>mild <i class="key s2"></i>clear <i class="key s3"></i>harsh. '
        "Line: 95 % interval. Bold: a loss or gain that is sure for all rows together (Holm). Mean: of the three, "
        "its interval is on the safe side.</p>"
        f"{said}</section>"
    )


def profile_matrix(summary: Summary) -> str:
    """Success of every task under every axis, its strengths together."""
    axes = [course.axis for course in profile(summary)]
    tables = []
    for arm in summary.protocol.embodiments:
        rows = []
        for family in summary.protocol.families:
            cells = summary.choose(embodiment=arm, family=family)
            filled = "".join(_tile([c for c in cells if _axis_of(c) == axis]) for axis in (PLAIN, *axes))
            rows.append(f"<tr><th>{escape(words(family))}</th>{filled}</tr>")
        head = "".join(f'<th class="num">{name}</th>' for name in (PLAIN, *axes))
        tables.append(
            f'<h3>{escape(arm)}</h3><div class="wide"><table class="matrix narrow"><thead><tr><th></th>{head}</tr>'
            f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
        )
    legend = '<p class="legend">Success in percent, the three strengths together.</p>'
    return f"<section><details><summary><h2>Task by task</h2></summary>{''.join(tables)}{legend}</details></section>"


def _row(course: Course, low: float, high: float) -> str:
    numbers = "".join(f'<td class="num{_weight(point)}">{_points(point.drop)}</td>' for point in course.points)
    numbers += '<td class="num"></td>' * (3 - len(course.points))
    return (
        f"<tr><th>{escape(course.axis)}<small>{escape(AXES[course.axis].what)}</small></th>"
        f"<td>{_bars(course, low, high)}</td>{numbers}"
        f'<td class="num">{_points(course.drop)}</td></tr>'
    )


def _weight(point: Point) -> str:
    return " strong" if point.p < _SURE else ""


def _points(drop: Interval) -> str:
    if not drop.n:
        return "-"
    lost = _signed(-drop.rate)
    return f"{lost}<small>{_signed(-drop.high)} to {_signed(-drop.low)}</small>"


def _signed(share: float) -> str:
    """Points with their sign; a loss is negative."""
    value = round(100 * share)
    return f"&minus;{-value}" if value < 0 else f"+{value}" if value > 0 else "0"


def _scale(courses: Sequence[Course]) -> tuple[float, float]:
    """From the largest gain to the largest loss that an interval holds, in whole tenths."""
    drops = [point.drop for course in courses for point in course.points if point.drop.n]
    low = min([0.0, *(drop.low for drop in drops)])
    high = max([0.2, *(drop.high for drop in drops)])
    return math.floor(10 * low) / 10, math.ceil(10 * high) / 10


def _bars(course: Course, low: float, high: float) -> str:
    """A picture of the course's points: a bar from zero, and a line for its interval."""

    def at(share: float) -> float:
        return round(_WIDE * (share - low) / (high - low), 1)

    zero, parts = at(0.0), [_grid(low, high)]
    for point in course.points:
        if not point.drop.n:
            continue
        strength, end = point.change.strength, at(point.drop.rate)
        y = _GAP + (strength - 1) * (_BAR + _GAP)
        middle = y + _BAR / 2
        parts.append(
            f'<rect class="s{strength}" x="{min(zero, end)}" y="{y}" width="{abs(end - zero):.1f}" height="{_BAR}"/>'
            f'<path class="whisker" d="M{at(point.drop.low)} {middle}H{at(point.drop.high)}'
            f'M{at(point.drop.low)} {middle - 3}v6M{at(point.drop.high)} {middle - 3}v6"/>'
        )
    parts.append(f'<path class="zero" d="M{zero} 0V{_HIGH}"/>')
    told = ", ".join(f"{100 * p.drop.rate:.0f} points at strength {p.change.strength}" for p in course.points)
    return (
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="{course.axis} loses {told}">{"".join(parts)}</svg>'
    )


def _ticks(low: float, high: float) -> list[float]:
    step = 0.1 if high - low <= 0.6 else 0.2
    first, last = math.ceil(round(low / step, 6)), math.floor(round(high / step, 6))
    return [step * k for k in range(first, last + 1)]


def _grid(low: float, high: float) -> str:
    lines = "".join(f"M{_WIDE * (tick - low) / (high - low):.1f} 0V{_HIGH}" for tick in _ticks(low, high))
    return f'<path class="grid" d="{lines}"/>'


def _axis(low: float, high: float) -> str:
    labels = "".join(
        f'<span style="left:{100 * (tick - low) / (high - low):.2f}%">{_signed(-tick)}</span>'
        for tick in _ticks(low, high)
    )
    return f'<div class="ticks">{labels}</div>'


def _axis_of(cell: CellResult) -> str:
    return cell.cell.split.partition("-")[0]


def _tile(cells: Sequence[CellResult]) -> str:
    mean = wilson(sum(cell.successes for cell in cells), sum(cell.n for cell in cells))
    if not mean.n:
        return '<td class="none"></td>'
    return f'<td style="--p:{mean.rate:.3f}" title="{span(mean)} % of {mean.n}">{100 * mean.rate:.0f}</td>'
