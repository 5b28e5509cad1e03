"""One description of groups gives the mask that asking token by token would give."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from premotor.models.fusion.encoder import Encoder
from premotor.models.fusion.masks import Group, block_mask

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def token_by_token(groups: list[Group], steps: int, side: str) -> torch.Tensor:
    once = [g for g in groups if not g.every_step]
    each = [g for g in groups if g.every_step]

    def who(i: int) -> tuple[Group, int]:
        def at(some: list[Group], place: int) -> Group:
            return some[int(np.searchsorted(np.cumsum([g.tokens for g in some]), place, side=side))]  # type: ignore[call-overload]

        before, length = sum(g.tokens for g in once), sum(g.tokens for g in each)
        return (at(once, i), -1) if i < before else (at(each, (i - before) % length), (i - before) // length)

    total = sum(g.tokens for g in once) + steps * sum(g.tokens for g in each)
    mask = torch.zeros(total, total, dtype=torch.bool)
    for i in range(total):
        for j in range(total):
            (mine, now), (other, then) = who(i), who(j)
            mask[i, j] = any(other.name.startswith(name) for name in mine.reads) and then <= now
    return mask


@pytest.mark.parametrize(("first_release", "side"), [(False, "right"), (True, "left")])
@given(tasks=SIZES, seen=SIZES, readouts=st.integers(1, 3), steps=st.integers(1, 3))
def test_equals_asking_token_by_token(
    first_release: bool, side: str, tasks: list[int], seen: list[int], readouts: int, steps: int
) -> None:
    groups = [Group(name=f"task_{i}", tokens=n, reads=("task_",), every_step=False) for i, n in enumerate(tasks)]
    groups += [Group(name=f"obs_{i}", tokens=n, reads=("task_", "obs_")) for i, n in enumerate(seen)]
    groups += [Group(name="readout_a", tokens=readouts, reads=("task_", "obs_", "readout_a"))]
    groups += [Group(name="readout_b", tokens=1, reads=("task_", "obs_", "readout_b"))]
    found = block_mask(groups, steps, first_release=first_release)
    assert torch.equal(found, token_by_token(groups, steps, side))


def test_a_row_that_may_read_nothing_reads_all_alike() -> None:
    torch.manual_seed(0)
    encoder, x = Encoder(16, 2, 2, 32), torch.randn(2, 5, 16)
    mask = torch.ones(2, 5, 5, dtype=torch.bool)
    mask[1, 2] = False
    none, every = encoder(x, mask), encoder(x, torch.ones_like(mask))
    assert torch.isfinite(none).all()
    assert torch.equal(none[0], every[0])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(encoder(x, mask)).all()
