"""Whatever stops a recording, every episode that was said to be saved is there, and nothing else is."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from premotor.core.errors import DatasetError
from premotor.core.spec import EmbodimentSpec
from premotor.data import Dataset, DatasetWriter, check
from premotor.data import format as layout

FRAMES = 6  # as record_until_killed.py records


class Recorder:
    """record_until_killed.py, one child at a time."""

    def __init__(self, root: Path) -> None:
        script = Path(__file__).with_name("record_until_killed.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, seconds: float, signal_number: int, after_saves: int = 0) -> list[str]:
        """Start a child, stop it after so many saves and so many seconds more; returns what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said: list[str] = []
        child = 0
        for line in self.process.stdout:
            said.append(line.strip())
            if said[-1].startswith("child"):
                child = int(said[-1].split()[1])
            if child and sum(text.startswith("saved") for text in said) >= after_saves:
                time.sleep(seconds)
                os.kill(child, signal_number)
                break
        said += list(itertools.takewhile(lambda text: text != "dead", map(str.strip, self.process.stdout)))
        return said

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "set")
    yield recorder
    recorder.close()


def read_all(root: Path) -> int:
    """Read every episode of the recorder's dataset; returns how many there are."""
    dataset = Dataset(root)
    for index in range(len(dataset.episodes)):
        episode = dataset.episode(index)
        assert len(episode) == FRAMES
        assert episode.state[:, 0].tolist() == [index] * FRAMES
        assert episode.action[:, 0].tolist() == list(range(FRAMES))
        assert episode.task == f"task {index}"
        assert episode.images["front"].shape == (FRAMES, 32, 32, 3)
    return len(dataset.episodes)


def saved(said: list[str]) -> list[int]:
    assert not [line for line in said if line.startswith("failed")], said
    return [int(line.split()[1]) for line in said if line.startswith("saved")]


def test_twenty_kills_lose_nothing(tmp_path: Path, recorder: Recorder) -> None:
    rng = random.Random(0)
    there = 0
    for kill in range(20):
        # Every second one may hit while the dataset is being opened.
        acknowledged = saved(recorder.run(rng.uniform(0, 0.15), signal.SIGKILL, after_saves=kill % 2))
        # One more may be there: killed between the last rename and its word.
        before, there = there, read_all(tmp_path / "set") if (tmp_path / "set" / layout.INFO).exists() else 0
        assert acknowledged == list(range(before, before + len(acknowledged)))
        assert there - (before + len(acknowledged)) in (0, 1)
    assert there >= 10
    assert check(tmp_path / "set") == []


def test_interrupt_keeps_finished_episodes_and_resumes(tmp_path: Path, recorder: Recorder) -> None:
    first = recorder.run(0.02, signal.SIGINT, after_saves=2)
    assert first[-1] == "interrupted"
    there = read_all(tmp_path / "set")
    assert there in (len(saved(first)), len(saved(first)) + 1)
    assert not (tmp_path / "set/.partial").exists()
    second = recorder.run(0.0, signal.SIGINT, after_saves=1)
    assert saved(second)[0] == there
    assert read_all(tmp_path / "set") >= there + 1


@pytest.mark.parametrize("call", range(14))
@pytest.mark.parametrize("after", [False, True])
def test_every_moment_of_saving_is_a_consistent_dataset(
    tmp_path: Path,
    spec: EmbodimentSpec,
    record: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    call: int,
    after: bool,
) -> None:
    """Stop before or after each rename of saving a second and a third episode, then read, resume and read again."""
    root = tmp_path / "set"
    real, calls = layout.replace_file, itertools.count()

    def failing(temporary: Path, final: Path) -> None:
        stop = next(calls) == call
        if stop and not after:
            raise OSError("no space left on device")
        real(temporary, final)
        if stop:
            raise OSError("no space left on device")

    with DatasetWriter(root, spec) as writer:
        record(writer)
        monkeypatch.setattr(layout, "replace_file", failing)
        monkeypatch.setattr("premotor.data.writer._ROWS_PER_FILE", 1)
        with pytest.raises(OSError, match="no space"):  # noqa: PT012
            record(writer, episodes=2)
            pytest.fail("saving two episodes has at least 14 renames")
        with pytest.raises(DatasetError, match="resume=True"):
            writer.save_episode()
    monkeypatch.setattr(layout, "replace_file", real)

    there = len(Dataset(root).episodes)
    assert there == 1 + (call + after) // 7  # videos 2, tasks, rows, numbers, statistics, info
    assert check(root) == []
    with DatasetWriter(root, spec, resume=True) as writer:
        assert writer.episodes == there
        record(writer, episodes=2)
    dataset = Dataset(root)
    assert len(dataset.episodes) == there + 2
    assert [dataset.episode(index).state[0, 0] for index in range(there + 2)] == list(range(there + 2))
    assert dataset.statistics["action"]["count"].tolist() == [12 * (there + 2)]
    assert dataset.statistics["observation.state"]["mean"][0] == pytest.approx(np.mean(range(there + 2)))
    assert check(root) == []
