"""`premotor eval`: success with intervals, and whether one policy is better than another."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from premotor.cli.app import EXIT_FAILED, EXIT_OK
from premotor.core.errors import EvaluationError

if TYPE_CHECKING:
    from rich.table import Table

    from premotor.evaluation.crew import Hire
    from premotor.evaluation.evaluate import Evaluation, Progress
    from premotor.evaluation.profile import Course
    from premotor.evaluation.statistics import Interval
    from premotor.evaluation.suites import AnyProtocol
    from premotor.evaluation.summary import Summary

__all__ = ["Eval"]


@dataclass(frozen=True, kw_only=True)
class Eval:
    """Measure success in closed loop, with 95 % intervals.

    Example: premotor eval --protocol layout --robots so101 --families put_in --against expert

    Episodes have fixed seeds that training never saw. Each is kept as it finishes, so the same command goes on after
    Ctrl-C. Writes JSON and a page with films, failures first. Exit code 1 when an episode could not be finished.
    """

    policy: Annotated[str, tyro.conf.arg(metavar="POLICY")] = "bundle"
    """Folder of a bundle, "bundle" for the shipped one, expert, hold, blind:FOLDER or deaf:FOLDER."""
    against: Annotated[str | None, tyro.conf.arg(metavar="POLICY", help_behavior_hint="")] = None
    """Another policy to run on the same episodes; says which of the two is better."""
    until_clear: bool = False
    """With --against: run both side by side, and stop as soon as it is clear which is better. Makes no page."""
    margin: Annotated[float | None, tyro.conf.arg(metavar="RATE", help_behavior_hint="")] = None
    """With --until-clear: also stop when they are surely less than this apart, such as 0.05."""
    protocol: Annotated[str, tyro.conf.arg(metavar="NAME")] = "quick"
    """quick (5 episodes a family and arm), layout (50), full (50 in each of eight splits); Meta-World's fifty tasks as
    metaworld-ours, metaworld-lerobot or metaworld-evo1; LIBERO's suites as libero-object and so on; or what
    perturbations cost: tabletop-plus, metaworld-plus."""
    robots: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = ()
    """Only these arms."""
    families: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FAMILY", help_behavior_hint="")] = ()
    """Only these task families."""
    splits: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SPLIT", help_behavior_hint="")] = ()
    """Only these splits; of a protocol with perturbations, such as plain camera-1 camera-2."""
    episodes: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Episodes a family, arm and split."""
    baselines: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = ()
    """Also run these, on the first split: expert, hold, blind, deaf. All four for the full protocol."""
    replan_every: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Control steps between two plans of the policy."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Processes; one a core when left out."""
    ray: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS", help_behavior_hint="")] = None
    """Run on the Ray cluster there, such as 10.0.0.1:6379, with a worker on each of its cores (pip install
    'premotor[ray]'); every node needs the same premotor, and the bundle at the same path."""
    films: Annotated[int, tyro.conf.arg(metavar="N")] = 12
    """Failures to film, at most; a third as many successes."""
    name: Annotated[str, tyro.conf.arg(metavar="NAME")] = "eval"
    """Name of the files that are written."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("outputs/eval")
    """Folder for them, and for the episodes that are kept."""

    def main(self) -> int:
        """Run it; returns the exit code."""
        from premotor.cli.terminal import console, duration, shown_path
        from premotor.evaluation.evaluate import BASELINES
        from premotor.evaluation.policies import chosen
        from premotor.evaluation.profile import profile
        from premotor.evaluation.summary import compare

        protocol = self._protocol()
        if self.until_clear or self.margin is not None:
            return self._race(protocol)
        if self.against is not None:
            # Refused now, and not after hours with the first policy.
            chosen(self.against, protocol.embodiments)
        baselines = self.baselines or (BASELINES if self.protocol == "full" and self.policy == "bundle" else ())
        found = self._run(self.policy, protocol, baselines, self.name)
        other = None if self.against is None else self._run(self.against, protocol, (), f"{self.name}-against")
        out = console()
        for summary in (found.summary, *([other.summary] if other else [])):
            out.print(f"\n[bold]{summary.label}[/], mean success over families, 95 % interval")
            courses = profile(summary)
            out.print(_by_axis(courses) if courses else _by_split(summary))
            out.print("")
            out.print(_by_family(summary))
            if len(summary.protocol.splits) > 1:
                means = _rate(summary.mean_of_splits()), _rate(summary.mean())
                out.print(f"\nmean of splits {means[0]}, mean of all cells {means[1]}", markup=False)
        for summary in found.baselines:
            mean = summary.mean()
            out.print(f"baseline {summary.label}: {_rate(mean)} of {mean.n}", markup=False)
        sentences = [comparison.sentence for comparison in found.comparisons.values()]
        sentences += [compare(found.summary, other.summary).sentence] if other else []
        if sentences:
            out.print("\n" + "\n".join(sentences), markup=False)
        out.print(f"\n{duration(found.summary.elapsed_s)}, protocol {protocol.hash[:12]}", style="dim")
        paths = [path for done in (found, other) if done for path in (done.report, done.page)]
        for path in paths:
            out.print(f"  {shown_path(path)}", markup=False, soft_wrap=True)
        errors = found.summary.errors + (other.summary.errors if other else 0)
        if errors:
            out.print(f"[red]{errors} episodes could not be finished[/]; the page says why")
        return EXIT_FAILED if errors else EXIT_OK

    def _protocol(self) -> "AnyProtocol":
        from premotor.evaluation.suites import changed, find

        changes: dict[str, Any] = {
            "embodiments": self.robots,
            "families": self.families,
            "splits": self.splits,
            "episodes": self.episodes,
            "replan_every": self.replan_every,
        }
        given = {key: value for key, value in changes.items() if value not in ((), None)}
        return changed(find(self.protocol), **given)

    def _race(self, protocol: "AnyProtocol") -> int:
        from premotor.cli.terminal import console, shown_path
        from premotor.evaluation.race import race

        if self.against is None or not self.until_clear:
            raise EvaluationError("--until-clear needs --against POLICY, and --margin needs --until-clear")
        workers, crew = self._crew()
        with self._told() as told:
            raced = race(
                self.policy,
                self.against,
                protocol,
                self.out,
                workers=workers,
                crew=crew,
                margin=self.margin,
                name=self.name,
                command=" ".join(["premotor", *sys.argv[1:]]),
                progress=told,
            )
        out = console()
        out.print(f"\n{raced.sentence}", markup=False)
        out.print(f"  {shown_path(raced.report)}", markup=False, soft_wrap=True)
        return EXIT_FAILED if raced.errors else EXIT_OK

    def _run(self, policy: str, protocol: "AnyProtocol", baselines: Iterable[str], name: str) -> "Evaluation":
        from premotor.evaluation.evaluate import evaluate

        workers, crew = self._crew()
        with self._told() as told:
            return evaluate(
                policy,
                protocol,
                self.out,
                workers=workers,
                crew=crew,
                baselines=tuple(baselines),
                films=(self.films, -(-self.films // 3)),
                name=name,
                command=" ".join(["premotor", *sys.argv[1:]]),
                progress=told,
            )

    def _crew(self) -> "tuple[int | None, Hire]":
        """How many workers, and where they live."""
        from premotor.evaluation.crew import Processes

        if self.ray is None:
            return self.workers, Processes
        from premotor.evaluation.cluster import RayActors

        cores = RayActors.cores(self.ray)
        if self.workers is not None and self.workers > cores:
            raise EvaluationError(f"--workers {self.workers} are more than the cluster's {cores} cores; give fewer")
        return self.workers or cores, partial(RayActors, address=self.ray)

    @contextmanager
    def _told(self) -> "Iterator[Callable[[Progress], None]]":
        """A bar for each policy that plays, and what to call after each episode."""
        from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        from premotor.cli.terminal import console
        from premotor.evaluation.statistics import wilson

        columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, TextColumn("{task.fields[success]}"), console=console()) as bars:
            rows: dict[str, TaskID] = {}

            def told(news: "Progress") -> None:
                if news.label not in rows:
                    rows[news.label] = bars.add_task(news.label, total=news.total, success="")
                shown = news.done and news.label != "films"
                running = f"{_rate(wilson(news.successes, news.done))} solved" if shown else ""
                bars.update(rows[news.label], completed=news.done, total=news.total, success=running)

            try:
                yield told
            except KeyboardInterrupt:
                bars.console.print(f"what was finished is kept in {self.out}; the same command goes on", markup=False)
                raise


def _by_split(summary: "Summary") -> "Table":
    from premotor.cli.terminal import table

    arms = summary.protocol.embodiments
    rows = [
        (split, *(_cell(summary.mean(split=split, embodiment=arm)) for arm in (*arms, None)))
        for split in summary.protocol.splits
    ]
    return table(("split", *arms, "all"), rows)


def _by_axis(courses: "Sequence[Course]") -> "Table":
    """Points lost of the plain episodes' success at each strength, and in the mean."""
    from premotor.cli.terminal import table

    rows = [
        (course.axis, *(_lost(point.drop) for point in course.points), *[""] * (3 - len(course.points)))
        for course in courses
    ]
    means = [_lost(course.drop) for course in courses]
    return table(
        ("points lost", "mild", "clear", "harsh", "mean"),
        [(*row, mean) for row, mean in zip(rows, means, strict=True)],
    )


def _lost(drop: "Interval") -> str:
    return f"{100 * drop.rate:.0f} ({100 * drop.low:.0f} to {100 * drop.high:.0f})" if drop.n else "-"


def _by_family(summary: "Summary") -> "Table":
    """Of the first split, which is the one that others are compared with; of all where each family is in one."""
    from premotor.cli.terminal import table

    arms, families = summary.protocol.embodiments, summary.protocol.families
    only_once = all(len(summary.choose(embodiment=arm, family=family)) <= 1 for arm in arms for family in families)
    split = None if only_once else summary.protocol.splits[0]
    rows = [
        (family, *(_cell(summary.mean(split=split, embodiment=arm, family=family)) for arm in arms))
        for family in families
    ]
    return table(("family" if split is None else f"family ({split})", *arms), rows)


def _cell(interval: "Interval") -> str:
    return f"{_rate(interval)} of {interval.n}" if interval.n else "-"


def _rate(interval: "Interval") -> str:
    return f"{interval.rate:.0%} ({100 * interval.low:.0f}-{100 * interval.high:.0f})"
