"""What is written is what is read: numbers to the bit, pictures nearly, descriptions and statistics in full."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premotor.core.spec import CameraSpec, EmbodimentSpec
from premotor.data import Dataset, DatasetWriter, check

TASKS = st.text(min_size=1, max_size=30).filter(lambda text: text.strip() and text.isprintable())
EXTRAS = {"driven.by_expert": ("bool", ()), "point.front": ("float32", (2,)), "count": ("int64", (1,))}


def psnr(wanted: np.ndarray, got: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((wanted.astype(float) - got) ** 2), 1e-6)))


def scene(rng: np.random.Generator, height: int, width: int, step: int) -> np.ndarray:
    """A table with a few small objects in strong colours, the hard case for chroma subsampling."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.linspace(120, 160, width).astype(np.uint8)[None, :, None]
    for k, colour in enumerate([(210, 20, 20), (20, 40, 210), (30, 170, 40), (230, 210, 20)]):
        row, column = 3 + 7 * k % (height - 8), (5 + 9 * k + step) % (width - 6)
        image[row : row + 5, column : column + 5] = colour
    noisy: np.ndarray = np.clip(image + rng.integers(-1, 2, image.shape), 0, 255).astype(np.uint8)
    return noisy


@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 23), min_size=1, max_size=4),
    tasks=st.lists(TASKS, min_size=1, max_size=3),
    sessions=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_everything_comes_back(
    spec: EmbodimentSpec, lengths: list[int], tasks: list[str], sessions: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    written: list[tuple[dict[str, Any], dict[str, list[np.ndarray]]]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        for part in np.array_split(lengths, sessions):
            with DatasetWriter(root, spec, extra_features=EXTRAS, resume=True) as writer:
                for length in part:
                    episode: dict[str, Any] = {
                        "state": rng.normal(size=(length, 3)).astype(np.float32),
                        "action": rng.normal(size=(length, 2)).astype(np.float32),
                        "driven.by_expert": rng.random((length, 1)) < 0.5,
                        "point.front": rng.random((length, 2), np.float32),
                        "count": rng.integers(-(2**40), 2**40, (length, 1)),
                        "task": [tasks[k] for k in rng.integers(len(tasks), size=length)],
                    }
                    frames = {c.name: [scene(rng, c.height, c.width, k) for k in range(length)] for c in spec.cameras}
                    for k in range(length):
                        extra = {name: episode[name][k] for name in EXTRAS}
                        images = {name: stack[k] for name, stack in frames.items()}
                        writer.add_frame(images, episode["state"][k], episode["action"][k], episode["task"][k], **extra)
                    assert writer.save_episode() == len(written)
                    written.append((episode, frames))

        dataset = Dataset(root)
        assert dataset.spec == spec
        assert len(dataset) == sum(lengths)
        assert [row.length for row in dataset.episodes] == lengths
        assert set(dataset.tasks) == {task for episode, _ in written for task in episode["task"]}
        for index, (episode, frames) in enumerate(written):
            got = dataset.episode(index)
            np.testing.assert_array_equal(got.state, episode["state"])
            np.testing.assert_array_equal(got.action, episode["action"])
            assert list(got.tasks) == episode["task"]
            assert set(got.extras) == set(EXTRAS)
            for name in EXTRAS:
                np.testing.assert_array_equal(got.extras[name], episode[name])
                assert got.extras[name].dtype == EXTRAS[name][0]
            np.testing.assert_allclose(got.timestamps, np.arange(len(got)) / 20, atol=1e-6)
            for camera, stack in frames.items():
                assert psnr(np.stack(stack), got.images[camera]) > 36
        at = int(rng.integers(len(dataset)))
        frame = dataset.frame(at)
        whole = dataset.episode(frame.episode)
        assert at == dataset.episodes[frame.episode].start + frame.step
        np.testing.assert_array_equal(frame.state, whole.state[frame.step])
        assert frame.task == whole.tasks[frame.step]
        for camera in dataset.cameras:
            np.testing.assert_array_equal(frame.images[camera], whole.images[camera][frame.step])

        actions = np.concatenate([episode["action"] for episode, _ in written]).astype(np.float64)
        statistics = dataset.statistics["action"]
        for name, wanted in (("min", actions.min(0)), ("max", actions.max(0)), ("mean", actions.mean(0))):
            np.testing.assert_allclose(statistics[name], wanted, atol=1e-9)
        np.testing.assert_allclose(statistics["std"], actions.std(0), atol=1e-9)
        assert statistics["count"].tolist() == [sum(lengths)]
        assert [finding.problem for finding in check(root) if finding.problem != "frozen_camera"] == []


def test_statistics_of_pictures_are_those_of_the_pixels(tmp_path: Path, spec: EmbodimentSpec) -> None:
    rng = np.random.default_rng(0)
    frames = {c.name: rng.integers(0, 256, (9, c.height, c.width, 3), dtype=np.uint8) for c in spec.cameras}
    frames["front"][..., 2] = 77
    with DatasetWriter(tmp_path / "set", spec) as writer:
        for step in range(9):
            writer.add_frame({name: stack[step] for name, stack in frames.items()}, np.zeros(3), np.zeros(2), "a")
        writer.save_episode()
    statistics = Dataset(tmp_path / "set").statistics
    for camera, stack in frames.items():
        pixels = stack.reshape(-1, 3) / 255
        got = statistics[f"observation.images.{camera}"]
        for name, wanted in (("min", pixels.min(0)), ("max", pixels.max(0)), ("mean", pixels.mean(0))):
            np.testing.assert_allclose(got[name], wanted.reshape(3, 1, 1), atol=1e-9)
        np.testing.assert_allclose(got["std"], pixels.std(0).reshape(3, 1, 1), atol=1e-9)
        for name, rank in (("q01", 0.01), ("q10", 0.1), ("q50", 0.5), ("q90", 0.9), ("q99", 0.99)):
            np.testing.assert_allclose(got[name].ravel(), np.quantile(pixels, rank, axis=0), atol=1.01 / 255)
        assert got["count"].tolist() == [9]


def test_statistics_of_two_parts_are_those_of_the_whole() -> None:
    from premotor.data.statistics import merge, of_column

    values = np.random.default_rng(1).normal(3, 5, (100, 2))
    whole, parts = of_column(values), merge(of_column(values[:23]), of_column(values[23:]))
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(parts[name], whole[name])


def test_rows_fill_more_than_one_file(tmp_path: Path, spec: EmbodimentSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("premotor.data.writer._ROWS_PER_FILE", 2)
    monkeypatch.setattr("premotor.data.format.FILES_PER_CHUNK", 3)
    images = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in spec.cameras}
    for session in range(3):
        with DatasetWriter(tmp_path / "set", spec, resume=True) as writer:
            for _ in range(3):
                writer.add_frame(images, np.full(3, writer.episodes), np.zeros(2), f"part {session}")
                writer.save_episode()
    dataset = Dataset(tmp_path / "set")
    assert [dataset.episode(index).state[0, 0] for index in range(9)] == list(range(9))
    assert dataset.tasks == ("part 0", "part 1", "part 2")
    assert len(list((tmp_path / "set/meta/episodes/chunk-000").iterdir())) == 5
    assert len(list((tmp_path / "set/data").iterdir())) == 3


def test_odd_sizes_are_kept(tmp_path: Path, spec: EmbodimentSpec) -> None:
    import dataclasses

    odd = dataclasses.replace(spec, cameras=(CameraSpec(name="front", height=31, width=45),))
    image = scene(np.random.default_rng(0), 31, 45, 0)
    with DatasetWriter(tmp_path / "set", odd) as writer:
        writer.add_frame({"front": image}, np.zeros(3), np.zeros(2), "look")
        writer.save_episode()
    assert psnr(image, Dataset(tmp_path / "set").frame(0).images["front"]) > 36
