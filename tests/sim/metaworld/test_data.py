"""The tasks and the arm as data."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premotor.core.agree import spec_from_json, spec_to_json
from premotor.core.errors import WorldError
from premotor.sim.metaworld.robot import REACH, View, from_native, sawyer, to_native
from premotor.sim.metaworld.tasks import TASKS, TIERS, task

WITHOUT = "needs the package metaworld: pip install 'premotor[metaworld]'"


def test_there_are_fifty_tasks_in_four_tiers_and_two_share_a_sentence() -> None:
    assert Counter(found.tier for found in TASKS.values()) == dict(zip(TIERS, (28, 11, 6, 5), strict=True))
    told = Counter(found.instruction for found in TASKS.values())
    assert [sentence for sentence, times in told.items() if times > 1] == ["Push the puck to a goal"]
    with pytest.raises(WorldError, match=r"no task 'juggle-v3'; choose one of assembly-v3, "):
        task("juggle-v3")


def test_every_task_and_expert_is_in_metaworld() -> None:
    metaworld = pytest.importorskip("metaworld", reason=WITHOUT)
    from metaworld import policies

    assert set(TASKS) == set(metaworld.ALL_V3_ENVIRONMENTS)
    assert all(hasattr(policies, f"Sawyer{found.expert}V3Policy") for found in TASKS.values())


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_actions_come_back(numbers: list[float]) -> None:
    native = np.array(numbers)
    assert to_native(from_native(native)) == pytest.approx(native, abs=1e-12)


def test_units_of_actions_and_what_is_beyond_them() -> None:
    # One is a centimetre, and a closing effort of one is a closed gripper.
    assert from_native(np.array([1.0, -0.5, 0.0, 1.0])) == pytest.approx([0.01, -0.005, 0.0, 0.0])
    assert from_native(np.array([0.0, 0.0, 25.0, -3.0])) == pytest.approx([0.0, 0.0, REACH, 1.0])
    assert to_native(np.array([0.02, 0.0, 0.0, 1.5])) == pytest.approx([1.0, 0.0, 0.0, -1.0])


def test_the_spec_says_what_is_privileged() -> None:
    honest, told = sawyer(View()), sawyer(View(), "privileged")
    assert [dim.name for dim in honest.state] == ["hand.x", "hand.y", "hand.z", "gripper"]
    assert len(told.state) == 8
    assert all(dim.name.startswith("object.") for dim in told.state[4:])
    assert honest != told
    assert spec_from_json(spec_to_json(told)) == told


def test_a_view_knows_its_size_and_refuses_nonsense() -> None:
    assert View().pixels == 480
    assert View(size=480, keep=2 / 3).pixels == 320
    assert View(size=480, keep=2 / 3, shown=448).pixels == 448
    for size, keep in ((0, 1.0), (96, 0.0), (96, 1.5)):
        with pytest.raises(WorldError, match="cannot be drawn"):
            View(size=size, keep=keep)
