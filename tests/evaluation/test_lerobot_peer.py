"""A policy that plays in LeRobot's loop is asked as in an evaluation of ours."""

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lerobot_peer
from premotor.core.types import ActionChunk, Observation
from premotor.evaluation.lanes import row_of
from premotor.evaluation.metaworld import METAWORLD
from premotor.evaluation.metaworld_lane import MetaWorldSetup
from premotor.evaluation.policies import Player
from premotor.evaluation.protocol import Cell, Job
from premotor.sim.metaworld.robot import View, sawyer, to_native

PROTOCOL = dataclasses.replace(METAWORLD["metaworld-lerobot"], view=View(size=8), replan_every=3)
Asked = list[tuple[list[Observation], list[Hashable]]]


@given(st.integers(0, 10_000), st.integers(1, 20))
def test_every_episode_has_its_own_row_in_some_batch(first: int, many: int) -> None:
    jobs = [Job(cell=Cell(embodiment="sawyer", family="push-v3", split="hard"), seed=first + k) for k in range(many)]
    batches = lerobot_peer._fitting(jobs)
    assert sorted(index for batch in batches for index in batch.values()) == list(range(many))
    assert all(row_of(jobs[index], 8) == row for batch in batches for row, index in batch.items())
    assert len(batches) == -(-many // 8), "seeds in a row fill rows in a row"


def guest(monkeypatch: pytest.MonkeyPatch, asked: Asked) -> lerobot_peer.Guest:
    """One whose plans say in centimetres which world they are for; the second row is not finite."""

    def batch(seen: Sequence[Observation], worlds: Sequence[Hashable]) -> list[ActionChunk]:
        asked.append(([*seen], [*worlds]))
        rows = [np.tile([one.state[0], 0.0, 0.0, 1.0], (5, 1)) for one in seen]
        for row in rows:
            row[1, 2] = np.nan
        return [
            ActionChunk(stamp_ns=one.stamp_ns, rate_hz=80.0, actions=row) for one, row in zip(seen, rows, strict=True)
        ]

    player = Player(spec=sawyer(PROTOCOL.view), batch=batch, sees=True)
    monkeypatch.setattr(MetaWorldSetup, "player", lambda self, arm: player)
    return lerobot_peer.Guest("hold", PROTOCOL)


def test_what_is_asked_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Asked = []
    pictures = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    states = np.array([[0.002, 0.6, 0.1, 0.25], [-0.004, 0.6, 0.1, 1.0]], np.float32)
    plans = guest(monkeypatch, asked).act("push-v3", [1000, 1001], 6, pictures, states, ["push", "Push"])
    assert plans.shape == (2, 3, 4), "as many rows as the protocol carries out"
    ((seen, worlds),) = asked
    assert len(seen) == 8
    assert set(worlds) == {0, 1}
    for one, world in zip(seen, worlds, strict=True):
        assert isinstance(world, int)
        assert one.stamp_ns == 6 * 12_500_000
        assert (one.images["corner2"] == pictures[world]).all()
        assert one.instruction == ("push", "Push")[world]
    assert np.allclose(plans[:, 0, 0], [0.2, -0.4])
    # What is not finite holds: no motion, and the gripper as open as it is.
    held = [to_native(np.array([0, 0, 0, grip])) for grip in states[:, 3].astype(float)]
    assert np.allclose(plans[:, 1], held)
