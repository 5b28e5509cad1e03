"""A policy that looks back sees its own episode alone, whatever runs beside it and came before it in its lane."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from premotor.evaluation.lanes import Lanes, LaneSetup, row_of
from premotor.evaluation.policies import chosen
from premotor.evaluation.protocol import Job, Protocol
from premotor.models import bundle
from premotor.models.systems import config_for
from premotor.robots.embodiment import EMBODIMENTS

WIDTH = 3
JOBS = Protocol(embodiments=("so101",), families=("open_drawer",), splits=("layout",), episodes=12).jobs()


@pytest.fixture(params=["octo", "bundle"])
def setup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LaneSetup]:
    """One that looks back at pictures, and the shipped one, which remembers what it believed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    name = str(request.param)
    if name == "octo":
        torch.manual_seed(0)
        config = config_for("octo", [arm.spec for arm in EMBODIMENTS.values()], "toy", horizon=12)
        codecs = bundle.load(bundle.DEFAULT).codecs
        name = str(tmp_path / "octo")
        bundle.save(Path(name), config.build(), config, codecs, bundle.DEFAULT, {})
    yield LaneSetup(choice=chosen(name, ("so101",)), replan_every=8, width=WIDTH)
    torch.set_num_threads(threads)


def run(setup: LaneSetup, queues: list[list[Job]]) -> dict[Job, str]:
    """What was done in each episode; one queue a lane."""
    lanes, waiting, found = Lanes(setup), [list(queue) for queue in queues], dict[Job, str]()
    while lanes.busy or any(waiting):
        for queue in waiting:
            if queue and row_of(queue[0], WIDTH) in lanes.free:
                lanes.begin(queue.pop(0))
        for done in lanes.round():
            assert done.result.error is None
            found[done.result.job] = done.result.actions
    lanes.close()
    return found


def test_an_episode_is_the_same_alone_and_among_others(setup: LaneSetup) -> None:
    rows: dict[int, list[Job]] = {}
    for job in JOBS:
        rows.setdefault(row_of(job, WIDTH), []).append(job)
    first, second, third = [rows[row] for row in range(WIDTH)]
    together = run(setup, [first[:2], second[:1], third[:1]])
    assert len(together) == 4
    for job in (first[0], first[1], second[0]):
        assert run(setup, [[job]]) == {job: together[job]}
