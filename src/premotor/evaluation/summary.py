"""The results of one policy under one protocol, added up; and two of them compared on the same episodes."""

import dataclasses
import hashlib
import statistics as plain
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from premotor.core.errors import EvaluationError
from premotor.evaluation.bootstrap import over_tasks_difference
from premotor.evaluation.protocol import Cell, differences
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.statistics import (
    Interval,
    Paired,
    mean_of_intervals,
    mean_of_rates,
    paired,
    paired_sentence,
    wilson,
)
from premotor.evaluation.suites import AnyProtocol, from_json, narrowed

__all__ = [
    "ERROR",
    "FAILED",
    "NOT_RUN",
    "SOLVED",
    "CellResult",
    "Comparison",
    "Summary",
    "compare",
    "outcome_pairs",
    "summarise",
]

SOLVED, FAILED, ERROR, NOT_RUN = "1", "0", "E", "."


@dataclass(frozen=True, kw_only=True, slots=True)
class CellResult:
    """One arm on one family in one split.

    outcomes: one letter an episode in the order of the seeds: SOLVED, FAILED, ERROR or NOT_RUN.
    seconds: median simulated time of the solved ones, None without any. passed .. stopped: control ticks by the
    guard's verdict. scenes: digest of the episodes that were sampled; equal when two policies met the same scenes.
    """

    cell: Cell
    outcomes: str
    seconds: float | None
    passed: int
    clamped: int
    held: int
    stopped: int
    scenes: str

    @property
    def n(self) -> int:
        """Episodes that were run; errors count, as not solved."""
        return len(self.outcomes) - self.outcomes.count(NOT_RUN)

    @property
    def successes(self) -> int:
        """Episodes that were solved."""
        return self.outcomes.count(SOLVED)

    @property
    def interval(self) -> Interval:
        """Success with its Wilson interval."""
        return wilson(self.successes, self.n)

    def to_json(self) -> dict[str, Any]:
        """A flat dict; the interval is in it for readers and not read back."""
        data = dataclasses.asdict(self)
        del data["cell"]
        interval = self.interval
        found = {"successes": self.successes, "n": self.n, "low": interval.low, "high": interval.high}
        return dataclasses.asdict(self.cell) | found | data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what to_json wrote."""
        names = [field.name for field in dataclasses.fields(cls) if field.name != "cell"]
        cell = Cell(embodiment=data["embodiment"], family=data["family"], split=data["split"])
        return cls(cell=cell, **{name: data[name] for name in names})


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One policy under one protocol.

    label: short name for people. policy: as it was asked for. revisions: of the code, more than one when it was
    changed between two stretches. elapsed_s: real time of the last stretch; episodes_s: of all episodes together.
    """

    protocol: AnyProtocol
    label: str
    policy: str
    policy_digest: str
    revisions: tuple[str, ...]
    machine: Mapping[str, Any]
    elapsed_s: float
    episodes_s: float
    cells: tuple[CellResult, ...]

    @property
    def complete(self) -> bool:
        """Whether every episode of the protocol was run."""
        return all(NOT_RUN not in cell.outcomes for cell in self.cells)

    @property
    def errors(self) -> int:
        """Episodes that could not be finished."""
        return sum(cell.outcomes.count(ERROR) for cell in self.cells)

    def choose(
        self, *, embodiment: str | None = None, family: str | None = None, split: str | None = None
    ) -> list[CellResult]:
        """The cells that match; None matches all."""
        wanted = (embodiment, family, split)
        keys = ((c, (c.cell.embodiment, c.cell.family, c.cell.split)) for c in self.cells)
        return [c for c, key in keys if all(w is None or w == k for w, k in zip(wanted, key, strict=True))]

    def mean(self, *, embodiment: str | None = None, family: str | None = None, split: str | None = None) -> Interval:
        """Mean success over the cells that match, each with the same weight, with its 95 % interval."""
        cells = self.choose(embodiment=embodiment, family=family, split=split)
        return mean_of_rates([(cell.successes, cell.n) for cell in cells])

    def mean_of_splits(self) -> Interval:
        """Mean over splits of the mean over cells; over the tiers of Meta-World it is what papers print."""
        means = [self.mean(split=split) for split in self.protocol.splits]
        return mean_of_intervals([mean for mean in means if mean.n])

    def only(self, splits: Sequence[str]) -> "Summary":
        """The part of it in these splits, which is the result of the smaller protocol."""
        protocol = narrowed(self.protocol, splits)
        return dataclasses.replace(
            self, protocol=protocol, cells=tuple(c for c in self.cells if c.cell.split in splits)
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dict: all there is, and means for readers."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        data["protocol"], data["protocol_hash"] = self.protocol.to_json(), self.protocol.hash
        data["seeds"] = [self.protocol.seeds.start, self.protocol.seeds.stop - 1]
        data["machine"], data["revisions"] = dict(self.machine), list(self.revisions)
        data["means"] = [
            {"split": split, "embodiment": arm or "all", **dataclasses.asdict(self.mean(split=split, embodiment=arm))}
            for split in self.protocol.splits
            for arm in (None, *self.protocol.embodiments)
            if self.mean(split=split, embodiment=arm).n
        ]
        data["mean_of_cells"] = dataclasses.asdict(self.mean())
        data["mean_of_splits"] = dataclasses.asdict(self.mean_of_splits())
        data["complete"], data["errors"] = self.complete, self.errors
        data["cells"] = [cell.to_json() for cell in self.cells]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what to_json wrote. Raises EvaluationError when it is of other tasks or damaged."""
        try:
            values = {field.name: data[field.name] for field in dataclasses.fields(cls)}
            values["cells"] = tuple(CellResult.from_json(cell) for cell in data["cells"])
        except (KeyError, TypeError) as damage:
            raise EvaluationError(f"not an evaluation's summary ({damage!r}); run the evaluation again") from damage
        values["protocol"] = from_json(data["protocol"])
        return cls(**values | {"revisions": tuple(data["revisions"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two policies on the same episodes, in numbers and in a sentence; by_split holds one for each split.

    tasks: (episodes that only A solved, only B solved, episodes) of each cell with any.
    """

    result: Paired
    sentence: str
    tasks: tuple[tuple[int, int, int], ...]
    by_split: Mapping[str, "Comparison"] = dataclasses.field(default_factory=dict)

    @property
    def over_tasks(self) -> Interval | None:
        """Success of A minus success of B, mean over cells, with an interval for tasks like these; None without any."""
        return over_tasks_difference(self.tasks) if self.tasks else None


def summarise(
    results: Iterable[EpisodeResult],
    protocol: AnyProtocol,
    *,
    label: str,
    policy: str,
    policy_digest: str,
    revisions: Sequence[str],
    machine: Mapping[str, Any],
    elapsed_s: float,
) -> Summary:
    """Add up the results of a protocol's episodes; what is missing is marked as not run."""
    found = {result.job: result for result in results}
    by_cell: dict[Cell, dict[int, EpisodeResult]] = {cell: {} for cell in protocol.cells()}
    for job, result in found.items():
        if job.cell in by_cell:
            by_cell[job.cell][job.seed] = result
    return Summary(
        protocol=protocol,
        label=label,
        policy=policy,
        policy_digest=policy_digest,
        revisions=tuple(dict.fromkeys(revisions)),
        machine=machine,
        elapsed_s=elapsed_s,
        episodes_s=sum(result.wall_s for result in found.values()),
        cells=tuple(_cell(cell, [runs.get(seed) for seed in protocol.seeds]) for cell, runs in by_cell.items()),
    )


def compare(a: Summary, b: Summary) -> Comparison:
    """Say whether one of two policies is better, from the episodes that both ran.

    Raises EvaluationError when the protocols differ, listing in what, or when the same seeds gave other scenes.
    """
    if a.protocol.hash != b.protocol.hash:
        told = "\n".join(f"  {line}" for line in differences(a.protocol.to_json(), b.protocol.to_json()))
        raise EvaluationError(
            f"{a.label} and {b.label} ran different protocols and cannot be compared:\n{told}\n"
            "Run both under the same protocol."
        )
    theirs = {cell.cell: cell for cell in b.cells}
    for mine in a.cells:
        other = theirs[mine.cell]
        if ERROR not in mine.outcomes + other.outcomes and a.complete and b.complete and mine.scenes != other.scenes:
            raise EvaluationError(
                f"{a.label} and {b.label} met other scenes for the same seeds in {mine.cell}; the tasks were changed "
                f"between revisions {', '.join(a.revisions)} and {', '.join(b.revisions)}. Run both again."
            )
    names = (a.label, b.label) if a.label != b.label else (f"{a.label} (A)", f"{b.label} (B)")
    splits = {split: _compared(a.choose(split=split), b.choose(split=split), names) for split in a.protocol.splits}
    return dataclasses.replace(_compared(a.cells, b.cells, names), by_split=splits)


def outcome_pairs(a: str, b: str) -> list[tuple[bool, bool]]:
    """Whether each of two solved the episodes that both finished; letters as in CellResult, in the same order.

    An error says nothing about a policy, so it must not decide between two.
    """
    return [(x == SOLVED, y == SOLVED) for x, y in zip(a, b, strict=True) if not {ERROR, NOT_RUN} & {x, y}]


def _compared(a: Sequence[CellResult], b: Sequence[CellResult], names: tuple[str, str]) -> Comparison:
    order = {cell.cell: cell.outcomes for cell in b}
    tasks, both, left = [], [], 0
    for mine in a:
        pairs = outcome_pairs(mine.outcomes, order[mine.cell])
        left += len(mine.outcomes) - len(pairs)
        both += pairs
        if pairs:
            tasks.append((sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs), len(pairs)))
    result = paired(both)
    sentence = paired_sentence(*names, result)
    if left:
        sentence += f" {left} episodes that one of them did not finish are left out."
    return Comparison(result=result, sentence=sentence, tasks=tuple(tasks))


def _cell(cell: Cell, runs: Sequence[EpisodeResult | None]) -> CellResult:
    done = [run for run in runs if run is not None]
    seconds = [run.seconds for run in done if run.success]
    return CellResult(
        cell=cell,
        outcomes="".join(_letter(run) for run in runs),
        seconds=plain.median(seconds) if seconds else None,
        passed=sum(run.passed for run in done),
        clamped=sum(run.clamped for run in done),
        held=sum(run.held for run in done),
        stopped=sum(run.stopped for run in done),
        scenes=hashlib.sha256(" ".join(run.scene for run in done).encode()).hexdigest()[:16],
    )


def _letter(run: EpisodeResult | None) -> str:
    if run is None:
        return NOT_RUN
    return ERROR if run.error is not None else SOLVED if run.success else FAILED
