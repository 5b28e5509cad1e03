"""`premotor record`: demonstrations of the scripted expert as a LeRobot v3 dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from premotor.cli.app import EXIT_INTERRUPTED, EXIT_OK
from premotor.core.errors import DatasetError, PremotorError

if TYPE_CHECKING:
    from premotor.control.loop import Step
    from premotor.data import DatasetWriter
    from premotor.safety.guard import Guard
    from premotor.sim.tabletop.episode import Episode
    from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["Record"]

_TRIES = 20  # scenes that one episode may take; the expert fails in a few of a hundred
_STRIDE = 1_000_000  # seeds between two tries, so that no other episode ever gets the same scene


@dataclass(frozen=True, kw_only=True)
class Record:
    """Record demonstrations of the scripted expert as a LeRobot v3 dataset.

    Example: premotor record --robot so101 --families pick_up put_in --episodes 20 --out outputs/demos

    Only episodes in which the task was achieved are kept, each safe on disk once it is finished. The same command goes
    on with a recording that was stopped, and gives the same dataset as if it had not been.
    """

    robot: Annotated[str, tyro.conf.arg(metavar="NAME")] = "panda"
    """panda or so101."""
    families: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FAMILY", help_behavior_hint="")] = ()
    """Task families, such as pick_up put_in open_drawer; all ten when left out. They take turns."""
    episodes: Annotated[int, tyro.conf.arg(metavar="N")] = 10
    """Episodes that the dataset has at the end."""
    split: Annotated[str, tyro.conf.arg(metavar="SPLIT")] = "train"
    """Where the scenes come from: train, or a split that tests something (docs/conventions.md)."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Number of the first scene."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("outputs/demos")
    """Folder of the dataset."""

    def main(self) -> int:
        """Record; returns the exit code."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from premotor.cli.terminal import console, shown_path
        from premotor.data import DatasetWriter
        from premotor.robots.embodiment import embodiment
        from premotor.safety.guard import Guard
        from premotor.sim.tabletop.world import TabletopWorld

        arm = embodiment(self.robot)
        if not 1 <= self.episodes < _STRIDE:
            raise PremotorError(f"--episodes {self.episodes} must be at least 1 and below {_STRIDE}")
        for number in range(len(self.families) or 1):
            self._draw(number, 0)  # an unknown family or split is refused before anything is written
        self._same_robot()
        out, bar = console(), TextColumn("{task.description}")
        columns = (bar, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with DatasetWriter(self.out, arm.spec, resume=True) as writer:
            started = writer.episodes
            world, guard = TabletopWorld(self.robot), Guard(arm)
            try:
                with Progress(*columns, console=out) as progress:
                    task = progress.add_task("recording", total=self.episodes, completed=min(started, self.episodes))
                    while writer.episodes < self.episodes:
                        self._record(writer, world, guard)
                        progress.update(task, completed=writer.episodes)
                code = EXIT_OK
            except KeyboardInterrupt:
                code = EXIT_INTERRUPTED
                if writer.pending:
                    writer.discard_episode()
            finally:
                world.close()
            kept = writer.episodes
        out.print(f"{kept} episodes in {shown_path(self.out)}, {max(0, kept - started)} of them new", markup=False)
        if code == EXIT_INTERRUPTED:
            out.print("stopped; the same command goes on from here")
        return code

    def _same_robot(self) -> None:
        """Raise DatasetError when the folder holds recordings of another arm."""
        from premotor.data import Dataset

        if not (self.out / "meta" / "info.json").is_file():
            return
        recorded = Dataset(self.out, check_files=False).robot
        if recorded != self.robot:
            raise DatasetError(
                f"{self.out} holds recordings of {recorded!r}, not of {self.robot!r}; give another --out, "
                f"or --robot {recorded} to go on with it"
            )

    def _draw(self, number: int, attempt: int) -> "Episode":
        """The scene of one episode of the dataset: a function of its number, so that a recording can be resumed."""
        from premotor.sim.tabletop.episode import FAMILIES
        from premotor.sim.tabletop.sample import sample

        families = self.families or FAMILIES
        seed = self.seed + number // len(families) + attempt * _STRIDE
        return sample(self.robot, families[number % len(families)], self.split, seed)  # type: ignore[arg-type]

    def _record(self, writer: "DatasetWriter", world: "TabletopWorld", guard: "Guard") -> None:
        """Add the next episode. Raises PremotorError when the expert achieves it in none of many scenes."""
        from premotor.control.loop import EpisodeRunner, run_episode
        from premotor.evaluation.policies import ExpertPolicy

        for attempt in range(_TRIES):
            episode = self._draw(writer.episodes, attempt)
            world.reset(episode)
            steps: list[Step] = []
            runner = EpisodeRunner(
                world,
                guard,
                world.spec,
                instruction=episode.instruction,
                replan_every=1,
                max_ticks=episode.max_steps,
                done=world.success,
                subscribers=(steps.append,),
                watch=True,
            )
            run_episode(runner, ExpertPolicy(world))
            if runner.succeeded:
                for step in steps:
                    if step.observation is not None and step.action is not None:
                        seen = step.observation
                        writer.add_frame(seen.images, seen.state, step.action, seen.instruction)
                writer.save_episode()
                return
        raise PremotorError(
            f"the expert achieved {episode.family!r} in none of {_TRIES} scenes; {writer.episodes} episodes are kept. "
            "Leave this family out, or use another --seed."
        )
