"""No episode is lost: workers that die, hang or raise, and what each of these costs."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation import lanes as lanes_module
from premotor.evaluation import pool as pool_module
from premotor.evaluation.lanes import Done, Failure, Lanes, LaneSetup, row_of
from premotor.evaluation.policies import chosen
from premotor.evaluation.pool import Crash, Want, default_workers, run_jobs
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.results import EpisodeResult
from premotor.sim.tabletop.episode import Episode
from premotor.sim.tabletop.sample import sample

PROTOCOL = Protocol(embodiments=("panda",), families=("pick_up",), splits=("layout",), episodes=24)
HOLD = LaneSetup(choice=chosen("hold", ()), replan_every=8)
Pipe = multiprocessing.connection.Connection
Script = Callable[[Pipe], None]


class FakeProcess:
    """A worker that is a thread with a script."""

    exitcode = 7

    def kill(self) -> None:
        """Its pipe is closed by its own script."""

    def join(self) -> None:
        """It is gone."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[Script]], None]:
    """Replace the workers, in the order in which they start, by scripts."""

    def install(scripts: Sequence[Script]) -> None:
        waiting = list(scripts)

        def start(self: pool_module._Pool) -> None:
            ours, theirs = multiprocessing.Pipe()
            script = waiting.pop(0)

            def live() -> None:
                # The run is over before a worker has heard that there is nothing left.
                with theirs, contextlib.suppress(EOFError, OSError):
                    script(theirs)

            threading.Thread(target=live, daemon=True).start()
            self._crew[ours] = pool_module._Worker(
                process=FakeProcess(),  # type: ignore[arg-type]
                pipe=ours,
                heard=time.monotonic(),
            )

        monkeypatch.setattr(pool_module._Pool, "_start", start)

    return install


def finished(job: Job) -> Done:
    return Done(result=EpisodeResult(job=job, success=True))


def all_done(pipe: Pipe) -> None:
    """A worker that does its work."""
    while True:
        pipe.send(Want(tuple(range(8))))
        jobs = pipe.recv()
        for job in jobs:
            pipe.send(finished(job))
        if not jobs:
            return


def test_a_crash_costs_the_episode_that_caused_it_and_no_other(
    scripted: Callable[[Sequence[Script]], None],
) -> None:
    guilty: list[Job] = []

    def crashing(pipe: Pipe) -> None:
        pipe.send(Want(tuple(range(8))))
        first, second, *_ = pipe.recv()
        guilty.append(second)
        pipe.send(finished(first))
        pipe.send(Crash(second, "ZeroDivisionError: oh"))

    scripted([crashing, all_done])
    found: list[Done] = []
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=found.append)
    assert sorted(d.result.job for d in found) == sorted(PROTOCOL.jobs())
    assert [(d.result.job, d.result.error) for d in found if d.result.error] == [(guilty[0], "ZeroDivisionError: oh")]


def test_a_worker_that_dies_silently_costs_what_it_held(scripted: Callable[[Sequence[Script]], None]) -> None:
    held: list[Job] = []

    def dying(pipe: Pipe) -> None:
        pipe.send(Want((0, 3)))
        held.extend(pipe.recv())

    scripted([dying, all_done])
    found: list[Done] = []
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=found.append)
    assert sorted(d.result.job for d in found) == sorted(PROTOCOL.jobs())
    assert {d.result.job for d in found if d.result.error} == set(held)
    assert len(held) == 2
    assert all("died with exit code 7" in d.result.error for d in found if d.result.error)


def test_workers_that_cannot_start_end_the_run(scripted: Callable[[Sequence[Script]], None]) -> None:
    scripted([lambda pipe: pipe.send(Crash(None, "ImportError: no GL"))])
    with pytest.raises(EvaluationError, match="could not start: ImportError: no GL"):
        run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=lambda done: None)


def test_jobs_go_to_their_own_rows(scripted: Callable[[Sequence[Script]], None]) -> None:
    given: dict[int, list[Job]] = {}

    def careful(pipe: Pipe) -> None:
        for row in (*range(8), *range(8)) * 4:
            pipe.send(Want((row,)))
            for job in pipe.recv():
                given.setdefault(row, []).append(job)
                pipe.send(finished(job))

    scripted([careful])
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=lambda done: None)
    assert all(row_of(job, 8) == row for row, jobs in given.items() for job in jobs)
    assert sorted(len(jobs) for jobs in given.values()) == [3] * 8, "24 episodes of a cell use 8 rows alike"


def test_a_hung_worker_costs_what_it_held(scripted: Callable[[Sequence[Script]], None]) -> None:
    def hanging(pipe: Pipe) -> None:
        pipe.send(Want((1, 2, 5)))
        pipe.recv()
        pipe.recv()  # never comes

    scripted([hanging, all_done])
    found: list[Done] = []
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=found.append, hang_s=0.2)
    assert sorted(d.result.job for d in found) == sorted(PROTOCOL.jobs())
    errors = [d.result.error for d in found if d.result.error]
    assert len(errors) == 3
    assert all("nothing was heard" in error for error in errors)


def test_a_killed_process_is_replaced() -> None:
    found: list[Done] = []

    def done(one: Done) -> None:
        found.append(one)
        if len(found) == 1:
            (child,) = multiprocessing.active_children()
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)

    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=done)
    assert sorted(d.result.job for d in found) == sorted(PROTOCOL.jobs())
    errors = [d.result.error or "" for d in found]
    assert 0 < sum("died with exit code -9" in error for error in errors) <= 8
    assert any(not error for error in errors[1:])
    assert multiprocessing.active_children() == []


def test_an_error_in_one_episode_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arm: str, family: str, split: str, seed: int) -> Episode:
        if seed == 2:
            raise ZeroDivisionError
        return sample(arm, family, split, seed)  # type: ignore[arg-type]

    monkeypatch.setattr(lanes_module, "sample", broken)
    lanes = Lanes(HOLD)
    good, bad = PROTOCOL.jobs()[1:3]
    lanes.begin(good)
    with pytest.raises(Failure) as caught:
        lanes.begin(bad)
    assert caught.value.job == bad
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_episode_that_cannot_be_built_is_reported_and_its_lane_is_free_again() -> None:
    (job, *_) = Protocol(families=("pick_up",), splits=("layout",), episodes=1, embodiments=("panda",)).jobs()
    impossible = Job(cell=type(job.cell)(embodiment="panda", family="open_drawer", split="slip"), seed=0)
    lanes = Lanes(HOLD)
    lanes.begin(impossible)
    (done,) = lanes.round()
    assert done.result.job == impossible
    assert "WorldError" in (done.result.error or "")
    assert lanes.free == tuple(range(8))
    assert not lanes.busy


def test_a_lane_takes_one_episode_at_a_time() -> None:
    lanes = Lanes(HOLD)
    job = PROTOCOL.jobs()[0]
    lanes.begin(job)
    with pytest.raises(ValueError, match="is taken by"):
        lanes.begin(job)


def test_as_many_workers_as_cores() -> None:
    assert 1 <= default_workers() <= (os.cpu_count() or 1)
