"""Workers that may die or hang: each holds one object, is asked one thing at a time, and is replaced when it is gone.

Who asks sees a Crew and does not know where its workers are: in processes of this machine here, on a Ray cluster in
cluster.py.
"""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Protocol

__all__ = ["THREADS", "Crew", "Gone", "Hire", "Make", "Processes", "Worker", "default_workers", "told"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that say how many threads a process has for its mathematics; a worker has one."""


class Worker(Protocol):
    """What a worker holds."""

    def ask(self, question: Any) -> object:
        """Answer. What it raises ends the worker."""

    def close(self) -> None:
        """Free what it holds."""


Make = Callable[[], Worker]
"""Builds the worker where it is to live; it is pickled."""


@dataclass(frozen=True, slots=True)
class Gone:
    """In place of an answer: the worker has ended, and why."""

    why: str


class Crew(Protocol):
    """Workers by name."""

    def start(self) -> Hashable:
        """Begin another worker and return its name."""

    def ask(self, name: Hashable, question: object) -> None:
        """Ask a worker that has answered, or was never asked."""

    def hear(self, timeout_s: float) -> list[tuple[Hashable, object]]:
        """Answers that are there, with the names of who gave them; Gone from one that ended. Waits for the first."""

    def end(self, name: Hashable) -> None:
        """End a worker at once, whatever it does; nothing more is heard of it."""

    def close(self) -> None:
        """End every worker, at once."""


Hire = Callable[[Make], Crew]
"""Makes a crew of workers that hold what `Make` builds; it says where they live."""


class Processes:
    """A crew of processes of this machine, each with one thread."""

    def __init__(self, make: Make) -> None:
        """make: builds what each worker holds."""
        self._make = make
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._crew: dict[int, tuple[SpawnProcess, Connection[object, object]]] = {}
        self._begun = 0

    def start(self) -> Hashable:
        """Begin another process and return its name."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_live, args=(theirs, self._make), daemon=True)
        with _one_thread():
            process.start()
        theirs.close()
        self._begun += 1
        self._crew[self._begun] = process, ours
        return self._begun

    def ask(self, name: Hashable, question: object) -> None:
        """Send a question. One that is gone is heard of by `hear`."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._crew[self._known(name)][1].send(question)

    def hear(self, timeout_s: float) -> list[tuple[Hashable, object]]:
        """Answers that are there; waits up to timeout_s for the first."""
        of = {pipe: name for name, (_, pipe) in self._crew.items()}
        found: list[tuple[Hashable, object]] = []
        for pipe in wait(list(of), timeout=timeout_s):
            process, ours = self._crew[of[pipe]]  # type: ignore[index]
            try:
                found.append((of[pipe], ours.recv()))  # type: ignore[index]
            except (EOFError, ConnectionResetError):
                process.join()
                found.append((of[pipe], Gone(f"its worker died with exit code {process.exitcode}")))  # type: ignore[index]
        return found

    def end(self, name: Hashable) -> None:
        """Kill a process."""
        process, pipe = self._crew.pop(self._known(name))
        process.kill()
        process.join()
        pipe.close()

    def close(self) -> None:
        """Kill all."""
        for process, _ in self._crew.values():
            process.kill()
        for name in list(self._crew):
            self.end(name)

    def _known(self, name: Hashable) -> int:
        if not isinstance(name, int):
            raise TypeError(f"no worker {name!r}; names are numbers here")
        return name


def default_workers() -> int:
    """As many as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def told(error: BaseException) -> str:
    """An error in one line, with where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _live(pipe: "Connection[object, object]", make: Make) -> None:
    """A worker's life: answer until nobody asks any more."""
    # Ctrl-C reaches every process of the terminal; what to do about it is the parent's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        worker = make()
        try:
            while True:
                pipe.send(worker.ask(pipe.recv()))
        finally:
            worker.close()
    except (BrokenPipeError, EOFError, ConnectionResetError):
        return  # the parent is gone, and nobody is left to tell
    except Exception as error:
        pipe.send(Gone(told(error)))
        raise


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside find one thread in their environment, from their first import on."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
