import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premotor.control.chunks import ChunkBuffer
from premotor.core.errors import SpecMismatch
from premotor.core.types import ActionChunk

PERIOD = 50_000_000


def chunk(stamp: int, rows: int = 8, rate: float = 20.0) -> ActionChunk:
    """Row k of a chunk stamped at tick s says (s, k)."""
    actions = np.stack([np.full(rows, float(stamp)), np.arange(float(rows))], axis=1)
    return ActionChunk(stamp_ns=stamp * PERIOD, rate_hz=rate, actions=actions)


def read(buffer: ChunkBuffer, tick: float) -> tuple[float, float] | None:
    found = buffer.at(round(tick * PERIOD))
    if found is None:
        return None
    row, stamp = found
    assert stamp == row[0] * PERIOD
    return float(row[0]), float(row[1])


def test_rows_go_by_time_and_run_out() -> None:
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=4)
    assert read(buffer, 0) is None
    buffer.put(chunk(10))
    assert read(buffer, 9.9) is None
    assert read(buffer, 10) == (10, 0)
    assert read(buffer, 13) == (10, 3)  # not the second row, though it is the second time of asking
    assert read(buffer, 13.9) == (10, 3)
    assert read(buffer, 17) == (10, 7)
    assert read(buffer, 18) is None
    assert read(buffer, 12) == (10, 2)


def test_a_newer_chunk_takes_over_from_its_own_stamp_on() -> None:
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=4)
    buffer.put(chunk(0))
    assert buffer.put(chunk(5))
    assert read(buffer, 4) == (0, 4)
    assert read(buffer, 5) == (5, 0)
    assert read(buffer, 12) == (5, 7)
    assert read(buffer, 13) is None


def test_older_and_repeated_chunks_are_rejected() -> None:
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=4)
    assert buffer.put(chunk(5))
    assert not buffer.put(chunk(5))
    assert not buffer.put(chunk(4))
    assert read(buffer, 6) == (5, 1)
    buffer.clear()
    assert buffer.put(chunk(4))


def test_an_expired_new_chunk_does_not_let_an_old_one_back_in() -> None:
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=4)
    buffer.put(chunk(0, rows=50))
    buffer.put(chunk(5, rows=2))
    assert read(buffer, 7) is None


def test_due_after_the_horizon_or_when_rows_run_out() -> None:
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=4)
    assert buffer.due(0)
    buffer.put(chunk(0))
    assert [buffer.due(k * PERIOD) for k in range(6)] == [False] * 4 + [True] * 2
    buffer.put(chunk(4, rows=2))
    assert [buffer.due(k * PERIOD) for k in (4, 5, 6)] == [False, False, True]


@pytest.mark.parametrize("rate", [20.0, 30.0, 50.0, 333.0])
def test_rounded_stamps_do_not_lose_or_repeat_a_row(rate: float) -> None:
    buffer = ChunkBuffer(rate_hz=rate, replan_every=1)
    actions = np.arange(1000.0)[:, None]
    buffer.put(ActionChunk(stamp_ns=123_456_789, rate_hz=rate, actions=actions))
    for k in range(1000):
        found = buffer.at(123_456_789 + int(k * 1e9 / rate))
        assert found is not None
        assert found[0][0] == k


@pytest.mark.parametrize("bad", [chunk(0, rate=30.0), chunk(0, rows=0)])
def test_chunks_of_another_rate_or_without_rows_are_refused(bad: ActionChunk) -> None:
    with pytest.raises(SpecMismatch):
        ChunkBuffer(rate_hz=20.0, replan_every=1).put(bad)


def test_a_chunk_that_takes_time_comes_into_play_late_and_says_what_is_left() -> None:
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=4, delay=3)
    assert buffer.left(0) is None
    buffer.put(chunk(0))
    assert read(buffer, 0) == (0, 0)
    left = buffer.left(4 * PERIOD)
    assert left is not None
    assert (left.actions[:, 1].tolist(), left.delay) == ([4, 5, 6, 7], 3)
    for early in (-6_000_000, 6_000_000):
        jittered = buffer.left(4 * PERIOD + early)
        assert jittered is not None
        assert jittered.actions[0, 1] == 4
    late = buffer.left(6 * PERIOD)
    assert late is not None
    assert late.delay == 2
    assert buffer.left(8 * PERIOD) is None
    buffer.put(chunk(4))
    assert [read(buffer, k) for k in (4, 5, 6, 7)] == [(0, 4), (0, 5), (0, 6), (4, 3)]


def test_a_chunk_is_replaced_before_its_rows_run_out() -> None:
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=9, delay=3)
    buffer.put(chunk(0))
    assert [buffer.due(k * PERIOD) for k in (4, 5, 6)] == [False, True, True]


def test_delays_that_cannot_be_are_refused() -> None:
    with pytest.raises(SpecMismatch, match=r"delay 5 with a plan every 4 periods.*0 <= delay <= replan_every"):
        ChunkBuffer(rate_hz=20.0, replan_every=4, delay=5)
    with pytest.raises(SpecMismatch, match="a chunk of 3 rows has passed before it comes into play, 3 periods"):
        ChunkBuffer(rate_hz=20.0, replan_every=4, delay=3).put(chunk(0, rows=3))


@settings(max_examples=200, deadline=None)
@given(
    deliveries=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 15), st.integers(1, 12)), max_size=30),
    asks=st.lists(st.integers(0, 90), min_size=1, max_size=20),
)
def test_shuffled_late_and_repeated_delivery_never_plays_a_stale_row(
    deliveries: list[tuple[int, int, int]], asks: list[int]
) -> None:
    """deliveries: (stamp, delay, rows); whatever the order, a row is only ever played in its own period."""
    buffer = ChunkBuffer(rate_hz=20.0, replan_every=4)
    arriving = sorted((stamp + delay, stamp, rows) for stamp, delay, rows in deliveries)
    for now in sorted(asks):
        while arriving and arriving[0][0] <= now:
            _, stamp, rows = arriving.pop(0)
            buffer.put(chunk(stamp, rows))
        found = read(buffer, now)
        if found is not None:
            assert found[0] + found[1] == now
            newest = buffer.newest
            assert newest is not None
            assert found[0] * PERIOD == newest.stamp_ns or newest.stamp_ns > now * PERIOD
