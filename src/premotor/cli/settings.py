"""Settings of a named system as they are typed: name=value."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from premotor.core.errors import SpecMismatch
from premotor.models.systems import did_you_mean, system_config

__all__ = ["settings"]

_SWITCH = {"true": True, "false": False}


def settings(system: str, texts: Sequence[str]) -> dict[str, Any]:
    """What the texts set of a system's configuration, by name; single numbers, switches, choices and texts can be set.

    Raises SpecMismatch for a setting that there is not, and for a value that it cannot have.
    """
    kind = system_config(system)
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind) if hints[f.name] in (bool, int, float, str) or _choices(hints[f.name])]
    found = {}
    for text in texts:
        name, given, value = text.partition("=")
        if name not in known:
            raise SpecMismatch(
                f"{system} has no setting {name!r}; {did_you_mean(name, known)}it has {', '.join(known)}"
            )
        if not given:
            raise SpecMismatch(f"--model {text}: give it a value, as in {name}=VALUE")
        found[name] = _read(name, value, hints[name])
    return found


def _read(name: str, text: str, kind: Any) -> Any:
    options = _choices(kind) or list(_SWITCH) * (kind is bool)
    if options and text not in options:
        raise SpecMismatch(
            f"{name}={text!r}; {did_you_mean(text, options)}choose one of {', '.join(o for o in options if o)}"
        )
    if kind is bool:
        return _SWITCH[text]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError as wrong:
            raise SpecMismatch(f"{name}={text!r} is no number; {name} takes one") from wrong
    return text


def _choices(kind: Any) -> list[str]:
    return list(get_args(kind)) if get_origin(kind) is Literal else []
