"""Recipes: functions that each return one complete training configuration."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from premotor.models.adapter import LoraConfig, linear_layers
from premotor.sim.libero.robot import NAME as LIBERO_PANDA
from premotor.sim.libero.tasks import Suite, of_suite
from premotor.sim.metaworld.robot import NAME as SAWYER
from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.tabletop.episode import Family
from premotor.training.collect import CollectConfig
from premotor.training.drive import Collector
from premotor.training.learn import LearnConfig
from premotor.training.libero import LiberoCollect
from premotor.training.metaworld import MetaWorldCollect
from premotor.training.questions import WORDS
from premotor.training.train import Recipe, Round
from premotor.training.tune import Tune

__all__ = ["RECIPES", "fine_tuned", "libero", "libero_tiny", "metaworld", "metaworld_tiny", "nano", "tabletop", "tiny"]

_SMALL = {"stem": 15, "fine": 32, "coarse": 64, "width": 64, "head_width": 128, "head_blocks": 1, "blocks": 1}


def tiny() -> Recipe:
    """One arm, one family, small parts: it learns next to nothing, and shows in minutes that everything runs."""
    steps = 60
    return Recipe(
        name="tiny",
        arms=("so101",),
        families=("pick_up",),
        rounds=(Round(episodes=8, learner=False, until=40), Round(episodes=4, learner=True, until=steps)),
        model=_SMALL,
        learn=LearnConfig(batch=32, steps=steps, warmup=10),
        collect=CollectConfig(worlds=2),
    )


def tabletop() -> Recipe:
    """The shipped policy: both arms, all ten families; still pictures to point, episodes to act, then corrections."""
    hard: tuple[Family, ...] = ("stack", "push_to", "put_all_in", "put_in_drawer", "take_out_of_drawer")
    rounds = (
        Round(episodes=60, learner=False, until=3500),
        Round(episodes=24, learner=True, until=8000),
        Round(episodes=24, learner=True, until=14000),
        Round(episodes=24, learner=True, until=27500),
        Round(episodes=24, learner=True, until=30500),
        Round(episodes=24, learner=True, until=33000),
        Round(episodes=24, learner=True, until=34000),
        Round(episodes=96, learner=True, until=35000, families=hard[:3]),
        Round(episodes=36, learner=True, until=36000),
        Round(episodes=60, learner=True, until=40000, families=hard),
        Round(episodes=96, learner=True, until=41000, families=hard[:3]),
        Round(episodes=36, learner=True, until=43500),
        Round(episodes=48, learner=True, until=49500, families=hard),
        Round(episodes=100, learner=False, until=51500, families=("push_to", "put_all_in", "take_out_of_drawer")),
        Round(episodes=60, learner=True, until=55000, families=hard),
        Round(episodes=48, learner=True, until=60000, families=hard),
    )
    learn = LearnConfig(steps=64000, rate=1.6e-3)
    collect = CollectConfig(disturbed=0.5, learner_steps=(15, 120))
    return Recipe(name="tabletop", rounds=rounds, scenes=2000, learn=learn, collect=collect)


_BENCHMARK_SEEDS = 100_000_000
"""Where seeds begin: no protocol and no recording gets there."""


def metaworld(*, disturbed: bool = True, corrected: bool = False) -> Recipe:
    """One policy for the fifty tasks of MT50, from fifty demonstrations of each.

    disturbed: the experts are pushed off their way, while their labels stay clean. corrected: later they also show it
    out of the policy's own states. The first demonstrations of all three are of the same seeds.
    """
    rounds: tuple[Round, ...] = (Round(episodes=50, learner=False, until=10500),)
    if corrected:
        rounds += tuple(Round(episodes=10, learner=True, until=until) for until in (14000, 18000, 22000))
    return Recipe(
        name="metaworld-corrected" if corrected else "metaworld" if disturbed else "metaworld-undisturbed",
        arms=(SAWYER,),
        families=tuple(TASKS),
        rounds=rounds,
        # There is nothing to be named.
        model={"shrink": 5, "naming": 0.0},
        learn=LearnConfig(steps=rounds[-1].until + 500),
        collect=MetaWorldCollect() if disturbed else MetaWorldCollect(noise=0.0, pushes=0.0),
        first_seed=_BENCHMARK_SEEDS,
    )


def metaworld_tiny() -> Recipe:
    """One task of Meta-World, small parts: it shows in a minute or two that everything runs."""
    steps = 40
    return Recipe(
        name="metaworld-tiny",
        arms=(SAWYER,),
        families=("drawer-close-v3",),
        rounds=(Round(episodes=3, learner=False, until=30), Round(episodes=1, learner=True, until=steps)),
        model={**_SMALL, "shrink": 5, "naming": 0.0},
        learn=LearnConfig(batch=16, steps=steps, warmup=10),
        collect=MetaWorldCollect(worlds=1, learner_steps=(8, 16), expert_steps=(60, 80), patience=60),
        first_seed=_BENCHMARK_SEEDS,
    )


def libero(suite: Suite, *, corrected: bool = False) -> Recipe:
    """One policy for the ten tasks of a suite of LIBERO, from fifty demonstrations of each by our scripted expert.

    suite: "object" or "spatial", whose every task the expert has a script for. corrected: later it also shows the way
    out of the policy's own states. The first demonstrations of both are of the same seeds.
    """
    rounds: tuple[Round, ...] = (Round(episodes=50, learner=False, until=14000),)
    if corrected:
        later = (Round(episodes=10, learner=True, until=until) for until in (14000, 17000, 20000))
        rounds = (Round(episodes=50, learner=False, until=11000), *later)
    return Recipe(
        name=f"libero-{suite}{'-corrected' * corrected}",
        arms=(LIBERO_PANDA,),
        families=of_suite(suite),
        rounds=rounds,
        # There is nothing to be named.
        model={"shrink": 2, "naming": 0.0},
        learn=LearnConfig(steps=rounds[-1].until + 500),
        collect=LiberoCollect(),
        first_seed=_BENCHMARK_SEEDS,
    )


def libero_tiny() -> Recipe:
    """One task of LIBERO, small parts: it shows in minutes that everything runs."""
    steps = 40
    return Recipe(
        name="libero-tiny",
        arms=(LIBERO_PANDA,),
        families=("pick_up_the_butter_and_place_it_in_the_basket",),
        rounds=(Round(episodes=2, learner=False, until=30), Round(episodes=1, learner=True, until=steps)),
        model={**_SMALL, "shrink": 4, "naming": 0.0},
        learn=LearnConfig(batch=16, steps=steps, warmup=10),
        collect=LiberoCollect(every=8, shrink=4, worlds=1, learner_steps=(8, 16), expert_steps=(60, 80), patience=40),
        first_seed=_BENCHMARK_SEEDS,
    )


def nano(system: str, data: str = "", model: Mapping[str, Any] | None = None) -> Recipe:
    """A named system at its nano size; from the demonstrations of the run in `data` alone, if that is given.

    model: what is changed of that size.

    Raises what `config_for` does for a system that does not exist or cannot be trained on the tabletop.
    """
    rounds = (Round(episodes=60, learner=False, until=3000), Round(episodes=20, learner=True, until=6000))
    learn = LearnConfig(batch=64, steps=6000, rate=4e-4)
    changes = dict(model or {})
    name = "-".join(["nano", system, *map(str, changes.values())])
    recipe = Recipe(name=name, system=system, model=changes, learn=learn, rounds=rounds, data=data)
    if data:
        recipe = replace(recipe, rounds=(Round(episodes=0, learner=False, until=recipe.steps),))
    if not recipe.config().fake_inputs(1).words.numel():
        # Who is not told what to do can learn one task; in all the others the words decide.
        recipe = replace(recipe, families=("open_drawer",))
    if system in ("rt2", "palm_e", "pi05"):
        # Half of what they learn from are questions about pictures.
        learn = replace(recipe.learn, stills=0.5)
        recipe = replace(recipe, model={"said": WORDS} | changes, scenes=400, learn=learn)
    if system == "diffusion_policy":
        # Of normalised actions, one in fifty lies beyond 1.
        recipe = replace(recipe, model={"clip": 2.0} | changes)
    return recipe


def fine_tuned(base: Path, data: Path, rank: int = 16, layers: str = ".*") -> Recipe:
    """A bundle goes on learning from demonstrations alone, those of a run or of a LeRobot dataset, by LoRA.

    rank, layers: see premotor.models.adapter. Raises what `Tune.of` does, and SpecMismatch when no layer matches.
    """
    tune = Tune.of(base, LoraConfig(rank=rank, layers=layers))
    with torch.device("meta"):
        linear_layers(tune.config().build(), layers)
    arms = tuple(tune.codecs())
    return Recipe(
        name=f"lora-{base.resolve().name}",
        arms=arms,
        families=(),
        rounds=(Round(episodes=0, learner=False, until=1500),),
        learn=LearnConfig(batch=64, steps=1500, warmup=100, rate=1e-3),
        collect=_collector(arms),
        data=str(data.resolve()),
        tune=tune,
    )


def _collector(arms: tuple[str, ...]) -> Collector:
    """The world of these arms."""
    worlds: dict[tuple[str, ...], Collector] = {(SAWYER,): MetaWorldCollect(), (LIBERO_PANDA,): LiberoCollect()}
    return worlds.get(arms, CollectConfig())


RECIPES: dict[str, Callable[[], Recipe]] = {
    "tabletop": tabletop,
    "tiny": tiny,
    "metaworld": metaworld,
    "metaworld-undisturbed": partial(metaworld, disturbed=False),
    "metaworld-corrected": partial(metaworld, corrected=True),
    "metaworld-tiny": metaworld_tiny,
    "libero-object": partial(libero, "object"),
    "libero-object-corrected": partial(libero, "object", corrected=True),
    "libero-spatial": partial(libero, "spatial"),
    "libero-spatial-corrected": partial(libero, "spatial", corrected=True),
    "libero-tiny": libero_tiny,
}
"""Every recipe by its name on the command line."""
