"""Episodes in workers: handed out one by one as lanes become free, none lost when a worker dies or hangs.

Each worker has one thread and steps several worlds (lanes.py). The parent hands out, listens and keeps the time. A
worker that ends by an error names the episode that caused it; the others it held are run again elsewhere. One that
was killed or hung cannot say which was to blame, so all it held are reported as errors. Where the workers are does
not matter here (crew.py).
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial

from premotor.core.errors import EvaluationError
from premotor.evaluation.crew import Crew, Gone, Hire, Processes, told
from premotor.evaluation.lanes import Done, Failure, Lanes, Setup, row_of
from premotor.evaluation.protocol import Job
from premotor.evaluation.results import EpisodeResult

__all__ = ["Crash", "Lanesman", "Turn", "run_jobs"]

_BEAT_S = 1.0
_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Crash:
    """An error that is not the policy's, and the episode that caused it."""

    job: Job
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What a worker did since it was asked. free: rows that can take an episode. crash: why it cannot go on."""

    done: tuple[Done, ...] = ()
    free: tuple[int, ...] = ()
    crash: Crash | None = None


class Lanesman:
    """What a worker holds: its lanes. Asked with a list of jobs for free rows, it plays until a row is free."""

    def __init__(self, setup: Setup) -> None:
        self._lanes = Lanes(setup)

    def ask(self, question: Sequence[Job]) -> Turn:
        """Begin these jobs and go on with the others, for about a second at most."""
        done: list[Done] = []
        until = time.monotonic() + _BEAT_S
        try:
            for job in question:
                self._lanes.begin(job)
            while self._lanes.busy:
                for one in self._lanes.round():
                    done.append(one)  # noqa: PERF402 - what came before a failure must not be lost with it
                if self._lanes.free or time.monotonic() > until:
                    break
        except Failure as failure:
            return Turn(done=tuple(done), crash=Crash(failure.job, told(failure.__cause__ or failure)))
        return Turn(done=tuple(done), free=self._lanes.free)

    def close(self) -> None:
        """Free what the worlds hold."""
        self._lanes.close()


@dataclass(slots=True, eq=False)
class _Member:
    """heard: when it answered last. held: what it works at. answered: whether it ever did."""

    heard: float
    held: dict[Job, None] = field(default_factory=dict)
    answered: bool = False


def run_jobs(
    jobs: Sequence[Job],
    setup: Setup,
    *,
    workers: int,
    done: Callable[[Done], None],
    hang_s: float = 180.0,
    crew: Hire = Processes,
) -> None:
    """Run every job and call `done` once for each, in the order in which they finish.

    hang_s: silence after which a worker is taken for hung and ended. crew: where workers live. Raises EvaluationError
    when workers cannot start; on Ctrl-C the workers end and KeyboardInterrupt goes on to the caller.
    """
    if not jobs:
        return
    pool = _Pool(jobs, setup, workers, done, hang_s, crew(partial(Lanesman, setup)))
    try:
        pool.run()
    finally:
        pool.close()


class _Pool:
    def __init__(
        self, jobs: Sequence[Job], setup: Setup, workers: int, done: Callable[[Done], None], hang_s: float, crew: Crew
    ) -> None:
        self._queues: list[deque[Job]] = [deque() for _ in range(setup.width)]
        for job in jobs:
            self._queues[row_of(job, setup.width)].append(job)
        self._setup, self._done, self._hang_s, self._crew = setup, done, hang_s, crew
        self._size = max(1, min(workers, len(jobs)))
        self._members: dict[Hashable, _Member] = {}

    @property
    def _left(self) -> int:
        return sum(len(queue) for queue in self._queues)

    def run(self) -> None:
        while self._left or any(member.held for member in self._members.values()):
            while self._left and len(self._members) < self._size:
                name = self._crew.start()
                self._members[name] = _Member(heard=time.monotonic())
                self._crew.ask(name, [])  # the answer says which rows there are
            for name, answer in self._crew.hear(_TICK_S):
                self._hear(name, answer)
            now = time.monotonic()
            for name in [name for name, member in self._members.items() if now - member.heard > self._hang_s]:
                self._end(name, f"nothing was heard of its worker for {self._hang_s:.0f} s")

    def close(self) -> None:
        """End every worker, at once."""
        self._members.clear()
        self._crew.close()

    def _hear(self, name: Hashable, answer: object) -> None:
        member = self._members[name]
        if isinstance(answer, Gone):
            self._end(name, answer.why)
            return
        if not isinstance(answer, Turn):
            raise TypeError(f"expected a turn, got {type(answer).__name__}")
        member.heard, member.answered = time.monotonic(), True
        for one in answer.done:
            member.held.pop(one.result.job)
            self._done(one)
        if answer.crash is not None:
            member.held.pop(answer.crash.job)
            self._fail(answer.crash.job, answer.crash.text)
            for job in member.held:
                self._queues[row_of(job, self._setup.width)].appendleft(job)
            member.held.clear()
            self._end(name, answer.crash.text)
            return
        self._hand_out(name, member, answer.free)

    def _hand_out(self, name: Hashable, member: _Member, rows: Sequence[int]) -> None:
        # Near the end what is left is shared out, so that no worker sits idle while another has a full house.
        fair = -(-self._left // self._size)
        some = [row for row in rows if self._queues[row]][:fair]
        given = [self._queues[row].popleft() for row in some]
        member.held.update(dict.fromkeys(given))
        if member.held:
            self._crew.ask(name, given)
        else:
            self._end(name, "there is nothing left to do")

    def _end(self, name: Hashable, why: str) -> None:
        member = self._members.pop(name)
        self._crew.end(name)
        for job in member.held:
            self._fail(job, why)
        if not member.answered:
            raise EvaluationError(f"a worker could not start: {why}")

    def _fail(self, job: Job, why: str) -> None:
        self._done(Done(result=EpisodeResult(job=job, error=why)))
