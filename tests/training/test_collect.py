"""Demonstrations from the real simulator: labels only from the expert, points where the things are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from premotor.core.types import ActionChunk, Observation
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.tabletop.tasks import MAX_STEPS
from premotor.training.collect import CollectConfig, collect_shard
from premotor.training.grounding import collect_scenes
from premotor.training.store import Demonstration, Store

CAMERAS = ("front", "wrist")


def opened(folder: Path) -> list[Demonstration]:
    return Store([folder], CAMERAS, tuple(EMBODIMENTS)).demonstrations


class Wanderer:
    """A learner that drifts off, and counts what it was asked."""

    def __init__(self, arm: str) -> None:
        self.spec = EMBODIMENTS[arm].spec
        self.asked = 0

    def act_batch(self, observations: Sequence[Observation], worlds: Sequence[int]) -> list[ActionChunk]:
        self.asked += len(observations)
        rows = np.zeros((12, len(self.spec.action.dims)))
        rows[:, 1] = 0.004
        return [ActionChunk(stamp_ns=o.stamp_ns, rate_hz=self.spec.rate_hz, actions=rows) for o in observations]


@pytest.mark.parametrize("arm", EMBODIMENTS)
def test_the_expert_alone_labels_every_step(tmp_path: Path, arm: str) -> None:
    kept, tried = collect_shard(tmp_path, "a", arm, [("pick_up", 0), ("pick_up", 1)], CollectConfig(pushes=0.0))
    demos = opened(tmp_path)
    assert (kept, tried) == (len(demos), 2)
    assert kept >= 1
    for d in demos:
        assert d.success
        assert d.expert.all()
        assert np.array_equal(d.at, np.arange(0, len(d.action), 2))
        assert len(d.instructions) == CollectConfig().wordings
        assert d.named[:, 0].all()
        assert not d.named[:, 1].any()


def test_collecting_twice_gives_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        collect_shard(tmp_path / name, "s", "panda", [("pick_up", 3)], CollectConfig())
    first, second = opened(tmp_path / "a")[0], opened(tmp_path / "b")[0]
    assert np.array_equal(first.action, second.action)
    assert np.array_equal(first.images["wrist"], second.images["wrist"])
    assert first.instructions == second.instructions


def test_pushes_are_driven_but_not_learned(tmp_path: Path) -> None:
    collect_shard(tmp_path, "a", "panda", [("pick_up", seed) for seed in range(2)], CollectConfig(pushes=0.04))
    expert = np.concatenate([d.expert for d in opened(tmp_path)])
    assert 0.2 < expert.mean() < 1.0
    assert all(d.expert[d.at].all() for d in opened(tmp_path))


def test_the_learner_drives_and_the_expert_corrects(tmp_path: Path) -> None:
    learner = Wanderer("panda")
    config = CollectConfig(worlds=2, learner_steps=(5, 10), expert_steps=(40, 60))
    kept, _ = collect_shard(tmp_path, "a", "panda", [("pick_up", 0), ("pick_up", 1)], config, learner)
    assert kept >= 1
    assert learner.asked > 3
    for d in opened(tmp_path):
        assert not d.expert[:5].any()
        assert d.expert.any()
        assert np.allclose(d.action[0], [0, 0.004, 0, 0, 0, 0, 0])


def test_the_expert_brings_to_an_end_what_the_learner_did_not(tmp_path: Path) -> None:
    config = CollectConfig(learner_steps=(10_000, 10_000), worlds=1)
    kept, tried = collect_shard(tmp_path, "a", "panda", [("pick_up", 0)], config, Wanderer("panda"))
    assert (kept, tried) == (1, 1)
    (demo,) = opened(tmp_path)
    limit = MAX_STEPS["pick_up"]
    assert not demo.expert[:limit].any()
    assert demo.expert[limit:].all()
    assert len(demo.expert) > limit


@pytest.mark.parametrize("arm", EMBODIMENTS)
def test_stills_point_at_what_they_name(tmp_path: Path, arm: str) -> None:
    collect_scenes(tmp_path, "a", arm, [("put_in", seed) for seed in range(12)], 2)
    demos = opened(tmp_path)
    assert len(demos) == 24
    assert not any(d.expert.any() for d in demos)
    contrast = [
        _patch(d.images["front"][0], d.points[0, 0, 0]) for d in demos if d.seen[0, 0, 0] and "red" in d.instructions[0]
    ]
    reddest = max(contrast, default=1.0)
    assert reddest > 0.3
    inside = np.concatenate([d.points[:, 0][d.seen[:, 0]] for d in demos])
    assert len(inside) > 20
    assert ((inside >= 0) & (inside <= 1)).all()


def _patch(image: np.ndarray, point: np.ndarray) -> float:
    """How red the picture is around a point: red less the mean of green and blue, 0..1."""
    u, v = (point * 127).astype(int)
    r, g, b = image[max(0, v - 1) : v + 2, max(0, u - 1) : u + 2].reshape(-1, 3).mean(0) / 255
    return float(r - (g + b) / 2)
