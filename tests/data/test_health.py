"""Each kind of damage is found, and only that."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from premotor.core.spec import EmbodimentSpec
from premotor.data import DatasetWriter, check


def change_column(path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    table = pq.read_table(path)
    column = table[name].combine_chunks()
    flat = column if pa.types.is_primitive(column.type) else column.flatten()
    changed = pa.array(change(flat.to_numpy(zero_copy_only=False).copy()))
    if not pa.types.is_primitive(column.type):
        changed = pa.FixedSizeListArray.from_arrays(changed, type=column.type)
    pq.write_table(table.set_column(table.column_names.index(name), name, changed), path)


def problems(root: Path) -> list[tuple[str, int | None]]:
    return [(finding.problem, finding.episode) for finding in check(root)]


def test_a_sound_dataset_has_no_findings(recorded: Path) -> None:
    assert check(recorded) == []
    assert check(Path(__file__).with_name("fixtures") / "lerobot_video") == []


def test_no_dataset_is_one_finding(tmp_path: Path) -> None:
    assert problems(tmp_path) == [("unreadable", None)]


def test_all_damage_is_listed_at_once(recorded: Path) -> None:
    video = recorded / "videos/observation.images.front/chunk-000/file-000.mp4"
    video.write_bytes(video.read_bytes()[:-200])
    (recorded / "videos/observation.images.wrist/chunk-000/file-001.mp4").unlink()
    (recorded / "data/chunk-000/file-002.parquet").unlink()
    assert sorted(problems(recorded)) == [("damaged", 0), ("missing", 1), ("missing", 2)]


@pytest.mark.parametrize(
    ("column", "change", "problem"),
    [
        ("action", lambda v: np.where(np.arange(len(v)) == 7, np.nan, v).astype(np.float32), "not_finite"),
        ("action", lambda v: np.full_like(v, 0.3), "constant_action"),
        ("timestamp", lambda v: np.where(np.arange(len(v)) == 7, 0, v).astype(np.float32), "time"),
        ("timestamp", lambda v: np.where(np.arange(len(v)) == 7, np.nan, v).astype(np.float32), "time"),
    ],
)
def test_bad_numbers_are_found(
    recorded: Path, column: str, change: Callable[[np.ndarray], np.ndarray], problem: str
) -> None:
    change_column(recorded / "data/chunk-000/file-002.parquet", column, change)
    assert problems(recorded) == [(problem, 2)]


@pytest.mark.parametrize(("stuck_from", "robot_moves", "found"), [(20, True, True), (0, True, True), (0, False, False)])
def test_a_frozen_camera_is_one_that_stands_still_while_the_robot_moves(
    tmp_path: Path, spec: EmbodimentSpec, stuck_from: int, robot_moves: bool, found: bool
) -> None:
    rng = np.random.default_rng(0)
    pictures = {
        c.name: rng.integers(0, 256, (70, c.height // 8, c.width // 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
        for c in spec.cameras
    }
    pictures["wrist"][stuck_from:] = pictures["wrist"][stuck_from]
    with DatasetWriter(tmp_path / "set", spec) as writer:
        for step in range(70):
            state = np.full(3, step / 50 if robot_moves else 0.5)
            images = {name: frames[step] for name, frames in pictures.items()}
            writer.add_frame(images, state, np.full(2, step), "go")
        writer.save_episode()
    findings = check(tmp_path / "set")
    assert [finding.problem for finding in findings] == ["frozen_camera"] * found
    assert all("'wrist'" in finding.message and str(stuck_from) in finding.message for finding in findings)
