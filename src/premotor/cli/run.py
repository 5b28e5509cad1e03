"""`premotor run`: a robot does what a sentence says, in closed loop, and shows what it did."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from premotor.cli.app import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from premotor.core.agree import agree
from premotor.core.errors import PremotorError

if TYPE_CHECKING:
    from premotor.sim.tabletop.world import TabletopWorld
    from premotor.studio.keepsake import Keepsake
    from premotor.studio.minds import Mind
    from premotor.studio.rollout import Glimpse, Outcome, Stage

__all__ = ["Run"]

_FILM_PX = 384


@dataclass(frozen=True, kw_only=True)
class Run:
    """Do what a sentence says, in closed loop, and show what happened.

    Example: premotor run "put the blue cup in the bowl" --robot so101

    Sets a table on which the sentence makes sense, among other things that do not matter. Writes strip.png, film.mp4
    and outcome.json. Exit code 0 when the task was achieved, 1 when not.
    """

    instruction: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="SENTENCE", help_behavior_hint=""), tyro.conf.Positional
    ]
    """What to do, in plain words."""
    robot: Annotated[str, tyro.conf.arg(metavar="NAME")] = "panda"
    """panda or so101."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Another number sets another table."""
    policy: Annotated[str, tyro.conf.arg(metavar="FOLDER")] = "bundle"
    """Folder of a bundle, "bundle" for the shipped one, or "expert"."""
    view: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    """Show it live on a page where you can type the next instruction. Nothing is written then; Ctrl-C ends it."""
    port: Annotated[int, tyro.conf.arg(metavar="N")] = 8420
    """Port of that page, on this machine only; 0 takes a free one."""
    replan_every: Annotated[int, tyro.conf.arg(metavar="N")] = 8
    """Control steps, 20 a second, between two plans of the policy."""
    delay: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Control steps that pass while a plan is made, as on a slow computer; the arm goes on with the last one."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Where to write; a folder in outputs/ named after the task when left out."""

    def main(self) -> int:
        """Run it; returns the exit code."""
        from premotor.robots.embodiment import embodiment
        from premotor.sim.tabletop.sample import scene_for

        # What can be refused is refused before anything heavy is loaded.
        arm = embodiment(self.robot)
        episode = scene_for(" ".join(self.instruction), self.robot, self.seed)

        from premotor.safety.guard import Guard
        from premotor.sim.tabletop.world import TabletopWorld
        from premotor.studio.eyes import Eyes
        from premotor.studio.rollout import Stage

        world = TabletopWorld(self.robot)
        world.reset(episode)
        mind, who, every = _mind(self.policy, world, self.replan_every)
        stage = Stage(
            world=world, guard=Guard(arm), mind=mind, eyes=Eyes(_FILM_PX), replan_every=every, delay=self.delay
        )
        try:
            return self._live(stage, who) if self.view else self._once(stage, who)
        finally:
            stage.close()

    def _once(self, stage: "Stage", who: str) -> int:
        from rich.live import Live

        from premotor.cli.terminal import console
        from premotor.sim.tabletop.references import scene_description
        from premotor.studio.keepsake import Keepsake

        episode, out = stage.world.episode, console()
        folder = self.out or Path("outputs") / f"{self.robot}-{_slug(episode.instruction)}-{self.seed}"
        out.print(episode.instruction, style="bold", markup=False)
        out.print(f"{self.robot}, {who}, seed {self.seed}", markup=False)
        out.print(f"on the table: {scene_description(episode.things, episode.drawer)}", style="dim")
        detail = f"{self.robot} \u00b7 {who} \u00b7 seed {self.seed}"
        kept = Keepsake(folder, rate_hz=stage.world.spec.rate_hz, title=episode.instruction, detail=detail)
        outcome: Outcome | None = None
        with kept, Live(console=out, refresh_per_second=8, transient=True) as live:

            def show(glimpse: "Glimpse") -> None:
                kept.add(glimpse)
                live.update(_line(glimpse))

            try:
                outcome = stage.roll_out(show)
            except KeyboardInterrupt:
                live.update("stopping")
        self._tell(kept, outcome, who)
        return EXIT_INTERRUPTED if outcome is None else EXIT_OK if outcome.success else EXIT_FAILED

    def _tell(self, kept: "Keepsake", outcome: "Outcome | None", who: str) -> None:
        """Print and write how it ended; outcome is None when it was interrupted."""
        from premotor.cli.terminal import console, shown_path
        from premotor.studio.rollout import guard_in_words

        out, last = console(), kept.last
        if last is None:
            out.print("stopped before the first step; nothing was written")
            return
        success = outcome is not None and outcome.success
        words = "done in" if success else "stopped after" if outcome is None else "not achieved in"
        words = f"{words} {last.seconds:.1f} s"
        verdicts = last.verdicts if outcome is None else outcome.verdicts
        facts = {
            "instruction": " ".join(self.instruction),
            "robot": self.robot,
            "policy": who,
            "seed": self.seed,
            "success": success,
            "interrupted": outcome is None,
            "seconds": last.seconds,
            "guard": {name: verdicts.count(k) for k, name in enumerate(("passed", "reduced", "held", "stopped"))},
        }
        guard = guard_in_words(verdicts)
        paths = kept.write(words, good=success, guard=guard, facts=facts)
        out.print(f"[{'green' if success else 'red'}]{words}[/]; {guard}")
        for path in paths:
            out.print(f"  {shown_path(path)}", markup=False, soft_wrap=True)

    def _live(self, stage: "Stage", who: str) -> int:
        from premotor.cli.terminal import console
        from premotor.sim.tabletop.sample import scene_for
        from premotor.studio.live import LivePage
        from premotor.studio.play import Play

        out = console()

        def told(instruction: str, outcome: "Outcome") -> None:
            words = outcome.stopped or ("done" if outcome.success else "not achieved")
            out.print(
                f"  {instruction}: {words}, {outcome.seconds:.1f} s; {outcome.guard}", markup=False, soft_wrap=True
            )

        with LivePage(self.port) as page:
            out.print(f"{self.robot}, {who}: [bold]{page.url}[/]  (Ctrl-C ends it)")
            play = Play(
                page=page,
                stage=stage,
                who=f"{self.robot}, {who}",
                scene=lambda text, seed: scene_for(text, self.robot, seed),
                seed=self.seed,
            )
            play.go(" ".join(self.instruction), told)


def _mind(name: str, world: "TabletopWorld", replan_every: int) -> tuple["Mind", str, int]:
    """Who acts, in words too, and how often it plans. Raises PremotorError for a name that means nothing."""
    from premotor.studio.minds import ExpertMind, PolicyMind

    if name == "expert":
        return ExpertMind(world), "scripted expert", 1
    from premotor.models import bundle
    from premotor.models.policy import BundlePolicy

    folder = bundle.DEFAULT if name == "bundle" else Path(name)
    if name != "bundle" and not folder.is_dir():
        raise PremotorError(
            f"no policy {name!r}: it is not a folder. Give the folder of a bundle, 'bundle' for the shipped one, "
            "or 'expert'."
        )
    loaded = bundle.load(folder)
    policy = BundlePolicy(loaded, world.spec.name)
    agree(policy.spec, world.spec)
    if not policy.believes:
        from premotor.cli.terminal import console

        console().print("this policy does not say what it believes it was asked about, so nothing is marked")
    return PolicyMind(policy, world), f"policy {folder.name} {loaded.digest[:8]}", replan_every


def _line(glimpse: "Glimpse") -> str:
    """The progress line: time, what it believes, how far the hand is."""
    thought = glimpse.thought
    line = f"{glimpse.seconds:5.1f} s"
    if thought.object is not None:
        line += f"  acts on [yellow]{thought.object}[/]"
    if thought.target is not None:
        line += f", target [cyan]{thought.target}[/]"
    if thought.distance is not None:
        line += f", hand {100 * thought.distance:.1f} cm away"
    touched = sum(number > 0 for number in glimpse.verdicts)
    return line + (f"  [dim]guard stepped in {touched} times[/]" if touched else "")


def _slug(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))[:60].strip("-")
