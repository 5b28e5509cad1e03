"""However many workers record, and whatever becomes of them, the dataset is the same to the last bit."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np
import pytest

from premotor.core.errors import EvaluationError, WorldError
from premotor.core.spec import ActionSpec, DimSpec, EmbodimentSpec
from premotor.data import Dataset, DatasetWriter, Draft, DraftWriter, check
from premotor.evaluation.crew import Crew, Gone, Make
from premotor.evaluation.demonstrations import Demonstrators
from premotor.evaluation.recording import Order, Refused, record

DIM = DimSpec(name="joint", unit="rad", kind="absolute", low=-3, high=3)
SPEC = EmbodimentSpec(
    name="blind",
    cameras=(),
    state=(DIM,),
    action=ActionSpec(dims=(DIM,), frame="joint", rotation="none", hold="measured_position"),
    rate_hz=20.0,
)
COMMAND = [sys.executable, "-c", "from premotor.cli import main; raise SystemExit(main())", "record"]
SUITES = {
    "tabletop": ("--robot", "so101", "--families", "open_drawer", "close_drawer"),
    "metaworld": ("--suite", "metaworld", "--families", "handle-press-v3", "reach-v3", "--size", "48"),
}
Script = Callable[[Order], "Draft | Refused | Gone | None"]


class Scripted:
    """A crew whose workers, in the order in which they start, follow scripts; the last one is everybody's after."""

    def __init__(self, scripts: Sequence[Script], *, late: bool = False) -> None:
        self._waiting, self._crew = list(scripts), dict[int, Script]()
        self._answers: list[tuple[Hashable, object]] = []
        self._late, self._begun = late, 0
        self.asked: list[int] = []

    def __call__(self, make: Make) -> Crew:
        return self

    def start(self) -> Hashable:
        self._begun += 1
        self._crew[self._begun] = self._waiting.pop(0) if len(self._waiting) > 1 else self._waiting[0]
        return self._begun

    def ask(self, name: Hashable, question: object) -> None:
        assert isinstance(name, int)
        assert isinstance(question, Order)
        self.asked.append(question.number)
        answer = self._crew[name](question)
        self._answers += [] if answer is None else [(name, answer)]

    def hear(self, timeout_s: float) -> list[tuple[Hashable, object]]:
        if not self._answers:
            time.sleep(0.05)
        if not self._late:
            answers, self._answers = self._answers, []
            return answers
        return [self._answers.pop()] if self._answers else []  # the last first

    def end(self, name: Hashable) -> None:
        assert isinstance(name, int)
        del self._crew[name]

    def close(self) -> None:
        self._crew.clear()


def honest(order: Order) -> Draft:
    """Three frames that say which episode it is."""
    order.folder.mkdir()
    draft = DraftWriter(order.folder, order.features, order.fps)
    for step in range(3):
        draft.add_frame({}, np.array([order.number]), np.array([float(step)]), f"task {order.number}")
    return draft.finish()


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("late", [False, True])
def test_drafts_are_taken_over_in_the_order_of_their_numbers(tmp_path: Path, late: bool) -> None:
    crew, kept = Scripted([honest], late=late), list[int]()
    with DatasetWriter(tmp_path, SPEC, resume=True) as writer:
        assert record(Demonstrators(), writer, 12, workers=3, progress=kept.append, crew=crew) == 0
    assert sorted(crew.asked) == list(range(12))
    assert kept == list(range(1, 13))
    assert [Dataset(tmp_path).episode(k).task for k in range(12)] == [f"task {k}" for k in range(12)]
    with DatasetWriter(tmp_path, SPEC, resume=True) as writer:
        record(Demonstrators(), writer, 14, workers=3, progress=kept.append, crew=crew)
    assert sorted(crew.asked) == list(range(14)), "nothing is recorded twice"
    assert check(tmp_path) == []


def test_workers_that_die_or_hang_are_replaced_and_counted(tmp_path: Path) -> None:
    crew = Scripted([lambda order: Gone("killed"), lambda order: None, honest])
    with DatasetWriter(tmp_path, SPEC) as writer:
        assert record(Demonstrators(), writer, 5, workers=2, progress=lambda n: None, hang_s=0.3, crew=crew) == 2
    assert [Dataset(tmp_path).episode(k).task for k in range(5)] == [f"task {k}" for k in range(5)]


def test_an_episode_that_ends_every_worker_ends_the_recording(tmp_path: Path) -> None:
    def cursed(order: Order) -> Draft | Gone:
        return Gone("out of memory") if order.number == 2 else honest(order)

    told = "episode 2 ended 3 workers, the last one so: out of memory"
    with DatasetWriter(tmp_path, SPEC) as writer, pytest.raises(EvaluationError, match=told):
        record(Demonstrators(), writer, 5, workers=1, progress=lambda n: None, crew=Scripted([cursed]))
    assert len(Dataset(tmp_path).episodes) == 2


def test_what_cannot_be_recorded_is_told_after_all_before_it_are_safe(tmp_path: Path) -> None:
    def unable(order: Order) -> Draft | Refused:
        return Refused("the expert never achieved it") if order.number == 3 else honest(order)

    with DatasetWriter(tmp_path, SPEC) as writer, pytest.raises(WorldError, match="never achieved"):
        record(Demonstrators(), writer, 9, workers=4, progress=lambda n: None, crew=Scripted([unable], late=True))
    assert len(Dataset(tmp_path).episodes) == 3


@pytest.mark.parametrize("suite", ["tabletop", pytest.param("metaworld", marks=pytest.mark.slow)])
def test_a_killed_recording_goes_on_to_the_same_bytes(tmp_path: Path, suite: str) -> None:
    if suite == "metaworld":
        pytest.importorskip("metaworld", reason="needs the package metaworld: pip install 'premotor[metaworld]'")
    words = [*COMMAND, *SUITES[suite], "--each", "2"]
    killed = subprocess.Popen([*words, "--workers", "2", "--out", "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    first = tmp_path / "killed/data/chunk-000/file-000.parquet"
    while not first.exists():
        assert killed.poll() is None, "it ended by itself"
        time.sleep(0.02)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert 0 <= len(Dataset(tmp_path / "killed").episodes) < 4
    for folder, workers in (("killed", "2"), ("whole", "1")):
        done = subprocess.run([*words, "--workers", workers, "--out", folder], cwd=tmp_path, check=True, text=True,
                              capture_output=True)  # fmt: skip
        assert f"4 episodes in {folder}" in done.stdout
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert check(tmp_path / "whole") == []


def test_a_killed_worker_is_replaced_and_costs_nothing(tmp_path: Path) -> None:
    def kill_one(kept: int) -> None:
        if kept == 1:
            child = multiprocessing.active_children()[0]
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)

    demonstrators = Demonstrators(robot="so101", families=("open_drawer",))
    recorder = demonstrators.recorder()
    recorder.close()
    with DatasetWriter(tmp_path / "set", recorder.spec) as writer:
        assert record(demonstrators, writer, 4, workers=2, progress=kill_one) == 1
    assert multiprocessing.active_children() == []
    assert len(Dataset(tmp_path / "set").episodes) == 4
    assert check(tmp_path / "set") == []
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["data", "meta", "videos"]
