"""Demonstrations come back as written, with labels only where the expert drove without a break."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from premotor.core.codec import Codec, build_codec
from premotor.core.errors import DatasetError
from premotor.robots.embodiment import EMBODIMENTS
from premotor.training.store import CROWD, LABELS, Demonstration, Store, write_shard

CAMERAS = ("front", "wrist")
DIMS = {arm: (len(e.spec.state), len(e.spec.action.dims)) for arm, e in EMBODIMENTS.items()}


def demonstration(arm: str, steps: int, seed: int, expert: np.ndarray | None = None, side: int = 16) -> Demonstration:
    rng = np.random.default_rng(seed)
    at = np.arange(0, steps, 2)
    n, (s, a) = len(at), DIMS[arm]
    return Demonstration(
        embodiment=arm, instructions=("push it", f"number {seed}"), family="push_to", success=True,
        images={c: rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8) for c in CAMERAS},
        at=at, state=rng.normal(0, 1, (steps, s)), action=rng.normal(0, 0.01, (steps, a)),
        expert=np.ones(steps, bool) if expert is None else expert,
        points=rng.random((n, 2, 2, 2)), seen=rng.random((n, 2, 2)) < 0.5,
        places=rng.random((n, 2, 3)), named=rng.random((n, 2)) < 0.5, asked=rng.integers(-1, 2, (n, 2, 3)),
        crowd=rng.integers(-1, 2, (n, CROWD, 3)), crowd_points=rng.random((n, 2, CROWD, 2)),
        crowd_seen=rng.random((n, 2, CROWD)) < 0.5, crowd_places=rng.random((n, CROWD, 3)),
        focus=rng.random((steps, 2, 3)),
    )  # fmt: skip


def test_pixels_and_numbers_come_back(tmp_path: Path) -> None:
    demos = [demonstration("panda", 21, 0), demonstration("so101", 14, 1)]
    write_shard(tmp_path, "a", demos[:1])
    write_shard(tmp_path, "b", demos[1:])
    store = Store([tmp_path], CAMERAS, ("panda", "so101"))
    codecs = {arm: build_codec(EMBODIMENTS[arm].spec, *store.chunks(arm, 4)[:2]) for arm in EMBODIMENTS}
    table = store.table(codecs, range(4))
    assert len(table.row) == 11 + 7
    pixels = store.frames(table.shard, table.row)
    for camera in CAMERAS:
        assert np.array_equal(pixels[camera], np.concatenate([d.images[camera] for d in demos]))
    for name in LABELS:
        assert np.allclose(getattr(table, name)[:11], getattr(demos[0], name)[: len(demos[0].at)])
    for row in range(11):
        raw = codecs["panda"].decode_actions(table.actions[row].astype(float), demos[0].state[demos[0].at[row]])
        valid = table.weight[row, :, 0]
        assert np.allclose(raw[valid], demos[0].action[demos[0].at[row] :][:4][valid[: 21 - 2 * row]], atol=1e-6)
    assert not table.weight[11:, :, DIMS["so101"][1] :].any()
    assert np.allclose(table.before[:11], demos[0].focus[[0, 0, 0, 0, 0, 2, 4, 6, 8, 10, 12]])
    assert store.texts == [("push it", "number 0"), ("push it", "number 1")]


def test_labels_stop_where_the_expert_lets_go(tmp_path: Path) -> None:
    expert = np.array([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], bool)
    write_shard(tmp_path, "a", [demonstration("panda", 10, 0, expert)])
    _, _, valid = Store([tmp_path], CAMERAS, ("panda",)).chunks("panda", 4)
    assert valid.tolist() == [
        [True, True, True, False],  # step 0: the expert lets go at 3
        [True, False, False, False],  # step 2
        [False, False, False, False],  # step 4: not the expert
        [True, True, True, True],  # step 6
        [True, True, False, False],  # step 8: the episode ends
    ]


def test_a_shard_is_whole_or_absent(tmp_path: Path) -> None:
    write_shard(tmp_path, "a", [demonstration("panda", 6, 0)])
    (tmp_path / ".b.123").mkdir()  # what a killed writer leaves
    assert len(Store([tmp_path], CAMERAS, ("panda",)).demonstrations) == 1
    (tmp_path / "a" / "steps.npz").write_bytes(b"cut short")
    with pytest.raises(DatasetError, match=r"damaged.*collect again"):
        Store([tmp_path], CAMERAS, ("panda",))


def test_pictures_come_back_as_they_were_and_a_file_cut_short_later_is_named(tmp_path: Path) -> None:
    made = [demonstration("panda", 6, seed) for seed in range(2)]
    write_shard(tmp_path, "a", made)
    store, rows = Store([tmp_path], CAMERAS, ("panda",)), np.array([4, 0, 2])
    for camera, pictures in store.frames(np.zeros(3, np.int64), rows).items():
        np.testing.assert_array_equal(pictures, np.concatenate([d.images[camera] for d in made])[rows])
    cut = tmp_path / "a" / f"{CAMERAS[0]}.npy"
    with cut.open("r+b") as file:
        file.truncate(cut.stat().st_size - 1)
    last = sum(len(d.at) for d in made) - 1
    with pytest.raises(DatasetError, match=r"ends in the middle.*collect again"):
        store.frames(np.zeros(1, np.int64), np.array([last]))


def test_nothing_collected_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no demonstrations"):
        Store([tmp_path], CAMERAS, ("panda",))


def fitted(store: Store, arm: str) -> Codec:
    actions, states, valid = store.chunks(arm, 4)
    return build_codec(EMBODIMENTS[arm].spec, actions, states, valid=valid)


def test_a_shard_in_which_nothing_was_learned_is_remembered_and_passed_over(tmp_path: Path) -> None:
    write_shard(tmp_path, "a", [])
    assert (tmp_path / "a").is_dir()
    with pytest.raises(DatasetError, match="no demonstrations of so101; families: all"):
        Store([tmp_path], CAMERAS, ("so101",))


def test_a_window_holds_the_newest_frames_that_are_old_enough(tmp_path: Path) -> None:
    demo = demonstration("so101", 30, 0)
    gap = [0, 2, 4, 6, 8, 18, 20, 22]  # in between, the learner drove
    kept = {name: getattr(demo, name)[: len(gap)] for name in LABELS}
    images = {c: frames[: len(gap)] for c, frames in demo.images.items()}
    write_shard(tmp_path, "a", [replace(demo, at=np.array(gap), images=images, **kept)])
    store = Store([tmp_path], CAMERAS, ("so101",))
    codec = fitted(store, "so101")
    table = store.table({"so101": codec}, range(4), (0.4, 0.2, 0.0))  # 8 and 4 steps ago, at 20 Hz
    assert table.earlier.tolist() == [[False, False]] * 2 + [[False, True]] * 2 + [[True, True]] * 4
    assert table.earlier_row[4:].tolist() == [[0, 2], [4, 4], [4, 4], [4, 5]]
    for row in range(2):  # what there was not, this frame stands in for
        assert table.earlier_row[row].tolist() == [row, row]
    assert np.array_equal(table.earlier_state[7, 1], codec.encode_states(demo.state[18]))


def test_no_window_reaches_into_another_episode(tmp_path: Path) -> None:
    write_shard(tmp_path, "a", [demonstration("so101", 12, seed) for seed in range(2)])
    store = Store([tmp_path], CAMERAS, ("so101",))
    table = store.table({"so101": fitted(store, "so101")}, range(4), (0.4, 0.0))
    assert table.earlier[:, 0].tolist() == [False] * 4 + [True] * 2 + [False] * 4 + [True] * 2
    assert table.earlier_row[[4, 5, 10, 11], 0].tolist() == [0, 1, 6, 7]


def test_rows_before_now_are_what_was_done_before(tmp_path: Path) -> None:
    expert = np.array([1, 1, 0, 1, 1, 1, 1, 1], bool)
    demo = demonstration("so101", 8, 0, expert)
    write_shard(tmp_path, "a", [demo])
    store = Store([tmp_path], CAMERAS, ("so101",))
    codec = fitted(store, "so101")
    table = store.table({"so101": codec}, range(-2, 3), grounded=False)
    # Frames at 0, 2, 4, 6; at 2 the expert did not drive, so there is nothing to learn.
    assert table.weight[:, :, 0].tolist() == [
        [False, False, True, True, False],
        [False, True, True, True, True],
        [True, True, True, True, False],
    ]
    for row, step in enumerate((0, 4, 6)):
        alone = codec.encode_actions(demo.action[step : step + 1], demo.state[step])
        assert np.allclose(table.actions[row, 2], alone[0], atol=1e-6)
    assert np.allclose(codec.decode_actions(table.actions[1].astype(float), demo.state[4]), demo.action[2:7], atol=1e-6)


def test_only_the_families_asked_for_are_opened(tmp_path: Path) -> None:
    demos = [replace(demonstration("so101", 6, 0), family="pick_up"), demonstration("so101", 6, 1)]
    write_shard(tmp_path, "a", demos)
    (opened,) = Store([tmp_path], CAMERAS, ("so101",), ("push_to",)).demonstrations
    assert np.array_equal(opened.images["front"], demos[1].images["front"])
