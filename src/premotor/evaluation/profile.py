"""A robustness profile: what each perturbation costs a policy, counted on the same episodes without it."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from premotor.evaluation.ranking import holm
from premotor.evaluation.statistics import Interval, Paired, paired, paired_difference
from premotor.evaluation.summary import Summary, outcome_pairs
from premotor.sim.perturb.axes import AXES, PLAIN, Perturbation, find

__all__ = ["Course", "Point", "profile", "profile_json"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One axis at one strength. rate: success there. drop: success lost against the same episodes as they are.

    result: A is plain, B is perturbed. p: that nothing changed, after Holm's correction for all points of the profile.
    """

    change: Perturbation
    rate: Interval
    drop: Interval
    result: Paired
    p: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """One axis. drop: mean over its strengths; its interval holds however they hang together, so it is rather wide."""

    axis: str
    points: tuple[Point, ...]
    drop: Interval


def profile(summary: Summary) -> tuple[Course, ...]:
    """One course an axis, in the order of AXES; none where nothing was perturbed, or was not run plain."""
    changes = [found for name in summary.protocol.splits if name != PLAIN and (found := _perturbation(name))]
    if PLAIN not in summary.protocol.splits or not changes:
        return ()
    results = {change: _against_plain(summary, str(change)) for change in changes}
    ps = dict(zip(results, holm([result.p for result in results.values()]), strict=True))
    points = [
        Point(
            change=change,
            rate=summary.mean(split=str(change)),
            drop=paired_difference(result),
            result=result,
            p=ps[change],
        )
        for change, result in results.items()
    ]
    courses = ((axis, tuple(p for p in points if p.change.axis == axis)) for axis in AXES)
    return tuple(Course(axis=axis, points=there, drop=_mean(there)) for axis, there in courses if there)


def profile_json(summary: Summary) -> list[dict[str, Any]]:
    """The profile as plain data; rates and drops are fractions of one."""
    return [
        {
            "axis": course.axis,
            "what": AXES[course.axis].what,
            "mean_drop": dataclasses.asdict(course.drop),
            "strengths": [
                {
                    "strength": point.change.strength,
                    "success": dataclasses.asdict(point.rate),
                    "drop": dataclasses.asdict(point.drop),
                    "only_plain": point.result.only_a,
                    "only_perturbed": point.result.only_b,
                    "p": point.p,
                }
                for point in course.points
            ],
        }
        for course in profile(summary)
    ]


def _perturbation(name: str) -> Perturbation | None:
    axis = name.rpartition("-")[0]
    return find(name) if axis in AXES else None


def _against_plain(summary: Summary, split: str) -> Paired:
    plain = {(c.cell.embodiment, c.cell.family): c.outcomes for c in summary.choose(split=PLAIN)}
    both: list[tuple[bool, bool]] = []
    for cell in summary.choose(split=split):
        both += outcome_pairs(plain[cell.cell.embodiment, cell.cell.family], cell.outcomes)
    return paired(both)


def _mean(points: Sequence[Point]) -> Interval:
    """All strengths share the plain episodes, so their errors may all point one way: bounds are averaged, not added."""
    known = [point.drop for point in points if point.drop.n]
    if not known:
        return Interval(rate=math.nan, low=-1.0, high=1.0, n=0)
    rate, low, high = (
        sum(values) / len(known) for values in zip(*((d.rate, d.low, d.high) for d in known), strict=True)
    )
    return Interval(rate=rate, low=low, high=high, n=sum(drop.n for drop in known))
