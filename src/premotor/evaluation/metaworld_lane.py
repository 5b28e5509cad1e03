"""Meta-World beside the tabletop in an evaluation: how one episode runs, and who may play."""

from dataclasses import dataclass

import numpy as np

from premotor.core.agree import agree
from premotor.core.types import FloatArray, Observation
from premotor.evaluation.lanes import Lane
from premotor.evaluation.metaworld import MetaWorldProtocol
from premotor.evaluation.native_lane import Arena, Begun, NativeLane, experts, scene_digest, told_otherwise
from premotor.evaluation.policies import Choice, HoldStill, Player, bundle_player
from premotor.evaluation.protocol import Job
from premotor.sim.metaworld import perturbed
from premotor.sim.metaworld.robot import sawyer
from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.metaworld.world import MetaWorld
from premotor.sim.perturb.axes import NAMES, Perturbation, find
from premotor.sim.perturb.noise import noisy

__all__ = ["MetaWorldSetup"]

_TOLD = {name: task.instruction for name, task in TASKS.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaWorldSetup:
    """What every worker is told once. film: record every episode."""

    choice: Choice
    protocol: MetaWorldProtocol
    width: int = 8
    film: bool = False

    def lane(self) -> Lane:
        """One world."""
        return NativeLane(self._arena, self.protocol.replan_every, self.film)

    def player(self, arm: str) -> Player:
        """Who was chosen. Raises BundleError, SpecMismatch when a bundle is not for this arm or this protocol."""
        spec = sawyer(self.protocol.view, self.protocol.state)
        if self.choice.kind == "expert":
            return Player(spec=spec, batch=experts(MetaWorld, MetaWorld.expert_action), sees=False, every=1)
        if self.choice.kind == "hold":
            still = HoldStill(spec)
            return Player(spec=spec, batch=lambda seen, _: [still.act(one) for one in seen], sees=False)
        found = bundle_player(self.choice, arm)
        agree(found.spec, spec)
        return found

    def _arena(self, render: bool) -> Arena:
        return _Arena(self.protocol, render)


class _Arena:
    """A world under the conditions of a protocol, perturbed where the job says so."""

    def __init__(self, protocol: MetaWorldProtocol, render: bool) -> None:
        self._protocol = protocol
        self._world = MetaWorld(protocol.view, state=protocol.state, render=render)

    @property
    def world(self) -> MetaWorld:
        """The same one for every episode."""
        return self._world

    def begin(self, job: Job, deaf: bool) -> Begun:
        """Reset the world to an episode."""
        world, protocol, name = self._world, self._protocol, job.cell.family
        change = _change(job)
        world.reset(name, job.seed, change)
        told = told_otherwise(name, _TOLD) if deaf else world.task.instruction
        if change is not None:
            told = perturbed.told(name, job.seed, change, told)
        return Begun(
            instruction=told,
            scene=scene_digest(name, world.seen),
            limit=protocol.max_steps,
            late=0 if change is None else int(change.amount("steps")),
            settle=protocol.settle,
        )

    def see(self, job: Job, instruction: str) -> Observation:
        """What the policy is shown now."""
        seen, change = self._world.observe(instruction), _change(job)
        if change is None:
            return seen
        return noisy(seen, self._world.spec, change, perturbed.key(job.cell.family, job.seed))

    def hold(self) -> FloatArray:
        """Metres of no motion, and the gripper as open as it is."""
        return np.append(np.zeros(3), self._world.seen[3])

    def rest(self) -> FloatArray:
        """The same."""
        return self.hold()


def _change(job: Job) -> Perturbation | None:
    """Where the split is a perturbation; elsewhere it is a tier."""
    return find(job.cell.split) if job.cell.split in NAMES else None
