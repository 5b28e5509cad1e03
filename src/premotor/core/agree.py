"""Two parties agree about an embodiment completely, or nothing starts. There is no warning mode."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, get_args, get_type_hints

from premotor.core.errors import SpecMismatch
from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec

__all__ = ["agree", "spec_from_json", "spec_hash", "spec_to_json"]


def agree(producer: EmbodimentSpec, consumer: EmbodimentSpec) -> None:
    """Return when both specs are equal in every field; otherwise raise SpecMismatch listing every difference."""
    differences = list(_differences("", spec_to_json(producer), spec_to_json(consumer)))
    if differences:
        listed = "\n".join(f"  {line}" for line in differences)
        raise SpecMismatch(
            f"{producer.name!r} (producer) and {consumer.name!r} (consumer) differ in {len(differences)} places:\n"
            f"{listed}\nUse a policy made for this robot, or retrain it with this robot's spec."
        )


def spec_hash(spec: EmbodimentSpec) -> str:
    """sha256 (hex) of the spec's canonical JSON; equal exactly when `agree` would return."""
    text = json.dumps(spec_to_json(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def spec_to_json(spec: EmbodimentSpec) -> dict[str, Any]:
    """A plain nested dict that json can write."""
    data = asdict(spec)
    data["cameras"], data["state"] = list(data["cameras"]), list(data["state"])
    data["action"]["dims"] = list(data["action"]["dims"])
    # 20 and 20.0 are one rate, so they must have one text.
    data["rate_hz"] = float(data["rate_hz"])
    for dim in [*data["state"], *data["action"]["dims"]]:
        dim["low"], dim["high"] = float(dim["low"]), float(dim["high"])
    return data


def spec_from_json(data: Mapping[str, Any]) -> EmbodimentSpec:
    """Read back what spec_to_json wrote. Raises SpecMismatch for a missing or unknown key or a wrong type."""
    top = _checked(EmbodimentSpec, data, "spec")
    action = _checked(ActionSpec, top["action"], "spec.action")
    action["dims"] = tuple(_each(DimSpec, action["dims"], "spec.action.dims"))
    top["action"] = ActionSpec(**action)
    top["cameras"] = tuple(_each(CameraSpec, top["cameras"], "spec.cameras"))
    top["state"] = tuple(_each(DimSpec, top["state"], "spec.state"))
    return EmbodimentSpec(**top)


def _each(kind: type[Any], items: Any, where: str) -> Iterator[Any]:
    if not isinstance(items, list | tuple):
        raise SpecMismatch(f"{where}: expected a list, got {type(items).__name__}")
    for i, item in enumerate(items):
        yield kind(**_checked(kind, item, f"{where}[{i}]"))


def _checked(kind: type[Any], data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise SpecMismatch(f"{where}: expected a mapping, got {type(data).__name__}")
    names = [f.name for f in fields(kind)]
    missing, unknown = [n for n in names if n not in data], [n for n in data if n not in names]
    if missing or unknown:
        raise SpecMismatch(f"{where}: missing {missing}, unknown {unknown}; expected exactly {names}")
    hints = get_type_hints(kind)
    for name in names:
        value, hint = data[name], hints[name]
        options = get_args(hint) if not hasattr(hint, "__mro__") else ()
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if hint is str and not isinstance(value, str):
            raise SpecMismatch(f"{where}.{name}: expected text, got {value!r}")
        if hint is float and not numeric:
            raise SpecMismatch(f"{where}.{name}: expected a number, got {value!r}")
        if hint is int and (not numeric or not isinstance(value, int)):
            raise SpecMismatch(f"{where}.{name}: expected a whole number, got {value!r}")
        if options and isinstance(options[0], str) and value not in options:
            raise SpecMismatch(f"{where}.{name}: {value!r} is not one of {list(options)}")
    return dict(data)


def _differences(where: str, left: Any, right: Any) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in left:
            yield from _differences(f"{where}.{key}" if where else key, left[key], right[key])
    elif isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            yield f"{where}: {len(left)} entries {_names(left)}, but {len(right)} entries {_names(right)}"
        for i, (a, b) in enumerate(zip(left, right, strict=False)):
            yield from _differences(f"{where}[{i}]", a, b)
    elif left != right:
        yield f"{where}: {left!r}, but {right!r}"


def _names(items: list[Any]) -> list[Any]:
    return [item["name"] for item in items]
