"""`premotor record`: demonstrations of the scripted expert as a LeRobot v3 dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from premotor.cli.app import EXIT_INTERRUPTED, EXIT_OK
from premotor.core.errors import DatasetError, PremotorError

if TYPE_CHECKING:
    from premotor.evaluation.demonstrations import Demonstrators

__all__ = ["Record"]

_Suite = Literal["tabletop", "metaworld", "libero-spatial", "libero-object", "libero-goal", "libero-10", "libero-90"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Record demonstrations of the scripted expert as a LeRobot v3 dataset.

    Example: premotor record --robot so101 --families pick_up put_in --episodes 20 --out outputs/demos

    Only episodes in which the task was achieved are kept, each safe on disk once it is finished. The same command goes
    on with a recording that was stopped or killed; the dataset is the same as if it had not been, however many workers
    made it.
    """

    suite: Annotated[_Suite, tyro.conf.arg(metavar="NAME")] = "tabletop"
    """tabletop; metaworld: its fifty tasks with their own experts, who play a Sawyer; or libero-spatial, -object,
    -goal, -10 or -90: those of LIBERO's tasks for which our expert has a script."""
    robot: Annotated[str, tyro.conf.arg(metavar="NAME")] = "panda"
    """panda or so101, on the tabletop."""
    families: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FAMILY", help_behavior_hint="")] = ()
    """Task families, such as pick_up put_in open_drawer, or tasks, such as drawer-open-v3; all when left out. They take
    turns."""
    episodes: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Episodes that the dataset has at the end; 10 when left out."""
    each: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Episodes of each family or task, instead of --episodes."""
    split: Annotated[str, tyro.conf.arg(metavar="SPLIT")] = "train"
    """Where the tabletop's scenes come from: train, or a split that tests something (docs/conventions.md)."""
    size: Annotated[int, tyro.conf.arg(metavar="N")] = 128
    """Pixels a side of Meta-World's and LIBERO's pictures; their published protocols show 480 and 256."""
    human: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Folder of LIBERO's own demonstrations (HDF5), to be read instead of asking the expert."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Number of the first scene."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Processes; one a core when left out."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("outputs/demos")
    """Folder of the dataset."""

    def main(self) -> int:
        """Record; returns the exit code."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from premotor.cli.terminal import console, shown_path
        from premotor.data import DatasetWriter
        from premotor.evaluation.crew import default_workers
        from premotor.evaluation.recording import record

        demonstrators = self._demonstrators()
        episodes = self._episodes(demonstrators)
        recorder = demonstrators.recorder()  # an unknown family or split is refused before anything is written
        recorder.close()
        self._same_robot(recorder.spec.name)
        out, bar = console(), TextColumn("{task.description}")
        columns = (bar, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        many = default_workers() if self.workers is None else self.workers
        code, replaced = EXIT_OK, 0
        with DatasetWriter(self.out, recorder.spec, resume=True) as writer:
            started = writer.episodes
            try:
                with Progress(*columns, console=out) as progress:
                    task = progress.add_task("recording", total=episodes, completed=min(started, episodes))

                    def told(kept: int) -> None:
                        progress.update(task, completed=kept)

                    replaced = record(demonstrators, writer, episodes, workers=many, progress=told)
            except KeyboardInterrupt:
                code = EXIT_INTERRUPTED
            kept = writer.episodes
        out.print(f"{kept} episodes in {shown_path(self.out)}, {max(0, kept - started)} of them new", markup=False)
        if replaced:
            out.print(f"{replaced} workers died or hung and were replaced; nothing was lost")
        if code == EXIT_INTERRUPTED:
            out.print("stopped; the same command goes on from here")
        return code

    def _demonstrators(self) -> "Demonstrators":
        from premotor.evaluation.demonstrations import Demonstrators

        if self.human is not None and not self.suite.startswith("libero"):
            raise PremotorError(f"--human reads LIBERO's demonstrations; --suite {self.suite} has none")

        return Demonstrators(
            suite=self.suite,
            robot=self.robot,
            families=self.families,
            split=self.split,
            size=self.size,
            seed=self.seed,
            human=self.human,
        )

    def _episodes(self, demonstrators: "Demonstrators") -> int:
        """How many there are to be at the end."""
        from premotor.evaluation.demonstrations import STRIDE

        if self.each is not None and self.episodes is not None:
            raise PremotorError(f"--each {self.each} and --episodes {self.episodes} say it twice; give one of them")
        wanted = 10 if self.episodes is None else self.episodes
        if self.each is not None:
            wanted = self.each * demonstrators.tasks
        if not 1 <= wanted < STRIDE:
            flag = "--episodes" if self.each is None else "--each"
            raise PremotorError(f"{flag}: {wanted} episodes must be at least 1 and below {STRIDE}")
        return wanted

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
