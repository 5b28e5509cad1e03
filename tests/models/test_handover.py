"""While a plan is made the robot goes on with the last one, and the new plan goes on from there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from premotor.core.codec import Codec, build_codec
from premotor.core.errors import SpecMismatch
from premotor.core.types import FloatArray, Leftover, Observation
from premotor.models import bundle
from premotor.models.bundle import Bundle
from premotor.models.handover import handover
from premotor.models.policy import BundlePolicy
from premotor.models.systems import config_for
from premotor.robots.embodiment import EMBODIMENTS

ROWS = 6


def made(folder: Path, name: str, arm: str, **changes: Any) -> tuple[Bundle, Codec]:
    spec, rng = EMBODIMENTS[arm].spec, np.random.default_rng(0)
    config = config_for(name, [spec], "toy", text_width=384, **changes)
    chunks, states = rng.normal(0, 0.1, (50, ROWS, len(spec.action.dims))), rng.normal(0, 1, (50, len(spec.state)))
    codec = build_codec(spec, chunks, states)
    torch.manual_seed(0)
    bundle.save(folder / name, config.build(), config, {arm: codec}, bundle.DEFAULT, {})
    return bundle.load(folder / name), codec


# One is told deltas, which add up, the other where to be, relative to where it is.
@pytest.fixture(scope="module", params=[("pi0", "panda"), ("smolvla", "so101")], ids=["pi0", "smolvla"])
def robot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Codec]:
    return made(tmp_path_factory.mktemp("b"), *request.param, vocabulary=0)


def seen(codec: Codec, seed: int, left: Leftover | None = None) -> Observation:
    rng, spec = np.random.default_rng(seed), codec.spec
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in spec.cameras}
    state = rng.normal(0, 1, len(spec.state))
    return Observation(stamp_ns=seed, images=images, state=state, instruction="push it", left=left)


def gap(codec: Codec, state: FloatArray, *actions: FloatArray) -> FloatArray:
    """How far apart two chunks from this state on are, row by row, as the network sees it."""
    one, other = (codec.encode_actions(each, state) for each in actions)
    return np.asarray(np.linalg.norm(one - other, axis=-1), np.float64)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 3), st.integers(1, 2), st.booleans(), st.integers(0, 99))
def test_what_is_carried_out_stays_and_the_seam_jumps_less(
    robot: tuple[Bundle, Codec], gone: int, delay: int, exact: bool, seed: int
) -> None:
    loaded, codec = robot
    policy = BundlePolicy(loaded, codec.spec.name, exact=exact)
    rest = policy.act(seen(codec, seed)).actions[gone:]
    now = seen(codec, seed + 1)
    free = policy.act(now).actions
    kept = policy.act(replace(now, left=Leftover(actions=rest, delay=delay))).actions
    assert kept.shape == free.shape
    np.testing.assert_allclose(kept[:delay], rest[:delay], atol=1e-6)
    count = len(rest)
    jump, without = (gap(codec, now.state, chunk[:count], rest)[delay] for chunk in (kept, free))
    assert jump < 0.5 * without


def test_each_world_has_its_own_rest(robot: tuple[Bundle, Codec]) -> None:
    loaded, codec = robot
    policy = BundlePolicy(loaded, codec.spec.name)
    last = [chunk.actions for chunk in policy.act_batch([seen(codec, k) for k in range(3)])]
    now = [seen(codec, 9) for _ in range(3)]
    free = policy.act_batch(now)
    begun = [
        replace(o, left=Leftover(actions=a[k:], delay=k)) for k, o, a in zip((1, 2), now[1:], last[1:], strict=True)
    ]
    kept = policy.act_batch([now[0], *begun])
    np.testing.assert_array_equal(kept[0].actions, free[0].actions)
    for k in (1, 2):
        np.testing.assert_allclose(kept[k].actions[:k], last[k][k : 2 * k], atol=1e-6)
        assert np.abs(kept[k].actions - free[k].actions).max() > 1e-3


def test_what_is_left_is_told_relative_to_where_the_robot_is_now(robot: tuple[Bundle, Codec]) -> None:
    _, codec = robot
    rest = np.random.default_rng(3).normal(0, 0.1, (9, len(codec.spec.action.dims)))
    here, there = seen(codec, 1, Leftover(actions=rest, delay=2)), seen(codec, 2)
    after = handover([here, there], codec, ROWS, exact=False)
    assert after is not None
    # Longer than a chunk, it is cut; who has nothing left is free.
    np.testing.assert_array_equal(after.left[0].numpy(), codec.encode_actions(rest[:ROWS], here.state))
    assert after.weights(ROWS)[1].tolist() == [0.0] * ROWS
    assert after.certain(ROWS).sum(1).tolist() == [2, 0]
    assert handover([there], codec, ROWS, exact=False) is None


def test_others_begin_anew(tmp_path: Path) -> None:
    loaded, codec = made(tmp_path, "openvla_oft", "so101")
    policy = BundlePolicy(loaded, "so101")
    now = seen(codec, 1)
    free = policy.act(now).actions
    left = Leftover(actions=np.full_like(free, 9.0), delay=1)
    np.testing.assert_array_equal(policy.act(replace(now, left=left)).actions, free)


def test_a_flow_that_was_taught_with_rows_given_is_given_them(tmp_path: Path) -> None:
    loaded, codec = made(tmp_path, "pi0", "so101", vocabulary=0, given_rows=2)
    policy = BundlePolicy(loaded, "so101")
    rest, now = policy.act(seen(codec, 0)).actions[1:], seen(codec, 1)
    kept = policy.act(replace(now, left=Leftover(actions=rest, delay=2))).actions
    np.testing.assert_allclose(kept[:2], rest[:2], atol=1e-6)
    # What is not certain does not count, and the rest follows from what is.
    other = np.concatenate([rest[:2], rest[2:] + 1.0])
    np.testing.assert_allclose(policy.act(replace(now, left=Leftover(actions=other, delay=2))).actions, kept, atol=1e-6)
    other = np.concatenate([rest[:2] + 0.1, rest[2:]])
    moved = policy.act(replace(now, left=Leftover(actions=other, delay=2))).actions
    assert np.abs(moved - kept)[2:].max() > 1e-4
    with pytest.raises(SpecMismatch, match=r"up to 2 rows.*plan faster"):
        policy.act(replace(now, left=Leftover(actions=rest, delay=3)))
