"""Our half of a talk with lerobot_side.py: LeRobot's Meta-World is asked for, and a bundle of ours plays in it."""

import os
import subprocess
from collections.abc import Hashable, Mapping
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from premotor.core.types import FloatArray, Observation
from premotor.evaluation.lanes import row_of
from premotor.evaluation.metaworld import MetaWorldProtocol
from premotor.evaluation.metaworld_lane import MetaWorldSetup
from premotor.evaluation.policies import Player, chosen
from premotor.evaluation.protocol import Cell, Job
from premotor.sim.metaworld.robot import NAME, RATE_HZ, to_native
from premotor.sim.metaworld.tasks import TASKS

__all__ = ["Guest", "Peer"]

_SIDE = Path(__file__).with_name("lerobot_side.py")
_WIDTH = 8  # of batches, as in an evaluation of ours


class Peer:
    """LeRobot in a process of its own. python: of an environment with lerobot[metaworld]."""

    def __init__(self, python: str) -> None:
        self._pipe, theirs = Pipe()
        number = theirs.fileno()
        outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [python, str(_SIDE), str(number)]
        self._process = subprocess.Popen(command, pass_fds=[number], env=outside | {"OMP_NUM_THREADS": "1"})
        theirs.close()
        self.versions: Mapping[str, str] = self._recv()

    def ask(self, wish: str, guest: "Guest | None" = None, **told: Any) -> dict[str, Any]:
        """Ask for what a function of lerobot_side.py does; meanwhile `guest` answers for the policy."""
        self._pipe.send((wish, told))
        while True:
            kind, what = self._recv()
            if kind == "done":
                found: dict[str, Any] = what
                return found
            if guest is None:
                raise RuntimeError(f"LeRobot asks for actions during {wish!r}, and nobody plays")
            self._pipe.send(guest.act(**what))

    def _recv(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError as gone:
            raise SystemExit(f"LeRobot's side ended with exit code {self._process.wait()}; see above") from gone

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.wait()


class Guest:
    """A policy of ours, asked from LeRobot's loop. It answers as in an evaluation of ours, at the same batch places."""

    def __init__(self, policy: str, protocol: MetaWorldProtocol) -> None:
        self._player: Player = MetaWorldSetup(choice=chosen(policy, (NAME,)), protocol=protocol).player(NAME)
        self._camera, self._every = protocol.view.camera, protocol.replan_every

    def act(
        self, task: str, seeds: list[int], step: int, pictures: np.ndarray, states: np.ndarray, told: list[str]
    ) -> FloatArray:
        """(B, T, 4) metaworld's own numbers for B worlds."""
        cell = Cell(embodiment=NAME, family=task, split=TASKS[task].tier)
        stamp = step * round(1e9 / RATE_HZ)
        plans: list[FloatArray] = [np.zeros((0, 4))] * len(seeds)
        for some in _fitting([Job(cell=cell, seed=seed) for seed in seeds]):
            rows: list[int] = [some.get(row, next(iter(some.values()))) for row in range(_WIDTH)]
            seen = [
                Observation(
                    stamp_ns=stamp,
                    images={self._camera: pictures[index]},
                    state=states[index].astype(np.float64),
                    instruction=told[index],
                )
                for index in rows
            ]
            # Worlds are known by their number: that an episode begins anew is seen from the time.
            worlds: list[Hashable] = [*rows]
            found = self._player.batch(seen, worlds)
            for row, index in some.items():
                plans[index] = np.array(
                    [_native(action, states[index]) for action in found[row].actions[: self._every]]
                )
        return np.stack(plans)


def _fitting(jobs: list[Job]) -> list[dict[int, int]]:
    """Batches as {row: number of the job}, so that each has the row that is its own in every evaluation."""
    batches: list[dict[int, int]] = []
    for index, job in enumerate(jobs):
        row = row_of(job, _WIDTH)
        free = next((batch for batch in batches if row not in batch), None)
        if free is None:
            batches.append(free := {})
        free[row] = index
    return batches


def _native(action: FloatArray, state: np.ndarray) -> FloatArray:
    """As metaworld_lane.py has it: what is not finite holds still."""
    return to_native(action if np.isfinite(action).all() else np.append(np.zeros(3), state[3]))
