"""Both kinds of crew keep the same laws, and an evaluation is the same on a cluster as on this machine."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from premotor.core.errors import EvaluationError, PremotorError
from premotor.evaluation import cluster
from premotor.evaluation.cluster import RayActors
from premotor.evaluation.crew import Crew, Gone, Hire, Processes
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.results import EpisodeResult, read_journal

WITHOUT = "needs the package ray: pip install 'premotor[ray]'"
# What ray itself warns of is not ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PROTOCOL = Protocol(embodiments=("so101",), families=("open_drawer", "close_drawer"), splits=("layout",), episodes=3)


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Hire]:
    """A Ray of two cores on this machine."""
    ray = pytest.importorskip("ray", reason=WITHOUT)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield partial(RayActors, address="local")
    ray.shutdown()


@pytest.fixture(params=["processes", "ray"])
def hired(request: pytest.FixtureRequest) -> Iterator[Callable[[], Crew]]:
    """Makes a crew whose workers answer what Python makes of a question."""
    hire: Hire = Processes if request.param == "processes" else request.getfixturevalue("on_ray")
    made: list[Crew] = []

    def make() -> Crew:
        made.append(hire(partial(SimpleNamespace, ask=eval, close=int)))
        return made[-1]

    yield make
    for crew in made:
        crew.close()


def heard(crew: Crew) -> list[tuple[object, object]]:
    """What is said next, however long it takes a busy machine."""
    return next(answers for _ in range(120) if (answers := crew.hear(1.0)))


def test_workers_answer_and_what_ends_one_ends_no_other(hired: Callable[[], Crew]) -> None:
    crew = hired()
    first, second = crew.start(), crew.start()
    assert first != second
    crew.ask(first, "6 * 7")
    assert heard(crew) == [(first, 42)]
    crew.ask(second, "__import__('os').environ['OMP_NUM_THREADS']")
    assert heard(crew) == [(second, "1")]
    crew.ask(first, "__import__('os')._exit(3)")
    ((name, why),) = heard(crew)
    assert name == first
    assert isinstance(why, Gone)
    assert "died" in why.why
    crew.end(first)
    crew.ask(second, "1 / 0")
    ((name, why),) = heard(crew)
    assert name == second
    assert isinstance(why, Gone)
    assert "ZeroDivisionError" in why.why
    crew.end(second)
    third = crew.start()
    crew.ask(third, "__import__('os').getpid()")
    ((name, pid),) = heard(crew)
    assert name == third
    assert pid != os.getpid()


def test_nothing_is_heard_of_one_that_was_ended(hired: Callable[[], Crew]) -> None:
    crew = hired()
    name = crew.start()
    crew.ask(name, "__import__('time').sleep(600)")
    assert crew.hear(0.2) == []
    crew.end(name)
    assert crew.hear(0.2) == []
    with pytest.raises(KeyError):
        crew.ask(name, "1")
    with pytest.raises(TypeError, match="no worker 'Ann'"):
        crew.ask("Ann", "1")


def kept(folder: Path) -> dict[Job, EpisodeResult]:
    (journal,) = (folder / "episodes").glob("expert-*")
    return {result.job: dataclasses.replace(result, wall_s=0.0) for result in read_journal(journal)[1]}


def test_results_on_a_cluster_are_those_of_one_process(on_ray: Hire, tmp_path: Path) -> None:
    far = evaluate("expert", PROTOCOL, tmp_path / "far", workers=2, films=(0, 0), crew=on_ray)
    near = evaluate("expert", PROTOCOL, tmp_path / "near", workers=1, films=(0, 0))
    assert far.summary.errors == 0
    assert kept(tmp_path / "far") == kept(tmp_path / "near")
    assert len(kept(tmp_path / "near")) == 6
    assert far.summary.cells == near.summary.cells


def test_a_node_with_other_versions_is_refused() -> None:
    here = cluster.versions()
    cluster._same(here, here)
    with pytest.raises(EvaluationError, match=r"torch .*, not 1\.0; install the same"):
        cluster._same(here | {"torch": "1.0"}, here)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(PremotorError, match=r"premotor\[ray\]"):
        RayActors(partial(SimpleNamespace), address="local")
