"""Perturbations as data."""

import pytest

from premotor.core.errors import WorldError
from premotor.sim.perturb.axes import AXES, NAMES, PLAIN, STRENGTHS, Perturbation, described, find


def test_every_axis_has_three_strengths_that_grow() -> None:
    assert len(NAMES) == 1 + 3 * len(AXES)
    for axis in AXES.values():
        for values in axis.amounts.values():
            assert list(values) == sorted(set(values)), f"{axis.name} does not grow"
            assert min(values) > 0


def test_names_are_read_back() -> None:
    assert find(PLAIN) is None
    assert [str(find(name)) for name in NAMES[1:]] == list(NAMES[1:])
    assert find("camera-2") == Perturbation("camera", 2)


@pytest.mark.parametrize("name", ["camera", "camera-0", "camera-4", "fog-1", ""])
def test_other_names_are_refused_with_the_options(name: str) -> None:
    with pytest.raises(WorldError, match=r"choose one of plain, camera-1"):
        find(name)


def test_impossible_perturbations_are_refused() -> None:
    with pytest.raises(WorldError, match="no perturbation 'fog'; choose one of camera"):
        Perturbation("fog", 1)
    with pytest.raises(WorldError, match="light has no strength 4; choose 1, 2 or 3"):
        Perturbation("light", 4)


def test_amounts_are_those_of_the_axis_and_the_strength() -> None:
    assert [Perturbation("delay", s).amount("steps") for s in (0, *STRENGTHS)] == [0, 2, 5, 10]
    assert Perturbation("delay", 3).amount("pixels") == 0
    assert described(["plain", "delay-1", "delay-3"]) == {"delay": {"steps": [2, 5, 10]}}
