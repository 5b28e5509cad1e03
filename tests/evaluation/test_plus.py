"""Protocols under perturbations: data with a hash, the same seeds everywhere, the same results however they are run."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation import plus as plus_module
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.lanes import Lanes, LaneSetup
from premotor.evaluation.metaworld import METAWORLD, MetaWorldProtocol
from premotor.evaluation.plus import PLUS, PlusProtocol
from premotor.evaluation.policies import chosen
from premotor.evaluation.protocol import PROTOCOLS, Job, Protocol
from premotor.evaluation.report import read_summary
from premotor.evaluation.results import EpisodeResult, read_journal
from premotor.evaluation.suites import changed, find, from_json, narrowed
from premotor.sim.metaworld.robot import View
from premotor.sim.perturb import axes
from premotor.sim.perturb.axes import AXES, NAMES, Axis

WITHOUT = "needs the package metaworld: pip install 'premotor[metaworld]'"
BASE = Protocol(embodiments=("so101",), families=("push_to", "close_drawer"), splits=("layout",), episodes=2)
SMALL = PlusProtocol(base=BASE, splits=("plain", "start-3", "delay-2", "typos-1"))


@pytest.mark.parametrize("name", PLUS)
def test_named_protocols_are_data(name: str) -> None:
    protocol = find(name)
    assert protocol == PLUS[name]
    assert from_json(json.loads(json.dumps(protocol.to_json()))) == protocol
    assert len(protocol.jobs()) == len(set(protocol.jobs())) == len(NAMES) * len(PLUS[name].base.jobs())
    assert protocol.splits[0] == "plain"
    assert "scene_text" in protocol.to_json()["left_out"], "left out without a word"


@pytest.mark.parametrize("name", PLUS)
def test_no_other_protocol_has_these_seeds(name: str) -> None:
    for seeds in [other.seeds for other in PROTOCOLS.values()] + [other.seeds for other in METAWORLD.values()]:
        assert not set(seeds) & set(PLUS[name].seeds)
    assert min(PLUS[name].seeds) > 500_000_000, "a recording could reach these seeds"


def test_every_episode_is_run_plain_and_perturbed_before_the_next() -> None:
    jobs = SMALL.jobs()
    for first in range(0, len(jobs), 4):
        four = jobs[first : first + 4]
        assert [job.cell.split for job in four] == list(SMALL.splits)
        assert len({(job.cell.embodiment, job.cell.family, job.seed) for job in four}) == 1
    assert {job.cell for job in jobs} == set(SMALL.cells())


@pytest.mark.parametrize(
    "other",
    [
        changed(SMALL, episodes=3),
        changed(SMALL, families=("push_to",)),
        changed(SMALL, splits=("plain", "start-3", "delay-2")),
        changed(SMALL, splits=("plain", "start-3", "delay-2", "typos-2")),
    ],
)
def test_everything_changes_the_hash(other: PlusProtocol) -> None:
    assert other.hash not in (SMALL.hash, BASE.hash)


def test_amounts_and_words_change_the_hash_and_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    written = SMALL.to_json()
    monkeypatch.setattr(axes, "AXES", {**AXES, "delay": Axis("delay", "later", {"steps": (1, 2, 3)})})
    assert SMALL.hash != PlusProtocol(base=BASE, splits=("plain", "start-3", "typos-1")).hash
    with pytest.raises(EvaluationError, match=r"other tasks.*perturbations: .*\[2, 5, 10\]"):
        from_json(written)
    monkeypatch.undo()
    monkeypatch.setattr(plus_module, "digest", lambda: "other words")
    with pytest.raises(EvaluationError, match=r"phrases: .* against 'other words'"):
        from_json(written)


def test_the_order_of_perturbations_means_nothing() -> None:
    assert changed(SMALL, splits=SMALL.splits[::-1]).hash == SMALL.hash
    assert changed(SMALL, splits=SMALL.splits[::-1]).jobs() == SMALL.jobs()
    assert narrowed(SMALL, ("plain",)).splits == ("plain",)
    assert changed(BASE, episodes=3) == dataclasses.replace(BASE, episodes=3)


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(EvaluationError, match="perturbation 'fog-1' does not exist; choose from plain, camera-1"):
        changed(SMALL, splits=("plain", "fog-1"))
    with pytest.raises(EvaluationError, match="perturb one split, not 2"):
        PlusProtocol(base=dataclasses.replace(BASE, splits=("layout", "words")))
    with pytest.raises(EvaluationError, match="not a protocol"):
        from_json({"base_suite": 2})


def played(setup: LaneSetup, jobs: list[Job]) -> Iterator[EpisodeResult]:
    """One episode after another, each by itself."""
    for job in jobs:
        lanes = Lanes(setup)
        lanes.begin(job)
        while lanes.busy:
            yield from (done.result for done in lanes.round())
        lanes.close()


def test_workers_do_not_matter_and_plain_is_the_base(tmp_path: Path) -> None:
    protocol = dataclasses.replace(SMALL, base=dataclasses.replace(BASE, families=("close_drawer",), episodes=1))
    done = evaluate("expert", protocol, tmp_path, workers=2, films=(0, 0))
    assert done.summary.errors == 0
    assert read_summary(done.report) == done.summary
    assert done.summary.mean(split="plain").rate == 1
    (journal,) = (tmp_path / "episodes").glob("expert-*")
    kept = {result.job: result.actions for result in read_journal(journal)[1]}
    expert = chosen("expert", SMALL.embodiments)
    some = protocol.jobs()
    alone = LaneSetup(choice=expert, replan_every=8, base="layout")
    assert {job: kept[job] for job in some} == {found.job: found.actions for found in played(alone, some)}
    # The words alone change nothing of what an expert does, and plain episodes are those of the base.
    plain, start, delay, typos = (kept[job] for job in some)
    assert plain == typos
    assert len({plain, start, delay}) == 3
    (base,) = played(LaneSetup(choice=expert, replan_every=8), protocol.base.jobs())
    assert base.actions == plain
    data = json.loads(done.report.read_text())
    assert [course["axis"] for course in data["profile"]] == ["start", "delay", "typos"]
    assert "Robustness profile" in done.page.read_text()


def test_meta_world_is_perturbed_by_the_same_names(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason=WITHOUT)
    base = MetaWorldProtocol(families=("drawer-open-v3",), episodes=1, max_steps=150, view=View(size=32))
    protocol = PlusProtocol(base=base, splits=("plain", "start-2", "noise-3", "delay-3", "paraphrase-1"))
    assert from_json(protocol.to_json()) == protocol
    assert "clutter" in protocol.to_json()["notes"]
    done = evaluate("expert", protocol, tmp_path, workers=2, films=(0, 1))
    assert done.summary.errors == 0
    (journal,) = (tmp_path / "episodes").glob("expert-*")
    kept = {(r.job.cell.split, r.job.seed): r for r in read_journal(journal)[1]}
    assert kept["paraphrase-1", 0].instruction == "Pull out a drawer"
    assert kept["plain", 0].actions == kept["noise-3", 0].actions == kept["paraphrase-1", 0].actions
    assert len({kept[name, 0].actions for name in ("plain", "start-2", "delay-3")}) == 3
    assert done.summary.mean(split="plain").rate == 1
    again = evaluate("expert", protocol, tmp_path / "again", workers=1, films=(0, 0))
    assert again.summary.cells == done.summary.cells
