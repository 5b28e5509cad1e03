"""The door: run a policy and its baselines under a protocol, keep every episode, and write the report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from premotor.core.errors import EvaluationError
from premotor.evaluation.crew import Hire, Processes, default_workers
from premotor.evaluation.lanes import Done, LaneSetup, Setup
from premotor.evaluation.libero import LiberoProtocol
from premotor.evaluation.libero_lane import LiberoSetup
from premotor.evaluation.machine import machine, revision
from premotor.evaluation.metaworld import MetaWorldProtocol
from premotor.evaluation.metaworld_lane import MetaWorldSetup
from premotor.evaluation.page import write_page
from premotor.evaluation.plus import PlusProtocol
from premotor.evaluation.policies import Choice, chosen
from premotor.evaluation.pool import run_jobs
from premotor.evaluation.protocol import Job
from premotor.evaluation.report import Filmed, Report, write_json
from premotor.evaluation.results import EpisodeResult, Journal, Session
from premotor.evaluation.suites import AnyProtocol, narrowed
from premotor.evaluation.summary import Comparison, Summary, compare, summarise

__all__ = ["BASELINES", "Evaluation", "Progress", "evaluate", "play"]

BASELINES = ("expert", "hold", "blind", "deaf")
"""Baselines by short name; blind and deaf are of the policy that is evaluated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """After each episode. label: who plays, or "films". done includes episodes kept from an earlier run."""

    label: str
    done: int
    total: int
    successes: int
    errors: int
    result: EpisodeResult | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What was found. comparisons: baseline's label -> the policy against it, on the episodes of both."""

    summary: Summary
    baselines: tuple[Summary, ...]
    comparisons: Mapping[str, Comparison]
    report: Path
    page: Path


def evaluate(
    policy: str,
    protocol: AnyProtocol,
    out: Path,
    *,
    workers: int | None = None,
    baselines: Sequence[str] = (),
    baseline_splits: Sequence[str] = ("layout",),
    films: tuple[int, int] = (12, 4),
    name: str = "eval",
    command: str = "premotor eval",
    progress: Callable[[Progress], None] | None = None,
    crew: Hire = Processes,
) -> Evaluation:
    """Run what is missing of `protocol`, then write <out>/<name>.json, one beside it a baseline, and <out>/<name>.html.

    policy: a bundle's path, "bundle", "expert", "hold", "blind:<path>" or "deaf:<path>".
    workers: default one for each core. crew: where they live. baselines: of BASELINES, run on `baseline_splits` only.
    films: at most so many failures and successes to show on the page. command: quoted in the report.
    Every finished episode is kept under <out>/episodes, so that the same call goes on after an interruption.
    Raises EvaluationError, BundleError before anything runs; KeyboardInterrupt after the workers were ended.
    """
    subject = chosen(policy, protocol.embodiments)
    named = [chosen(_spelled(baseline, subject), protocol.embodiments) for baseline in dict.fromkeys(baselines)]
    others = [other for other in named if other.digest != subject.digest]
    smaller = _smaller(protocol, baseline_splits) if others else protocol
    many = default_workers() if workers is None else workers
    if many < 1:
        raise EvaluationError(f"{many} workers cannot run anything; use at least 1, or leave it out for one a core")
    tell = progress or _silent
    summary, results = play(subject, protocol, out, many, tell, crew=crew)
    found = tuple(play(other, smaller, out, many, tell, crew=crew)[0] for other in others)
    part = summary.only(smaller.splits)
    report = Report(
        summary=summary,
        baselines=found,
        comparisons={other.label: compare(part, other) for other in found},
        films=_film(subject, protocol, _worth_a_film(results, *films), many, tell, crew),
        errors=tuple(result for result in results if result.error is not None),
        command=command,
    )
    page = out / f"{name}.html"
    written = write_json(report, out, name)
    write_page(report, page)
    return Evaluation(summary=summary, baselines=found, comparisons=report.comparisons, report=written, page=page)


def play(
    choice: Choice,
    protocol: AnyProtocol,
    out: Path,
    workers: int,
    tell: Callable[[Progress], None],
    jobs: Sequence[Job] | None = None,
    crew: Hire = Processes,
) -> tuple[Summary, list[EpisodeResult]]:
    """Run the episodes that the journal under `out` does not hold yet, and add up all that it then holds.

    jobs: those of the protocol's episodes to run now; all when None. crew: where workers live.
    """
    session = Session(
        protocol_hash=protocol.hash,
        policy=choice.text,
        policy_digest=choice.digest,
        revision=revision(),
        machine=machine(),
    )
    path = out / "episodes" / f"{choice.label}-{choice.digest[:8]}-{protocol.hash[:8]}.jsonl"
    start = time.monotonic()
    with Journal(path, session) as journal:
        results = {result.job: result for result in journal.results}
        wanted = protocol.jobs() if jobs is None else jobs

        def count(result: EpisodeResult | None) -> None:
            successes = sum(found.success for found in results.values())
            errors = sum(found.error is not None for found in results.values())
            tell(
                Progress(
                    label=choice.label,
                    done=len(results),
                    total=len({*wanted, *results}),
                    successes=successes,
                    errors=errors,
                    result=result,
                )
            )

        def keep(done: Done) -> None:
            journal.add(done.result)
            results[done.result.job] = done.result
            count(done.result)

        count(None)
        setup = _setup(choice, protocol, film=False)
        run_jobs([job for job in wanted if job not in results], setup, workers=workers, done=keep, crew=crew)
        revisions = [old.revision for old in journal.sessions] + [session.revision]
    summary = summarise(
        results.values(),
        protocol,
        label=choice.label,
        policy=choice.text,
        policy_digest=choice.digest,
        revisions=revisions,
        machine=session.machine,
        elapsed_s=time.monotonic() - start,
    )
    return summary, list(results.values())


def _film(
    choice: Choice,
    protocol: AnyProtocol,
    wanted: list[EpisodeResult],
    workers: int,
    tell: Callable[[Progress], None],
    crew: Hire,
) -> tuple[Filmed, ...]:
    """Run some episodes once more with both cameras on all the time."""
    before = {result.job: result for result in wanted}
    taken: dict[Job, Filmed] = {}

    def keep(done: Done) -> None:
        old = before[done.result.job]
        taken[old.job] = Filmed(result=old, mp4=done.film, same=done.result.actions == old.actions)
        tell(Progress(label="films", done=len(taken), total=len(before), successes=0, errors=0, result=None))

    setup = _setup(choice, protocol, film=True)
    run_jobs(list(before), setup, workers=workers, done=keep, crew=crew)
    return tuple(taken[job] for job in before if taken[job].mp4)


def _worth_a_film(results: Sequence[EpisodeResult], failures: int, successes: int) -> list[EpisodeResult]:
    """Failures first; of each kind one from every arm, family and split before a second from any."""
    done = sorted((result for result in results if result.error is None), key=lambda result: result.job)
    picked: list[EpisodeResult] = []
    for success, most in ((False, failures), (True, successes)):
        seen: dict[object, int] = {}
        turns = []
        for result in (r for r in done if r.success == success):
            # Successes show each family once; failures may each have another cause.
            kind = result.job.cell.family if success else result.job.cell
            turns.append((seen.get(kind, 0), result))
            seen[kind] = seen.get(kind, 0) + 1
        # By the scene's digest: a fixed order that prefers no arm and no family.
        picked += [result for _, result in sorted(turns, key=lambda turn: (turn[0], turn[1].scene))[:most]]
    return picked


def _setup(choice: Choice, protocol: AnyProtocol, *, film: bool) -> Setup:
    inner = protocol.base if isinstance(protocol, PlusProtocol) else protocol
    if isinstance(inner, MetaWorldProtocol):
        return MetaWorldSetup(choice=choice, protocol=inner, film=film)
    if isinstance(inner, LiberoProtocol):
        return LiberoSetup(choice=choice, protocol=inner, film=film)
    base = inner.splits[0] if isinstance(protocol, PlusProtocol) else None
    return LaneSetup(choice=choice, replan_every=inner.replan_every, base=base, film=film)


def _smaller(protocol: AnyProtocol, splits: Sequence[str]) -> AnyProtocol:
    here = list(dict.fromkeys(cell.split for cell in protocol.cells()))
    wanted = [split for split in here if split in splits] or here[:1]
    return narrowed(protocol, wanted)


def _spelled(baseline: str, subject: Choice) -> str:
    if baseline not in BASELINES:
        raise EvaluationError(f"no baseline {baseline!r}; choose from {', '.join(BASELINES)}")
    if baseline in ("blind", "deaf"):
        if subject.kind != "bundle" or subject.control != "none":
            raise EvaluationError(f"baseline {baseline!r} needs a bundle to make {baseline}, not {subject.text!r}")
        return f"{baseline}:{subject.text}"
    return baseline


def _silent(progress: Progress) -> None:
    """Nobody listens."""
