"""Several worlds side by side, each driven until its demonstration is done; a learner plans for all of them at once.

Only what the expert does is a label. Between its stretches a perturbation or the learner drives, so that the expert is
recorded from the states that a learner really gets into (DAgger, arXiv 1011.0686, in the form where the expert takes
over; noise injection as in DART, arXiv 1703.09327).
"""

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, Observation
from premotor.training.store import Demonstration, write_shard

__all__ = ["BatchPolicy", "Collector", "Driver", "Recording", "Stretches", "Turns", "record_shard"]

_CellT = TypeVar("_CellT", bound=tuple[str, int])


class BatchPolicy(Protocol):
    """A learner that plans for several worlds at once."""

    def act_batch(self, observations: Sequence[Observation], worlds: Sequence[int]) -> list[ActionChunk]:
        """One chunk an observation. worlds: which one each is of; one whose time jumps back has begun anew."""


class Collector(Protocol):
    """The world that a recipe's demonstrations come from, and how they are made there. A dataclass: the recipe says it.

    Cells are a task family of that world and a seed.
    """

    @property
    def cameras(self) -> tuple[str, ...]:
        """Whose pictures are kept."""

    @property
    def thesaurus(self) -> Path | None:
        """The file by which nouns that its sentences do not hold are restated, if there is one."""

    def spec(self, arm: str) -> EmbodimentSpec:
        """What a policy for that robot in this world must agree with."""

    def shard(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], learner: BatchPolicy | None
    ) -> tuple[int, int]:
        """Drive the cells and write one shard, unless it is there; (demonstrations kept, cells tried).

        learner: drives, too; the expert corrects it.
        """

    def stills(
        self, folder: Path, name: str, arm: str, cells: Sequence[tuple[str, int]], looks: int, *, asked: bool
    ) -> tuple[int, int]:
        """Write one shard of `looks` pictures a scene without actions; (scenes, scenes). asked: with questions."""


class Driver(Enum):
    """Who drives."""

    EXPERT = 0
    PUSH = 1
    LEARNER = 2


class Stretches(Protocol):
    """For how many control steps each drives, drawn uniformly between (low, high)."""

    @property
    def pushes(self) -> float:
        """Chance per expert step that a stretch of perturbed motion begins."""

    @property
    def push_steps(self) -> tuple[int, int]:
        """Of perturbed motion."""

    @property
    def learner_steps(self) -> tuple[int, int]:
        """Of the learner, where there is one."""

    @property
    def expert_steps(self) -> tuple[int, int]:
        """Of the expert, before the learner goes on."""


class Turns:
    """Whose turn it is in one episode: the expert's, with pushes in between; or the learner's and the expert's.

    patience: control steps after which only the expert drives.
    """

    def __init__(self, stretches: Stretches, rng: np.random.Generator, *, learner: bool, patience: int) -> None:
        self._stretches, self._rng, self._learner, self._patience = stretches, rng, learner, patience
        self.driver = Driver.LEARNER if learner else Driver.EXPERT
        self._left = self._draw(stretches.learner_steps) if learner else 0

    def next(self, tick: int) -> bool:
        """After a control step, when there have been `tick`; True when a push begins."""
        self._left -= 1
        if self._learner:
            if tick >= self._patience:
                # It had its time. Where it got stuck is what it most needs to be shown the way out of.
                self.driver = Driver.EXPERT
            elif self._left <= 0:
                to_expert = self.driver is Driver.LEARNER
                self.driver = Driver.EXPERT if to_expert else Driver.LEARNER
                self._left = self._draw(self._stretches.expert_steps if to_expert else self._stretches.learner_steps)
        elif self.driver is Driver.PUSH and self._left <= 0:
            self.driver = Driver.EXPERT
        elif self.driver is Driver.EXPERT and self._rng.random() < self._stretches.pushes:
            self.driver, self._left = Driver.PUSH, self._draw(self._stretches.push_steps)
            return True
        return False

    def _draw(self, steps: tuple[int, int]) -> int:
        return int(self._rng.integers(steps[0], steps[1] + 1))


class Recording(Protocol):
    """One world in the making of one demonstration."""

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be done."""

    def wants(self) -> Observation | None:
        """What the learner must plan from now, or None."""

    def step(self, plan: ActionChunk | None) -> None:
        """One control period. plan: the learner's, where it was wanted."""

    def result(self) -> Demonstration | None:
        """The demonstration; None when the expert could not bring it to an end, or never drove."""


def record_shard(
    folder: Path,
    name: str,
    cells: Sequence[_CellT],
    slots: int,
    begin: Callable[[int, _CellT], Recording],
    learner: BatchPolicy | None,
) -> tuple[int, int]:
    """Drive the cells, write one shard, return (demonstrations kept, cells tried).

    slots: worlds side by side. begin: starts the recording of a cell in one of them.
    """
    waiting, kept = list(reversed(cells)), []
    active: dict[int, Recording] = {}
    while waiting or active:
        for slot in range(slots):
            if slot not in active and waiting:
                active[slot] = begin(slot, waiting.pop())
        asked = {slot: seen for slot, r in active.items() if (seen := r.wants()) is not None}
        plans = learner.act_batch(list(asked.values()), list(asked)) if learner is not None and asked else []
        answers = dict(zip(asked, plans, strict=True))
        for slot, recording in list(active.items()):
            recording.step(answers.get(slot))
            if recording.finished:
                demonstration = active.pop(slot).result()
                if demonstration is not None:
                    kept.append(demonstration)
    write_shard(folder, name, kept)
    return len(kept), len(cells)
