"""What a policy remembers: its own episode, and nothing of another."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from premotor.core.codec import build_codec
from premotor.core.types import Observation
from premotor.models import bundle
from premotor.models.batch import Inputs
from premotor.models.contract import Plan
from premotor.models.policy import BundlePolicy, Memory
from premotor.models.systems import config_for
from premotor.robots.embodiment import EMBODIMENTS

SPEC = EMBODIMENTS["so101"].spec
MS = 1_000_000


def seen(ms: int, shade: int = 0) -> Observation:
    images = {c.name: np.full((c.height, c.width, 3), shade, np.uint8) for c in SPEC.cameras}
    return Observation(stamp_ns=ms * MS, images=images, state=np.zeros(len(SPEC.state)), instruction="push it")


def told(memory: Memory, ms: int) -> list[int | None]:
    return [None if o is None else o.stamp_ns // MS for o in memory.look(seen(ms))]


def test_of_each_age_the_newest_that_is_as_old() -> None:
    memory = Memory((0.8, 0.4, 0.0), 0.025)
    assert told(memory, 0) == [None, None, 0]
    assert told(memory, 200) == [None, None, 200]
    assert told(memory, 400) == [None, 0, 400]
    assert told(memory, 600) == [None, 200, 600]
    assert told(memory, 790) == [0, 400, 790]  # within the grace
    assert told(memory, 2000) == [790, 790, 2000]


def test_asking_twice_about_one_moment_is_no_second_moment() -> None:
    memory = Memory((0.0, 0.0), 0.0)
    assert told(memory, 0) == told(memory, 0) == [None, 0]
    assert told(memory, 50) == told(memory, 50) == [0, 50]


def test_time_that_jumps_back_is_another_episode() -> None:
    memory = Memory((0.1, 0.0), 0.0)
    told(memory, 0)
    assert told(memory, 100) == [0, 100]
    assert told(memory, 50) == [None, 50]
    assert told(memory, 0) == [None, 0]
    assert told(memory, 100) == [0, 100]


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BundlePolicy:
    config = config_for("octo", [SPEC], "toy", window=2)
    rng = np.random.default_rng(0)
    codec = build_codec(SPEC, rng.normal(0, 1, (50, 4, len(SPEC.action.dims))), rng.normal(0, 1, (50, len(SPEC.state))))
    bundle.save(tmp_path / "b", config.build(), config, {"so101": codec}, bundle.DEFAULT, {})
    return BundlePolicy(bundle.load(tmp_path / "b"), "so101")


@pytest.fixture
def shown(policy: BundlePolicy, monkeypatch: pytest.MonkeyPatch) -> list[Inputs]:
    """What the policy's system is shown, call by call."""
    found: list[Inputs] = []

    def plan(inputs: Inputs) -> Plan:
        found.append(inputs)
        return Plan(torch.zeros(len(inputs.state), 4, 6))

    monkeypatch.setattr(policy._system, "plan", plan)
    return found


def shades(inputs: Inputs) -> list[list[int | None]]:
    """The shade of each moment's picture, None where it is masked."""
    assert inputs.moments is not None
    rows = zip(inputs.images["front"], inputs.moments, strict=True)
    return [[int(p[0, 0, 0]) if there else None for p, there in zip(p, m, strict=True)] for p, m in rows]


def test_worlds_are_kept_apart(policy: BundlePolicy, shown: list[Inputs]) -> None:
    policy.act_batch([seen(0, 10), seen(0, 20)], ["a", "b"])
    # Another order, a copy, a world that is new, and one that is away.
    policy.act_batch([seen(400, 21), seen(400, 30), seen(400, 21)], ["b", "c", "b"])
    policy.act_batch([seen(800, 31), seen(800, 12)], ["c", "a"])
    policy.act_batch([seen(0, 40), seen(1200, 33)], ["a", "c"])  # in a, another episode began
    assert [shades(inputs) for inputs in shown] == [
        [[None, 10], [None, 20]],
        [[20, 21], [None, 30], [20, 21]],
        [[30, 31], [10, 12]],
        [[None, 40], [31, 33]],
    ]


def test_a_reset_forgets(policy: BundlePolicy, shown: list[Inputs]) -> None:
    policy.act(seen(0, 1))
    policy.act(seen(400, 2))
    policy.reset()
    policy.act(seen(800, 3))
    assert [shades(inputs) for inputs in shown] == [[[None, 1]], [[1, 2]], [[None, 3]]]


def test_what_is_masked_does_not_matter(policy: BundlePolicy) -> None:
    begun = policy.act(seen(0, 7)).actions
    policy.act(seen(100, 200))  # too young to be looked back at
    assert np.array_equal(policy.act(dataclasses.replace(seen(150, 7))).actions, begun)


def test_a_belief_is_of_an_earlier_plan_for_the_same_words() -> None:
    memory = Memory((0.0,), 0.025)
    first, second = torch.tensor([[0.1, 0, 0], [0.2, 0, 0]]), torch.tensor([[0.3, 0, 0], [0.5, 0, 0]])
    assert memory.believed(seen(0)) is None
    memory.believe(seen(0), first)
    assert memory.believed(seen(0)) is None  # asked again about one moment, it answers the same
    assert memory.believed(seen(400)) is first
    memory.believe(seen(400), second)
    assert memory.believed(seen(400)) is first
    assert memory.believed(seen(800)) is second
    assert memory.believed(dataclasses.replace(seen(800), instruction="pull it")) is None
    assert memory.believed(seen(100)) is None  # another episode
    assert memory.believed(seen(800)) is None


@pytest.mark.parametrize(
    ("apart", "kept"),
    [((0, 0, 0), False), ((0.03, 0.03, 0.02), False), ((0.05, 0, 0), True), ((0, 0, 0.03), True)],
)
def test_a_belief_is_let_go_when_the_object_lies_in_its_target(apart: tuple[float, ...], kept: bool) -> None:
    memory, there = Memory((0.0,), 0.025), torch.tensor([0.3, -0.1, 0.02])
    memory.believe(seen(0), torch.stack([there + torch.tensor(apart), there]))
    assert (memory.believed(seen(400)) is not None) == kept


def test_the_native_policy_is_told_what_it_believed(tmp_path: Path) -> None:
    config = config_for("premotor", [SPEC], "toy", image_size=128)
    rng = np.random.default_rng(0)
    codec = build_codec(SPEC, rng.normal(0, 1, (50, 4, len(SPEC.action.dims))), rng.normal(0, 1, (50, len(SPEC.state))))
    bundle.save(tmp_path / "b", config.build(), config, {"so101": codec}, bundle.DEFAULT, {})
    policy = BundlePolicy(bundle.load(tmp_path / "b"), "so101")
    start = policy.act(seen(0)).actions
    later = policy.act(seen(400)).actions
    assert not np.allclose(start, later)  # the picture is the same, what it remembers is not
    assert np.array_equal(policy.act(seen(400)).actions, later)
    assert np.array_equal(policy.act(seen(0)).actions, start)
    together = policy.act_batch([seen(400), seen(0)], ["other", "new"])
    policy.act_batch([seen(0)], ["third"])
    assert np.allclose(together[0].actions, together[1].actions, atol=1e-4)
    assert np.allclose(policy.act_batch([seen(400)], ["third"])[0].actions, later, atol=1e-4)
