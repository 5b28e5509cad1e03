"""Workers on a Ray cluster in place of processes of this machine; needs the extra `ray`.

Every node has premotor installed in the same version, and finds the bundle at the same path. That is checked, since
results are to be the same to the last bit wherever an episode runs.
"""

import time
from collections.abc import Hashable
from importlib import metadata
from platform import python_version
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.crew import THREADS, Gone, Make, Worker, told
from premotor.evaluation.machine import revision
from premotor.models.extras import extra

__all__ = ["RayActors", "versions"]

_DECIDING = ("torch", "mujoco", "numpy")


def versions() -> dict[str, str]:
    """What must be equal on all nodes for equal results."""
    return {"premotor": revision(), "python": python_version(), **{name: metadata.version(name) for name in _DECIDING}}


class RayActors:
    """A crew (crew.py) of Ray actors, each with one core and one thread."""

    def __init__(self, make: Make, *, address: str) -> None:
        """address: of a running cluster such as "10.0.0.1:6379", or "local" for one that is started on this machine.

        Raises EvaluationError when ray is not installed or no cluster answers.
        """
        self._ray, self._make = _joined(address), make
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, int] = {}
        self._begun = 0

    @staticmethod
    def cores(address: str) -> int:
        """How many workers the cluster has room for."""
        return max(1, int(_joined(address).cluster_resources().get("CPU", 0)))

    def start(self) -> Hashable:
        """Begin another actor and return its name."""
        kind = self._ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        threads = {"env_vars": dict.fromkeys(THREADS, "1")}
        self._begun += 1
        self._actors[self._begun] = kind.options(runtime_env=threads).remote(self._make, versions())
        return self._begun

    def ask(self, name: Hashable, question: object) -> None:
        """Send a question."""
        number = self._known(name)
        self._asked[self._actors[number].ask.remote(question)] = number

    def hear(self, timeout_s: float) -> list[tuple[Hashable, object]]:
        """Answers that are there; waits up to timeout_s for the first."""
        if not self._asked:
            time.sleep(timeout_s)
            return []
        ready, rest = self._ray.wait(list(self._asked), num_returns=1, timeout=timeout_s)
        if rest:
            ready += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return [(self._asked.pop(answer), self._read(answer)) for answer in ready]

    def end(self, name: Hashable) -> None:
        """Kill an actor."""
        number = self._known(name)
        self._ray.kill(self._actors.pop(number))
        self._asked = {answer: who for answer, who in self._asked.items() if who != number}

    def close(self) -> None:
        """Kill all. The connection to the cluster stays, for the next crew."""
        for name in list(self._actors):
            self.end(name)

    def _read(self, answer: Any) -> object:
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayError as gone:
            return Gone(f"its worker died on the cluster: {str(gone).splitlines()[0]}")

    def _known(self, name: Hashable) -> int:
        if not isinstance(name, int):
            raise TypeError(f"no worker {name!r}; names are numbers here")
        return name


class _Actor:
    """A worker on some node of the cluster; built when it is first asked, so that an error is an answer, too."""

    def __init__(self, make: Make, wanted: dict[str, str]) -> None:
        self._make, self._wanted = make, wanted
        self._worker: Worker | None = None

    def ask(self, question: object) -> object:
        try:
            if self._worker is None:
                _same(self._wanted, versions())
                self._worker = self._make()
            return self._worker.ask(question)
        except Exception as error:  # noqa: BLE001 - a process edge; who asked is told, and ends this worker
            return Gone(told(error))


def _same(wanted: dict[str, str], found: dict[str, str]) -> None:
    other = [f"{name} {found[name]}, not {wanted[name]}" for name in wanted if found[name] != wanted[name]]
    if other:
        raise EvaluationError(f"this node has other versions than who asks: {'; '.join(other)}; install the same")


def _joined(address: str) -> Any:
    """The package ray, connected to the cluster."""
    ray = extra("ray", "ray")
    if not ray.is_initialized():
        local = {"include_dashboard": False} if address == "local" else {}
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error", **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            why = str(error).splitlines()[0]
            raise EvaluationError(
                f"no Ray cluster at {address!r} ({why}); begin one with `ray start --head`, or give local"
            ) from error
    return ray
