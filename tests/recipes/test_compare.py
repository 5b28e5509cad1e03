"""Systems side by side: budgets hold, controls stand beside, and what is done is not done again."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.test_store import demonstration

from premotor.evaluation.protocol import named
from premotor.recipes.compare import Row, fair, side_by_side
from premotor.training.store import write_shard

ARMS = ("panda", "so101")


@pytest.fixture
def run_of_drawers(tmp_path: Path) -> Path:
    """Demonstrations that look like nothing, of the family that a system without words learns."""
    for arm in ARMS:
        made = [replace(demonstration(arm, 24, seed, side=128), family="open_drawer") for seed in range(2)]
        write_shard(tmp_path / "run/data/round-0", arm, made)
    return tmp_path / "run"


def test_all_of_the_budget_is_one_cosine(run_of_drawers: Path) -> None:
    recipe = fair("pi0", run_of_drawers, 5)
    assert recipe.steps == recipe.learn.steps == 5
    assert recipe.learn.warmup == 1
    assert [r.episodes for r in recipe.rounds] == [0]


def test_a_system_learns_once_and_is_compared_with_itself_blindfolded(run_of_drawers: Path, tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []
    protocol = replace(named("layout"), episodes=1)

    def ask() -> list[Row]:
        return side_by_side(
            ["act"], run_of_drawers, tmp_path / "out", 2.0, protocol, lambda who, what, *_: heard.append((who, what))
        )

    (row,) = first = ask()
    assert row.system == "act"
    assert row.families == ("open_drawer",)
    assert row.steps >= 1
    # Loading is not learning; a budget is kept to a factor, on a machine that does other things too.
    assert 0 <= row.learned_s < 10 * 2.0
    assert row.success.n == len(ARMS)
    # It hears nothing, so there is nothing to be deaf to; two episodes are clear of nothing.
    assert [name.split()[0] for name in row.controls] == ["blind"]
    assert row.clear == ()
    assert row.step_ms > 0
    assert row.memory_mb > 50
    assert ("act", "learn") in heard
    heard.clear()
    assert ask() == first
    assert not heard
