"""Episodes in worker processes: handed out one by one as lanes become free, none lost when a worker dies or hangs.

Each worker is one thread on one core and steps several worlds (lanes.py). The parent hands out, listens and keeps the
time. A worker that ends by an error names the episode that caused it; the others it held are run again elsewhere. One
that was killed or hung cannot say which was to blame, so all it held are reported as errors.
"""

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from premotor.core.errors import EvaluationError
from premotor.evaluation.lanes import Done, Failure, Lanes, Setup, row_of
from premotor.evaluation.protocol import Job
from premotor.evaluation.results import EpisodeResult

__all__ = ["Beat", "Crash", "Want", "default_workers", "run_jobs"]

_BEAT_S = 1.0
_TICK_S = 0.5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Want:
    """A worker has these rows free and waits for a list of jobs for some of them."""

    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker is alive."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A worker ends by an error of its own making; job: the episode that caused it, None when none can be named."""

    job: Job | None
    text: str


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    pipe: "Connection[object, object]"
    heard: float
    held: dict[Job, None] = field(default_factory=dict)
    asked: bool = False


def default_workers() -> int:
    """As many as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    jobs: Sequence[Job], setup: Setup, *, workers: int, done: Callable[[Done], None], hang_s: float = 180.0
) -> None:
    """Run every job and call `done` once for each, in the order in which they finish.

    hang_s: silence after which a worker is taken for hung and ended. Raises EvaluationError when workers cannot start;
    on Ctrl-C the workers end and KeyboardInterrupt goes on to the caller.
    """
    pool = _Pool(jobs, setup, workers, done, hang_s)
    try:
        pool.run()
    finally:
        pool.close()


class _Pool:
    def __init__(
        self, jobs: Sequence[Job], setup: Setup, workers: int, done: Callable[[Done], None], hang_s: float
    ) -> None:
        self._queues: list[deque[Job]] = [deque() for _ in range(setup.width)]
        for job in jobs:
            self._queues[row_of(job, setup.width)].append(job)
        self._setup, self._done, self._hang_s = setup, done, hang_s
        self._size = max(1, min(workers, len(jobs)))
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._crew: dict[object, _Worker] = {}

    @property
    def _left(self) -> int:
        return sum(len(queue) for queue in self._queues)

    def run(self) -> None:
        while self._left or any(worker.held for worker in self._crew.values()):
            while self._left and len(self._crew) < self._size:
                self._start()
            for pipe in wait([worker.pipe for worker in self._crew.values()], timeout=_TICK_S):
                self._hear(self._crew[pipe])
            now = time.monotonic()
            for worker in [w for w in self._crew.values() if now - w.heard > self._hang_s]:
                self._end(worker, f"nothing was heard of its worker for {self._hang_s:.0f} s")

    def close(self) -> None:
        """End every worker, at once."""
        for worker in self._crew.values():
            worker.process.kill()
        for worker in self._crew.values():
            worker.process.join()
            worker.pipe.close()
        self._crew.clear()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._setup), daemon=True)
        with _one_thread():
            process.start()
        theirs.close()
        self._crew[ours] = _Worker(process=process, pipe=ours, heard=time.monotonic())

    def _hear(self, worker: _Worker) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            self._end(worker, f"its worker died with exit code {worker.process.exitcode}")
            return
        worker.heard = time.monotonic()
        if isinstance(message, Want):
            self._hand_out(worker, message.rows)
        elif isinstance(message, Done):
            worker.held.pop(message.result.job)
            self._done(message)
        elif isinstance(message, Crash):
            if message.job is not None:
                worker.held.pop(message.job)
                self._fail(message.job, message.text)
                for job in worker.held:
                    self._queues[row_of(job, self._setup.width)].appendleft(job)
                worker.held.clear()
            self._end(worker, message.text)

    def _hand_out(self, worker: _Worker, rows: Sequence[int]) -> None:
        # Near the end what is left is shared out, so that no worker sits idle while another has a full house.
        fair = -(-self._left // self._size)
        some = [row for row in rows if self._queues[row]][:fair]
        given = [self._queues[row].popleft() for row in some]
        worker.asked = True
        worker.held.update(dict.fromkeys(given))
        # A pipe that is broken is heard of in the next round.
        with contextlib.suppress(BrokenPipeError):
            worker.pipe.send(given)

    def _end(self, worker: _Worker, why: str) -> None:
        del self._crew[worker.pipe]
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        for job in worker.held:
            self._fail(job, why)
        if not worker.asked:
            raise EvaluationError(f"a worker could not start: {why}")

    def _fail(self, job: Job, why: str) -> None:
        self._done(Done(result=EpisodeResult(job=job, error=why)))


def _work(pipe: "Connection[object, object]", setup: Setup) -> None:
    """A worker's life: ask for jobs, step the lanes, say what became of them."""
    # Ctrl-C reaches every process of the terminal; what to do about it is the parent's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lanes = Lanes(setup)
    try:
        _serve(pipe, lanes)
    except (BrokenPipeError, EOFError, ConnectionResetError):
        return  # the parent is gone, and nobody is left to tell
    except Failure as failure:
        pipe.send(Crash(failure.job, _told(failure.__cause__ or failure)))
        raise
    except Exception as error:
        pipe.send(Crash(None, _told(error)))
        raise
    finally:
        lanes.close()


def _serve(pipe: "Connection[object, object]", lanes: Lanes) -> None:
    beat = 0.0
    while True:
        if lanes.free:
            pipe.send(Want(lanes.free))
            jobs = pipe.recv()
            if not isinstance(jobs, list):
                raise TypeError(f"expected a list of jobs, got {type(jobs).__name__}")
            for job in jobs:
                lanes.begin(job)
        if not lanes.busy:
            return
        for done in lanes.round():
            pipe.send(done)
        if time.monotonic() - beat > _BEAT_S:
            beat = time.monotonic()
            pipe.send(Beat())


def _told(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside find one thread in their environment, from their first import on."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
