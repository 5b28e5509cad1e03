"""`premotor train`: one recipe, one command, one bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from premotor.cli.app import EXIT_INTERRUPTED, EXIT_OK
from premotor.core.errors import PremotorError

if TYPE_CHECKING:
    from premotor.training.train import Recipe

__all__ = ["Train"]


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a policy from nothing, to a bundle; or fine-tune a bundle.

    Example: premotor train --dry-run

    With --from, a bundle goes on learning from the demonstrations in --data, in an adapter of a few MB (LoRA; needs the
    extra premotor[lora]). The run then holds adapter/ and bundle/, in which it is merged.

    Everything that is complete is kept in the run's folder, so the same command goes on after Ctrl-C or a crash.
    Curves: tensorboard --logdir runs
    """

    recipe: Annotated[str, tyro.conf.arg(metavar="NAME")] = "tabletop"
    """Which recipe: tabletop makes the shipped policy, metaworld one for Meta-World's fifty tasks,
    libero-object and libero-spatial one for a suite of LIBERO; tiny, metaworld-tiny and libero-tiny show in minutes
    that everything runs."""
    system: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Train this named system, such as octo, at the size that a laptop trains, instead of a recipe."""
    model: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...", help_behavior_hint="")] = ()
    """With --system: settings of its configuration, such as history=interleaved action=discrete of robovlms."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """With --system: collect nothing, learn from the run in this folder. With --from: from a run or a dataset."""
    base: Annotated[Path | None, tyro.conf.arg(name="from", metavar="BUNDLE", help_behavior_hint="")] = None
    """Fine-tune this bundle."""
    lora: Annotated[int | None, tyro.conf.arg(metavar="RANK", help_behavior_hint="")] = None
    """With --from: rank of the adapter, 16 when left out; more of it can learn more."""
    layers: Annotated[str | None, tyro.conf.arg(metavar="PATTERN", help_behavior_hint="")] = None
    """With --from: only adapt linear layers whose whole name matches this regular expression; all when left out."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Folder of the run; runs/RECIPE, runs/nano-SYSTEM and what --model sets, or runs/lora-BUNDLE, when left out."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Processes that drive simulated arms; one a core when left out."""
    dry_run: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    """Only say what would be done and what it would cost on this machine."""

    def main(self) -> int:
        """Train; returns the exit code."""
        recipe = self._recipe()
        return self._plan(recipe) if self.dry_run else self._train(recipe)

    def _recipe(self) -> "Recipe":
        from premotor.cli.settings import settings
        from premotor.recipes import RECIPES, nano

        if self.base is not None:
            return self._fine_tuned(self.base)
        if self.lora is not None or self.layers is not None:
            raise PremotorError("--lora and --layers go with --from BUNDLE, which says what is fine-tuned")
        if self.system is not None:
            if self.data is not None and not (self.data / "data").is_dir():
                raise PremotorError(
                    f"{self.data} is not the folder of a run: it has no data/; `premotor train` makes one"
                )
            changes = settings(self.system, self.model)
            return nano(self.system, "" if self.data is None else str(self.data.resolve()), changes)
        if self.model:
            raise PremotorError("--model goes with --system; a recipe has its own settings")
        if self.data is not None:
            raise PremotorError("--data goes with --system; a recipe collects its own demonstrations")
        if self.recipe not in RECIPES:
            raise PremotorError(f"no recipe {self.recipe!r}; choose one of {', '.join(RECIPES)}")
        return RECIPES[self.recipe]()

    def _fine_tuned(self, base: Path) -> "Recipe":
        from premotor.recipes import fine_tuned
        from premotor.training.recorded import is_recorded

        if self.system is not None or self.model:
            raise PremotorError("--from goes on with the system that the bundle is of; leave --system and --model out")
        if self.data is None:
            raise PremotorError("--from needs --data FOLDER, of a run or of `premotor record`, to learn from")
        if not is_recorded(self.data) and not (self.data / "data").is_dir():
            raise PremotorError(
                f"{self.data} holds no demonstrations: neither data/ of `premotor train` nor meta/info.json of a "
                "dataset, which `premotor record` makes"
            )
        return fine_tuned(base, self.data, 16 if self.lora is None else self.lora, self.layers or ".*")

    def _plan(self, recipe: "Recipe") -> int:
        from premotor.cli.terminal import console, duration, facts
        from premotor.training.train import describe

        out = console()
        out.print(f"[bold]{recipe.name}[/]")
        out.print(facts((name, _words(value)) for name, value in describe(recipe).items()))
        with out.status("measuring this machine"):
            step = _step_seconds(recipe)
        cost = recipe.steps * step
        out.print(
            f"\nlearning: {step:.2f} s a step here, {duration(cost)} in all; driving the simulated arms adds to it"
        )
        return EXIT_OK

    def _train(self, recipe: "Recipe") -> int:
        import os

        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        from premotor.cli.terminal import console, shown_path
        from premotor.training.train import train

        folder = self.out or Path("runs") / recipe.name
        out = console()
        columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        try:
            with Progress(*columns, TextColumn("{task.fields[numbers]}"), console=out) as bars:
                rows: dict[str, TaskID] = {}

                def told(stage: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
                    if stage not in rows:
                        rows[stage] = bars.add_task(stage, total=total, numbers="")
                    shown = [f"{name} {numbers[name]:.4g}" for name in ("loss", "action", "kept") if name in numbers]
                    bars.update(rows[stage], completed=done, total=total, numbers=", ".join(shown))

                made = train(recipe, folder, told, workers=self.workers or os.cpu_count() or 1)
        except KeyboardInterrupt:
            out.print(f"stopped; the same command goes on from what is in {shown_path(folder)}", markup=False)
            return EXIT_INTERRUPTED
        if recipe.tune is not None:
            out.print(f"adapter: {shown_path(folder / 'adapter')}", markup=False)
        out.print(f"bundle: {shown_path(made)}", markup=False)
        tried = _tried(recipe)
        out.print(f"  premotor {tried} --policy {shown_path(made)}", style="dim", markup=False)
        return EXIT_OK


def _tried(recipe: "Recipe") -> str:
    """How the policy is tried out in its world."""
    from premotor.sim.libero.robot import NAME as LIBERO_PANDA
    from premotor.sim.libero.tasks import task
    from premotor.sim.metaworld.robot import NAME as SAWYER

    if SAWYER in recipe.arms:
        return "eval --protocol metaworld-choose"
    if LIBERO_PANDA in recipe.arms:
        suites = dict.fromkeys(task(name).suite for name in recipe.families)
        return " ".join(["eval --protocol libero-choose", *(["--splits", *suites] if suites else [])])
    return 'run "pick up the red block"'


def _step_seconds(recipe: "Recipe") -> float:
    """Seconds of one optimiser step with random pictures: the best of a few, so that a busy moment does not count."""
    import time

    config = recipe.config()
    inputs, targets = config.fake_inputs(recipe.learn.batch), config.fake_targets(recipe.learn.batch)
    system = config.prepared(targets.actions.numpy()).build() if recipe.tune is None else recipe.tune.start()
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        loss, _ = system.loss(inputs, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        taken.append(time.perf_counter() - began)
    return min(taken)


def _words(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        return "\n".join(", ".join(f"{k} {_words(v)}" for k, v in entry.items()) for entry in value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
