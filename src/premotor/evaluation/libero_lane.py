"""LIBERO beside the other worlds in an evaluation: how one episode runs, and who may play."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from premotor.core.agree import agree
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation.lanes import Lane
from premotor.evaluation.libero import LiberoProtocol
from premotor.evaluation.native_lane import Arena, Begun, NativeLane, experts, scene_digest, told_otherwise
from premotor.evaluation.policies import Choice, Player, bundle_player
from premotor.evaluation.protocol import Job
from premotor.sim.libero.robot import RATE_HZ, panda, settling, standing
from premotor.sim.libero.tasks import TASKS, of_suite
from premotor.sim.libero.world import Libero

__all__ = ["LiberoSetup"]

_WIDTH = 4
_HOLD_ROWS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class LiberoSetup:
    """What every worker is told once. film: record every episode."""

    choice: Choice
    protocol: LiberoProtocol
    film: bool = False

    @property
    def width(self) -> int:
        """Episodes side by side, for a network's sake; to build a world takes longer than an expert's episode."""
        return _WIDTH if self.choice.kind == "bundle" else 1

    def lane(self) -> Lane:
        """One world."""
        return NativeLane(self._arena, self.protocol.replan_every, self.film)

    def player(self, arm: str) -> Player:
        """Who was chosen. Raises BundleError, SpecMismatch when a bundle is not for this arm or this protocol."""
        spec = panda(self.protocol.view)
        if self.choice.kind == "expert":
            return Player(spec=spec, batch=experts(Libero, lambda world: world.expert.action()), sees=False, every=1)
        if self.choice.kind == "hold":
            return Player(spec=spec, batch=_statues, sees=False)
        found = bundle_player(self.choice, arm)
        agree(found.spec, spec)
        return found

    def _arena(self, render: bool) -> Arena:
        return _Arena(self.protocol, render, scripted=self.choice.kind == "expert")


def _statues(seen: Sequence[Observation], _: Sequence[Hashable]) -> list[ActionChunk]:
    rows = np.tile(standing(), (_HOLD_ROWS, 1))
    return [ActionChunk(stamp_ns=one.stamp_ns, rate_hz=RATE_HZ, actions=rows) for one in seen]


def _told(name: str) -> dict[str, str]:
    """What is to be done in each task of a task's suite."""
    return {other: TASKS[other].instruction for other in of_suite(TASKS[name].suite)}


class _Arena:
    """A world under the conditions of a protocol. scripted: whether the expert plays, who may have no script."""

    def __init__(self, protocol: LiberoProtocol, render: bool, *, scripted: bool) -> None:
        self._protocol, self._scripted = protocol, scripted
        self._world = Libero(protocol.view, render=render)

    @property
    def world(self) -> Libero:
        """The same one for every episode."""
        return self._world

    def begin(self, job: Job, deaf: bool) -> Begun:
        """Reset the world to an episode."""
        world, name = self._world, job.cell.family
        world.reset(name, job.seed, self._protocol.start)
        if self._scripted:
            world.expert  # noqa: B018 - to have it refused here, where it is this episode's error and no other's
        return Begun(
            instruction=told_otherwise(name, _told(name)) if deaf else world.task.instruction,
            scene=scene_digest(name, world.env.sim.data.qpos),
            limit=self._protocol.limit(name),
            settle=self._protocol.settle,
        )

    def see(self, job: Job, instruction: str) -> Observation:
        """What the policy is shown now."""
        return self._world.observe(instruction)

    def hold(self) -> FloatArray:
        """No motion, and the gripper as it was told last."""
        return standing()

    def rest(self) -> FloatArray:
        """No motion, and the gripper open, as published evaluations do it."""
        return settling()
