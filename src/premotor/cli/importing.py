"""`premotor import`: a public checkpoint becomes a bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from premotor.cli.app import EXIT_OK
from premotor.core.errors import PremotorError

__all__ = ["Import"]


@dataclass(frozen=True, kw_only=True)
class Import:
    """Turn a public checkpoint into a bundle, with its statistics and its tokenizer.

    Example: premotor import lerobot/act_aloha_sim_transfer_cube_human --robot aloha.json

    What a checkpoint is, is read off its own files: LeRobot's ACT, Diffusion Policy, pi0, pi0.5, pi0-FAST, SmolVLA and
    GR00T N1.7, NVIDIA's GR00T N1.7 and N1.5, OpenVLA, OpenVLA-OFT, openpi in PyTorch, Octo. Nothing is guessed: what
    they do not tell is asked for, and what does not fit is refused with exit code 2. The bundle acts once before it
    counts as made.
    """

    source: Annotated[str, tyro.conf.arg(metavar="FOLDER|OWNER/NAME", help_behavior_hint=""), tyro.conf.Positional]
    """Folder of the checkpoint, or its id on the Hugging Face hub."""
    robot: Annotated[str, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(required)")]
    """The robot that it was trained for: panda, so101, or a JSON file of its spec (docs/import.md)."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Where to write; imported/NAME when left out."""
    stats: Annotated[str, tyro.conf.arg(metavar="NAME|FOLDER", help_behavior_hint="")] = ""
    """Which statistics, where there are several; of a LeRobot policy without any, a dataset to take them from."""
    cameras: Annotated[tuple[str, ...], tyro.conf.arg(metavar="THEIRS=OURS", help_behavior_hint="")] = ()
    """The checkpoint's cameras by the robot's names, where these differ; OURS is none for one that the robot lacks."""
    tell: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE", help_behavior_hint="")] = ()
    """What the checkpoint does not tell; it is asked for by name."""
    tokenizer: Annotated[Path | None, tyro.conf.arg(metavar="FILE|FOLDER", help_behavior_hint="")] = None
    """tokenizer.json of the model, where the folder has none; for GR00T the folder of its VLM."""

    def main(self) -> int:
        """Import; returns the exit code."""
        from premotor.cli.terminal import console, shown_path
        from premotor.models.importing.run import import_checkpoint

        out = self.out or Path("imported") / Path(self.source).name
        screen = console()
        with screen.status("reading"):
            made = import_checkpoint(
                self.source,
                out,
                robot=self.robot,
                stats=self.stats,
                cameras=_pairs("--cameras", self.cameras),
                tell=_pairs("--tell", self.tell),
                tokenizer=self.tokenizer,
            )
        rows, dims = made.shape
        screen.print(f"{made.layout}: it says {rows} x {dims} actions, after {made.seconds:.1f} s here", markup=False)
        screen.print(f"bundle: {shown_path(out)}", markup=False)
        screen.print(f"  premotor info {shown_path(out)}", style="dim", markup=False)
        return EXIT_OK


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE ..., each name once."""
    found: dict[str, str] = {}
    for entry in given:
        name, sign, value = entry.partition("=")
        if not (name and sign and value) or name in found:
            raise PremotorError(f"{option} {entry}: NAME=VALUE is wanted, each name once")
        found[name] = value
    return found
