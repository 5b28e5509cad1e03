"""Demonstrations of scripted experts.

What an episode of a dataset is follows from its number, so that a recording can be shared out, stopped and gone on
with. Only episodes in which the task was achieved are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from premotor.control.loop import EpisodeRunner, Step, run_episode
from premotor.core.errors import PremotorError, WorldError
from premotor.core.spec import EmbodimentSpec
from premotor.data import DraftWriter
from premotor.evaluation.policies import ExpertPolicy
from premotor.robots.embodiment import embodiment
from premotor.safety.guard import Guard
from premotor.sim.metaworld.robot import View
from premotor.sim.metaworld.tasks import TASKS, task
from premotor.sim.metaworld.world import LIMIT, MetaWorld, package
from premotor.sim.tabletop.episode import FAMILIES, Episode, Family, Split
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["STRIDE", "TRIES", "Demonstrators", "MetaWorldRecorder", "Recorder", "TabletopRecorder", "never"]

STRIDE = 1_000_000
"""Seeds between two tries, so that no other episode ever gets the same scene."""
TRIES = 20
"""Scenes that one episode may take; an expert fails in a few of a hundred."""


class Recorder(Protocol):
    """Somebody who demonstrates."""

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm and what is recorded of it."""

    def record(self, number: int, draft: DraftWriter) -> None:
        """Put the frames of the episode of that number into an empty draft.

        Raises PremotorError when the expert achieves it in none of many scenes.
        """

    def close(self) -> None:
        """Free what the world holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demonstrators:
    """Which demonstrations, as data: suite "tabletop", "metaworld" or one of LIBERO's, such as "libero-goal".

    robot and split are the tabletop's. families: of tasks, or tasks; all when empty. size: pixels a side of
    Meta-World's and LIBERO's pictures. seed: of the first scene. human: folder of LIBERO's own demonstrations.
    """

    suite: str = "tabletop"
    robot: str = "panda"
    families: tuple[str, ...] = ()
    split: str = "train"
    size: int = 128
    seed: int = 0
    human: Path | None = None

    @property
    def tasks(self) -> int:
        """How many families or tasks take turns."""
        if self.suite.startswith("libero"):
            from premotor.evaluation.libero_demonstrations import tasks_of

            return len(tasks_of(self.suite, self.families))
        return len(self.families or (TASKS if self.suite == "metaworld" else FAMILIES))

    def recorder(self) -> "Recorder":
        """Somebody who demonstrates them. Raises PremotorError for what does not exist."""
        if self.suite.startswith("libero"):
            from premotor.evaluation.libero_demonstrations import HumanRecorder, LiberoRecorder

            if self.human is not None:
                return HumanRecorder(self.human, self.suite, self.families)
            return LiberoRecorder(self.suite, self.families, seed=self.seed, size=self.size)
        if self.suite == "metaworld":
            return MetaWorldRecorder(self.families, seed=self.seed, size=self.size)
        return TabletopRecorder(self.robot, self.families, split=self.split, seed=self.seed)


class TabletopRecorder:
    """The tabletop's expert, through the guard. Raises PremotorError for an unknown arm, family or split."""

    def __init__(self, robot: str, families: Sequence[str], *, split: str, seed: int) -> None:
        arm = embodiment(robot)
        self._robot, self._families, self._split, self._seed = robot, tuple(families) or FAMILIES, split, seed
        for number in range(len(self._families)):
            self._draw(number, 0)
        self._world, self._guard = TabletopWorld(robot), Guard(arm)

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm and what is recorded of it."""
        return self._world.spec

    def record(self, number: int, draft: DraftWriter) -> None:
        """Put the frames of that episode into a draft."""
        for attempt in range(TRIES):
            episode = self._draw(number, attempt)
            self._world.reset(episode)
            steps: list[Step] = []
            runner = EpisodeRunner(
                self._world,
                self._guard,
                self._world.spec,
                instruction=episode.instruction,
                replan_every=1,
                max_ticks=episode.max_steps,
                done=self._world.success,
                subscribers=(steps.append,),
                watch=True,
            )
            run_episode(runner, ExpertPolicy(self._world))
            if runner.succeeded:
                for step in steps:
                    if step.observation is not None and step.action is not None:
                        seen = step.observation
                        draft.add_frame(seen.images, seen.state, step.action, seen.instruction)
                return
        raise never(episode.family, number)

    def close(self) -> None:
        """Free what the world holds."""
        self._world.close()

    def _draw(self, number: int, attempt: int) -> Episode:
        family = self._families[number % len(self._families)]
        seed = self._seed + number // len(self._families) + attempt * STRIDE
        return sample(self._robot, cast(Family, family), cast(Split, self._split), seed)


class MetaWorldRecorder:
    """Meta-World's experts, in pictures of `size` pixels from where LeRobot has its camera.

    Raises WorldError for an unknown task, a size that cannot be drawn, or when metaworld is not installed.
    """

    def __init__(self, tasks: Sequence[str], *, seed: int, size: int) -> None:
        package()
        self._tasks, self._seed = [task(name).name for name in tasks or TASKS], seed
        self._world = MetaWorld(View(size=size))

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm and what is recorded of it."""
        return self._world.spec

    def record(self, number: int, draft: DraftWriter) -> None:
        """Put the frames of that episode into a draft."""
        world = self._world
        name = self._tasks[number % len(self._tasks)]
        for attempt in range(TRIES):
            world.reset(name, self._seed + number // len(self._tasks) + attempt * STRIDE)
            while not world.success and world.steps < LIMIT:
                seen, action = world.observe(), world.expert_action()
                draft.add_frame(seen.images, seen.state, action, seen.instruction)
                world.step(action)
            if world.success:
                return
            draft.drop()
        raise never(name, number)

    def close(self) -> None:
        """Free what the world holds."""
        self._world.close()


def never(task_name: str, number: int) -> PremotorError:
    """What is said when an expert fails in all the scenes it is given."""
    return WorldError(
        f"the expert achieved {task_name!r} in none of {TRIES} scenes (episode {number}); what was recorded before is "
        "kept. Leave the task out, or use another --seed."
    )
