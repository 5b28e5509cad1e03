"""What can be made harder than it was in training, and by how much: thirteen axes, three strengths each, as data.

A perturbation always has its full strength; only its direction is drawn. The draw does not know the strength, so that
along one axis the same episode goes ever further the same way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from premotor.core.errors import WorldError

__all__ = ["AXES", "LEFT_OUT", "NAMES", "PLAIN", "STRENGTHS", "Axis", "Perturbation", "described", "find"]

STRENGTHS = (1, 2, 3)
"""Mild, clear, and harsh; at each of them a person could still do the task."""
PLAIN = "plain"
"""Name of the episodes that nothing was done to."""


@dataclass(frozen=True, slots=True)
class Axis:
    """what: for people. amounts: each quantity at the three strengths, its unit in its name."""

    name: str
    what: str
    amounts: Mapping[str, tuple[float, float, float]]


_ALL = (
    Axis(
        "camera", "the camera is carried around the table and turned", {"orbit_deg": (4, 9, 18), "turn_deg": (1, 2, 4)}
    ),
    Axis(
        "light",
        "brighter or darker, tinted, from another side",
        {
            "darker": (1.2, 1.5, 2.0),
            "brighter": (1.08, 1.18, 1.32),
            "tint": (0.05, 0.12, 0.22),
            "lean_deg": (15, 35, 60),
        },
    ),
    Axis("texture", "another pattern on what things stand on", {"share": (0.25, 0.55, 0.95)}),
    Axis("background", "another pattern on what lies around and beyond that", {"share": (0.25, 0.55, 0.95)}),
    Axis("layout", "things stand elsewhere, and turned", {"shift_m": (0.02, 0.04, 0.06), "stretch": (1.1, 1.2, 1.4)}),
    Axis("clutter", "more things that nobody asked for", {"things": (2, 4, 6)}),
    Axis("start", "the arm starts elsewhere", {"tool_m": (0.02, 0.05, 0.10)}),
    Axis(
        "noise",
        "noise in pictures and joint readings",
        {"pixels": (6, 16, 36), "m": (0.001, 0.003, 0.008), "rad": (0.004, 0.012, 0.03), "ratio": (0.01, 0.03, 0.08)},
    ),
    Axis("delay", "actions take effect later than they are meant for", {"steps": (2, 5, 10)}),
    Axis("paraphrase", "the same in other words", {"new_words": (1, 2, 3)}),
    Axis("register", "courteous, then chatty, then official", {"tone": (1, 2, 3)}),
    Axis("typos", "letters swapped, lost, doubled or mistyped", {"share": (0.15, 0.4, 0.8)}),
    Axis("chatter", "clauses that have nothing to do with it", {"clauses": (1, 2, 3)}),
)
AXES: Mapping[str, Axis] = {axis.name: axis for axis in _ALL}
LEFT_OUT: Mapping[str, str] = {
    "scene_text": "at the sizes of picture that policies see here, nobody can read what is written on a thing",
}
"""Axes that are measured elsewhere and not here, with the reason."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One axis at one strength; strength 0 changes nothing. Raises WorldError for what does not exist."""

    axis: str
    strength: int

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise WorldError(f"no perturbation {self.axis!r}; choose one of {', '.join(AXES)}")
        if self.strength not in (0, *STRENGTHS):
            raise WorldError(f"{self.axis} has no strength {self.strength}; choose 1, 2 or 3 (0 changes nothing)")

    def amount(self, quantity: str) -> float:
        """How much of a quantity; 0 at strength 0. For a perturbation of another axis it is 0 too."""
        values = AXES[self.axis].amounts.get(quantity)
        return 0.0 if values is None or not self.strength else float(values[self.strength - 1])

    def __str__(self) -> str:
        return f"{self.axis}-{self.strength}"


NAMES: tuple[str, ...] = (PLAIN, *(str(Perturbation(axis, strength)) for axis in AXES for strength in STRENGTHS))
"""Every name that `find` knows: plain, camera-1, camera-2 and so on."""


def find(name: str) -> Perturbation | None:
    """The perturbation of that name, None for PLAIN. Raises WorldError that lists the names there are."""
    if name not in NAMES:
        raise WorldError(f"no perturbation {name!r}; choose one of {', '.join(NAMES)}")
    axis, _, strength = name.rpartition("-")
    return None if name == PLAIN else Perturbation(axis, int(strength))


def described(names: Iterable[str]) -> dict[str, Any]:
    """The amounts of every axis among these names, as plain data."""
    axes = {found.axis for name in names if (found := find(name)) is not None}
    return {name: {key: list(values) for key, values in AXES[name].amounts.items()} for name in AXES if name in axes}
