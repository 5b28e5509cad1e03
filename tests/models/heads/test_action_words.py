"""What is said under ActionWords is always a plan, if there is to be one, and then an action, whatever the scores."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from premotor.core.errors import ActionTokenError
from premotor.models.heads.action_words import ActionWords

ROWS, DIMS, VOCABULARY, NUMBERS, BINS, ACT = 5, 3, 40, 20, 16, 9
ODD = (float("nan"), float("inf"), -float("inf"))


def words(*, plan: bool, limit: int = 4) -> ActionWords:
    sayable = (torch.arange(VOCABULARY) >= 10) & (torch.arange(VOCABULARY) < 18)
    return ActionWords(
        ROWS, DIMS, numbers=NUMBERS, bins=BINS, act=ACT, plan=sayable if plan else None, limit=limit if plan else 1
    )


def odd_scores(generator: torch.Generator) -> Tensor:
    """Some of them are no numbers, and some rows have nothing that is likely at all."""
    scores = torch.randn(ROWS, VOCABULARY, generator=generator) * 100
    for value in ODD:
        scores[torch.rand(scores.shape, generator=generator) < 0.1] = value
    scores[torch.rand(ROWS, generator=generator) < 0.2] = -torch.inf
    return scores


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), plan=st.booleans(), limit=st.integers(1, 6))
def test_any_scores_say_an_action(seed: int, plan: bool, limit: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    said, steps = words(plan=plan, limit=limit), 0
    while not said.done:
        said.choose(odd_scores(generator))
        steps += 1
    assert steps <= 1 + DIMS + (limit + 1 if plan else 0)
    terminate, integers = said.actions()
    assert terminate.shape == (ROWS,)
    assert integers.shape == (ROWS, DIMS)
    assert bool(((integers >= 0) & (integers < BINS)).all())
    for row in said.plans():
        assert (1 <= len(row) <= limit) if plan else row == []
        assert all(10 <= i < 18 for i in row)


def test_what_scores_best_is_said_where_it_is_allowed() -> None:
    said = words(plan=True)
    wanted = [[12, ACT, 21, 35, 20, 22], [17, 11, 10, ACT, 20, 20, 35, 27]]
    for step in range(8):
        scores = torch.zeros(ROWS, VOCABULARY)
        for row in range(ROWS):
            sentence = wanted[row % 2]
            scores[row, sentence[min(step, len(sentence) - 1)]] = 1.0
        assert not said.done
        said.choose(scores)
    assert said.done
    terminate, integers = said.actions()
    assert said.plans()[:2] == [[12], [17, 11, 10]]
    assert terminate[:2].tolist() == [True, False]
    assert integers[:2].tolist() == [[15, 0, 2], [0, 15, 7]]


def test_to_terminate_is_yes_or_no() -> None:
    said, scores = words(plan=False), torch.zeros(ROWS, VOCABULARY)
    scores[:, NUMBERS + 7] = 1.0
    assert set(said.choose(scores).tolist()) <= {NUMBERS, NUMBERS + 1}
    assert said.choose(scores).tolist() == [NUMBERS + 7] * ROWS


def test_a_plan_without_room_is_refused() -> None:
    with pytest.raises(ActionTokenError, match="at most 0 words"):
        words(plan=True, limit=0)
