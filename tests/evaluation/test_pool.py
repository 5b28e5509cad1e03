"""No episode is lost: workers that die, hang or raise, and what each of these costs."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial

import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation import lanes as lanes_module
from premotor.evaluation.crew import Crew, Gone, Make, Processes, default_workers
from premotor.evaluation.lanes import Done, Failure, Lanes, LaneSetup, row_of
from premotor.evaluation.policies import chosen
from premotor.evaluation.pool import Crash, Lanesman, Turn, run_jobs
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.results import EpisodeResult
from premotor.sim.tabletop.episode import Episode
from premotor.sim.tabletop.sample import sample

PROTOCOL = Protocol(embodiments=("panda",), families=("pick_up",), splits=("layout",), episodes=24)
HOLD = LaneSetup(choice=chosen("hold", ()), replan_every=8)
ALL = tuple(range(8))
Script = Callable[[Sequence[Job]], "Turn | Gone | None"]
"""What a worker answers to a list of jobs; None when it hangs."""


class Scripted:
    """A crew whose workers, in the order in which they start, follow scripts."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self._waiting, self._crew = list(scripts), dict[int, Script]()
        self._answers: list[tuple[Hashable, object]] = []

    def __call__(self, make: Make) -> Crew:
        return self

    def start(self) -> Hashable:
        name = len(self._waiting)
        self._crew[name] = self._waiting.pop(0)
        return name

    def ask(self, name: Hashable, question: object) -> None:
        assert isinstance(name, int)
        assert isinstance(question, list)
        answer = self._crew[name](question)
        self._answers += [] if answer is None else [(name, answer)]

    def hear(self, timeout_s: float) -> list[tuple[Hashable, object]]:
        if not self._answers:
            time.sleep(0.05)
        answers, self._answers = self._answers, []
        return answers

    def end(self, name: Hashable) -> None:
        assert isinstance(name, int)
        del self._crew[name]

    def close(self) -> None:
        self._crew.clear()


def finished(job: Job) -> Done:
    return Done(result=EpisodeResult(job=job, success=True))


def all_done(jobs: Sequence[Job]) -> Turn:
    """A worker that does its work."""
    return Turn(done=tuple(finished(job) for job in jobs), free=ALL)


def test_a_crash_costs_the_episode_that_caused_it_and_no_other() -> None:
    guilty: list[Job] = []

    def crashing(jobs: Sequence[Job]) -> Turn:
        if not jobs:
            return Turn(free=ALL)
        guilty.append(jobs[1])
        return Turn(done=(finished(jobs[0]),), crash=Crash(jobs[1], "ZeroDivisionError: oh"))

    found: list[Done] = []
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=found.append, crew=Scripted([crashing, all_done]))
    assert sorted(d.result.job for d in found) == sorted(PROTOCOL.jobs())
    assert [(d.result.job, d.result.error) for d in found if d.result.error] == [(guilty[0], "ZeroDivisionError: oh")]


def test_a_worker_that_dies_silently_costs_what_it_held() -> None:
    held: list[Job] = []

    def dying(jobs: Sequence[Job]) -> Turn | Gone:
        held.extend(jobs)
        return Gone("its worker died with exit code 7") if jobs else Turn(free=(0, 3))

    found: list[Done] = []
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=found.append, crew=Scripted([dying, all_done]))
    assert sorted(d.result.job for d in found) == sorted(PROTOCOL.jobs())
    assert {d.result.job for d in found if d.result.error} == set(held)
    assert len(held) == 2
    assert all("died with exit code 7" in d.result.error for d in found if d.result.error)


def test_workers_that_cannot_start_end_the_run() -> None:
    crew = Scripted([lambda jobs: Gone("ImportError: no GL")])
    with pytest.raises(EvaluationError, match="could not start: ImportError: no GL"):
        run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=lambda done: None, crew=crew)


def test_jobs_go_to_their_own_rows() -> None:
    given: dict[int, list[Job]] = {}
    rows = iter((*ALL, *ALL) * 4)
    free: list[int] = []

    def careful(jobs: Sequence[Job]) -> Turn:
        for job in jobs:
            given.setdefault(free[-1], []).append(job)
        free.append(next(rows))
        return Turn(done=tuple(finished(job) for job in jobs), free=(free[-1],))

    # A worker that has nothing to do ends, and the next goes on.
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=lambda done: None, crew=Scripted([careful] * 64))
    assert all(row_of(job, 8) == row for row, jobs in given.items() for job in jobs)
    assert sorted(len(jobs) for jobs in given.values()) == [3] * 8, "24 episodes of a cell use 8 rows alike"


def test_a_hung_worker_costs_what_it_held() -> None:
    def hanging(jobs: Sequence[Job]) -> Turn | None:
        return None if jobs else Turn(free=(1, 2, 5))

    found: list[Done] = []
    run_jobs(PROTOCOL.jobs(), HOLD, workers=1, done=found.append, hang_s=0.2, crew=Scripted([hanging, all_done]))
    assert sorted(d.result.job for d in found) == sorted(PROTOCOL.jobs())
    errors = [d.result.error for d in found if d.result.error]
    assert len(errors) == 3
    assert all("nothing was heard" in error for error in errors)


def test_a_worker_plays_until_a_row_is_free() -> None:
    worker = Lanesman(HOLD)
    assert worker.ask([]) == Turn(free=ALL)
    jobs = {row_of(job, 8): job for job in PROTOCOL.jobs()}
    turn = worker.ask(list(jobs.values())[:3])
    assert turn.done == ()
    assert len(turn.free) == 5, "rows are free, so it comes back after one round"
    found: list[Done] = []
    while len(found) < 3:
        found += worker.ask([]).done
    assert {one.result.job for one in found} == set(list(jobs.values())[:3])
    worker.close()


def test_an_error_where_a_worker_is_built_is_told() -> None:
    crew = Processes(partial(divmod, 1, 0))
    name = crew.start()
    heard = crew.hear(60)
    crew.close()
    assert [(who, type(what)) for who, what in heard] == [(name, Gone)]
    assert "ZeroDivisionError" in str(heard[0][1])


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
