"""Many policies: one error rate for all that is said, and ranks no surer than the differences behind them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from premotor.core.errors import EvaluationError
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.ranking import Place, holm, rank
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.summary import Summary, summarise

PROTOCOL = Protocol(families=("pick_up", "open_drawer"), splits=("layout",), episodes=20)


def summary(label: str, solved: int, protocol: Protocol = PROTOCOL) -> Summary:
    """Solves the first `solved` seeds of every cell."""

    def result(job: Job) -> EpisodeResult:
        return EpisodeResult(job=job, success=job.seed < solved, scene=str(job))

    return summarise(
        map(result, protocol.jobs()),
        protocol,
        label=label,
        policy=label,
        policy_digest=label,
        revisions=["r"],
        machine={},
        elapsed_s=1.0,
    )


def test_holm_on_a_worked_example() -> None:
    # Holm (1979): multiply the smallest by how many there are, the next by one less, and never go down.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(before <= after <= min(1, len(p) * before) + 1e-12 for before, after in zip(p, adjusted, strict=True))
    assert sorted(range(len(p)), key=lambda i: (p[i], i)) == sorted(range(len(p)), key=lambda i: (adjusted[i], p[i], i))


def test_ranks_are_as_wide_as_what_cannot_be_told() -> None:
    got = rank([summary("poor", 2), summary("good", 18), summary("fine", 17)])
    assert got.places == (
        Place(label="good", best=1, worst=2),
        Place(label="fine", best=1, worst=2),
        Place(label="poor", best=3, worst=3),
    )
    assert [mean.rate for mean in got.means] == [0.9, 0.85, 0.1]
    assert all(over.low <= mean.rate <= over.high for mean, over in zip(got.means, got.over_tasks, strict=True))
    assert all(difference.p >= difference.result.p for difference in got.differences)


def test_other_protocols_are_refused_with_what_differs() -> None:
    other = dataclasses.replace(PROTOCOL, episodes=10)
    with pytest.raises(EvaluationError, match="episodes: 10 against 20"):
        rank([summary("a", 5), summary("b", 5, other)])


def test_one_policy_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(EvaluationError, match="at least two"):
        rank([summary("a", 5)])
    with pytest.raises(EvaluationError, match="two policies are called 'a'"):
        rank([summary("a", 5), summary("a", 6)])
