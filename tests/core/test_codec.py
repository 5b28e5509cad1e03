import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premotor.core.codec import Codec, CumulativeDelta, Normalize, Relative, Step, build_codec
from premotor.core.errors import SpecMismatch
from premotor.core.rotation import rotvec_to_matrix
from premotor.core.rows import NormalizeRows
from premotor.core.spec import EmbodimentSpec
from premotor.core.stats import Stats
from premotor.core.types import Observation


def chunks(spec: EmbodimentSpec, seed: int, n: int = 50, horizon: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    actions = rng.uniform(spec.action.low, spec.action.high, (n, horizon, len(spec.action.dims)))
    low, high = np.array([d.low for d in spec.state]), np.array([d.high for d in spec.state])
    return actions, rng.uniform(low, high, (n, len(spec.state)))


def random_chain(spec: EmbodimentSpec, seed: int, names: list[str]) -> tuple[Step, ...]:
    rng, size = np.random.default_rng(seed), len(spec.action.dims)
    steps: list[Step] = []
    for name in names:
        if name == "relative":
            dims = tuple(int(d) for d in rng.permutation(size)[: rng.integers(0, size)])
            picked = rng.permutation(len(spec.state))[: len(dims)]
            steps.append(Relative(dims=dims[: len(picked)], state_dims=tuple(int(d) for d in picked)))
        elif name == "cumulative_delta":
            steps.append(CumulativeDelta(translation=(0, 1), rotation=(2, 3, 4)))
        elif name == "normalize_rows":
            low, high = rng.uniform(-1.5, -1.0, (8, size)), rng.uniform(1.0, 1.5, (8, size))
            steps.append(NormalizeRows(low=tuple(map(tuple, low.tolist())), high=tuple(map(tuple, high.tolist()))))
        else:
            # scales above one keep rotations below half a turn for the steps that follow
            stats = Stats.of(rng.normal(size=(100, size)) * rng.uniform(1.0, 1.5, size))
            steps.append(Normalize(form=name, stats=stats))
    return tuple(steps)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    names=st.lists(
        st.sampled_from(["relative", "cumulative_delta", "normalize_rows", "quantile", "gauss"]), max_size=3
    ),
    lead=st.sampled_from([(), (3,), (2, 4)]),
)
def test_decode_undoes_encode_for_every_chain(
    spec: EmbodimentSpec, seed: int, names: list[str], lead: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    state = rng.uniform(-0.1, 0.1, (*lead, len(spec.state)))
    actions = rng.uniform(-0.1, 0.1, (*lead, 6, len(spec.action.dims)))
    state_norm = Normalize(form="gauss", stats=Stats.of(rng.normal(size=(50, len(spec.state)))))
    codec = Codec(spec=spec, state=state_norm, steps=random_chain(spec, seed, names))
    encoded = codec.encode_actions(actions, state)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(codec.decode_actions(encoded, state), actions, atol=1e-4)
    assert Codec.from_json(json.loads(json.dumps(codec.to_json()))) == codec


@pytest.mark.parametrize("form", ["quantile", "gauss"])
def test_default_codec_round_trip_and_json(spec: EmbodimentSpec, form: str) -> None:
    actions, states = chunks(spec, 0)
    codec = build_codec(spec, actions, states, form=form)
    encoded = codec.encode_actions(actions, states)
    assert encoded.shape == actions.shape
    assert float(np.abs(encoded).max()) < 10
    np.testing.assert_allclose(codec.decode_actions(encoded, states), actions, atol=1e-5)
    again = Codec.from_json(json.loads(json.dumps(codec.to_json())))
    assert again == codec
    np.testing.assert_array_equal(again.encode_actions(actions, states), encoded)


def test_one_chunk_and_a_batch_give_the_same(spec: EmbodimentSpec) -> None:
    actions, states = chunks(spec, 1)
    codec = build_codec(spec, actions, states)
    batch = codec.encode_actions(actions, states)
    np.testing.assert_array_equal(codec.encode_actions(actions[7], states[7]), batch[7])


def test_cumulative_rotation_is_the_pose_change(cartesian: EmbodimentSpec) -> None:
    actions, states = chunks(cartesian, 2, n=1, horizon=5)
    total = CumulativeDelta(translation=(0, 1, 2), rotation=(3, 4, 5)).encode(actions, states)[0]
    pose = np.eye(3)
    for step in actions[0]:
        pose = rotvec_to_matrix(step[3:6]) @ pose
    np.testing.assert_allclose(rotvec_to_matrix(total[-1, 3:6]), pose, atol=1e-12)
    np.testing.assert_allclose(total[-1, :3], actions[0, :, :3].sum(axis=0), atol=1e-12)
    np.testing.assert_array_equal(total[:, 6], actions[0, :, 6])


def test_relative_takes_the_state_of_the_same_name(joints: EmbodimentSpec) -> None:
    turned = replace(joints, state=tuple(reversed(joints.state)))
    actions, states = chunks(turned, 3)
    step = build_codec(turned, actions, states).steps[0]
    offsets = step.encode(actions, states)
    np.testing.assert_allclose(offsets[:, :, 1], actions[:, :, 1] - states[:, None, 4])
    np.testing.assert_array_equal(offsets[:, :, 5], actions[:, :, 5])


def test_constant_and_rare_dimensions_stay_finite(cartesian: EmbodimentSpec) -> None:
    actions, states = chunks(cartesian, 4, n=400, horizon=2)
    actions[..., 1] = 0.0
    actions[..., 2] = 0.0
    actions[0, 0, 2] = 0.03
    codec = build_codec(cartesian, actions, states)
    encoded = codec.encode_actions(actions, states)
    assert np.isfinite(encoded).all()
    assert np.all(encoded[..., 1] == 0.0)
    assert encoded[..., 2].max() == pytest.approx(1.0)
    np.testing.assert_allclose(codec.decode_actions(encoded, states), actions, atol=1e-6)


def test_padding_does_not_shape_the_statistics(joints: EmbodimentSpec) -> None:
    actions, states = chunks(joints, 5)
    valid = np.ones(actions.shape[:2], dtype=bool)
    valid[:, -1] = False
    spoilt = actions.copy()
    spoilt[:, -1] = 1e6
    assert build_codec(joints, spoilt, states, valid=valid) == build_codec(joints, actions, states, valid=valid)


def observation(spec: EmbodimentSpec, **changes: Any) -> Observation:
    images = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in spec.cameras}
    values: dict[str, Any] = {
        "stamp_ns": 0,
        "images": images,
        "state": np.zeros(len(spec.state)),
        "instruction": "",
    } | changes
    return Observation(**values)


def test_observations_must_fit(spec: EmbodimentSpec) -> None:
    codec = build_codec(spec, *chunks(spec, 6))
    good = observation(spec)
    assert codec.encode_state(good).shape == (len(spec.state),)
    np.testing.assert_array_equal(codec.encode_state(good), codec.encode_states(good.state[None])[0])
    front = good.images["front"]
    for images in (
        {"front": front},
        {"front": front, "wrist": front, "third": front},
        {"front": front, "wrist": front[:4]},
        {"front": front, "wrist": front.astype(np.float32)},
    ):
        with pytest.raises(SpecMismatch, match="front"):
            codec.encode_state(observation(spec, images=images))
    with pytest.raises(SpecMismatch, match="state"):
        codec.encode_state(observation(spec, state=np.zeros(len(spec.state) + 1)))


def test_shapes_must_fit(joints: EmbodimentSpec) -> None:
    actions, states = chunks(joints, 7)
    codec = build_codec(joints, actions, states)
    for bad_actions, bad_states in (
        (actions[..., :5], states),
        (actions[0, 0], states[0]),
        (actions, states[0]),
        (actions[:, :0], states),
    ):
        with pytest.raises(SpecMismatch):
            codec.encode_actions(bad_actions, bad_states)
    with pytest.raises(SpecMismatch, match="not finite"):
        build_codec(joints, np.full_like(actions, np.nan), states)


def test_damaged_json_is_refused(joints: EmbodimentSpec) -> None:
    good = build_codec(joints, *chunks(joints, 8)).to_json()
    relative, normalize = good["steps"]
    changes: tuple[Any, ...] = (
        [],
        {"spec": good["spec"]},
        {**good, "extra": 1},
        {**good, "state": relative},
        {**good, "steps": [{**relative, "type": "magic"}]},
        {**good, "steps": [{**relative, "dims": [0, 0, 1, 2, 3]}]},
        {**good, "steps": [{**relative, "dims": [0, 1, 2, 3, 9]}]},
        {**good, "steps": [{**relative, "dims": [0.5]}]},
        {**good, "steps": [{**normalize, "form": "minmax"}]},
        {**good, "steps": [{**normalize, "stats": good["state"]["stats"] | {"count": 0}}]},
    )
    for change in changes:
        with pytest.raises(SpecMismatch):
            Codec.from_json(change)


def test_each_row_has_numbers_of_its_own() -> None:
    step, state = NormalizeRows(low=((0.0,), (-10.0,)), high=((1.0,), (10.0,))), np.zeros(1)
    np.testing.assert_allclose(step.encode(np.array([[0.5], [5.0]]), state), [[0.0], [0.5]])
    np.testing.assert_allclose(step.decode(np.array([[1.0], [1.0]]), state), [[1.0], [10.0]])
    # Rows before now are as the first.
    np.testing.assert_allclose(step.encode(np.array([[0.5], [0.5], [5.0]]), state, now=1), [[0.0], [0.0], [0.5]])
    with pytest.raises(SpecMismatch, match="a chunk of 3 rows; its statistics are of 2"):
        step.decode(np.zeros((3, 1)), state)
    for low, high in (((), ()), (((0.0,),), ((0.0,),)), (((0.0,),), ((1.0, 1.0),)), (((0.0,),), ((float("nan"),),))):
        with pytest.raises(SpecMismatch, match="normalize_rows"):
            NormalizeRows(low=low, high=high)


def test_rows_of_another_robot_are_refused(joints: EmbodimentSpec) -> None:
    good = build_codec(joints, *chunks(joints, 8)).to_json()
    for low, high in (([[0.0]], [[1.0]]), ([0.0] * 6, [1.0] * 6), ([["a"] * 6], [[1.0] * 6])):
        with pytest.raises(SpecMismatch):
            Codec.from_json({**good, "steps": [{"type": "normalize_rows", "low": low, "high": high}]})


def test_rows_before_now_say_where_the_hand_was() -> None:
    rng = np.random.default_rng(0)
    step = CumulativeDelta(translation=(0, 1, 2), rotation=(3, 4, 5))
    actions, state = rng.uniform(-0.2, 0.2, (5, 6, 6)), np.zeros((5, 1))
    told = step.encode(actions, state, now=3)
    np.testing.assert_allclose(told[:, 3:], step.encode(actions[:, 3:], state), atol=1e-9)
    np.testing.assert_allclose(told[:, 2], 0.0, atol=1e-9)  # after the last of them it is now
    # From where the hand was after the first, the next two steps lead to now.
    np.testing.assert_allclose(told[:, 0, :3], -actions[:, 1:3, :3].sum(1), atol=1e-9)
    turns = rotvec_to_matrix(actions[:, 2, 3:]) @ rotvec_to_matrix(actions[:, 1, 3:])
    np.testing.assert_allclose(rotvec_to_matrix(told[:, 0, 3:]), np.swapaxes(turns, -1, -2), atol=1e-9)
