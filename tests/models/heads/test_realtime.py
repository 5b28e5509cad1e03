"""A chunk goes on where the last one led: as the paper's formulas have it, and as LeRobot does without gradients."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.models.heads.flow import Flow
from premotor.models.heads.realtime import Continuation
from premotor.models.systems import system_config

from ..replay import replayed
from ..weights.test_smolvla import inputs_of, loaded, recorded

GOLDEN = Path(__file__).parents[2] / "golden"
ROWS, NUMBERS = 6, 3
NEAR: Any = {"delay": 2, "until": 4}


def mixing(sign: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A velocity in which all rows and numbers depend on one another."""
    torch.manual_seed(0)
    rows, numbers = torch.randn(ROWS, ROWS) / 3, torch.randn(NUMBERS, NUMBERS) / 3
    return lambda x, time: sign * (rows @ x @ numbers).tanh() * (1 + (0.5 - time).square())[:, None, None]


@given(st.integers(0, 8), st.integers(0, 8), st.sampled_from(["exponential", "linear"]))
def test_rows_count_less_and_less(delay: int, more: int, fade: Any) -> None:
    until = min(delay + more, 8)
    weights = Continuation(left=torch.zeros(1, 8, 1), delay=delay, until=until, fade=fade).weights(10)[0].tolist()
    assert weights[:delay] == [1.0] * delay
    assert weights[until:] == [0.0] * (10 - until)
    assert all(1 > earlier > later > 0 for earlier, later in pairwise(weights[delay:until]))
    for row in range(delay, until):
        share = (until - row) / (until - delay + 1)
        wanted = share if fade == "linear" else share * (math.exp(share) - 1) / (math.e - 1)
        assert weights[row] == pytest.approx(wanted, rel=1e-6)


@given(st.floats(0.001, 0.999), st.floats(0.1, 20))
def test_strength_is_the_paper_s_and_limited(done: float, limit: float) -> None:
    found = float(Continuation(left=torch.zeros(1, 8, 1), limit=limit, **NEAR).strength(torch.tensor(done)))
    spread = (1 - done) ** 2 / (done**2 + (1 - done) ** 2)
    assert found == pytest.approx(min(limit, (1 - done) / (done * spread)), rel=1e-3)
    for end in (0.0, 1.0):
        most = Continuation(left=torch.zeros(1, 8, 1), limit=limit, **NEAR).strength(torch.tensor(end))
        assert float(most) == pytest.approx(limit)


def test_an_exact_turn_is_the_gradient_of_the_weighted_miss() -> None:
    flow, velocity, left = Flow(noise_at=1, steps=5), mixing(1), torch.randn(2, 5, NUMBERS)
    after = Continuation(left=left, **NEAR)
    x, time = torch.randn(2, ROWS, NUMBERS), torch.tensor([0.7, 0.2])
    turn = after.guided(flow, velocity)(x, time) - velocity(x, time)

    place = x.clone().requires_grad_()
    miss = torch.nn.functional.pad(left, (0, 0, 0, 1)) - (place - time[:, None, None] * velocity(place, time))
    ((miss.square() * after.weights(ROWS)[..., None]).sum() / 2).backward()  # type: ignore[no-untyped-call]
    assert place.grad is not None
    # The velocity is downhill to the actions, so it grows by the gradient uphill.
    assert torch.allclose(turn, after.strength(1 - time)[:, None, None] * place.grad, atol=1e-5)


@pytest.mark.parametrize("exact", [True, False])
def test_both_directions_of_time_give_the_same_chunk(exact: bool) -> None:
    after = Continuation(left=torch.randn(2, 5, NUMBERS), exact=exact, **NEAR)
    forth, back = Flow(noise_at=0, steps=5), Flow(noise_at=1, steps=5)
    noise = torch.randn(2, ROWS, NUMBERS)
    one = forth.walk(noise, after.guided(forth, mixing(1)))
    other = back.walk(noise, after.guided(back, lambda x, time: mixing(-1)(x, 1 - time)))
    assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("noise_at", [0, 1])
def test_a_flow_that_ends_there_is_left_alone(exact: bool, noise_at: Literal[0, 1]) -> None:
    flow = Flow(noise_at=noise_at, steps=5)
    noise, end = torch.randn(2, ROWS, NUMBERS), torch.randn(2, ROWS, NUMBERS)
    wild = end.clone()
    wild[:, 4:] += 9.0
    after = Continuation(left=wild, exact=exact, **NEAR)

    def straight(x: Tensor, time: Tensor) -> Tensor:
        return (end - noise) * (-1 if noise_at else 1) + 0 * x

    assert torch.allclose(flow.walk(noise, after.guided(flow, straight)), end, atol=1e-4)


def test_nothing_to_keep_changes_nothing() -> None:
    flow, noise = Flow(noise_at=1, steps=5), torch.randn(2, ROWS, NUMBERS)
    after = Continuation(left=torch.randn(2, 5, NUMBERS), delay=0, until=0)
    assert torch.equal(flow.walk(noise, after.guided(flow, mixing(1))), flow.walk(noise, mixing(1)))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", ["pi0", "pi05", "smolvla"])
def test_systems_keep_what_will_have_been_carried_out(name: str, exact: bool) -> None:
    config = system_config(name).toy()
    torch.manual_seed(1)
    policy, inputs, left = config.build(), config.fake_inputs(2), torch.randn(2, 4, config.action_dim)
    after = Continuation(left=left, delay=2, until=2, exact=exact)
    found = []
    for told in (None, after):
        torch.manual_seed(0)
        found.append(policy.sample(inputs, told))
    free, kept = ((chunk[:, :2] - left[:, :2]).abs().mean() for chunk in found)
    assert float(kept) < 0.5 * float(free)


@pytest.mark.parametrize("fade", ["linear", "exponential"])
@pytest.mark.parametrize(("delay", "until", "limit"), [(2, 6, 10), (3, 7, 5)])
def test_without_gradients_it_is_lerobot_s(fade: Any, delay: int, until: int, limit: int, tmp_path: Path) -> None:
    golden, policy = recorded("smolvla"), loaded("smolvla", tmp_path)
    with np.load(GOLDEN / "smolvla" / "realtime.npz") as file:
        left = torch.from_numpy(file["left"])
        wanted = torch.from_numpy(file[f"{fade}/{delay}/{until}/{limit}"])
    after = Continuation(left=left, delay=delay, until=until, fade=fade, limit=limit, exact=False)
    with replayed([golden["infer/draw_00_normal"]]):
        actions = policy.sample(inputs_of(golden, "obs"), after)
    assert float((actions - wanted).abs().max()) < 1e-5


def test_misfits_are_refused() -> None:
    with pytest.raises(SpecMismatch, match=r"delay 5 and until 4 with 6 rows left.*give 0 <= delay"):
        Continuation(left=torch.zeros(1, 6, 2), delay=5, until=4)
    with pytest.raises(SpecMismatch, match="delay 1 and until 7 with 6 rows left"):
        Continuation(left=torch.zeros(1, 6, 2), delay=1, until=7)
    flow, after = Flow(noise_at=1, steps=2), Continuation(left=torch.zeros(1, 6, 2), delay=1, until=2)
    for shape in ((2, 6, 2), (1, 5, 2), (1, 6, 1)):
        with pytest.raises(SpecMismatch, match=r"what is left, \(1, 6, 2\), does not fit"):
            flow.walk(torch.zeros(shape), after.guided(flow, lambda x, time: x))
