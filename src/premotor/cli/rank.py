"""`premotor rank`: many policies, and the ranks that each may have."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from premotor.cli.app import EXIT_OK

if TYPE_CHECKING:
    from premotor.evaluation.statistics import Interval

__all__ = ["Rank"]


@dataclass(frozen=True, kw_only=True)
class Rank:
    """Rank policies by results of `premotor eval`, as surely as their episodes allow.

    Example: premotor rank outputs/a/eval.json outputs/b/eval.json

    Two policies have different ranks when the exact paired test tells them apart, after Holm's correction for all
    pairs. Results of different protocols are refused, with the list of differences.
    """

    reports: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE")]]
    """JSON files of `premotor eval`, two or more."""
    level: Annotated[float, tyro.conf.arg(metavar="P")] = 0.05
    """Probability at most that any two are told apart wrongly."""

    def main(self) -> int:
        """Rank and print; returns the exit code."""
        from premotor.cli.terminal import console, table
        from premotor.evaluation.ranking import rank
        from premotor.evaluation.report import read_summary

        found = rank([read_summary(path) for path in self.reports], level=self.level)
        rows = [
            (
                str(place.best) if place.best == place.worst else f"{place.best} to {place.worst}",
                place.label,
                _rate(mean),
                f"{100 * over.low:.0f}-{100 * over.high:.0f}",
                f"{mean.n:,}",
            )
            for place, mean, over in zip(found.places, found.means, found.over_tasks, strict=True)
        ]
        out = console()
        out.print(table(("rank", "policy", "success, 95 %", "over tasks", "episodes"), rows))
        told = [difference for difference in found.differences if difference.p < found.level]
        text = "; ".join(f"{d.a} and {d.b}, p = {d.p:.2g}" for d in told) or "none of them"
        out.print(f"\nTold apart at {found.level:g} for all together: {text}.", markup=False)
        return EXIT_OK


def _rate(interval: "Interval") -> str:
    return f"{interval.rate:.0%} ({100 * interval.low:.0f}-{100 * interval.high:.0f})"
