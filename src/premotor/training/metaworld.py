"""Demonstrations of Meta-World's scripted experts, by `native.py`."""

from dataclasses import dataclass

from premotor.core.spec import EmbodimentSpec
from premotor.core.types import FloatArray
from premotor.sim.metaworld.robot import View, sawyer
from premotor.sim.metaworld.tasks import task
from premotor.sim.metaworld.wordings import wordings
from premotor.sim.metaworld.world import LIMIT, MetaWorld
from premotor.training.native import NativeCollect, Stage

__all__ = ["MetaWorldCollect"]

_VIEW = View()


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaWorldCollect(NativeCollect):
    """Meta-World; see NativeCollect. Pictures are drawn as drafts. varied: tell each task in other words, too."""

    noise: float = 0.4
    learner_steps: tuple[int, int] = (24, 96)
    expert_steps: tuple[int, int] = (24, 56)
    every: int = 4
    patience: int = 250
    shrink: int = 5
    worlds: int = 8
    varied: bool = True

    @property
    def side(self) -> int:
        """See NativeCollect."""
        return _VIEW.pixels

    @property
    def cameras(self) -> tuple[str, ...]:
        """The one that published results look through."""
        return (_VIEW.camera,)

    @property
    def limit(self) -> int:
        """When the world ends the episode."""
        return LIMIT

    def spec(self, arm: str) -> EmbodimentSpec:
        """The Sawyer as the protocols `metaworld-ours` and `metaworld-lerobot` have it: 480 pixels, 4 state numbers."""
        return sawyer(_VIEW)

    def stage(self) -> Stage:
        """See NativeCollect."""
        return _Stage()

    def told(self, name: str) -> tuple[str, ...]:
        """The task's own sentence first."""
        return wordings(name) if self.varied else (task(name).instruction,)


class _Stage:
    def __init__(self) -> None:
        self._world = MetaWorld(_VIEW, draft=True)

    @property
    def world(self) -> MetaWorld:
        return self._world

    @property
    def gripper(self) -> float:
        return float(self._world.observe_state()[3])

    def begin(self, name: str, seed: int) -> None:
        self._world.reset(name, seed)

    def expert(self) -> FloatArray:
        return self._world.expert_action()

    def hand_over(self) -> None:
        """Its experts see what is there and keep nothing in mind."""
