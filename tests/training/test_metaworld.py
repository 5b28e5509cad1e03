"""Meta-World's experts demonstrate and correct: what is executed may be disturbed, what is learned never is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from premotor.core.errors import DatasetError
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation.demonstrations import STRIDE
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.metaworld import METAWORLD
from premotor.recipes import RECIPES, metaworld_tiny
from premotor.sim.metaworld.robot import REACH, sawyer
from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.metaworld.wordings import wordings
from premotor.sim.metaworld.world import MetaWorld
from premotor.training.drive import BatchPolicy
from premotor.training.metaworld import MetaWorldCollect
from premotor.training.native import shrunk
from premotor.training.store import Demonstration, Store
from premotor.training.train import train

WITHOUT = "needs the package metaworld: pip install 'premotor[metaworld]'"
CALM = MetaWorldCollect(noise=0.0, pushes=0.0)
SELDOM = replace(CALM, every=20)  # pictures take most of the time
CLOSE = ("drawer-close-v3", 100_000_000)


def collected(
    folder: Path, config: MetaWorldCollect, learner: BatchPolicy | None = None, cell: tuple[str, int] = CLOSE
) -> Demonstration:
    """The one demonstration of that cell."""
    assert config.shard(folder, "a", "sawyer", [cell], learner) == (1, 1)
    assert config.shard(folder, "a", "sawyer", [cell], learner) == (0, 0)
    (found,) = Store([folder], config.cameras, ("sawyer",)).demonstrations
    return found


def executed(monkeypatch: pytest.MonkeyPatch) -> list[FloatArray]:
    """What any world is told to do from now on."""
    done: list[FloatArray] = []
    step = MetaWorld.step

    def told(world: MetaWorld, action: FloatArray) -> None:
        done.append(action)
        step(world, action)

    monkeypatch.setattr(MetaWorld, "step", told)
    return done


def test_the_expert_alone_labels_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    done = executed(monkeypatch)
    found = collected(tmp_path, CALM)
    assert found.expert.all()
    assert np.allclose(found.action, done)
    assert found.state.shape == (len(done), 4)
    assert found.at.tolist() == list(range(0, len(done), 4))
    assert found.images["corner2"].shape == (len(found.at), 96, 96, 3)
    assert found.instructions == wordings("drawer-close-v3")
    # It goes on once the drawer is shut, so that the last chunks are whole.
    world = MetaWorld(render=False)
    world.reset(*CLOSE)
    while not world.success:
        world.step(world.expert_action())
    assert len(done) - (world.steps + CALM.after) == world.steps
    # A drawer that is being shut moves towards where it shall be, in the world and in the picture.
    gap = np.linalg.norm(found.places[:, 0] - found.places[:, 1], axis=1)
    assert gap[-1] < 0.5 * gap[0]
    assert np.linalg.norm(found.points[-1, 0, 0] - found.points[-1, 0, 1]) < 0.1
    assert found.seen.all()
    assert found.named.all()
    assert (found.asked == -1).all()


def test_noise_is_executed_and_not_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    meant: list[FloatArray] = []
    ask = MetaWorld.expert_action

    def asked(world: MetaWorld) -> FloatArray:
        meant.append(ask(world))
        return meant[-1]

    monkeypatch.setattr(MetaWorld, "expert_action", asked)
    done = executed(monkeypatch)
    found = collected(tmp_path, replace(SELDOM, noise=20.0))
    assert np.array_equal(found.action, meant)
    off = np.abs(found.action - done)
    assert np.median(off[:, :3]) > 0.1 * REACH
    assert not off[:, 3].any()
    assert np.abs(np.array(done)[:, :3]).max() <= REACH


def test_pushes_are_driven_and_not_learned(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    found = collected(tmp_path, replace(SELDOM, pushes=0.2))
    assert 0.1 < found.expert.mean() < 0.95
    assert found.expert[found.at].all()


class Lazy:
    """A learner that moves away from the drawer, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Observation] = []

    def act_batch(self, observations: Sequence[Observation], worlds: Sequence[int]) -> list[ActionChunk]:
        self.shown += observations
        rows = np.tile([0.0, -0.004, 0.004, 1.0], (12, 1))
        return [ActionChunk(stamp_ns=one.stamp_ns, rate_hz=80.0, actions=rows) for one in observations]


def test_the_learner_drives_and_the_expert_corrects(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    lazy = Lazy()
    config = replace(SELDOM, learner_steps=(10, 12), expert_steps=(60, 60), worlds=1)
    found = collected(tmp_path, config, lazy)
    assert not found.expert[:10].any()
    assert found.expert[12:].all()
    assert np.allclose(found.action[:10], [0.0, -0.004, 0.004, 1.0])
    # It plans every eight steps from what a protocol shows: large pictures, four numbers, the task's own sentence.
    assert [one.stamp_ns for one in lazy.shown] == [0, 100_000_000]
    assert lazy.shown[0].images["corner2"].shape == (480, 480, 3)
    assert lazy.shown[0].instruction == TASKS["drawer-close-v3"].instruction


def test_collecting_twice_gives_the_same(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    first, second = (collected(tmp_path / name, MetaWorldCollect(every=20)) for name in ("a", "b"))
    assert np.array_equal(first.action, second.action)
    assert np.array_equal(first.images["corner2"], second.images["corner2"])


def test_what_is_learned_from_looks_like_what_a_protocol_shows(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    found = collected(tmp_path, SELDOM)
    world = MetaWorld(METAWORLD["metaworld-ours"].view)
    world.reset(*CLOSE)
    shown = shrunk(world.observe().images["corner2"], 5).astype(float)
    away = np.abs(shown - found.images["corner2"][0])
    assert away.mean() < 1.0
    assert np.abs(shown - found.images["corner2"][-1]).mean() > 3 * away.mean()


@pytest.mark.parametrize("name", [name for name, made in RECIPES.items() if made().arms == ("sawyer",)])
def test_no_scene_that_is_evaluated_or_recorded_is_learned_from(name: str) -> None:
    recipe = RECIPES[name]()
    seeds = range(recipe.first_seed, recipe.first_seed + sum(one.episodes for one in recipe.rounds))
    assert not any(set(seeds) & set(protocol.seeds) for protocol in METAWORLD.values())
    assert seeds.start > 50 * STRIDE
    assert set(recipe.families) <= set(TASKS)
    assert recipe.rounds[0].episodes <= 50
    assert recipe.config().fake_inputs(1).state.shape[-1] == len(sawyer(METAWORLD["metaworld-ours"].view).state)


def test_controls_differ_from_the_recipe_in_what_they_are_called_for() -> None:
    whole, calm, corrected = (RECIPES[f"metaworld{which}"]() for which in ("", "-undisturbed", "-corrected"))
    assert calm == replace(whole, name=calm.name, collect=CALM)
    assert not any(one.learner for one in whole.rounds)
    assert [one.learner for one in corrected.rounds] == [False, True, True, True]
    assert whole.collect == corrected.collect == MetaWorldCollect()


@pytest.mark.parametrize("change", [{"noise": -0.1}, {"every": 0}, {"shrink": 7}])
def test_what_cannot_be_collected_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(DatasetError, match=r"at least|cannot be shrunk by 7"):
        MetaWorldCollect(**change)  # type: ignore[arg-type]


def test_there_are_no_stills(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="set scenes to 0"):
        MetaWorldCollect().stills(tmp_path, "a", "sawyer", [CLOSE], 1, asked=False)


def test_a_recipe_ends_in_a_policy_that_is_evaluated(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    stages: list[str] = []
    made = train(metaworld_tiny(), tmp_path / "run", lambda stage, *_: stages.append(stage), workers=1)
    assert list(dict.fromkeys(stages)) == ["collect 0", "learn", "collect 1"]
    protocol = replace(METAWORLD["metaworld-choose"], families=("drawer-close-v3",), episodes=1, max_steps=80)
    done = evaluate(str(made), protocol, tmp_path / "eval", workers=1, films=(0, 0))
    assert done.summary.errors == 0
    assert done.summary.mean().n == 1
    assert METAWORLD["metaworld-choose"].hash != protocol.hash
