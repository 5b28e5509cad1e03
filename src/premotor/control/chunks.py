"""Action chunks, read by time: which row is meant for now, whatever happened in between."""

import math

from premotor.core.errors import SpecMismatch
from premotor.core.types import ActionChunk, FloatArray, Leftover

__all__ = ["ChunkBuffer"]

_NS = 1_000_000_000
_EARLY = 1e-3  # periods by which a tick may come before its row's time: stamps are whole nanoseconds


class ChunkBuffer:
    """Holds the newest chunk and, until that one comes into play, the one before.

    Rows are chosen by time and not by count: a chunk that took three periods to compute starts at its fourth row, and
    rows whose time has passed are never played later. For absolute actions a skipped row costs nothing. For deltas a
    skipped row is motion that does not happen: the older chunk's rows for those periods were played in its place.

    replan_every: periods after which a chunk is due to be replaced. rate_hz: rate of the rows. delay: the row with
    which a chunk comes into play; the rows before it pass while it is made. The first has none to wait for.
    """

    def __init__(self, *, rate_hz: float, replan_every: int, delay: int = 0) -> None:
        if not (math.isfinite(rate_hz) and rate_hz > 0) or replan_every < 1:
            raise SpecMismatch(f"chunk buffer: rate {rate_hz} must be above 0, replan_every {replan_every} at least 1")
        if not 0 <= delay <= replan_every:
            raise SpecMismatch(
                f"chunk buffer: delay {delay} with a plan every {replan_every} periods; a plan must be in play before "
                "the next is asked for, so give 0 <= delay <= replan_every"
            )
        self._rate, self._replan_every, self._delay = rate_hz, replan_every, delay
        self._chunks: list[ActionChunk] = []

    @property
    def newest(self) -> ActionChunk | None:
        """The chunk last accepted."""
        return self._chunks[-1] if self._chunks else None

    def clear(self) -> None:
        """Forget all chunks."""
        self._chunks = []

    def put(self, chunk: ActionChunk) -> bool:
        """Take over from its row `delay` on. False, and nothing changes, unless it is newer than the one held.

        Raises SpecMismatch for a chunk at another rate or with too few rows. What is in them is the guard's concern.
        """
        if chunk.rate_hz != self._rate:
            raise SpecMismatch(f"chunk at {chunk.rate_hz} Hz in a loop at {self._rate} Hz")
        if chunk.actions.ndim != 2 or len(chunk.actions) == 0:
            raise SpecMismatch(f"chunk of shape {chunk.actions.shape}; expected (H, A) with H >= 1")
        if len(chunk.actions) <= self._delay:
            raise SpecMismatch(
                f"a chunk of {len(chunk.actions)} rows has passed before it comes into play, {self._delay} periods "
                "after it was asked for; give a shorter delay, or a policy with longer chunks"
            )
        if self._chunks and chunk.stamp_ns <= self._chunks[-1].stamp_ns:
            return False
        self._chunks = [*self._chunks[-1:], chunk]
        return True

    def at(self, now_ns: int) -> tuple[FloatArray, int] | None:
        """The row (A,) meant for now and the stamp of its chunk's observation; None when there is none.

        The newest chunk that is in play decides alone: when its rows have run out, older ones do not step in.
        """
        for index, chunk in reversed([*enumerate(self._chunks)]):
            row = self._periods(chunk.stamp_ns, now_ns)
            if row >= (self._delay if index else 0):
                return (chunk.actions[row], chunk.stamp_ns) if row < len(chunk.actions) else None
        return None

    def due(self, now_ns: int) -> bool:
        """Whether it is time to plan again: nothing held, replan_every periods gone, or the rows are running out."""
        chunk = self.newest
        if chunk is None:
            return True
        # A plan that comes into play when the rows end has to be asked for earlier.
        last = max(self._delay, len(chunk.actions) - self._delay)
        return self._periods(chunk.stamp_ns, now_ns) >= min(self._replan_every, last)

    def left(self, now_ns: int) -> Leftover | None:
        """What is still to come of the newest chunk, for a plan from an observation of now: row by row, both coincide.

        None when there is nothing, and without a delay: then the next plan starts anew, and carries nothing on.
        """
        chunk = self.newest
        if chunk is None or not self._delay:
            return None
        # Both are stamped by cameras, which are not on the beat to the millisecond.
        row = round((now_ns - chunk.stamp_ns) * self._rate / _NS)
        if not 0 <= row < len(chunk.actions):
            return None
        rest = chunk.actions[row:]
        return Leftover(actions=rest, delay=min(self._delay, len(rest)))

    def _periods(self, stamp_ns: int, now_ns: int) -> int:
        return math.floor((now_ns - stamp_ns) * self._rate / _NS + _EARLY)
