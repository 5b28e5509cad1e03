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
        model={"stem": 15, "fine": 32, "coarse": 64, "width": 64, "head_width": 128, "head_blocks": 1, "blocks": 1},
        learn=LearnConfig(batch=32, steps=steps, warmup=10),
        collect=CollectConfig(worlds=2),
    )


def tabletop() -> Recipe:
    """The shipped policy: both arms, all ten families; still pictures to point, episodes to act, then corrections."""
    rounds = (
        Round(episodes=60, learner=False, until=3500),
        Round(episodes=20, learner=True, until=5200),
        Round(episodes=20, learner=True, until=7500),
        Round(episodes=24, learner=True, until=10000),
        Round(episodes=24, learner=True, until=14500),
    )
    return Recipe(name="tabletop", rounds=rounds, scenes=2000, learn=LearnConfig(steps=14500, rate=8e-4))


RECIPES: dict[str, Callable[[], Recipe]] = {"tabletop": tabletop, "tiny": tiny}
"""Every recipe by its name on the command line."""
