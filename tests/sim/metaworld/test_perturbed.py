"""Meta-World under perturbations, where the package is installed; and its paraphrases, which need nothing."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from premotor.core.errors import WorldError
from premotor.core.types import Observation
from premotor.sim.metaworld.paraphrases import PARAPHRASES, paraphrase
from premotor.sim.metaworld.perturbed import told
from premotor.sim.metaworld.robot import View
from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.metaworld.world import MetaWorld
from premotor.sim.perturb.axes import STRENGTHS, Perturbation

WITHOUT = "needs the package metaworld: pip install 'premotor[metaworld]'"
NAME, SEED = "push-v3", 1_200_000_000
TOUCHED: dict[str, set[str]] = {
    **{axis: {"images"} for axis in ("camera", "light", "texture", "background", "clutter")},
    "layout": {"images", "objects"},
    "start": {"images", "hand"},
    "delay": set(),
    "typos": set(),
}
LITTLE = set("a an the to of in on by into out up down from with it its is and at be should".split())


@pytest.fixture(scope="module")
def world() -> Iterator[MetaWorld]:
    pytest.importorskip("metaworld", reason=WITHOUT)
    made = MetaWorld(View(size=32))
    yield made
    made.close()


def first(world: MetaWorld, change: Perturbation | None) -> tuple[Observation, np.ndarray]:
    world.reset(NAME, SEED, change)
    return world.observe(), world.seen


def differing(a: tuple[Observation, np.ndarray], b: tuple[Observation, np.ndarray]) -> set[str]:
    (one, mine), (two, theirs) = a, b
    found = {
        "images": not np.array_equal(one.images["corner2"], two.images["corner2"]),
        "hand": not np.allclose(mine[:4], theirs[:4], atol=1e-6),
        "objects": not np.allclose(mine[4:11], theirs[4:11], atol=1e-6),
    }
    return {name for name, differs in found.items() if differs}


@pytest.mark.parametrize("axis", TOUCHED)
def test_each_changes_what_it_says_and_nothing_else(world: MetaWorld, axis: str) -> None:
    plain = first(world, None)
    assert differing(plain, first(world, Perturbation(axis, 0))) == set(), "strength 0 is nothing"
    for strength in STRENGTHS:
        assert differing(plain, first(world, Perturbation(axis, strength))) == TOUCHED[axis]
    again = first(world, Perturbation(axis, 3))
    assert differing(plain, first(world, None)) == set(), "something was left behind"
    assert differing(again, first(world, Perturbation(axis, 3))) == set(), "not repeatable"


def test_what_was_painted_before_the_first_picture_is_in_it() -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    late, early = MetaWorld(View(size=32)), MetaWorld(View(size=32))
    first(late, None)
    assert differing(first(late, Perturbation("texture", 3)), first(early, Perturbation("texture", 3))) == set()
    late.close()
    early.close()


def test_the_hand_starts_as_far_away_as_it_says(world: MetaWorld) -> None:
    home = first(world, None)[1][:3]
    for strength in STRENGTHS:
        change = Perturbation("start", strength)
        assert np.linalg.norm(first(world, change)[1][:3] - home) == pytest.approx(change.amount("tool_m"), rel=0.25)


def content(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower())) - LITTLE


def test_every_task_has_paraphrases_that_are_nobodys_instruction() -> None:
    assert list(PARAPHRASES) == list(TASKS)
    trained = {task.instruction.lower() for task in TASKS.values()}
    for name, put in PARAPHRASES.items():
        assert len(set(put)) == 3
        assert not {text.lower() for text in put} & trained
        known = content(TASKS[name].instruction)
        assert content(put[0]) & known, f"{name}: the mildest paraphrase has nothing of the instruction"
        share = len(content(put[2]) & known) / len(content(put[2]))
        assert share <= 0.34, f"{name}: {put[2]!r} says too much as the instruction does"


def test_two_tasks_are_never_called_the_same() -> None:
    for strength in STRENGTHS:
        named = [put[strength - 1] for put in PARAPHRASES.values()]
        assert len(set(named)) == len(named)


def test_how_an_instruction_is_put() -> None:
    own = TASKS[NAME].instruction
    assert told(NAME, 0, Perturbation("paraphrase", 1), own) == PARAPHRASES[NAME][0]
    assert told(NAME, 0, Perturbation("paraphrase", 2), "Press a button") == "Press a button"
    assert told(NAME, 0, Perturbation("light", 3), own) == own
    assert own.lower() in told(NAME, 0, Perturbation("register", 3), own).lower()
    assert paraphrase(NAME, 0) == own
    with pytest.raises(WorldError, match="no task 'juggle'; choose one of assembly-v3"):
        paraphrase("juggle", 1)
