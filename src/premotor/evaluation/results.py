"""What became of each episode, and the file that keeps it: one line of JSON an episode, written as it finishes.

An evaluation that was stopped goes on where it was: what is in the file is not run again, except errors.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from premotor.core.errors import EvaluationError
from premotor.evaluation.protocol import Cell, Job

__all__ = ["EpisodeResult", "Journal", "Session", "read_journal"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeResult:
    """One episode.

    seconds: simulated time until success, or until the time was up. passed, clamped, held, stopped: control ticks
    by the guard's verdict. wall_s: real time spent on it. actions: digest of what was commanded. scene: digest of
    the sampled episode. error: why it could not be finished, else None; such an episode counts as not solved.
    """

    job: Job
    instruction: str = ""
    success: bool = False
    seconds: float = 0.0
    passed: int = 0
    clamped: int = 0
    held: int = 0
    stopped: int = 0
    wall_s: float = 0.0
    actions: str = ""
    scene: str = ""
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A flat dict."""
        data = dataclasses.asdict(self)
        del data["job"]
        return {**dataclasses.asdict(self.job.cell), "seed": self.job.seed, **data}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what to_json wrote; raises KeyError or TypeError when it is something else."""
        rest = dict(data)
        cell = Cell(embodiment=rest.pop("embodiment"), family=rest.pop("family"), split=rest.pop("split"))
        return cls(job=Job(cell=cell, seed=rest.pop("seed")), **rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One stretch of running: who ran what, on what.

    policy: as it was asked for. policy_digest: of its weights, or of its name when it has none.
    """

    protocol_hash: str
    policy: str
    policy_digest: str
    revision: str
    machine: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """Appends to the file; every line is on disk before the next episode is handed out."""

    def __init__(self, path: Path, session: Session) -> None:
        """Open for appending, after what is there was found to be of the same protocol and policy.

        Raises EvaluationError when the file belongs to another evaluation or is not a journal.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.sessions, self.results, good = read_journal(path) if path.exists() else ((), (), 0)
        for old in self.sessions:
            if (old.protocol_hash, old.policy_digest) != (session.protocol_hash, session.policy_digest):
                raise EvaluationError(
                    f"{path} holds another evaluation (protocol {old.protocol_hash[:12]}, policy {old.policy!r}); "
                    "choose another folder for this one"
                )
        self._file = path.open("ab")
        # A line that was cut by a crash would swallow the next one.
        self._file.truncate(good)
        self._write({"session": dataclasses.asdict(session)})

    def add(self, result: EpisodeResult) -> None:
        """Keep one episode."""
        self._write(result.to_json())

    def _write(self, data: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(data, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_journal(path: Path) -> tuple[Sequence[Session], Sequence[EpisodeResult], int]:
    """Sessions, results without error (the last of each job), and the size in bytes of the whole lines.

    A last line without its end was cut by a crash and is left out. Raises EvaluationError when any other is damaged.
    """
    sessions: list[Session] = []
    results: dict[Job, EpisodeResult] = {}
    size = 0
    for number, line in enumerate(_whole_lines(path), start=1):
        size += len(line)
        try:
            data = json.loads(line)
            if "session" in data:
                sessions.append(Session(**data["session"]))
                continue
            result = EpisodeResult.from_json(data)
        except (ValueError, KeyError, TypeError, AttributeError) as damage:
            raise EvaluationError(
                f"{path}, line {number}, is damaged ({damage!r}); delete that line, or the file to run all again"
            ) from damage
        if result.error is None:
            results[result.job] = result
    return sessions, list(results.values()), size


def _whole_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line for line in file if line.endswith(b"\n"))
