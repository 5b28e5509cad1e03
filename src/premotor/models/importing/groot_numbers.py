"""GR00T's statistics by groups of numbers (an arm, a gripper, ...), as a codec.

All is put between -1 and 1; a number that never changed is 0. What is relative to the state has statistics of its own,
for each row of a chunk where the rows differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from premotor.core.codec import Normalize, Relative, Step
from premotor.core.errors import WeightsError
from premotor.core.rows import NormalizeRows
from premotor.core.types import FloatArray
from premotor.models.importing.statistics import between

__all__ = ["Groups", "Range", "constant_actions", "constant_states", "refuse_others"]

# So far from a number that never changed is -1 and 1: what is told is then nothing, what is said makes no difference.
_ANYTHING, _NOTHING = 1e6, 2e-6
# Forms that numbers may have and that are not known here, by what they are called in a part's description.
_FORMS = ("sin_cos_embedding_keys", "mean_std_embedding_keys")

Range = tuple[FloatArray, FloatArray]
"""The lowest and the highest, (D,) or (H, D)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """Statistics of one robot. told: "state" and "action" -> their description (modality_keys, ...).

    table: "state", "action", "relative_action" -> group -> name -> numbers. ends: names of the lowest and the highest.
    relative: whether groups that say so are relative to the state. source: what they were read from.
    """

    told: Mapping[str, Any]
    table: Mapping[str, Any]
    ends: tuple[str, str]
    relative: bool
    source: str

    def names(self, part: str) -> list[str]:
        """The groups of "state" or "action", in order."""
        names = self.told.get(part, {}).get("modality_keys")
        if not isinstance(names, list) or not names:
            raise WeightsError(f"{self.source} does not tell the groups of {part}: modality_keys is missing")
        return names

    def state(self) -> Normalize:
        """How states are normalised."""
        return between(*constant_states(self._joined("state", [False] * len(self.names("state")))))

    def steps(self) -> tuple[Step, ...]:
        """How actions are. Raises WeightsError for groups that are relative as poses, which are not known here."""
        names = self.names("action")
        forms = self.told["action"].get("action_configs") or [{}] * len(names)
        relative = [self.relative and str(form.get("rep")).lower() == "relative" for form in forms]
        low, high = constant_actions(self._joined("action", relative))
        steps: list[Step] = []
        if any(relative):
            steps.append(self._relative(names, forms, relative))
        if low.ndim == 1:
            return (*steps, between(low, high))
        return (*steps, NormalizeRows(low=tuple(map(tuple, low.tolist())), high=tuple(map(tuple, high.tolist()))))

    def _relative(self, names: Sequence[str], forms: Sequence[Mapping[str, Any]], which: Sequence[bool]) -> Relative:
        begins, dims, states, at = self._begins("state"), list[int](), list[int](), 0
        for name, form, is_relative in zip(names, forms, which, strict=True):
            size = self._size("action", name)
            if is_relative:
                to = form.get("state_key") or name
                if str(form.get("type")).lower() != "non_eef":
                    raise WeightsError(f"{self.source}: {name!r} is relative to the state as a pose, not known here")
                if to not in begins or self._size("state", to) != size:
                    raise WeightsError(f"{self.source}: {name!r} is relative to {to!r}, no state of {size} numbers")
                dims += range(at, at + size)
                states += range(begins[to], begins[to] + size)
            at += size
        return Relative(dims=tuple(dims), state_dims=tuple(states))

    def _begins(self, part: str) -> dict[str, int]:
        sizes = [self._size(part, name) for name in self.names(part)]
        return dict(zip(self.names(part), np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))

    def _size(self, part: str, name: str) -> int:
        return int(self._range(part, name, self.ends)[0].shape[-1])

    def _range(self, part: str, name: str, ends: tuple[str, str]) -> Range:
        told = self.table.get(part, {}).get(name) or {}
        lacking = [f"{part}.{name}.{end}" for end in ends if end not in told]
        if lacking:
            raise WeightsError(
                f"{self.source} lacks {' and '.join(lacking)}, without which what is said means nothing; a base model "
                "has no statistics of a new robot before it is tuned"
            )
        low, high = (np.atleast_1d(np.asarray(told[end], dtype=np.float64)) for end in ends)
        if low.shape != high.shape or low.ndim > 2 or not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise WeightsError(f"{self.source}: {part}.{name} = {told} must be finite, as many low as high")
        return low, high

    def _joined(self, part: str, relative: Sequence[bool]) -> Range:
        """Of all groups; with rows where one of them has."""
        found = [
            # What is relative is always put between its extremes.
            self._range("relative_action", name, ("min", "max")) if apart else self._range(part, name, self.ends)
            for name, apart in zip(self.names(part), relative, strict=True)
        ]
        rows = {len(low) for low, _ in found if low.ndim == 2}
        if len(rows) > 1:
            raise WeightsError(f"{self.source}: groups of {part} have statistics of {sorted(rows)} rows")
        spread = [[np.broadcast_to(x, (*rows, x.shape[-1])) for x in ends] for ends in found]
        low, high = (np.concatenate([ends[i] for ends in spread], -1) for i in (0, 1))
        return low, high


def constant_states(ends: Range) -> Range:
    """The same, where a state that never changed is 0, whatever it is now."""
    return _widened(ends, _ANYTHING)


def constant_actions(ends: Range) -> Range:
    """The same, where an action that never changed stays so, whatever is said."""
    return _widened(ends, _NOTHING)


def refuse_others(told: Mapping[str, Any], source: str) -> None:
    """Raise WeightsError for what is told in a form that is not known here, or at other moments than now."""
    for part in ("state", "action"):
        forms = [form for form in _FORMS if told.get(part, {}).get(form)]
        if forms:
            raise WeightsError(f"{source}: {part} has {' and '.join(forms)}, which are not known here")
    for part in ("state", "video"):
        moments = told.get(part, {}).get("delta_indices", [0])
        if moments != [0]:
            raise WeightsError(f"{source}: {part} is looked at at {moments}; known: [0], now alone")


def _widened(ends: Range, by: float) -> Range:
    low, high = ends
    same = np.isclose(low, high)
    return np.where(same, low - by, low), np.where(same, low + by, high)
