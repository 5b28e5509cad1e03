"""Time is something that is passed in, so that a loop runs in life, in tests and in simulation alike."""

import time
from typing import Protocol

__all__ = ["Clock", "MonotonicClock", "VirtualClock"]


class Clock(Protocol):
    """Monotonic nanoseconds."""

    def now_ns(self) -> int:
        """The time now."""

    def sleep_until(self, stamp_ns: int) -> None:
        """Return at `stamp_ns`, or at once when that has passed."""


class MonotonicClock:
    """The machine's own monotonic clock; jumps of the wall clock do not touch it."""

    def now_ns(self) -> int:
        """See Clock."""
        return time.monotonic_ns()

    def sleep_until(self, stamp_ns: int) -> None:
        """See Clock."""
        remaining = stamp_ns - time.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining * 1e-9)


class VirtualClock:
    """Stands still until somebody sleeps or moves it."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now = start_ns

    def now_ns(self) -> int:
        """See Clock."""
        return self._now

    def sleep_until(self, stamp_ns: int) -> None:
        """See Clock."""
        self._now = max(self._now, stamp_ns)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += round(seconds * 1e9)
