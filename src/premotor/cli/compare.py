"""`premotor compare`: named systems on the same demonstrations, with the same time to learn."""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from premotor.cli.app import EXIT_FAILED, EXIT_OK
from premotor.core.errors import PremotorError

if TYPE_CHECKING:
    from premotor.evaluation.protocol import Protocol
    from premotor.evaluation.statistics import Interval
    from premotor.recipes.compare import Row

__all__ = ["Compare"]


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Train systems at the size that a laptop trains, and see which one acts best.

    Example: premotor compare --data runs/tabletop --systems octo pi0 --budget 20

    All learn from the same demonstrations for the same time and act in the same scenes; next to each stands the same
    policy blindfolded and deaf. What is finished is kept, so the same command goes on after Ctrl-C. Exit code 1 when a
    system is not clearly better than its controls in any family: then it does not work.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]
    """Folder of a run of `premotor train`, whose demonstrations are learned from."""
    systems: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = ()
    """Which; all when left out."""
    budget: Annotated[float, tyro.conf.arg(metavar="MINUTES")] = 20.0
    """Minutes of learning for each; loading and evaluating come on top."""
    episodes: Annotated[int, tyro.conf.arg(metavar="N")] = 10
    """Episodes a family and arm, of the split layout."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("runs/compare")
    """Folder for runs, episodes and the table, compare.json."""

    def main(self) -> int:
        """Run it; returns the exit code."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        from premotor.cli.terminal import console, shown_path
        from premotor.evaluation.machine import machine, revision
        from premotor.models.systems import SYSTEMS, system_config
        from premotor.recipes.compare import side_by_side

        if not (self.data / "data").is_dir():
            raise PremotorError(f"{self.data} is not the folder of a run: it has no data/; `premotor train` makes one")
        if not self.budget > 0:
            raise PremotorError(f"--budget {self.budget:g}: nothing can be learned in that time; give minutes above 0")
        systems = self.systems or tuple(SYSTEMS)
        for name in systems:
            system_config(name)
        protocol = self._protocol()
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console()) as bars:
            tasks: dict[str, TaskID] = {}

            def told(system: str, stage: str, done: int, total: int) -> None:
                what = f"{system}: {stage}"
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total)
                bars.update(tasks[what], completed=done, total=total)

            rows = side_by_side(systems, self.data, self.out, self.budget * 60, protocol, told)
        path = self.out / "compare.json"
        report = {
            "command": " ".join(["premotor", *sys.argv[1:]]),
            "revision": revision(),
            "machine": machine(),
            "protocol": protocol.to_json(),
            "protocol_hash": protocol.hash,
            "budget_s": self.budget * 60,
            "rows": [asdict(row) for row in rows],
        }
        path.write_text(json.dumps(report, indent=1) + "\n")
        console().print(_table(rows))
        console().print(f"\n  {shown_path(path)}", markup=False, soft_wrap=True)
        failing = [row.system for row in rows if not row.clear]
        if failing:
            console().print(f"[red]no better than blindfolded or deaf in any family:[/] {', '.join(failing)}")
        return EXIT_FAILED if failing else EXIT_OK

    def _protocol(self) -> "Protocol":
        from premotor.evaluation.protocol import named

        return replace(named("layout"), episodes=self.episodes)


def _table(rows: "list[Row]") -> object:
    from premotor.cli.terminal import duration, table

    columns = ("system", "success", "blind", "deaf", "clear in", "parameters", "steps", "learned", "plan", "memory")
    lines = []
    for row in sorted(rows, key=lambda row: -row.success.rate):
        controls = {name.split(":")[0]: _rate(found) for name, found in row.controls.items()}
        lines.append(
            (
                row.system,
                _rate(row.success),
                controls.get("blind", "-"),
                controls.get("deaf", "-"),
                f"{len(row.clear)} of {len(row.families)}",
                f"{row.parameters / 1e6:.1f} M",
                f"{row.steps:,}",
                duration(row.learned_s),
                f"{row.step_ms:.1f} ms",
                f"{row.memory_mb:.0f} MB",
            )
        )
    return table(columns, lines, right=columns[4:])


def _rate(interval: "Interval") -> str:
    return f"{interval.rate:.0%} ({100 * interval.low:.0f}-{100 * interval.high:.0f})"
