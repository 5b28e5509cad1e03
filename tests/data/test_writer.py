"""What the writer refuses, and what it says then."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premotor.core.errors import DatasetError, SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.data import Dataset, DatasetWriter

Record = Callable[..., None]


@pytest.fixture
def frame(spec: EmbodimentSpec) -> dict[str, Any]:
    return {
        "images": {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in spec.cameras},
        "state": np.zeros(3),
        "action": np.zeros(2),
        "task": "look",
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state": np.zeros(4)}, r"shape \(4,\), wanted \(3,\)"),
        ({"state": np.array([0, np.nan, 0])}, "only finite"),
        ({"action": np.array([np.inf, 0])}, "only finite"),
        ({"action": np.array([1e300, 0])}, "only finite"),
        ({"action": np.array(["a", "b"])}, "wanted float32"),
        ({"task": "  "}, "instruction"),
        ({"images": {}}, r"wanted|this dataset has \['front', 'wrist'\]"),
        ({"more": 1.0}, "this dataset has"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_bad_frame_is_refused_and_adds_nothing(
    tmp_path: Path, spec: EmbodimentSpec, frame: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    with DatasetWriter(tmp_path / "set", spec) as writer:
        writer.add_frame(**frame)
        with pytest.raises(SpecMismatch, match=says):
            writer.add_frame(**{**frame, **change})
        assert writer.pending == 1
        writer.save_episode()
    assert Dataset(tmp_path / "set").episode(0).images["front"].shape == (1, 32, 48, 3)


@pytest.mark.parametrize("image", [np.zeros((48, 32, 3), np.uint8), np.zeros((32, 48, 3), np.float32)])
def test_a_bad_picture_is_refused(
    tmp_path: Path, spec: EmbodimentSpec, frame: dict[str, Any], image: np.ndarray
) -> None:
    frame["images"] = {**frame["images"], "front": image}
    with DatasetWriter(tmp_path / "set", spec) as writer, pytest.raises(SpecMismatch, match="'front'"):
        writer.add_frame(**frame)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"action": ("float32", (2,))}, "taken"),
        ({"index": ("int64", ())}, "taken"),
        ({"a/b": ("float32", ())}, "'/'"),
        ({"map": ("float32", (2, 2))}, "flat shape"),
        ({"text": ("string", ())}, "one of"),
    ],
)
def test_extras_that_cannot_be_stored_are_refused(
    tmp_path: Path, spec: EmbodimentSpec, extra: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecMismatch, match=says):
        DatasetWriter(tmp_path / "set", spec, extra_features=extra)
    assert not (tmp_path / "set").exists()


def test_fractions_of_frames_are_refused(tmp_path: Path, spec: EmbodimentSpec) -> None:
    with pytest.raises(SpecMismatch, match=r"12\.5"):
        DatasetWriter(tmp_path / "set", dataclasses.replace(spec, rate_hz=12.5))


def test_a_folder_in_use_is_not_overwritten(recorded: Path, spec: EmbodimentSpec, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="resume=True"):
        DatasetWriter(recorded, spec)
    with DatasetWriter(recorded, spec, resume=True), pytest.raises(DatasetError, match="another process"):
        DatasetWriter(recorded, spec, resume=True)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(DatasetError, match="no dataset"):
        DatasetWriter(tmp_path, spec, resume=True)
    assert (tmp_path / "letter.txt").read_text() == "mine"
    assert len(Dataset(recorded).episodes) == 3


def test_another_robot_cannot_append(recorded: Path, spec: EmbodimentSpec) -> None:
    with pytest.raises(SpecMismatch, match="other"):
        DatasetWriter(recorded, dataclasses.replace(spec, name="other"), resume=True)
    with pytest.raises(SpecMismatch, match="fps"):
        DatasetWriter(recorded, spec, 10, resume=True)
    with pytest.raises(SpecMismatch, match="features"):
        DatasetWriter(recorded, spec, extra_features={"more": ("bool", ())}, resume=True)
    (recorded / "meta/embodiment.json").unlink()
    with pytest.raises(DatasetError, match="not recorded by premotor"):
        DatasetWriter(recorded, spec, resume=True)


def test_frames_are_not_forgotten_silently(tmp_path: Path, spec: EmbodimentSpec, frame: dict[str, Any]) -> None:
    writer = DatasetWriter(tmp_path / "set", spec)
    with pytest.raises(DatasetError, match="no frames"):
        writer.save_episode()
    writer.add_frame(**frame)
    with pytest.raises(DatasetError, match="1 frames are not saved"):
        writer.finalize()
    writer.discard_episode()
    writer.add_frame(**{**frame, "task": "other"})
    writer.save_episode()
    writer.finalize()
    writer.finalize()
    with pytest.raises(DatasetError, match="closed"):
        writer.add_frame(**frame)
    dataset = Dataset(tmp_path / "set")
    assert dataset.tasks == ("other",)
    assert len(dataset) == 1
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["data", "meta", "videos"]


def test_a_recording_without_episodes_is_a_dataset(tmp_path: Path, spec: EmbodimentSpec) -> None:
    with DatasetWriter(tmp_path / "set", spec):
        pass
    dataset = Dataset(tmp_path / "set")
    assert len(dataset) == 0
    assert dataset.episodes == ()
    with pytest.raises(DatasetError, match="no frame 0"):
        dataset.frame(0)


def test_what_was_written_is_never_touched_again(recorded: Path, spec: EmbodimentSpec, record: Record) -> None:
    def contents() -> dict[Path, tuple[int, bytes]]:
        files = [*recorded.glob("data/*/*"), *recorded.glob("videos/*/*/*")]
        return {path: (path.stat().st_ino, path.read_bytes()) for path in files}

    before = contents()
    with DatasetWriter(recorded, spec, resume=True) as writer:
        record(writer, episodes=2)
    after = contents()
    assert len(before) == 9
    assert len(after) == 15
    assert {path: after[path] for path in before} == before
