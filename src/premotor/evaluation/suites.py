"""Every protocol by its name, whatever world it is of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.libero import LIBERO, LiberoProtocol
from premotor.evaluation.libero import SUITE as LIBERO_SUITE
from premotor.evaluation.metaworld import METAWORLD, SUITE, MetaWorldProtocol
from premotor.evaluation.plus import PLUS, PlusProtocol
from premotor.evaluation.protocol import PROTOCOLS, Protocol

__all__ = ["AnyProtocol", "changed", "find", "from_json", "narrowed"]

AnyProtocol = Protocol | MetaWorldProtocol | LiberoProtocol | PlusProtocol


def find(name: str) -> AnyProtocol:
    """The protocol of that name; raises EvaluationError that lists the names there are."""
    every: dict[str, AnyProtocol] = {**PROTOCOLS, **METAWORLD, **LIBERO, **PLUS}
    if name not in every:
        raise EvaluationError(f"no protocol {name!r}; choose one of {', '.join(every)}")
    return every[name]


def from_json(data: Mapping[str, Any]) -> AnyProtocol:
    """Read back what a protocol's to_json wrote. Raises EvaluationError when it is of other tasks or damaged."""
    if "base_suite" in data:
        return PlusProtocol.from_json(data)
    kinds: dict[Any, type[MetaWorldProtocol | LiberoProtocol]] = {
        SUITE: MetaWorldProtocol,
        LIBERO_SUITE: LiberoProtocol,
    }
    return kinds.get(data.get("suite"), Protocol).from_json(data)


def changed(protocol: AnyProtocol, **changes: Any) -> AnyProtocol:
    """The same protocol with some fields changed; of one with perturbations, splits are these, the rest the base's."""
    if not isinstance(protocol, PlusProtocol):
        return replace(protocol, **changes)
    splits = changes.pop("splits", protocol.splits)
    return replace(protocol, base=replace(protocol.base, **changes), splits=splits)


def narrowed(protocol: AnyProtocol, splits: Sequence[str]) -> AnyProtocol:
    """The same conditions on some of its splits."""
    if isinstance(protocol, Protocol):
        return protocol.on(tuple(split for split in protocol.splits if split in splits))
    return protocol.on(tuple(split for split in protocol.splits if split in splits))
