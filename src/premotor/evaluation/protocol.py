"""What is run, as data: two results may be compared exactly when their protocols have the same hash.

Who plays (a bundle, the expert, the same bundle blindfolded) is not part of it, so that baselines meet a policy on
the very same episodes.
"""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from premotor.core.errors import EvaluationError
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.tabletop.episode import FAMILIES, SPLITS, Family, Split
from premotor.sim.tabletop.tasks import MAX_STEPS, MOVED_FAMILIES, SLIP_FAMILIES

__all__ = [
    "PROTOCOLS",
    "SUITE",
    "Cell",
    "Episodes",
    "Job",
    "Protocol",
    "canonical_hash",
    "check_names",
    "check_numbers",
    "differences",
    "named",
]

SUITE = 2
"""Version of the tabletop's tasks. Raise it whenever the same seed gives another scene, world or success."""

_TESTED: tuple[Split, ...] = tuple(split for split in SPLITS if split not in ("train", "val"))


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Cell:
    """One arm on one family of tasks in one split of its episodes."""

    embodiment: str
    family: str
    split: str


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Job:
    """One episode to run, which is a function of its cell and seed."""

    cell: Cell
    seed: int


class Episodes(ABC):
    """What the protocols of all worlds have in common. They are frozen dataclasses with these fields and more."""

    __slots__ = ()

    embodiments: tuple[str, ...]
    families: tuple[str, ...]
    splits: tuple[str, ...]
    episodes: int
    first_seed: int
    replan_every: int

    @property
    def seeds(self) -> range:
        """The seeds of every cell."""
        return range(self.first_seed, self.first_seed + self.episodes)

    @property
    def hash(self) -> str:
        """sha256 (hex) of the canonical JSON; equal for equal episodes under equal conditions."""
        return canonical_hash(self.to_json())

    @abstractmethod
    def cells(self) -> Iterator[Cell]:
        """Every arm x family x split that there is."""

    def jobs(self) -> list[Job]:
        """All episodes, family by family, so that a world is seldom built anew."""
        return sorted(Job(cell=cell, seed=seed) for cell in self.cells() for seed in self.seeds)

    def on(self, splits: tuple[Any, ...]) -> Self:
        """The same conditions on other splits."""
        return dataclasses.replace(self, splits=splits)  # type: ignore[type-var]

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """A plain dict with everything that decides what an episode is. Order of the lists carries no meaning."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what to_json wrote. Raises EvaluationError when it was written for other tasks or is damaged."""
        try:
            fields = dataclasses.fields(cls)  # type: ignore[arg-type]
            values: dict[str, Any] = {field.name: data[field.name] for field in fields}
            for name in ("embodiments", "families", "splits"):
                values[name] = tuple(values[name])
            protocol = cls(**cls._read(values))
        except (KeyError, TypeError) as damage:
            raise EvaluationError(f"not a protocol ({damage!r}); run the evaluation again") from damage
        if told := differences(data, protocol.to_json()):
            raise EvaluationError("written for other tasks than this premotor's; run it again: " + "; ".join(told))
        return protocol

    @classmethod
    def _read(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Make of plain values what the other fields hold."""
        return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol(Episodes):
    """Which episodes, and how often the policy is asked.

    episodes: per cell; seeds first_seed .. first_seed + episodes - 1.
    replan_every: control ticks (at 20 Hz) between two questions to the policy.
    Raises EvaluationError for anything that does not exist or could not be run.
    """

    embodiments: tuple[str, ...] = tuple(EMBODIMENTS)
    families: tuple[Family, ...] = FAMILIES
    splits: tuple[Split, ...] = _TESTED
    episodes: int = 50
    first_seed: int = 0
    replan_every: int = 8

    def __post_init__(self) -> None:
        check_names("embodiment", self.embodiments, tuple(EMBODIMENTS))
        check_names("family", self.families, FAMILIES)
        check_names("split", self.splits, SPLITS)
        check_numbers(self, {"episodes": 1, "first_seed": 0, "replan_every": 1})

    def cells(self) -> Iterator[Cell]:
        """Every arm x family x split; a family in which nothing can be moved or slip is left out of that split."""
        for split in self.splits:
            for embodiment in self.embodiments:
                for family in self.families:
                    if family in _families_of(split):
                        yield Cell(embodiment=embodiment, family=family, split=split)

    def jobs(self) -> list[Job]:
        """All episodes, those that may take longest first, so that no worker is left alone with one at the end."""
        limits = {str(family): steps for family, steps in MAX_STEPS.items()}
        jobs = [Job(cell=cell, seed=seed) for cell in self.cells() for seed in self.seeds]
        return sorted(jobs, key=lambda job: (-limits[job.cell.family], job))

    def to_json(self) -> dict[str, Any]:
        """A plain dict with everything that decides what an episode is. Order of the lists carries no meaning."""
        return {
            "suite": SUITE,
            "embodiments": [name for name in EMBODIMENTS if name in self.embodiments],
            "families": [name for name in FAMILIES if name in self.families],
            "splits": [name for name in SPLITS if name in self.splits],
            "episodes": self.episodes,
            "first_seed": self.first_seed,
            "replan_every": self.replan_every,
            "max_steps": {name: MAX_STEPS[name] for name in FAMILIES if name in self.families},
        }


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Each entry in which two protocols' JSON differ, in words."""
    names = sorted({*a, *b})
    return [f"{name}: {a.get(name)!r} against {b.get(name)!r}" for name in names if a.get(name) != b.get(name)]


def _families_of(split: Split) -> tuple[Family, ...]:
    return {"moved": MOVED_FAMILIES, "slip": SLIP_FAMILIES}.get(split, FAMILIES)


def canonical_hash(data: Mapping[str, Any]) -> str:
    """sha256 (hex) of a dict's JSON, in which the order of keys does not matter."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_names(what: str, given: tuple[str, ...], options: tuple[str, ...]) -> None:
    """Raise EvaluationError unless `given` are some of the options, each once."""
    unknown = [name for name in given if name not in options]
    if unknown or not given or len(set(given)) < len(given):
        problem = f"{what} {unknown[0]!r} does not exist" if unknown else f"{what}s {given} are empty or stand twice"
        raise EvaluationError(f"protocol: {problem}; choose from {', '.join(options)}")


def check_numbers(protocol: object, least: Mapping[str, int]) -> None:
    """Raise EvaluationError unless each of these fields is a whole number, and not below what is given for it."""
    for name, low in least.items():
        value = getattr(protocol, name)
        if not isinstance(value, int) or value < low:
            raise EvaluationError(f"protocol: {name} = {value!r} must be a whole number, at least {low}")


PROTOCOLS: dict[str, Protocol] = {
    "quick": Protocol(splits=("layout",), episodes=5),
    "layout": Protocol(splits=("layout",)),
    "full": Protocol(),
    # For choosing between checkpoints, so that the splits which are reported never choose anything: the words of
    # training on scenes that no recipe reaches, and the words of validation.
    "choose": Protocol(splits=("train", "val"), episodes=5, first_seed=8_000_000),
}


def named(name: str) -> Protocol:
    """The protocol of that name; raises EvaluationError that lists the names there are."""
    if name not in PROTOCOLS:
        raise EvaluationError(f"no protocol {name!r}; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
