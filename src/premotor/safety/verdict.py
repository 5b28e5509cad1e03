"""What the guard did with an action, and why."""

from dataclasses import dataclass

__all__ = ["Clamp", "Hold", "Pass", "Stop", "Verdict"]


@dataclass(frozen=True, slots=True)
class Pass:
    """The action went through as it was."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Clamp:
    """The action went through after something in it was reduced to a limit."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The action was dropped; the arm brakes, or stands. The next good action moves it again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Latched: the arm brakes and stands until a person resets the guard."""

    reason: str


Verdict = Pass | Clamp | Hold | Stop
"""Exactly one of four, each with a reason."""
