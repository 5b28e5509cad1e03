"""Who touches whom, by name, from MuJoCo's contact list."""

from collections.abc import Mapping

import mujoco
import numpy as np

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray

__all__ = ["Contacts"]

_OPPOSED = -0.5
"""Cosine between two finger contacts' normals below which they press from opposite sides."""


class Contacts:
    """Contacts of one scene. `bodies`: name -> body id of the things; `hand`: body id at the root of the gripper.

    The table is "table"; all moving parts of the gripper together are "gripper".
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, *, bodies: Mapping[str, int], hand: int) -> None:
        self._model, self._data = model, data
        self._ids: dict[str, frozenset[int]] = {name: frozenset({body}) for name, body in bodies.items()}
        self._ids["table"] = frozenset({0})
        self._gripper = frozenset(_subtree(model, hand))
        self._ids["gripper"] = self._gripper
        self._pairs: set[tuple[int, int]] | None = None

    def update(self) -> None:
        """Forget what was read; call after every change of the simulation."""
        self._pairs = None

    def touches(self, a: str, b: str) -> bool:
        """Whether any part of `a` touches any part of `b`."""
        pairs, first, second = self._read(), self._of(a), self._of(b)
        return any((x, y) in pairs or (y, x) in pairs for x in first for y in second)

    def gripped(self, name: str) -> bool:
        """Whether two different parts of the gripper press on `name` from opposite sides."""
        body = next(iter(self._of(name)))
        found: list[tuple[int, FloatArray]] = []
        geoms, owner = self._data.contact.geom, self._model.geom_bodyid
        for k, (one, two) in enumerate(owner[geoms]):
            if two == body and one in self._gripper:
                found.append((int(one), self._data.contact.frame[k, :3]))
            elif one == body and two in self._gripper:
                found.append((int(two), -self._data.contact.frame[k, :3]))
        return any(
            part != other and float(normal @ opposite) < _OPPOSED
            for i, (part, normal) in enumerate(found)
            for other, opposite in found[:i]
        )

    def _of(self, name: str) -> frozenset[int]:
        found = self._ids.get(name)
        if found is None:
            raise WorldError(f"nothing named {name!r} to touch; there are {', '.join(self._ids)}")
        return found

    def _read(self) -> set[tuple[int, int]]:
        if self._pairs is None:
            pairs = self._model.geom_bodyid[self._data.contact.geom]
            self._pairs = {(int(a), int(b)) for a, b in np.unique(pairs, axis=0)} if len(pairs) else set()
        return self._pairs


def _subtree(model: mujoco.MjModel, root: int) -> set[int]:
    inside = {root}
    for body in range(root + 1, model.nbody):
        if int(model.body_parentid[body]) in inside:
            inside.add(body)
    return inside
