"""A line that takes its time."""

import pytest

from premotor.control.late import Late


@pytest.mark.parametrize("steps", [0, 1, 10])
def test_what_goes_in_comes_out_so_many_steps_later(steps: int) -> None:
    line = Late(steps, -1)
    assert [line(k) for k in range(20)] == [-1] * steps + list(range(20 - steps))
