"""Both kinds of crew keep the same laws, and an evaluation is the same on a cluster as on this machine."""

import contextlib
import dataclasses
import os
import secrets
import socket
import subprocess
import sys
import time
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
    """A Ray cluster of one node with two cores, begun as people begin one.

    A node waits 15 s for its own helpers, which is not enough where two busy cores have to start all of them.
    """
    ray = pytest.importorskip("ray", reason=WITHOUT)
    told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    before = {name: os.environ.get(name) for name in told}
    os.environ |= told
    names = "port", "dashboard-agent-grpc-port", "dashboard-agent-listen-port", "metrics-export-port"
    ports = dict(zip((*names, "runtime-env-agent-port"), free_ports(5), strict=True))
    words = ["--head", "--block", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats", "--no-monitor"]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words]
    address = f"127.0.0.1:{ports['port']}"
    node = subprocess.Popen([*command, *(f"--{name}={port}" for name, port in ports.items())])
    try:
        wait_for(node, address)
        yield partial(RayActors, address=address)
    finally:
        ray.shutdown()
        node.terminate()
        node.wait()
        for name, value in before.items():
            os.environ.pop(name)
            os.environ |= {} if value is None else {name: value}


def free_ports(many: int) -> list[int]:
    """Ports that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(many)]
    found = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return found


def wait_for(node: "subprocess.Popen[bytes]", address: str) -> None:
    """Until the cluster answers."""
    for _ in range(60):
        assert node.poll() is None, f"ray start ended with exit code {node.returncode}"
        with contextlib.suppress(EvaluationError):
            assert RayActors.cores(address) == 2
            return
        time.sleep(1)
    pytest.fail("the cluster does not answer")


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
