"""Every protocol by its name, whatever world it is of."""

from collections.abc import Mapping, Sequence
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.metaworld import METAWORLD, SUITE, MetaWorldProtocol
from premotor.evaluation.protocol import PROTOCOLS, Protocol

__all__ = ["AnyProtocol", "find", "from_json", "narrowed"]

AnyProtocol = Protocol | MetaWorldProtocol


def find(name: str) -> AnyProtocol:
    """The protocol of that name; raises EvaluationError that lists the names there are."""
    every: dict[str, AnyProtocol] = {**PROTOCOLS, **METAWORLD}
    if name not in every:
        raise EvaluationError(f"no protocol {name!r}; choose one of {', '.join(every)}")
    return every[name]


def from_json(data: Mapping[str, Any]) -> AnyProtocol:
    """Read back what a protocol's to_json wrote. Raises EvaluationError when it is of other tasks or damaged."""
    kind = MetaWorldProtocol if data.get("suite") == SUITE else Protocol
    return kind.from_json(data)


def narrowed(protocol: AnyProtocol, splits: Sequence[str]) -> AnyProtocol:
    """The same conditions on some of its splits."""
    if isinstance(protocol, MetaWorldProtocol):
        return protocol.on(tuple(split for split in protocol.splits if split in splits))
    return protocol.on(tuple(split for split in protocol.splits if split in splits))
