"""Meta-World's protocols, and policies in its worlds where the package is installed."""

import dataclasses
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from premotor.core.codec import build_codec
from premotor.core.errors import EvaluationError, SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation import metaworld_lane
from premotor.evaluation import pool as pool_module
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.lanes import Done, Lanes
from premotor.evaluation.metaworld import METAWORLD, MetaWorldProtocol
from premotor.evaluation.metaworld_lane import MetaWorldSetup
from premotor.evaluation.native_lane import told_otherwise
from premotor.evaluation.policies import Choice, Player, chosen
from premotor.evaluation.pool import run_jobs
from premotor.evaluation.protocol import Job
from premotor.evaluation.report import read_summary
from premotor.evaluation.results import EpisodeResult, read_journal
from premotor.evaluation.suites import find, from_json, narrowed
from premotor.evaluation.summary import Summary, compare, summarise
from premotor.sim.metaworld.robot import View, sawyer
from premotor.sim.metaworld.tasks import TASKS

WITHOUT = "needs the package metaworld: pip install 'premotor[metaworld]'"
Results = dict[Job, EpisodeResult]
TOLD = {name: found.instruction for name, found in TASKS.items()}
SMALL = MetaWorldProtocol(
    families=("drawer-open-v3", "push-v3"), episodes=2, max_steps=150, view=View(size=32), replan_every=10
)


def summary(protocol: MetaWorldProtocol, solved: set[str]) -> Summary:
    """Solves every episode of the tasks in `solved`."""
    found = [EpisodeResult(job=job, success=job.cell.family in solved, scene=str(job)) for job in protocol.jobs()]
    return summarise(
        found, protocol, label="a", policy="a", policy_digest="d", revisions=["r"], machine={}, elapsed_s=1.0
    )


@pytest.mark.parametrize("name", METAWORLD)
def test_named_protocols_are_data(name: str) -> None:
    protocol = find(name)
    assert protocol == METAWORLD[name]
    assert from_json(json.loads(json.dumps(protocol.to_json()))) == protocol
    assert len(protocol.jobs()) == 50 * protocol.episodes


def test_no_two_names_mean_the_same_and_reported_seeds_choose_nothing() -> None:
    assert len({protocol.hash for protocol in METAWORLD.values()}) == len(METAWORLD)
    ours, choose = METAWORLD["metaworld-ours"], METAWORLD["metaworld-choose"]
    assert not set(ours.seeds) & set(choose.seeds)
    assert min(*ours.seeds, *choose.seeds) > 500_000_000, "a recording could reach these seeds"
    assert METAWORLD["metaworld-evo1"].state == "privileged"
    assert ours.state == METAWORLD["metaworld-lerobot"].state == "proprioception"


@pytest.mark.parametrize(
    "change",
    [
        {"families": ("push-v3",)},
        {"episodes": 3},
        {"first_seed": 1},
        {"replan_every": 9},
        {"max_steps": 100},
        {"settle": 1},
        {"view": View(size=33)},
        {"view": View(size=32, position=None)},
        {"state": "privileged"},
    ],
)
def test_every_field_changes_the_hash_and_is_told(change: dict[str, object]) -> None:
    other = dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]
    assert other.hash != SMALL.hash
    with pytest.raises(EvaluationError, match=f"{next(iter(change))}: .* against "):
        compare(summary(SMALL, set()), summary(other, set()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"families": ("juggle",)}, "family 'juggle' does not exist; choose from assembly-v3"),
        ({"embodiments": ("panda",)}, "choose from sawyer"),
        ({"splits": ("medium",)}, "none of drawer-open-v3, push-v3 is medium"),
        ({"max_steps": 500, "settle": 1}, "more than 500"),
        ({"episodes": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(EvaluationError, match=told):
        dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]


def test_both_means_are_told_apart() -> None:
    # All of the 28 easy tasks and nothing else: half of the tasks and more, but a quarter of the tiers.
    easy = {found.name for found in TASKS.values() if found.tier == "easy"}
    got = summary(MetaWorldProtocol(episodes=1), easy)
    assert got.mean().rate == pytest.approx(28 / 50)
    assert got.mean_of_splits().rate == pytest.approx(1 / 4)
    data = json.loads(json.dumps(got.to_json()))
    assert data["mean_of_cells"]["rate"] == pytest.approx(0.56)
    assert data["mean_of_splits"]["rate"] == pytest.approx(0.25)
    assert Summary.from_json(data) == got
    assert got.only(["easy"]).mean().rate == 1
    assert [cell.family for cell in narrowed(SMALL, ("hard",)).cells()] == ["push-v3"]


def test_a_deaf_policy_is_told_something_else_in_every_task() -> None:
    assert all(told_otherwise(name, TOLD) != TOLD[name] for name in TASKS)
    assert all(told_otherwise(name, TOLD) in TOLD.values() for name in TASKS)


def test_experts_are_evaluated_and_reported_as_on_the_tabletop(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    done = evaluate("expert", SMALL, tmp_path, workers=2, films=(0, 1), baselines=("hold",))
    assert done.summary.errors == 0
    (drawer,) = done.summary.choose(family="drawer-open-v3")
    assert drawer.outcomes == "11"
    assert drawer.seconds is not None
    assert 0.5 < drawer.seconds < 150 / 80
    assert drawer.clamped == drawer.held == 0
    assert done.baselines[0].mean().rate == 0
    assert read_summary(done.report) == done.summary
    page = done.page.read_text()
    assert "push-v3" in page
    assert "video/mp4" in page
    # Spread over two workers it is what each episode is alone, and filming changed nothing.
    assert "another way" not in page
    (journal,) = (tmp_path / "episodes").glob("expert-*")
    setup = MetaWorldSetup(choice=chosen("expert", ("sawyer",)), protocol=SMALL)
    kept = {result.job: dataclasses.replace(result, wall_s=0.0) for result in read_journal(journal)[1]}
    assert kept == {job: dataclasses.replace(run(setup, job), wall_s=0.0) for job in SMALL.jobs()}


def run(setup: MetaWorldSetup, job: Job) -> EpisodeResult:
    """One episode by itself, in this process."""
    lanes, found = Lanes(setup), []
    lanes.begin(job)
    while lanes.busy:
        found += [done.result for done in lanes.round()]
    lanes.close()
    (result,) = found
    return result


def playing(
    monkeypatch: pytest.MonkeyPatch, rows: FloatArray, spec: EmbodimentSpec, *, deaf: bool
) -> list[Observation]:
    """A policy that sees and always plans the same; returns what it is shown."""
    shown: list[Observation] = []

    def batch(seen: Sequence[Observation], worlds: Sequence[Hashable]) -> list[ActionChunk]:
        shown.append(seen[0])
        return [ActionChunk(stamp_ns=one.stamp_ns, rate_hz=80.0, actions=rows) for one in seen]

    player = Player(spec=spec, batch=batch, sees=True, deaf=deaf)
    monkeypatch.setattr(metaworld_lane, "bundle_player", lambda choice, arm: player)
    return shown


BUNDLE = Choice(text="b", kind="bundle", control="none", folder=Path("b"), digest="d")


def test_a_policy_is_asked_as_often_as_the_protocol_says_and_bad_actions_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    protocol = dataclasses.replace(SMALL, families=("push-v3",), episodes=1, max_steps=35, settle=2)
    rows = np.tile([0.0, 0.0, 0.0, 1.0], (12, 1))
    rows[1], rows[2] = np.nan, (0.5, 0, 0, 1)
    shown = playing(monkeypatch, rows, sawyer(protocol.view), deaf=False)
    (job,) = protocol.jobs()
    result = run(MetaWorldSetup(choice=BUNDLE, protocol=protocol), job)
    # Ten of twelve rows are carried out before the next question, and the two steps of settling are not counted.
    assert [one.stamp_ns for one in shown] == [12_500_000 * (2 + 10 * k) for k in range(4)]
    assert {one.images["corner2"].shape for one in shown} == {(32, 32, 3)}
    assert {one.instruction for one in shown} == {"Push the puck to a goal"}
    assert (result.passed, result.clamped, result.held) == (27, 4, 4)
    assert result.seconds == pytest.approx(35 / 80)
    assert result.error is None
    assert not result.success


def test_a_deaf_policy_hears_another_sentence_and_one_for_another_state_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    protocol = dataclasses.replace(SMALL, families=("push-v3",), episodes=1, max_steps=5)
    (job,) = protocol.jobs()
    rows = np.tile([0.0, 0.0, 0.0, 1.0], (10, 1))
    shown = playing(monkeypatch, rows, sawyer(protocol.view), deaf=True)
    assert run(MetaWorldSetup(choice=BUNDLE, protocol=protocol), job).instruction == told_otherwise("push-v3", TOLD)
    assert shown[0].instruction == told_otherwise("push-v3", TOLD)
    playing(monkeypatch, rows, sawyer(protocol.view, "privileged"), deaf=False)
    with pytest.raises(SpecMismatch, match=r"8 entries .*object\.x"):
        MetaWorldSetup(choice=BUNDLE, protocol=protocol).player("sawyer")


@pytest.mark.parametrize(("how", "told"), [(signal.SIGKILL, "died with exit code -9"), (signal.SIGSTOP, "nothing was")])
def test_a_worker_that_dies_or_hangs_is_replaced_and_what_it_held_is_counted(
    monkeypatch: pytest.MonkeyPatch, how: signal.Signals, told: str
) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    protocol = dataclasses.replace(SMALL, families=("reach-v3",), episodes=10, max_steps=60)
    setup, found, ahead = MetaWorldSetup(choice=chosen("expert", ("sawyer",)), protocol=protocol), list[Done](), [0.0]
    # Whoever is stopped is silent for as long as it takes, and the test does not wait that long.
    monkeypatch.setattr(pool_module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead[0]))

    def done(one: Done) -> None:
        found.append(one)
        if len(found) == 1:
            (child,) = multiprocessing.active_children()
            assert child.pid is not None
            os.kill(child.pid, how)
            ahead[0] += 1000.0 if how == signal.SIGSTOP else 0.0

    run_jobs(protocol.jobs(), setup, workers=1, done=done)
    assert sorted(one.result.job for one in found) == sorted(protocol.jobs())
    errors = [one.result.error for one in found if one.result.error is not None]
    assert 0 < len(errors) <= 8
    assert all(told in error for error in errors)
    # What was not lost is what it always is.
    good = next(one.result for one in reversed(found) if one.result.error is None)
    assert dataclasses.replace(good, wall_s=0.0) == dataclasses.replace(run(setup, good.job), wall_s=0.0)


def test_a_policy_that_sees_does_the_same_whatever_the_number_of_workers(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    from premotor.models import bundle
    from premotor.models.systems import config_for

    protocol = dataclasses.replace(SMALL, episodes=3, max_steps=24, replan_every=8)
    spec, rng = sawyer(protocol.view), np.random.default_rng(0)
    config = config_for("octo", [spec], "toy")
    numbers = rng.normal(0, 0.01, (50, 4, len(spec.action.dims))), rng.normal(0, 1, (50, len(spec.state)))
    bundle.save(tmp_path / "b", config.build(), config, {"sawyer": build_codec(spec, *numbers)}, bundle.DEFAULT, {})
    setup, kept = MetaWorldSetup(choice=chosen(str(tmp_path / "b"), ("sawyer",)), protocol=protocol), list[Results]()
    for workers in (1, 4):
        found: list[Done] = []
        run_jobs(protocol.jobs(), setup, workers=workers, done=found.append)
        kept.append({one.result.job: dataclasses.replace(one.result, wall_s=0.0) for one in found})
    assert kept[0] == kept[1]
    assert len({result.actions for result in kept[0].values()}) == 6, "episodes are not all the same"
    assert all(result.error is None for result in kept[0].values())
