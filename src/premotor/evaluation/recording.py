"""A dataset of demonstrations made by several workers, the same to the last bit as one worker makes it.

An episode follows from its number. Workers record drafts, in whatever order they get ready; the parent takes them over
in the order of their numbers, each safe on disk before it counts (data/writer.py). Whatever is killed, the dataset then
holds the first episodes without a gap, and the same call goes on with the next.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from premotor.core.errors import EvaluationError, PremotorError, WorldError
from premotor.data import DatasetWriter, Draft, DraftWriter, Feature
from premotor.evaluation.crew import Crew, Gone, Hire, Processes
from premotor.evaluation.demonstrations import Demonstrators

__all__ = ["Cameraman", "Order", "Refused", "record"]

_TICK_S = 0.5
_AHEAD = 4  # episodes for each worker that may be ready before a slow one; they wait on disk
_CHANCES = 3  # workers that one episode may cost


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Record the episode of that number into that folder, for a dataset with these features."""

    number: int
    folder: Path
    features: tuple[Feature, ...]
    fps: int


@dataclass(frozen=True, slots=True)
class Refused:
    """In place of a draft: why it cannot be recorded, and could not the next time."""

    why: str


class Cameraman:
    """What a worker holds: a world and its expert. Asked with an Order, it answers with a Draft."""

    def __init__(self, demonstrators: Demonstrators) -> None:
        self._recorder = demonstrators.recorder()

    def ask(self, question: Order) -> Draft | Refused:
        """Record an episode."""
        question.folder.mkdir()
        draft = DraftWriter(question.folder, question.features, question.fps)
        try:
            self._recorder.record(question.number, draft)
        except PremotorError as error:
            draft.drop()
            return Refused(str(error))
        return draft.finish()

    def close(self) -> None:
        """Free what the world holds."""
        self._recorder.close()


def record(
    demonstrators: Demonstrators,
    writer: DatasetWriter,
    episodes: int,
    *,
    workers: int,
    progress: Callable[[int], None],
    hang_s: float = 900.0,
    crew: Hire = Processes,
) -> int:
    """Record until `writer` holds so many episodes; returns how many workers died or hung, and were replaced.

    progress: called with the number of episodes that are safe. hang_s: time for one episode after which its worker is
    taken for hung. Raises WorldError when an expert achieves its task in none of many scenes, EvaluationError when an
    episode ended several workers.
    """
    if workers < 1:
        raise EvaluationError(f"{workers} workers cannot record anything; use at least 1")
    shoot = _Shoot(writer, episodes, workers, hang_s, crew(partial(Cameraman, demonstrators)))
    try:
        return shoot.run(progress)
    finally:
        shoot.close()


@dataclass(slots=True, eq=False)
class _Member:
    """number: of the episode that it records, None when it has nothing to do. since: when it was given it."""

    number: int | None = None
    since: float = 0.0


class _Shoot:
    def __init__(self, writer: DatasetWriter, episodes: int, workers: int, hang_s: float, crew: Crew) -> None:
        self._writer, self._episodes, self._hang_s, self._crew = writer, episodes, hang_s, crew
        self._workers = max(1, min(workers, episodes - writer.episodes))
        self._members: dict[Hashable, _Member] = {}
        self._fresh = writer.episodes
        self._again: list[int] = []
        self._ready: dict[int, Draft | Refused] = {}
        self._cost: Counter[int] = Counter()
        self._folders = self._lost = 0

    def run(self, progress: Callable[[int], None]) -> int:
        while self._writer.episodes < self._episodes:
            self._hand_out()
            for name, answer in self._crew.hear(_TICK_S):
                self._hear(name, answer)
            now = time.monotonic()
            for name, member in list(self._members.items()):
                if member.number is not None and now - member.since > self._hang_s:
                    self._lose(name, f"nothing was heard of its worker for {self._hang_s:.0f} s")
            while (draft := self._ready.pop(self._writer.episodes, None)) is not None:
                if isinstance(draft, Refused):
                    raise WorldError(draft.why)
                self._writer.add_episode(draft)
                progress(self._writer.episodes)
                for folder in {video.parent for video in draft.videos.values()}:
                    shutil.rmtree(folder)
        return self._lost

    def close(self) -> None:
        """End every worker, at once."""
        self._members.clear()
        self._crew.close()

    def _hand_out(self) -> None:
        while len(self._members) < self._workers:
            self._members[self._crew.start()] = _Member()
        for name, member in self._members.items():
            if member.number is None and (number := self._next()) is not None:
                member.number, member.since = number, time.monotonic()
                self._folders += 1
                # Workers of a recording that was killed may live on for a while; no folder must be theirs, too.
                folder = self._writer.scratch / f"{os.getpid()}-{self._folders}"
                features = tuple(self._writer.features.values())
                self._crew.ask(name, Order(number=number, folder=folder, features=features, fps=self._writer.fps))

    def _next(self) -> int | None:
        """The number of an episode that nobody records yet; None when it would be too far ahead of what is safe."""
        if self._again:
            return self._again.pop()
        if self._fresh >= min(self._episodes, self._writer.episodes + _AHEAD * self._workers):
            return None
        self._fresh += 1
        return self._fresh - 1

    def _hear(self, name: Hashable, answer: object) -> None:
        member = self._members[name]
        if isinstance(answer, Gone):
            self._lose(name, answer.why)
        elif isinstance(answer, Draft | Refused) and member.number is not None:
            self._ready[member.number], member.number = answer, None
        else:
            raise TypeError(f"expected a draft, got {type(answer).__name__}")

    def _lose(self, name: Hashable, why: str) -> None:
        number = self._members.pop(name).number
        self._crew.end(name)
        self._lost += 1
        if number is None:
            return
        self._cost[number] += 1
        if self._cost[number] == _CHANCES:
            raise EvaluationError(f"episode {number} ended {_CHANCES} workers, the last one so: {why}")
        self._again.append(number)
