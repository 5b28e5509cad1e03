"""Protocols under perturbations: the episodes of another protocol as they are, and with each axis at three strengths.

Seeds are the same everywhere, so that what an axis costs is counted episode by episode. Perturbations stand where the
other protocol has splits; their amounts and words are part of the hash.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from premotor.core.errors import EvaluationError
from premotor.evaluation.metaworld import SUITE as METAWORLD_SUITE
from premotor.evaluation.metaworld import MetaWorldProtocol
from premotor.evaluation.protocol import Cell, Job, Protocol, canonical_hash, check_names, differences
from premotor.sim.metaworld.paraphrases import PARAPHRASES
from premotor.sim.perturb.axes import LEFT_OUT, NAMES, described
from premotor.sim.perturb.words import digest

__all__ = ["PLUS", "PlusProtocol"]

_SUITE = "plus 1"
"""Raise the number whenever the same perturbation and seed give another episode."""
_OWN = ("base_suite", "base_splits", "perturbations", "phrases", "left_out", "paraphrases", "notes")
_METAWORLD_NOTES = {"clutter": "only seen: the hand goes through it, since metaworld's states have a fixed length"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlusProtocol:
    """base: which episodes; each arm has each family in one split only. splits: names of perturbations.

    Raises EvaluationError for anything that does not exist or could not be run.
    """

    base: Protocol | MetaWorldProtocol
    splits: tuple[str, ...] = NAMES

    def __post_init__(self) -> None:
        check_names("perturbation", self.splits, NAMES)
        cells = [(cell.embodiment, cell.family) for cell in self.base.cells()]
        if len(cells) > len(set(cells)):
            raise EvaluationError(f"protocol: perturb one split, not {len(self.base.splits)}: {self.base.splits}")

    @property
    def embodiments(self) -> tuple[str, ...]:
        """Arms."""
        return self.base.embodiments

    @property
    def families(self) -> tuple[str, ...]:
        """Families of tasks, or tasks."""
        return self.base.families

    @property
    def episodes(self) -> int:
        """Of each arm, family and perturbation."""
        return self.base.episodes

    @property
    def replan_every(self) -> int:
        """Control ticks between two questions to the policy."""
        return self.base.replan_every

    @property
    def seeds(self) -> range:
        """The seeds of every cell."""
        return self.base.seeds

    @property
    def hash(self) -> str:
        """sha256 (hex) of the canonical JSON; equal for equal episodes under equal conditions."""
        return canonical_hash(self.to_json())

    def cells(self) -> Iterator[Cell]:
        """Every cell of the base under every perturbation."""
        for split in (name for name in NAMES if name in self.splits):
            for cell in self.base.cells():
                yield dataclasses.replace(cell, split=split)

    def jobs(self) -> list[Job]:
        """All episodes in the base's order, each with all its perturbations: what is there early is there in pairs."""
        names = [name for name in NAMES if name in self.splits]
        return [
            dataclasses.replace(job, cell=dataclasses.replace(job.cell, split=name))
            for job in self.base.jobs()
            for name in names
        ]

    def on(self, splits: tuple[str, ...]) -> Self:
        """The same episodes under other perturbations."""
        return dataclasses.replace(self, splits=splits)

    def to_json(self) -> dict[str, Any]:
        """The base's plain dict, and what is perturbed how."""
        base = self.base.to_json()
        more: dict[str, Any] = {
            "base_suite": base["suite"],
            "base_splits": base["splits"],
            "perturbations": described(self.splits),
            "phrases": digest(),
            "left_out": dict(LEFT_OUT),
        }
        if isinstance(self.base, MetaWorldProtocol):
            more |= {"paraphrases": canonical_hash(dict(PARAPHRASES)), "notes": _METAWORLD_NOTES}
        suite = f"{_SUITE} of {base['suite']}"
        return base | more | {"suite": suite, "splits": [name for name in NAMES if name in self.splits]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what to_json wrote. Raises EvaluationError when it was written for other tasks or is damaged."""
        try:
            inner = {key: value for key, value in data.items() if key not in _OWN}
            inner |= {"suite": data["base_suite"], "splits": data["base_splits"]}
            kind = MetaWorldProtocol if inner["suite"] == METAWORLD_SUITE else Protocol
            base = kind.from_json(inner)
            protocol = cls(base=base, splits=tuple(data["splits"]))
        except (KeyError, TypeError) as damage:
            raise EvaluationError(f"not a protocol ({damage!r}); run the evaluation again") from damage
        if told := differences(data, protocol.to_json()):
            raise EvaluationError("written for other tasks than this premotor's; run it again: " + "; ".join(told))
        return protocol


_SEEDS = 1_200_000_000
"""Far from those of training, of choosing, and of every other protocol."""
PLUS: dict[str, PlusProtocol] = {
    "tabletop-plus": PlusProtocol(base=Protocol(splits=("layout",), episodes=10, first_seed=_SEEDS)),
    "metaworld-plus": PlusProtocol(base=MetaWorldProtocol(episodes=4, first_seed=_SEEDS)),
}
