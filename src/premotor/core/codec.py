"""What a policy's network sees and says, and what the robot means by it: one object, in training and in serving.

A codec is a chain of small frozen steps over action chunks (..., H, A). Encoding runs them in order, decoding runs
their inverses in reverse; `decode_actions(encode_actions(a, s), s)` gives back `a`. The state passed to
decode must be the one passed to encode, i.e. that of the observation the chunk was made from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from premotor.core.agree import spec_from_json, spec_to_json
from premotor.core.errors import SpecMismatch
from premotor.core.rotation import (
    invert_quaternion_wxyz,
    multiply_quaternion_wxyz,
    quaternion_wxyz_to_rotvec,
    rotvec_to_quaternion_wxyz,
)
from premotor.core.rows import NormalizeRows
from premotor.core.spec import EmbodimentSpec
from premotor.core.stats import Stats
from premotor.core.types import FloatArray, Observation

__all__ = [
    "STEPS",
    "Codec",
    "CumulativeDelta",
    "Float32Array",
    "Normalize",
    "Relative",
    "Step",
    "build_codec",
    "default_steps",
]

Float32Array = NDArray[np.float32]

_CONSTANT = 1e-6  # a spread below this is a constant: dividing by it would only amplify noise


class Step(Protocol):
    """One invertible step on action chunks."""

    type: ClassVar[str]

    def encode(self, actions: FloatArray, state: FloatArray, now: int = 0) -> FloatArray:
        """actions (..., H, A), state (..., S) -> (..., H, A). now: the row that starts from the state; see Codec."""

    def decode(self, actions: FloatArray, state: FloatArray) -> FloatArray:
        """The exact inverse of encode from row 0, given the same state."""


@dataclass(frozen=True, kw_only=True)
class Relative:
    """Absolute dimensions become offsets from the observed state: action[dims[i]] - state[state_dims[i]]."""

    type: ClassVar[str] = "relative"
    dims: tuple[int, ...]
    state_dims: tuple[int, ...]

    def encode(self, actions: FloatArray, state: FloatArray, now: int = 0) -> FloatArray:
        """See Step."""
        return self._shifted(actions, state, -1.0)

    def decode(self, actions: FloatArray, state: FloatArray) -> FloatArray:
        """See Step."""
        return self._shifted(actions, state, 1.0)

    def _shifted(self, actions: FloatArray, state: FloatArray, sign: float) -> FloatArray:
        out = actions.copy()
        out[..., list(self.dims)] += sign * state[..., None, list(self.state_dims)]
        return out


@dataclass(frozen=True, kw_only=True)
class CumulativeDelta:
    """Per-step Cartesian deltas become displacements from the start of the chunk.

    A network that errs by a little on each delta drifts; one that says where the hand should be does not.
    translation: dims that add up. rotation: three dims, a rotation vector in the base frame (each step multiplies
    from the left), composed; empty for none. The other dims (a gripper) are not touched.
    Composed rotations come back in [0, pi], so encode is invertible for per-step turns below half a turn.
    Rows before now become displacements from now, too: where the hand was after each.
    """

    type: ClassVar[str] = "cumulative_delta"
    translation: tuple[int, ...]
    rotation: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.rotation) not in (0, 3):
            raise SpecMismatch(f"cumulative_delta: rotation needs 3 dimensions or none, got {self.rotation}")

    def encode(self, actions: FloatArray, state: FloatArray, now: int = 0) -> FloatArray:
        """See Step; the state is not used."""
        out = actions.copy()
        moves, turns = list(self.translation), list(self.rotation)
        out[..., moves] = np.cumsum(actions[..., moves], axis=-2)
        if now:
            out[..., moves] -= out[..., now - 1 : now, moves]
        if turns:
            steps = rotvec_to_quaternion_wxyz(actions[..., turns])
            total = np.empty_like(steps)
            total[..., 0, :] = steps[..., 0, :]
            for k in range(1, steps.shape[-2]):
                total[..., k, :] = multiply_quaternion_wxyz(steps[..., k, :], total[..., k - 1, :])
            if now:
                total = multiply_quaternion_wxyz(total, invert_quaternion_wxyz(total[..., now - 1 : now, :]))
            out[..., turns] = quaternion_wxyz_to_rotvec(total)
        return out

    def decode(self, actions: FloatArray, state: FloatArray) -> FloatArray:
        """See Step; the state is not used."""
        out = actions.copy()
        moves, turns = list(self.translation), list(self.rotation)
        out[..., 1:, moves] = np.diff(actions[..., moves], axis=-2)
        if turns:
            total = rotvec_to_quaternion_wxyz(actions[..., turns])
            steps = total.copy()
            steps[..., 1:, :] = multiply_quaternion_wxyz(total[..., 1:, :], invert_quaternion_wxyz(total[..., :-1, :]))
            out[..., turns] = quaternion_wxyz_to_rotvec(steps)
        return out


@dataclass(frozen=True, kw_only=True)
class Normalize:
    """(x - offset) / scale per dimension, shared by all rows. Nothing is clipped, so that it can be undone.

    form: "quantile" puts the 1st and 99th percentile at -1 and 1; "gauss" gives mean 0 and deviation 1. A dimension
    that hardly varies is only shifted.
    """

    type: ClassVar[str] = "normalize"
    form: str
    stats: Stats

    def __post_init__(self) -> None:
        if self.form not in ("quantile", "gauss"):
            raise SpecMismatch(f"normalize: form {self.form!r} is not one of ['quantile', 'gauss']")

    @property
    def size(self) -> int:
        """How many numbers it normalises."""
        return self.stats.size

    @cached_property
    def _offset_scale(self) -> tuple[FloatArray, FloatArray]:
        stats = {f.name: np.array(getattr(self.stats, f.name)) for f in fields(self.stats)}
        if self.form == "gauss":
            return stats["mean"], np.where(stats["std"] < _CONSTANT, 1.0, stats["std"])
        half, full = 0.5 * (stats["q99"] - stats["q01"]), 0.5 * (stats["max"] - stats["min"])
        # A dimension used in fewer than one sample of a hundred has no quantile spread, but it does vary.
        rare = half < _CONSTANT
        offset = np.where(rare, 0.5 * (stats["max"] + stats["min"]), 0.5 * (stats["q99"] + stats["q01"]))
        scale = np.where(rare, full, half)
        return offset, np.where(scale < _CONSTANT, 1.0, scale)

    def apply(self, values: FloatArray) -> FloatArray:
        """(..., D) -> normalised (..., D)."""
        offset, scale = self._offset_scale
        return np.asarray((values - offset) / scale)

    def invert(self, values: FloatArray) -> FloatArray:
        """The inverse of apply."""
        offset, scale = self._offset_scale
        return np.asarray(values * scale + offset)

    def encode(self, actions: FloatArray, state: FloatArray, now: int = 0) -> FloatArray:
        """See Step; the state is not used."""
        return self.apply(actions)

    def decode(self, actions: FloatArray, state: FloatArray) -> FloatArray:
        """See Step; the state is not used."""
        return self.invert(actions)


STEPS: dict[str, type[Relative] | type[CumulativeDelta] | type[Normalize] | type[NormalizeRows]] = {
    step.type: step for step in (Relative, CumulativeDelta, Normalize, NormalizeRows)
}
"""Every step type by the name it has in JSON."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Between embodiment units and what the network works in. Carried in the bundle as JSON.

    Non-finite numbers pass through as such: it is the guard that refuses them, next to the motors.
    """

    spec: EmbodimentSpec
    state: Normalize
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        n_state, n_action = len(self.spec.state), len(self.spec.action.dims)
        if self.state.stats.size != n_state:
            raise SpecMismatch(f"codec: state statistics of {self.state.stats.size} numbers, spec has {n_state}")
        for step in self.steps:
            if isinstance(step, Normalize | NormalizeRows) and step.size != n_action:
                raise SpecMismatch(f"codec: action statistics of {step.size} numbers, spec has {n_action}")
            for f in fields(step):  # type: ignore[arg-type]
                limit = n_state if f.name == "state_dims" else n_action
                used = getattr(step, f.name) if f.name in ("dims", "state_dims", "translation", "rotation") else ()
                if any(not 0 <= d < limit for d in used) or len(set(used)) != len(used):
                    raise SpecMismatch(f"codec: {step.type}.{f.name} = {used} must be distinct and below {limit}")

    def check_images(self, observation: Observation) -> None:
        """Raise SpecMismatch unless the observation has exactly the spec's cameras at their sizes, uint8."""
        expected = {c.name: (c.height, c.width, 3) for c in self.spec.cameras}
        found = {name: (image.shape, image.dtype) for name, image in observation.images.items()}
        if found != {name: (shape, np.dtype(np.uint8)) for name, shape in expected.items()}:
            raise SpecMismatch(f"images {found}; {self.spec.name!r} expects uint8 {expected}")

    def encode_state(self, observation: Observation) -> Float32Array:
        """The normalised state (S,) of one observation. Raises SpecMismatch if state or images do not fit the spec."""
        self.check_images(observation)
        if observation.state.shape != (len(self.spec.state),):
            raise SpecMismatch(f"state of shape {observation.state.shape}; expected ({len(self.spec.state)},)")
        return self.encode_states(observation.state)

    def encode_states(self, states: FloatArray) -> Float32Array:
        """States (..., S) in embodiment units -> normalised (..., S)."""
        return self.state.apply(np.asarray(states, dtype=np.float64)).astype(np.float32)

    def encode_actions(self, actions: FloatArray, state: FloatArray, now: int = 0) -> Float32Array:
        """Chunks (..., H, A) and the states (..., S) that row `now` starts from -> normalised (..., H, A).

        Rows before now are for systems that are taught those, too; from now on rows are as without them, and only such
        can be decoded.

        Raises SpecMismatch when the shapes do not fit the spec or each other.
        """
        values, state = self._checked(actions, state)
        for step in self.steps:
            values = step.encode(values, state, now)
        return values.astype(np.float32)

    def decode_actions(self, normalised: NDArray[np.floating], state: FloatArray) -> FloatArray:
        """The inverse of encode_actions: (..., H, A) in embodiment units, float64."""
        values, state = self._checked(normalised, state)
        for step in reversed(self.steps):
            values = step.decode(values, state)
        return values

    def _checked(self, actions: NDArray[np.floating], state: FloatArray) -> tuple[FloatArray, FloatArray]:
        values, state = np.asarray(actions, dtype=np.float64), np.asarray(state, dtype=np.float64)
        n_state, n_action = len(self.spec.state), len(self.spec.action.dims)
        if values.ndim < 2 or values.shape[-1] != n_action or values.shape[-2] == 0:
            raise SpecMismatch(f"actions of shape {values.shape}; expected (..., H, {n_action}) with H >= 1")
        if state.shape != (*values.shape[:-2], n_state):
            raise SpecMismatch(f"state of shape {state.shape}; expected {(*values.shape[:-2], n_state)}")
        return values, state

    def to_json(self) -> dict[str, Any]:
        """A plain dict that json can write; from_json reads it back equal."""
        return {
            "spec": spec_to_json(self.spec),
            "state": _step_to_json(self.state),
            "steps": [_step_to_json(step) for step in self.steps],
        }

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read back what to_json wrote. Raises SpecMismatch for unknown steps and unknown or missing entries."""
        if not isinstance(data, Mapping) or set(data) != {"spec", "state", "steps"}:
            raise SpecMismatch(f"codec: expected exactly spec, state and steps, got {_brief(data)}")
        state = _step_from_json(data["state"])
        if not isinstance(state, Normalize):
            raise SpecMismatch(f"codec: the state is normalised, not {state.type!r}")
        return cls(
            spec=spec_from_json(data["spec"]),
            state=state,
            steps=tuple(_step_from_json(entry) for entry in data["steps"]),
        )


def build_codec(
    spec: EmbodimentSpec,
    actions: FloatArray,
    states: FloatArray,
    *,
    valid: NDArray[np.bool_] | None = None,
    form: str = "quantile",
) -> Codec:
    """The default codec of an embodiment, fitted on training chunks.

    actions: (N, H, A) in embodiment units. states: (N, S), that each chunk starts from.
    valid: (N, H), rows that count (False: padding after the end of an episode). Some ten thousand chunks are enough.
    Statistics of actions are taken after the relative and cumulative steps, since that is what is normalised.
    Raises SpecMismatch when shapes do not fit, data is empty or not finite, or an absolute joint has no state.
    """
    steps = default_steps(spec)
    values, starts = np.asarray(actions, dtype=np.float64), np.asarray(states, dtype=np.float64)
    if values.ndim != 3 or starts.shape != (len(values), len(spec.state)):
        raise SpecMismatch(f"actions {values.shape} and states {starts.shape}; expected (N, H, A) and (N, S)")
    for step in steps:
        values = step.encode(values, starts)
    return Codec(
        spec=spec,
        state=Normalize(form=form, stats=Stats.of(starts)),
        steps=(*steps, Normalize(form=form, stats=Stats.of(values, valid))),
    )


def default_steps(spec: EmbodimentSpec) -> tuple[Step, ...]:
    """The steps before normalisation that suit the kinds of a spec's action dimensions.

    Absolute rad dims become relative to the state dim of the same name; base-frame deltas become cumulative.
    """
    state_names = [d.name for d in spec.state]
    joints = [i for i, d in enumerate(spec.action.dims) if d.kind == "absolute" and d.unit == "rad"]
    without = [spec.action.dims[i].name for i in joints if spec.action.dims[i].name not in state_names]
    if without:
        raise SpecMismatch(f"{spec.name!r}: absolute actions {without} have no state of that name in {state_names}")
    steps: list[Step] = []
    if joints:
        matching = tuple(state_names.index(spec.action.dims[i].name) for i in joints)
        steps.append(Relative(dims=tuple(joints), state_dims=matching))
    moves = tuple(i for i, d in enumerate(spec.action.dims) if d.kind == "delta" and d.unit == "m")
    turns = tuple(i for i, d in enumerate(spec.action.dims) if d.kind == "delta" and d.unit == "rad")
    if spec.action.rotation == "none":
        moves, turns = (*moves, *turns), ()
    if moves or turns:
        steps.append(CumulativeDelta(translation=moves, rotation=turns))
    return tuple(steps)


def _step_to_json(step: Step) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": step.type}
    for f in fields(step):  # type: ignore[arg-type]
        value = getattr(step, f.name)
        entry[f.name] = value.to_json() if isinstance(value, Stats) else list(value) if f.name != "form" else value
    return entry


def _step_from_json(entry: Any) -> Relative | CumulativeDelta | Normalize | NormalizeRows:
    kind = STEPS.get(entry.get("type", "")) if isinstance(entry, Mapping) else None
    if kind is None:
        raise SpecMismatch(f"codec: unknown step {_brief(entry)}; known types: {sorted(STEPS)}")
    names = {f.name for f in fields(kind)}
    if set(entry) != names | {"type"}:
        raise SpecMismatch(f"codec: step {kind.type!r} has entries {sorted(entry)}, expected type, {sorted(names)}")
    if issubclass(kind, Normalize):
        return Normalize(form=str(entry["form"]), stats=Stats.from_json(entry["stats"]))
    if issubclass(kind, NormalizeRows):
        return NormalizeRows(low=_table(kind.type, entry["low"]), high=_table(kind.type, entry["high"]))
    return kind(**{name: _indices(kind.type, name, entry[name]) for name in names})


def _indices(kind: str, name: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(v) is int for v in values):
        raise SpecMismatch(f"codec: {kind}.{name} must be a list of whole numbers, got {_brief(values)}")
    return tuple(values)


def _table(kind: str, rows: Any) -> tuple[tuple[float, ...], ...]:
    numbers = isinstance(rows, list) and all(isinstance(r, list) and all(type(v) is float for v in r) for r in rows)
    if not numbers:
        raise SpecMismatch(f"codec: {kind} needs rows of numbers, got {_brief(rows)}")
    return tuple(map(tuple, rows))


def _brief(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) < 200 else text[:200] + "..."
