"""The journal keeps what finished, survives a cut line, and refuses another evaluation's file."""

from pathlib import Path

import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation.protocol import Cell, Job
from premotor.evaluation.results import EpisodeResult, Journal, Session, read_journal

SESSION = Session(protocol_hash="p" * 64, policy="hold", policy_digest="d" * 64, revision="r", machine={"cores": 2})


def result(seed: int, *, error: str | None = None) -> EpisodeResult:
    cell = Cell(embodiment="panda", family="put_in", split="words")
    return EpisodeResult(
        job=Job(cell=cell, seed=seed),
        instruction="put it in",
        success=seed % 2 == 0,
        seconds=1.5,
        clamped=3,
        error=error,
    )


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "e.jsonl"
    with Journal(path, SESSION) as journal:
        assert journal.results == ()
        for seed in range(3):
            journal.add(result(seed))
    sessions, results, size = read_journal(path)
    assert list(sessions) == [SESSION]
    assert list(results) == [result(seed) for seed in range(3)]
    assert size == path.stat().st_size


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_cut_by_a_crash_costs_that_episode_only(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "e.jsonl"
    with Journal(path, SESSION) as journal:
        journal.add(result(0))
        journal.add(result(1))
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(path, SESSION) as journal:
        assert list(journal.results) == [result(0)]
        journal.add(result(1))
    assert list(read_journal(path)[1]) == [result(0), result(1)]


def test_errors_are_run_again(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    with Journal(path, SESSION) as journal:
        journal.add(result(0, error="worker died"))
        journal.add(result(1))
    with Journal(path, SESSION) as journal:
        assert list(journal.results) == [result(1)]


def test_another_evaluations_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    with Journal(path, SESSION) as journal:
        journal.add(result(0))
    before = path.read_bytes()
    other = Session(protocol_hash="q" * 64, policy="hold", policy_digest="d" * 64, revision="r")
    with pytest.raises(EvaluationError, match="holds another evaluation"):
        Journal(path, other)
    assert path.read_bytes() == before


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    with Journal(path, SESSION) as journal:
        journal.add(result(0))
    path.write_bytes(b'{"seed": 3}\n' + path.read_bytes())
    with pytest.raises(EvaluationError, match="line 1, is damaged"):
        read_journal(path)
