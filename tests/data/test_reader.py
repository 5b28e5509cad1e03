"""Datasets that LeRobot recorded read as LeRobot reads them; damaged ones say what is damaged."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from premotor.core.errors import DatasetError
from premotor.data import Dataset

FIXTURES = Path(__file__).with_name("fixtures")


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    with np.load(FIXTURES / "expected.npz") as arrays:
        return dict(arrays)


def test_lerobot_video_dataset_equals_what_lerobot_reads(expected: dict[str, Any]) -> None:
    dataset = Dataset(FIXTURES / "lerobot_video")
    assert (len(dataset), dataset.fps, dataset.robot, dataset.spec) == (150, 10.0, "toy_arm", None)
    assert set(dataset.cameras) == {"front", "wrist"}
    for index in range(3):
        rows = expected["episode"] == index
        episode = dataset.episode(index)
        np.testing.assert_array_equal(episode.state, expected["state"][rows])
        np.testing.assert_array_equal(episode.action, expected["action"][rows])
        assert list(episode.tasks) == expected["task"][rows].tolist()
        np.testing.assert_allclose(episode.timestamps, np.arange(50) / 10, atol=1e-6)
        assert episode.extras == {}
    # Other FFmpeg builds may round a colour conversion the other way, by one level.
    for at, camera in ((49, "wrist"), (77, "front")):
        wanted = expected[f"{camera}_{at}"].astype(int)
        assert np.abs(dataset.frame(at).images[camera] - wanted).max() <= 1
        assert np.abs(dataset.episode(at // 50).images[camera][at % 50] - wanted).max() <= 1


def test_lerobot_image_dataset_equals_what_was_recorded(expected: dict[str, Any]) -> None:
    dataset = Dataset(FIXTURES / "lerobot_image")
    episode = dataset.episode(0)
    for camera in ("front", "wrist"):
        assert hashlib.sha256(episode.images[camera].tobytes()).hexdigest() == str(expected[f"{camera}_sha256"])
        np.testing.assert_array_equal(dataset.frame(5).images[camera], episode.images[camera][5])
    np.testing.assert_array_equal(episode.state, expected["state"][:16])
    assert episode.task == "pick up the red cube"


def test_cameras_can_be_left_out(recorded: Path) -> None:
    dataset = Dataset(recorded)
    assert dict(dataset.episode(0, cameras=()).images) == {}
    assert set(dataset.episode(0, cameras=("wrist",)).images) == {"wrist"}
    with pytest.raises(DatasetError, match=r"no camera \['top'\]; cameras are \['front', 'wrist'\]"):
        dataset.episode(0, cameras=("top",))


def test_places_outside_are_refused(recorded: Path) -> None:
    dataset = Dataset(recorded)
    for index in (-1, 3):
        with pytest.raises(DatasetError, match=r"episodes are 0 \.\. 2"):
            dataset.episode(index)
    for index in (-1, 69):
        with pytest.raises(DatasetError, match=r"frames are 0 \.\. 68"):
            dataset.frame(index)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.9])
def test_a_truncated_video_is_named(recorded: Path, keep: float) -> None:
    path = recorded / "videos/observation.images.wrist/chunk-000/file-001.mp4"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(DatasetError, match=r"file-001\.mp4.*(restore|record)") as caught:
        Dataset(recorded).episode(1)
    assert "episode 1" in str(caught.value)


def test_a_video_that_is_too_short_is_named(recorded: Path) -> None:
    videos = recorded / "videos/observation.images.wrist/chunk-000"
    (videos / "file-002.mp4").write_bytes((videos / "file-001.mp4").read_bytes())
    dataset = Dataset(recorded)
    with pytest.raises(DatasetError, match=r"episode 2, camera 'wrist'.*file-002\.mp4 gives 12 of 45 frames"):
        dataset.episode(2)
    with pytest.raises(DatasetError, match="gives 0 of 1 frames"):
        dataset.frame(len(dataset) - 1)


@pytest.mark.parametrize(
    "name",
    [
        "data/chunk-000/file-001.parquet",
        "videos/observation.images.front/chunk-000/file-001.mp4",
        "meta/info.json",
        "meta/tasks.parquet",
    ],
)
def test_a_missing_file_is_named(recorded: Path, name: str) -> None:
    (recorded / name).unlink()
    with pytest.raises(DatasetError, match="is missing") as caught:
        Dataset(recorded)
    assert str(recorded / name) in str(caught.value)
    assert "meta/" in name or "episode 1" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["data/chunk-000/file-001.parquet", "meta/episodes/chunk-000/file-000.parquet", "meta/tasks.parquet"]
)
def test_a_damaged_table_is_named(recorded: Path, name: str) -> None:
    path = recorded / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match="damaged") as caught:
        Dataset(recorded).episode(1)
    assert str(path) in str(caught.value)


def change_info(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    info = json.loads((root / "meta/info.json").read_text())
    change(info)
    (root / "meta/info.json").write_text(json.dumps(info))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda info: info.update(codebase_version="v2.1"), "convert"),
        (lambda info: info.update(total_episodes=4), "3 of the 4 episodes"),
        (lambda info: info.update(total_frames=70), "69 frames"),
        (lambda info: info.pop("fps"), "'fps'"),
        (lambda info: info["features"].pop("action"), "no 'action'"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(recorded: Path, change: Any, says: str) -> None:
    change_info(recorded, change)
    with pytest.raises(DatasetError, match=says):
        Dataset(recorded)


def test_half_a_description_is_refused(recorded: Path) -> None:
    text = (recorded / "meta/info.json").read_text()
    (recorded / "meta/info.json").write_text(text[: len(text) // 2])
    with pytest.raises(DatasetError, match=r"info\.json cannot be read"):
        Dataset(recorded)


def test_rows_that_are_gone_are_noticed(recorded: Path) -> None:
    path = recorded / "data/chunk-000/file-002.parquet"
    pq.write_table(pq.read_table(path).slice(0, 40), path)
    with pytest.raises(DatasetError, match=r"file-002\.parquet gives 40 frames of episode 2"):
        Dataset(recorded).episode(2)


def test_tasks_without_the_name_of_their_index_are_read(recorded: Path) -> None:
    path = recorded / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path).rename_columns(["task_index", "__index_level_0__"]), path)
    assert Dataset(recorded).tasks == ("task 0", "task 1", "task 2")
