"""Recipes: functions that each return one complete training configuration."""

from collections.abc import Callable

from premotor.training.collect import CollectConfig
from premotor.training.learn import LearnConfig
from premotor.training.train import Recipe, Round

__all__ = ["RECIPES", "tabletop", "tiny"]


def tiny() -> Recipe:
    """One arm, one family, small parts: it learns next to nothing, and shows in minutes that everything runs."""
    steps = 60
    return Recipe(
        name="tiny",
        arms=("so101",),
        families=("pick_up",),
        rounds=(Round(episodes=8, learner=False, until=40), Round(episodes=4, learner=True, until=steps)),
        model={"stem": 16, "fine": 32, "coarse": 64, "width": 64, "head_width": 128, "head_blocks": 1, "blocks": 1},
        learn=LearnConfig(batch=32, steps=steps, warmup=10),
        collect=CollectConfig(worlds=2),
    )


def tabletop() -> Recipe:
    """The shipped policy: both arms, all ten families; still pictures to point, episodes to act, then corrections.

    The cosine runs to 3,800 steps and is cut at 3,000: the running average of the weights does the rest.
    """
    rounds = (Round(episodes=24, learner=False, until=2000), Round(episodes=10, learner=True, until=3000))
    return Recipe(name="tabletop", rounds=rounds, scenes=750, learn=LearnConfig(steps=3800))


RECIPES: dict[str, Callable[[], Recipe]] = {"tabletop": tabletop, "tiny": tiny}
"""Every recipe by its name on the command line."""
