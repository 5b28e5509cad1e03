"""Demonstrations of our scripted expert in LIBERO's scenes, by `native.py`."""

from dataclasses import dataclass

from premotor.core.spec import EmbodimentSpec
from premotor.core.types import FloatArray
from premotor.sim.libero.robot import CAMERAS, View, panda, settling
from premotor.sim.libero.tasks import task
from premotor.sim.libero.world import Libero
from premotor.training.native import NativeCollect, Stage

__all__ = ["LiberoCollect"]

_VIEW = View()
_SETTLE = 10  # as in published evaluations


@dataclass(frozen=True, kw_only=True, slots=True)
class LiberoCollect(NativeCollect):
    """LIBERO in starts that it draws, never in the fifty that evaluations begin in; see NativeCollect."""

    noise: float = 0.4
    learner_steps: tuple[int, int] = (15, 70)
    expert_steps: tuple[int, int] = (14, 40)
    every: int = 2
    patience: int = 200
    shrink: int = 2
    worlds: int = 4
    limit: int = 400

    @property
    def side(self) -> int:
        """See NativeCollect."""
        return _VIEW.size

    @property
    def cameras(self) -> tuple[str, ...]:
        """Both."""
        return tuple(CAMERAS)

    def spec(self, arm: str) -> EmbodimentSpec:
        """The Panda as most protocols have it: 256 pixels, 8 state numbers."""
        return panda(_VIEW)

    def stage(self) -> Stage:
        """See NativeCollect."""
        return _Stage()

    def told(self, name: str) -> tuple[str, ...]:
        """The task's own sentence; published evaluations have no other."""
        return (task(name).instruction,)


class _Stage:
    def __init__(self) -> None:
        self._world = Libero(_VIEW)
        self._hand = 1.0

    @property
    def world(self) -> Libero:
        return self._world

    @property
    def gripper(self) -> float:
        return self._hand

    def begin(self, name: str, seed: int) -> None:
        self._world.reset(name, seed, "drawn")
        for _ in range(_SETTLE):
            self._world.step(settling())

    def expert(self) -> FloatArray:
        action = self._world.expert.action()
        self._hand = float(action[-1])
        return action

    def hand_over(self) -> None:
        self._world.hand_over()
