"""Run two policies side by side, and no further than it takes to know which is better."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from premotor.core.errors import EvaluationError
from premotor.evaluation.crew import Hire, Processes, default_workers
from premotor.evaluation.evaluate import Progress, play
from premotor.evaluation.policies import chosen
from premotor.evaluation.report import replace_text
from premotor.evaluation.sequential import Race, race_sentence
from premotor.evaluation.suites import AnyProtocol
from premotor.evaluation.summary import Summary

__all__ = ["Raced", "race"]

_BLOCKS = 20
_LEAST = 16  # episodes a block: starting workers has a price


@dataclass(frozen=True, kw_only=True, slots=True)
class Raced:
    """How a race ended.

    planned: pairs of episodes in the protocol. saved: episodes that were not run. errors: pairs that are left out
    because an episode could not be finished.
    """

    a: Summary
    b: Summary
    race: Race
    planned: int
    saved: int
    errors: int
    sentence: str
    report: Path


def race(
    a: str,
    b: str,
    protocol: AnyProtocol,
    out: Path,
    *,
    workers: int | None = None,
    level: float = 0.05,
    margin: float | None = None,
    name: str = "race",
    command: str = "premotor eval",
    progress: Callable[[Progress], None],
    crew: Hire = Processes,
) -> Raced:
    """Run blocks of the protocol's episodes with both policies until the answer is clear; write <out>/<name>.json.

    Episodes come in an order drawn from the protocol's hash, so tasks are mixed and the answer does not depend on the
    number of workers. level, margin: as for sequential.Race. Episodes are kept as `evaluate` keeps them, and an
    evaluation of either policy goes on from there. Raises EvaluationError, BundleError before anything runs.
    """
    try:
        run = Race(level=level, margin=margin)
    except ValueError as bad:
        raise EvaluationError(str(bad)) from bad
    players = [chosen(text, protocol.embodiments) for text in (a, b)]
    jobs = protocol.jobs()
    random.Random(protocol.hash).shuffle(jobs)
    block = max(_LEAST, -(-len(jobs) // _BLOCKS))
    many = default_workers() if workers is None else workers
    done = errors = 0
    while True:
        begun, done = done, min(len(jobs), done + block)
        found = [play(who, protocol, out, many, progress, jobs[begun:done], crew) for who in players]
        of_a, of_b = ({result.job: result for result in results} for _, results in found)
        pairs = [(of_a[job], of_b[job]) for job in jobs[begun:done]]
        # An error says nothing about a policy, so it must not decide between two.
        good = [(x, y) for x, y in pairs if x.error is None and y.error is None]
        errors += len(pairs) - len(good)
        if other := [x.job for x, y in good if x.scene != y.scene]:
            raise EvaluationError(
                f"{a} and {b} met other scenes for the same seed in {other[0]}; the tasks were changed since episodes "
                f"were kept in {out}. Run both again in another folder."
            )
        run.run((x.success, y.success) for x, y in good)
        if run.verdict != "open" or done == len(jobs):
            break
    summaries = [summary for summary, _ in found]
    labels = [s.label for s in summaries]
    if labels[0] == labels[1]:
        labels = [f"{labels[0]} (A)", f"{labels[1]} (B)"]
    raced = Raced(
        a=summaries[0],
        b=summaries[1],
        race=run,
        planned=len(jobs),
        saved=2 * (len(jobs) - done),
        errors=errors,
        sentence=race_sentence(labels[0], labels[1], run, 2 * (len(jobs) - done)),
        report=out / f"{name}.json",
    )
    _write(raced, command)
    return raced


def _write(raced: Raced, command: str) -> None:
    told = {
        "command": command,
        "protocol": raced.a.protocol.to_json(),
        "protocol_hash": raced.a.protocol.hash,
        "policies": [
            {"policy": s.policy, "digest": s.policy_digest, "revisions": s.revisions} for s in (raced.a, raced.b)
        ],
        "machine": dict(raced.a.machine),
        "verdict": raced.race.verdict,
        "level": raced.race.level,
        "margin": raced.race.margin,
        "sentence": raced.sentence,
        "planned_pairs": raced.planned,
        "episodes_saved": raced.saved,
        "pairs_with_errors": raced.errors,
        **asdict(raced.race.result),
    }
    replace_text(raced.report, json.dumps(told, indent=1) + "\n")
