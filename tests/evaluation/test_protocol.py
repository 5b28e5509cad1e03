"""A protocol is its hash: stable, blind to order, changed by anything that changes an episode."""

import dataclasses

import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation import protocol as protocol_module
from premotor.evaluation.protocol import PROTOCOLS, Protocol, named
from premotor.sim.tabletop.episode import FAMILIES
from premotor.sim.tabletop.tasks import MAX_STEPS, MOVED_FAMILIES, SLIP_FAMILIES

SMALL = Protocol(embodiments=("panda", "so101"), families=("pick_up", "open_drawer"), splits=("layout",), episodes=3)


def test_the_hash_does_not_depend_on_order_or_process() -> None:
    other = dataclasses.replace(SMALL, embodiments=("so101", "panda"), families=("open_drawer", "pick_up"))
    assert other.hash == SMALL.hash
    assert Protocol.from_json(SMALL.to_json()).hash == SMALL.hash


@pytest.mark.parametrize(
    "change",
    [
        {"embodiments": ("panda",)},
        {"families": ("pick_up",)},
        {"splits": ("layout", "words")},
        {"episodes": 4},
        {"first_seed": 1},
        {"replan_every": 9},
    ],
)
def test_every_field_changes_the_hash(change: dict[str, object]) -> None:
    assert dataclasses.replace(SMALL, **change).hash != SMALL.hash  # type: ignore[arg-type]


def test_another_suite_or_time_limit_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SMALL.hash
    monkeypatch.setattr(protocol_module, "SUITE", protocol_module.SUITE + 1)
    assert SMALL.hash != before
    monkeypatch.undo()
    monkeypatch.setattr(protocol_module, "MAX_STEPS", dict(MAX_STEPS) | {"pick_up": 1})
    assert SMALL.hash != before


def test_disturbed_splits_skip_families_that_have_no_disturbance() -> None:
    cells = list(PROTOCOLS["full"].cells())
    assert {c.family for c in cells if c.split == "moved"} == set(MOVED_FAMILIES)
    assert {c.family for c in cells if c.split == "slip"} == set(SLIP_FAMILIES)
    assert {c.family for c in cells if c.split == "layout"} == set(FAMILIES)
    assert not {"train", "val"} & {c.split for c in cells}, "a reported split was trained on or chosen by"


def test_jobs_hold_every_seed_once_and_the_longest_first() -> None:
    jobs = SMALL.jobs()
    assert len(jobs) == len(set(jobs)) == 2 * 2 * 3
    limits = [MAX_STEPS[job.cell.family] for job in jobs]  # type: ignore[index]
    assert limits == sorted(limits, reverse=True)
    assert {job.seed for job in jobs} == {0, 1, 2}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"embodiments": ("ur5",)}, "'ur5' does not exist; choose from panda, so101"),
        ({"families": ("fly",)}, "'fly' does not exist; choose from pick_up"),
        ({"splits": ()}, "empty or stand twice"),
        ({"families": ("pick_up", "pick_up")}, "empty or stand twice"),
        ({"episodes": 0}, "episodes = 0 must be a whole number, at least 1"),
        ({"replan_every": 0}, "replan_every = 0"),
        ({"first_seed": -1}, "first_seed = -1"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_options(change: dict[str, object], says: str) -> None:
    with pytest.raises(EvaluationError, match=says):
        dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]


def test_names() -> None:
    assert named("quick") is PROTOCOLS["quick"]
    with pytest.raises(EvaluationError, match="choose one of quick"):
        named("slow")


def test_a_protocol_of_other_tasks_is_not_read() -> None:
    with pytest.raises(EvaluationError, match=r"other tasks.*suite: 0 against"):
        Protocol.from_json(SMALL.to_json() | {"suite": 0})
    with pytest.raises(EvaluationError, match="not a protocol"):
        Protocol.from_json({"episodes": 3})
