"""Demonstrations of LIBERO's tasks: of our scripted expert, and those that people gave, where a user has them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from premotor.core.errors import WorldError
from premotor.core.spec import EmbodimentSpec
from premotor.data import DraftWriter
from premotor.evaluation.demonstrations import STRIDE, TRIES, never
from premotor.evaluation.libero import LIMITS
from premotor.sim.libero.human import Human
from premotor.sim.libero.package import package
from premotor.sim.libero.robot import View, settling
from premotor.sim.libero.tasks import SUITES, of_suite, task
from premotor.sim.libero.world import Libero

__all__ = ["HumanRecorder", "LiberoRecorder", "tasks_of"]

_SETTLE = 10


def tasks_of(suite: str, tasks: Sequence[str]) -> list[str]:
    """The tasks of that suite which are asked for, all when none is. Raises WorldError for what there is not."""
    found = [one for one in SUITES if one == suite.removeprefix("libero-")]
    if not found:
        raise WorldError(f"LIBERO has no suite {suite!r}; choose one of {', '.join(f'libero-{one}' for one in SUITES)}")
    names = of_suite(found[0])
    for name in tasks:
        if task(name).suite != found[0]:
            raise WorldError(f"{name!r} is not in {suite}; choose from {', '.join(names)}")
    return list(tasks) or list(names)


class LiberoRecorder:
    """The expert in scenes that LIBERO draws, never in the fifty that evaluations begin in.

    Raises WorldError for an unknown suite or task, a size that cannot be drawn, or when LIBERO is not installed.
    """

    def __init__(self, suite: str, tasks: Sequence[str], *, seed: int, size: int) -> None:
        package()
        self._tasks, self._seed = tasks_of(suite, tasks), seed
        self._world = Libero(View(size=size))

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm and what is recorded of it."""
        return self._world.spec

    def record(self, number: int, draft: DraftWriter) -> None:
        """Put the frames of that episode into a draft."""
        world = self._world
        name = self._tasks[number % len(self._tasks)]
        limit = LIMITS["published"][task(name).suite] + _SETTLE
        for attempt in range(TRIES):
            world.reset(name, self._seed + number // len(self._tasks) + attempt * STRIDE, "drawn")
            for _ in range(_SETTLE):
                world.step(settling())
            while not world.success and world.steps < limit:
                seen, action = world.observe(), world.expert.action()
                draft.add_frame(seen.images, seen.state, action, seen.instruction)
                world.step(action)
            if world.success:
                return
            draft.drop()
        raise never(name, number)

    def close(self) -> None:
        """Free what the world holds."""
        self._world.close()


class HumanRecorder:
    """People's demonstrations from LIBERO's HDF5 files, in the order of the files' names and of their numbers.

    Raises DatasetError for a folder without such files, or with pictures of several sizes.
    """

    def __init__(self, folder: Path, suite: str, tasks: Sequence[str]) -> None:
        self._folder, self._demos = folder, Human(folder, tasks_of(suite, tasks))

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm and what was recorded of it."""
        return self._demos.spec

    def record(self, number: int, draft: DraftWriter) -> None:
        """Put the frames of that episode into a draft. Raises WorldError when there are not so many."""
        if number >= len(self._demos):
            raise WorldError(f"{self._folder} holds {len(self._demos)} demonstrations of these tasks; ask for no more")
        for seen, action in self._demos.frames(number):
            draft.add_frame(seen.images, seen.state, np.asarray(action), seen.instruction)

    def close(self) -> None:
        """Nothing is held."""
