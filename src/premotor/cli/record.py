"""`premotor record`: demonstrations of the scripted expert as a LeRobot v3 dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from premotor.cli.app import EXIT_INTERRUPTED, EXIT_OK
from premotor.core.errors import DatasetError, PremotorError

if TYPE_CHECKING:
    from premotor.evaluation.demonstrations import Recorder

__all__ = ["Record"]

_Suite = Literal["tabletop", "metaworld", "libero-spatial", "libero-object", "libero-goal", "libero-10", "libero-90"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Record demonstrations of the scripted expert as a LeRobot v3 dataset.

    Example: premotor record --robot so101 --families pick_up put_in --episodes 20 --out outputs/demos

    Only episodes in which the task was achieved are kept, each safe on disk once it is finished. The same command goes
    on with a recording that was stopped, and gives the same dataset as if it had not been.
    """

    suite: Annotated[_Suite, tyro.conf.arg(metavar="NAME")] = "tabletop"
    """tabletop; metaworld: its fifty tasks with their own experts, who play a Sawyer; or libero-spatial, -object,
    -goal, -10 or -90: those of LIBERO's tasks for which our expert has a script."""
    robot: Annotated[str, tyro.conf.arg(metavar="NAME")] = "panda"
    """panda or so101, on the tabletop."""
    families: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FAMILY", help_behavior_hint="")] = ()
    """Task families, such as pick_up put_in open_drawer, or tasks, such as drawer-open-v3; all when left out. They take
    turns."""
    episodes: Annotated[int, tyro.conf.arg(metavar="N")] = 10
    """Episodes that the dataset has at the end."""
    split: Annotated[str, tyro.conf.arg(metavar="SPLIT")] = "train"
    """Where the tabletop's scenes come from: train, or a split that tests something (docs/conventions.md)."""
    size: Annotated[int, tyro.conf.arg(metavar="N")] = 128
    """Pixels a side of Meta-World's and LIBERO's pictures; their published protocols show 480 and 256."""
    human: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Folder of LIBERO's own demonstrations (HDF5), to be read instead of asking the expert."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Number of the first scene."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("outputs/demos")
    """Folder of the dataset."""

    def main(self) -> int:
        """Record; returns the exit code."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from premotor.cli.terminal import console, shown_path
        from premotor.data import DatasetWriter
        from premotor.evaluation.demonstrations import STRIDE

        if not 1 <= self.episodes < STRIDE:
            raise PremotorError(f"--episodes {self.episodes} must be at least 1 and below {STRIDE}")
        recorder = self._recorder()  # an unknown family or split is refused before anything is written
        self._same_robot(recorder.spec.name)
        out, bar = console(), TextColumn("{task.description}")
        columns = (bar, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with DatasetWriter(self.out, recorder.spec, resume=True) as writer:
            started = writer.episodes
            try:
                with Progress(*columns, console=out) as progress:
                    task = progress.add_task("recording", total=self.episodes, completed=min(started, self.episodes))
                    while writer.episodes < self.episodes:
                        recorder.record(writer)
                        progress.update(task, completed=writer.episodes)
                code = EXIT_OK
            except KeyboardInterrupt:
                code = EXIT_INTERRUPTED
                if writer.pending:
                    writer.discard_episode()
            finally:
                recorder.close()
            kept = writer.episodes
        out.print(f"{kept} episodes in {shown_path(self.out)}, {max(0, kept - started)} of them new", markup=False)
        if code == EXIT_INTERRUPTED:
            out.print("stopped; the same command goes on from here")
        return code

    def _recorder(self) -> "Recorder":
        if self.suite.startswith("libero"):
            from premotor.evaluation.libero_demonstrations import HumanRecorder, LiberoRecorder

            if self.human is None:
                return LiberoRecorder(self.suite, self.families, seed=self.seed, size=self.size)
            people = HumanRecorder(self.human, self.suite, self.families)
            if self.episodes > people.episodes:
                raise PremotorError(f"--episodes {self.episodes}: {self.human} holds {people.episodes} of these tasks")
            return people
        if self.human is not None:
            raise PremotorError(f"--human reads LIBERO's demonstrations; --suite {self.suite} has none")
        if self.suite == "metaworld":
            from premotor.evaluation.demonstrations import MetaWorldRecorder

            return MetaWorldRecorder(self.families, seed=self.seed, size=self.size)
        from premotor.evaluation.demonstrations import TabletopRecorder

        return TabletopRecorder(self.robot, self.families, split=self.split, seed=self.seed)

    def _same_robot(self, robot: str) -> None:
        """Raise DatasetError when the folder holds recordings of another arm."""
        from premotor.data import Dataset

        if not (self.out / "meta" / "info.json").is_file():
            return
        recorded = Dataset(self.out, check_files=False).robot
        if recorded != robot:
            suites = {"sawyer": "--suite metaworld", "libero_panda": "--suite libero-..."}
            hint = suites.get(recorded, f"--robot {recorded}")
            raise DatasetError(
                f"{self.out} holds recordings of {recorded!r}, not of {robot!r}; give another --out, "
                f"or {hint} to go on with it"
            )
