"""`premotor quantise`: a bundle in 8 or 4 bits, and what that costs."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from premotor.cli.app import EXIT_FAILED, EXIT_OK
from premotor.core.errors import BundleError, EvaluationError

if TYPE_CHECKING:
    from premotor.evaluation.protocol import Protocol
    from premotor.evaluation.summary import Summary

__all__ = ["Quantise"]


@dataclass(frozen=True, kw_only=True)
class Quantise:
    """Make a bundle with weights of 8 or 4 bits, and compare it with its original.

    The report has size, speed and success of both.

    Example: premotor quantise runs/tabletop/bundle --bits 8 --out runs/tabletop/bundle8

    Both policies meet the same episodes. Whoever runs the bundle needs the extra premotor[quant], too. Exit code 1 when
    an episode could not be finished.
    """

    bundle: Annotated[Path, tyro.conf.arg(metavar="BUNDLE", help_behavior_hint=""), tyro.conf.Positional]
    """Folder of the bundle."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="(required)")]
    """Where to write; the report goes beside it, to FOLDER.json."""
    bits: Annotated[int, tyro.conf.arg(metavar="8|4")] = 8
    """Of the weights of linear layers; those of others stay as they are."""
    episodes: Annotated[int, tyro.conf.arg(metavar="N")] = 5
    """Episodes a family and robot in closed loop; 0 leaves success unmeasured."""
    families: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FAMILY", help_behavior_hint="")] = ()
    """Only these task families."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Processes for the episodes; one a core when left out."""

    def main(self) -> int:
        """Quantise and measure; returns the exit code."""
        from premotor.cli.terminal import console, facts, megabytes, shown_path
        from premotor.evaluation.cost import cost
        from premotor.evaluation.machine import machine, revision
        from premotor.models import bundle, quantised

        if self.out.exists():
            raise BundleError(f"{self.out} exists already; choose another --out, or delete it")
        loaded = bundle.load(self.bundle)
        protocol = self._protocol(tuple(loaded.codecs)) if self.episodes else None
        layers = quantised.quantise(loaded.system, self.bits)
        bundle.derive(self.bundle, self.out, loaded.system, {"quantised": self.bits}, bits=self.bits)
        found = cost(self.bundle, self.out)
        report: dict[str, Any] = {
            "command": " ".join(["premotor", *sys.argv[1:]]),
            "revision": revision(),
            "machine": machine(),
            "bits": self.bits,
            "layers": {str(kind): list(layers.values()).count(kind) for kind in sorted(set(layers.values()))},
        } | found.to_json()
        errors = 0
        if protocol is not None:
            report["success"], errors = self._success(protocol)
        path = self.out.with_name(f"{self.out.name}.json")
        path.write_text(json.dumps(report, indent=1) + "\n")
        before, after = (megabytes(size) for size in found.size)
        out = console()
        out.print(
            facts(
                [
                    ("layers", ", ".join(f"{count} of {kind} bits" for kind, count in report["layers"].items())),
                    ("weights", f"{before} -> {after}, x {found.size_ratio:.2f}"),
                    ("a step", f"{found.step_ms[0]:.1f} ms -> {found.step_ms[1]:.1f} ms, x {found.step_ratio:.2f}"),
                    *([("success", report["success"]["sentence"])] if protocol is not None else []),
                ]
            )
        )
        out.print(f"bundle: {shown_path(self.out)}\nreport: {shown_path(path)}", markup=False)
        return EXIT_FAILED if errors else EXIT_OK

    def _protocol(self, robots: tuple[str, ...]) -> "Protocol":
        from premotor.evaluation.protocol import Protocol
        from premotor.robots.embodiment import EMBODIMENTS
        from premotor.sim.tabletop.episode import FAMILIES

        simulated = tuple(robot for robot in robots if robot in EMBODIMENTS)
        if not simulated:
            raise EvaluationError(
                f"{self.bundle} is for {', '.join(robots)}, and the simulation has {', '.join(EMBODIMENTS)}; with "
                "--episodes 0 it is quantised without measuring success"
            )
        families: Any = self.families or FAMILIES
        return Protocol(embodiments=simulated, families=families, splits=("layout",), episodes=self.episodes)

    def _success(self, protocol: "Protocol") -> tuple[dict[str, Any], int]:
        from dataclasses import asdict

        from premotor.cli.terminal import console
        from premotor.evaluation import evaluate as room
        from premotor.evaluation.summary import compare

        folder = self.out.with_name(f"{self.out.name}-episodes")
        with console().status("driving") as status:

            def told(news: room.Progress) -> None:
                status.update(f"{news.label}: {news.done} of {news.total} episodes")

            def run(policy: Path, name: str) -> "Summary":
                return room.evaluate(
                    str(policy), protocol, folder, workers=self.workers, films=(0, 0), name=name, progress=told
                ).summary

            first, second = run(self.bundle, "original"), run(self.out, "quantised")
        compared = compare(second, first)
        rates = {"original": asdict(first.mean()), "quantised": asdict(second.mean())}
        return rates | {"sentence": compared.sentence, **asdict(compared.result)}, first.errors + second.errors
