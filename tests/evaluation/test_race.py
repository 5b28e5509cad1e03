"""A race runs no more blocks than it takes, no episode twice, and decides by the order of the protocol alone."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation import race as race_module
from premotor.evaluation.policies import Choice
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.race import race
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.summary import Summary, summarise

PROTOCOL = Protocol(
    embodiments=("panda",), families=("pick_up", "open_drawer", "push_to"), splits=("layout",), episodes=80
)
Outcome = Callable[[str, Job], EpisodeResult]


def solves(share: dict[str, int]) -> Outcome:
    """The first so many of a hundred seeds, by policy."""
    return lambda who, job: EpisodeResult(job=job, success=job.seed * 100 // 80 < share[who], scene=str(job))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[[Outcome], list[tuple[str, Job]]]:
    """Lets no world run: says what would have been run, with outcomes that are given."""

    def fake(outcome: Outcome) -> list[tuple[str, Job]]:
        asked: list[tuple[str, Job]] = []
        kept: dict[tuple[str, Job], EpisodeResult] = {}

        def play(
            who: Choice, protocol: Protocol, out: Path, workers: int, tell: object, jobs: Sequence[Job], crew: object
        ) -> tuple[Summary, list[EpisodeResult]]:
            for job in jobs:
                asked.append((who.text, job))
                kept[who.text, job] = outcome(who.text, job)
            results = [result for (name, _), result in kept.items() if name == who.text]
            about: dict[str, Any] = {"policy_digest": who.digest, "revisions": ["r"], "machine": {}, "elapsed_s": 1.0}
            return summarise(results, protocol, label=who.label, policy=who.text, **about), results

        monkeypatch.setattr(race_module, "play", play)
        return asked

    return fake


def run(out: Path, margin: float | None = None) -> race_module.Raced:
    return race("expert", "hold", PROTOCOL, out, workers=1, margin=margin, progress=lambda news: None)


def test_a_clear_race_ends_after_a_block(tmp_path: Path, ran: Callable[[Outcome], list[tuple[str, Job]]]) -> None:
    asked = ran(solves({"expert": 100, "hold": 0}))
    found = run(tmp_path)
    assert found.race.verdict == "a"
    assert found.planned == 240
    assert len(asked) == len(set(asked)) == 2 * 16
    assert found.saved == 2 * (240 - 16)
    # Families are mixed from the first block on.
    assert {job.cell.family for _, job in asked} == set(PROTOCOL.families)
    data = json.loads(found.report.read_text())
    assert (data["verdict"], data["episodes_saved"], data["protocol_hash"]) == ("a", found.saved, PROTOCOL.hash)
    assert data["sentence"].startswith("expert is better than hold")


def test_equal_policies_race_to_the_end_or_to_the_margin(
    tmp_path: Path, ran: Callable[[Outcome], list[tuple[str, Job]]]
) -> None:
    asked = ran(solves({"expert": 60, "hold": 60}))
    found = run(tmp_path)
    assert found.race.verdict == "open"
    assert len(asked) == len(set(asked)) == 2 * 240
    assert found.saved == 0
    assert "after every episode of the protocol" in found.sentence
    near = run(tmp_path, margin=0.1)
    assert near.race.verdict == "same"
    assert near.saved > 0


def test_errors_decide_nothing_and_are_counted(tmp_path: Path, ran: Callable[[Outcome], list[tuple[str, Job]]]) -> None:
    fair = solves({"expert": 100, "hold": 0})
    ran(lambda who, job: EpisodeResult(job=job, error="worker died") if who == "hold" else fair(who, job))
    found = run(tmp_path)
    assert found.race.verdict == "open"
    assert (found.race.n, found.errors) == (0, 240)


def test_other_scenes_under_one_seed_are_refused(
    tmp_path: Path, ran: Callable[[Outcome], list[tuple[str, Job]]]
) -> None:
    fair = solves({"expert": 100, "hold": 0})
    ran(lambda who, job: dataclasses.replace(fair(who, job), scene=f"{who} {job}"))
    with pytest.raises(EvaluationError, match="met other scenes for the same seed"):
        run(tmp_path)
    with pytest.raises(EvaluationError, match="margin = 2"):
        run(tmp_path, margin=2)
