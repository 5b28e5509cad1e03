"""Results add up, survive the way through JSON, and are compared only when they may be."""

import dataclasses
import json
from collections.abc import Callable

import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.statistics import mean_of_rates, wilson
from premotor.evaluation.summary import Summary, compare, summarise

PROTOCOL = Protocol(families=("pick_up", "open_drawer"), splits=("layout", "slip"), episodes=10)


def results(solved: Callable[[Job], bool], protocol: Protocol = PROTOCOL) -> list[EpisodeResult]:
    return [
        EpisodeResult(
            job=job,
            success=solved(job),
            seconds=1.0 + job.seed,
            passed=10,
            clamped=2,
            held=1,
            scene=str(job),
            wall_s=0.5,
        )
        for job in protocol.jobs()
    ]


def summary(found: list[EpisodeResult], label: str = "a", protocol: Protocol = PROTOCOL) -> Summary:
    return summarise(
        found,
        protocol,
        label=label,
        policy=label,
        policy_digest="d",
        revisions=["r"],
        machine={"cores": 2},
        elapsed_s=1.0,
    )


def test_counts_intervals_and_means() -> None:
    got = summary(results(lambda job: job.seed < (9 if job.cell.family == "pick_up" else 4)))
    (cell,) = got.choose(embodiment="panda", family="pick_up", split="layout")
    assert cell.outcomes == "1111111110"
    assert cell.interval == wilson(9, 10)
    assert (cell.seconds, cell.passed, cell.clamped, cell.held, cell.stopped) == (5.0, 100, 20, 10, 0)
    assert got.mean(split="layout") == mean_of_rates([(9, 10), (4, 10)] * 2)
    assert got.mean(split="layout").rate == pytest.approx(0.65)
    # Nothing can slip while a drawer is opened, so that split has one family.
    assert got.mean(split="slip").rate == pytest.approx(0.9)
    assert got.complete
    assert got.episodes_s == 0.5 * len(PROTOCOL.jobs())


def test_errors_and_missing_episodes_are_told_apart_from_failures() -> None:
    found = results(lambda job: True)
    (broken, missing, *rest) = found
    got = summary([dataclasses.replace(broken, success=False, error="worker died"), *rest])
    assert got.errors == 1
    assert not got.complete
    assert sum(cell.n for cell in got.cells) == len(found) - 1
    assert sum(cell.successes for cell in got.cells) == len(found) - 2
    assert missing.job.cell in [cell.cell for cell in got.cells if "." in cell.outcomes]


def test_json_keeps_everything() -> None:
    got = summary(results(lambda job: job.seed % 3 == 0))
    assert Summary.from_json(json.loads(json.dumps(got.to_json()))) == got


def test_damaged_json_is_refused() -> None:
    with pytest.raises(EvaluationError, match="not an evaluation's summary"):
        Summary.from_json({"label": "a"})


def test_a_part_is_the_result_of_the_smaller_protocol() -> None:
    solved = {job: job.seed % 2 == 0 for job in PROTOCOL.jobs()}
    smaller = PROTOCOL.on(("layout",))
    part = summary(results(solved.__getitem__)).only(("layout",))
    whole = summary(results(solved.__getitem__, smaller), protocol=smaller)
    assert part.protocol.hash == smaller.hash
    assert part.cells == whole.cells


def test_better_on_the_same_episodes() -> None:
    a, b = summary(results(lambda job: job.seed != 0)), summary(results(lambda job: job.seed > 4), "b")
    said = compare(a, b)
    n = len(PROTOCOL.jobs())
    assert said.result.only_a == n * 4 // 10
    assert said.sentence.startswith(f"a is better than b: {n * 9 // 10} of {n} against {n * 5 // 10} of {n}, p < 0.001")
    assert compare(b, a).sentence == said.sentence
    assert set(said.by_split) == {"layout", "slip"}
    assert said.by_split["slip"].result.n == 20


def test_the_same_results_cannot_be_told_apart_and_equal_labels_are_kept_apart() -> None:
    a = summary(results(lambda job: job.seed > 2))
    assert compare(a, a).sentence.startswith("No difference between a (A) and a (B) can be told")


def test_errors_do_not_decide_between_two_policies() -> None:
    found = results(lambda job: True)
    broken = [dataclasses.replace(r, success=False, error="died") if r.job.seed < 5 else r for r in found]
    said = compare(summary(found), summary(broken, "b"))
    assert said.result.p == 1.0
    assert "30 episodes that one of them did not finish are left out" in said.sentence


def test_another_protocol_is_refused_with_the_differences() -> None:
    other = dataclasses.replace(PROTOCOL, episodes=5, replan_every=4)
    with pytest.raises(EvaluationError, match=r"(?s)episodes: 10 against 5.*replan_every: 8 against 4"):
        compare(summary(results(lambda job: True)), summary(results(lambda job: True, other), "b", other))


def test_other_scenes_for_the_same_seeds_are_refused() -> None:
    found = results(lambda job: True)
    changed = [dataclasses.replace(found[0], scene="another"), *found[1:]]
    with pytest.raises(EvaluationError, match="other scenes for the same seeds"):
        compare(summary(found), summary(changed, "b"))


def test_a_comparison_also_speaks_of_tasks_like_these() -> None:
    better = summary(results(lambda job: job.seed < 8), "a")
    worse = summary(results(lambda job: job.seed < 5), "b")
    found = compare(better, worse)
    assert found.tasks == ((3, 0, 10),) * len(better.cells)
    assert found.over_tasks is not None
    assert found.over_tasks.rate == pytest.approx(0.3)
    assert found.over_tasks.low > 0
    nothing = compare(summary([], "a"), summary([], "b"))
    assert nothing.over_tasks is None
