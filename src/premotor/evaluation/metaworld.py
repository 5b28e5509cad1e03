"""Protocols of Meta-World MT50 as data: what is called by one name is one thing, with a hash.

Tiers stand where the tabletop has splits and tasks where it has families, so that results have the same form: the mean
of the four tiers is what papers print, the mean of the fifty tasks is what the name suggests.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.protocol import Cell, Episodes, check_names, check_numbers
from premotor.sim.metaworld.robot import NAME, State, View
from premotor.sim.metaworld.tasks import TASKS, TIERS
from premotor.sim.metaworld.world import LIMIT, VERSION

__all__ = ["METAWORLD", "SUITE", "MetaWorldProtocol"]

SUITE = "metaworld 1"
"""Raise the number whenever the same seed gives another episode here."""
_VIEW = View()


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaWorldProtocol(Episodes):
    """Which episodes of which tasks, what is seen of them, and how long they last.

    families: tasks. splits: tiers. episodes: a task; seeds first_seed .. first_seed + episodes - 1. replan_every:
    steps that are carried out of each plan. max_steps: end of an episode at the latest; success ends it before.
    settle: steps without motion before the policy is asked for the first time; they do not count.
    state: "privileged" tells the policy where the object truly is. Raises EvaluationError for what cannot be run.
    """

    embodiments: tuple[str, ...] = (NAME,)
    families: tuple[str, ...] = tuple(TASKS)
    splits: tuple[str, ...] = TIERS
    episodes: int = 10
    first_seed: int = 0
    replan_every: int = 8
    max_steps: int = 500
    settle: int = 0
    view: View = _VIEW
    state: State = "proprioception"

    def __post_init__(self) -> None:
        check_names("embodiment", self.embodiments, (NAME,))
        check_names("family", self.families, tuple(TASKS))
        check_names("split", self.splits, TIERS)
        check_numbers(self, {"episodes": 1, "first_seed": 0, "replan_every": 1, "max_steps": 1, "settle": 0})
        if self.max_steps + self.settle > LIMIT:
            raise EvaluationError(f"protocol: {self.max_steps} steps and {self.settle} before are more than {LIMIT}")
        if not any(self.cells()):
            raise EvaluationError(f"protocol: none of {', '.join(self.families)} is {' or '.join(self.splits)}")

    def cells(self) -> Iterator[Cell]:
        """Every task, in its tier."""
        for name in self.families:
            if TASKS[name].tier in self.splits:
                yield Cell(embodiment=NAME, family=name, split=TASKS[name].tier)

    def to_json(self) -> dict[str, Any]:
        """A plain dict with everything that decides what an episode is. Order of the lists carries no meaning."""
        return {
            **dataclasses.asdict(self),
            "suite": SUITE,
            "metaworld": VERSION,
            "embodiments": [NAME],
            "families": [name for name in TASKS if name in self.families],
            "splits": [tier for tier in TIERS if tier in self.splits],
            "view": dataclasses.asdict(self.view) | {"position": self.view.position and list(self.view.position)},
        }

    @classmethod
    def _read(cls, values: dict[str, Any]) -> dict[str, Any]:
        place = values["view"]["position"]
        view = View(**values["view"] | {"position": None if place is None else tuple(place)})
        return values | {"view": view}


METAWORLD: dict[str, MetaWorldProtocol] = {
    # As LeRobot 0.6 runs it: seeds begin at 1000, and SmolVLA (arXiv 2506.01844) carries out all fifty rows of a plan.
    # A seed's episode is the same one here and there (tools/metaworld_lerobot.py); LeRobot rounds the state to float32.
    "metaworld-lerobot": MetaWorldProtocol(first_seed=1000, replan_every=50),
    # As Evo-1 (arXiv 2511.04555) and, but for replan_every, FabriVLA (arXiv 2607.08575) run it: the camera is where
    # metaworld has it and its picture is cropped, and the policy is told the object's true place.
    "metaworld-evo1": MetaWorldProtocol(
        first_seed=4042,
        replan_every=15,
        max_steps=400,
        settle=1,
        view=View(position=None, keep=2 / 3, shown=448),
        state="privileged",
    ),
    # Sixty episodes a task, which are three times twenty; no recording reaches these seeds.
    "metaworld-ours": MetaWorldProtocol(episodes=60, first_seed=1_000_000_000),
    # For choosing between checkpoints, so that the seeds which are reported never choose anything.
    "metaworld-choose": MetaWorldProtocol(episodes=4, first_seed=1_100_000_000),
}
