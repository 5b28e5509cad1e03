"""Protocols of LIBERO as data: what is called by one name is one thing, with a hash.

Suites stand where the tabletop has splits, and tasks where it has families.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.protocol import Cell, Episodes, check_names, check_numbers
from premotor.sim.libero.package import VERSION
from premotor.sim.libero.robot import NAME, View
from premotor.sim.libero.tasks import SUITES, TASKS, Suite, of_suite
from premotor.sim.libero.world import STARTS, Start

__all__ = ["LIBERO", "LIMITS", "SUITE", "LiberoProtocol"]

SUITE = "libero 1"
"""Raise the number whenever the same seed gives another episode here."""
_DRAWS = 2
"""Raise this number instead when only drawn starts are others."""
LIMITS: Mapping[str, Mapping[str, int]] = {
    # OpenVLA's, which most published results have: a little more than the longest human demonstration takes.
    "published": {"spatial": 220, "object": 280, "goal": 300, "10": 520, "90": 400},
    "lerobot": {"spatial": 280, "object": 280, "goal": 300, "10": 520, "90": 400},
    "original": dict.fromkeys(SUITES, 600),
}
_VIEW = View()


@dataclass(frozen=True, kw_only=True, slots=True)
class LiberoProtocol(Episodes):
    """Which episodes of which tasks, what is seen of them, and how long they last.

    families: tasks. splits: suites. episodes: a task; seeds first_seed .. first_seed + episodes - 1.
    replan_every: steps that are carried out of each plan. limits: which of LIMITS ends an episode at the latest;
    success ends it before. settle: steps with an open gripper before the policy is asked; they do not count.
    start: "fixed" begins in the benchmark's fifty states of a task, whose numbers are the seeds; "drawn" in others.
    Raises EvaluationError for what cannot be run.
    """

    embodiments: tuple[str, ...] = (NAME,)
    families: tuple[str, ...]
    splits: tuple[str, ...]
    episodes: int = STARTS
    first_seed: int = 0
    replan_every: int = 8
    limits: str = "published"
    settle: int = 10
    start: Start = "fixed"
    view: View = _VIEW

    def __post_init__(self) -> None:
        check_names("embodiment", self.embodiments, (NAME,))
        check_names("family", self.families, tuple(TASKS))
        check_names("split", self.splits, SUITES)
        check_names("limit", (self.limits,), tuple(LIMITS))
        check_names("start", (self.start,), ("fixed", "drawn"))
        check_numbers(self, {"episodes": 1, "first_seed": 0, "replan_every": 1, "settle": 0})
        if self.start == "fixed" and self.first_seed + self.episodes > STARTS:
            raise EvaluationError(
                f"protocol: seeds up to {self.first_seed + self.episodes - 1}, but there are {STARTS} fixed starts a "
                "task; ask for fewer episodes, or for drawn starts"
            )
        if not any(self.cells()):
            raise EvaluationError(f"protocol: none of {', '.join(self.families)} is in {' or '.join(self.splits)}")

    def cells(self) -> Iterator[Cell]:
        """Every task, in its suite."""
        for name in self.families:
            if TASKS[name].suite in self.splits:
                yield Cell(embodiment=NAME, family=name, split=TASKS[name].suite)

    def limit(self, name: str) -> int:
        """Steps that an episode of that task lasts at most."""
        return LIMITS[self.limits][TASKS[name].suite]

    def to_json(self) -> dict[str, Any]:
        """A plain dict with everything that decides what an episode is. Order of the lists carries no meaning."""
        suites = [suite for suite in SUITES if suite in self.splits]
        return {
            **dataclasses.asdict(self),
            "suite": SUITE,
            **({"draws": _DRAWS} if self.start == "drawn" else {}),
            "libero": VERSION,
            "embodiments": [NAME],
            "families": [name for name in TASKS if name in self.families],
            "splits": suites,
            "max_steps": {suite: LIMITS[self.limits][suite] for suite in suites},
        }

    @classmethod
    def _read(cls, values: dict[str, Any]) -> dict[str, Any]:
        return values | {"view": View(**values["view"])}


def _all_of(*suites: Suite, **others: Any) -> LiberoProtocol:
    names = tuple(name for suite in suites for name in of_suite(suite))
    return LiberoProtocol(families=names, splits=suites, **others)


LIBERO: dict[str, LiberoProtocol] = {
    **{f"libero-{suite}": _all_of(suite) for suite in SUITES},
    # As LeRobot 0.6 runs it: a policy has longer in Spatial, and pi0.5 carries out ten rows of a plan.
    **{f"libero-{suite}-lerobot": _all_of(suite, limits="lerobot", replan_every=10) for suite in SUITES},
    # As LIBERO's own code runs it: twenty episodes of 600 steps in smaller pictures, a plan a step. It settles for five
    # steps with the gripper as it is; here it is opened.
    **{
        f"libero-{suite}-original": _all_of(
            suite, limits="original", episodes=20, replan_every=1, settle=5, view=View(size=128)
        )
        for suite in SUITES
    },
    # For choosing between checkpoints: starts that LIBERO draws from seeds which no recording reaches, so that the
    # fifty states which are reported never choose anything.
    "libero-choose": _all_of("spatial", "object", "goal", "10", start="drawn", episodes=5, first_seed=1_100_000_000),
}
