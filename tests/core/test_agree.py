import json
from collections.abc import Iterator
from typing import Any

import pytest

from premotor.core.agree import agree, spec_from_json, spec_hash, spec_to_json
from premotor.core.errors import SpecMismatch
from premotor.core.spec import EmbodimentSpec


def mutations(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of every single leaf of a spec."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from mutations(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from mutations(value, (*path, i))
    else:
        yield path


OTHER = {"rad": "m", "m": "rad", "ratio": "none", "absolute": "delta", "delta": "absolute", "base": "joint"}
OTHER |= {"joint": "base", "rotvec": "none", "none": "rotvec", "zero_delta": "measured_position"}
OTHER |= {"measured_position": "zero_delta"}


def mutate(spec: EmbodimentSpec, path: tuple[Any, ...]) -> EmbodimentSpec:
    data = spec_to_json(spec)
    place = data
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    if isinstance(old, str):
        place[path[-1]] = old + "_other" if path[-1] == "name" else OTHER[old]
    else:
        place[path[-1]] = old + 1 if path[-1] != "low" else old - 1
    return spec_from_json(data)


def test_every_single_field_counts(spec: EmbodimentSpec) -> None:
    agree(spec, spec_from_json(spec_to_json(spec)))
    paths = list(mutations(spec_to_json(spec)))
    assert len(paths) > 50
    for path in paths:
        other = mutate(spec, path)
        assert spec_hash(other) != spec_hash(spec)
        with pytest.raises(SpecMismatch) as error:
            agree(spec, other)
        assert str(path[-1]) in str(error.value)
        assert "differ in 1 place" in str(error.value)


def test_every_difference_is_listed(cartesian: EmbodimentSpec) -> None:
    data = spec_to_json(cartesian)
    data["rate_hz"] = 30.0
    data["action"]["dims"][2]["unit"] = "rad"
    data["cameras"].pop()
    with pytest.raises(SpecMismatch) as error:
        agree(cartesian, spec_from_json(data))
    text = str(error.value)
    assert "differ in 3 places" in text
    assert "rate_hz: 20.0, but 30.0" in text
    assert "action.dims[2].unit: 'm', but 'rad'" in text
    assert "['front', 'wrist']" in text


def test_json_round_trip(spec: EmbodimentSpec) -> None:
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec


def test_unknown_missing_and_wrong_entries_raise(joints: EmbodimentSpec) -> None:
    good = spec_to_json(joints)
    for change in (
        {**good, "extra": 1},
        {k: v for k, v in good.items() if k != "rate_hz"},
        {**good, "rate_hz": "20"},
        {**good, "name": 3},
        {**good, "state": "joints"},
        {**good, "state": [{**good["state"][0], "unit": "degree"}]},
        {**good, "action": {**good["action"], "hold": "repeat"}},
        {**good, "cameras": [{**good["cameras"][0], "height": 8.5}]},
    ):
        with pytest.raises(SpecMismatch):
            spec_from_json(change)
