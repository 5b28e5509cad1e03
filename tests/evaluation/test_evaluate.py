"""The whole way with real worlds: results that do not depend on how the work was spread, resuming, the report."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from premotor.core.errors import EvaluationError
from premotor.core.types import ActionChunk, Observation
from premotor.evaluation import lanes as lanes_module
from premotor.evaluation.evaluate import Progress, evaluate
from premotor.evaluation.lanes import Lanes, LaneSetup, row_of
from premotor.evaluation.policies import HoldStill, Player, chosen
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.report import read_summary
from premotor.evaluation.results import EpisodeResult, read_journal
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.tabletop.world import TabletopWorld

SMALL = Protocol(families=("pick_up", "open_drawer"), splits=("layout",), episodes=2)


def alone(jobs: Iterable[Job], setup: LaneSetup) -> dict[Job, EpisodeResult]:
    """Each episode by itself, in this process."""
    found = {}
    for job in jobs:
        lanes = Lanes(setup)
        lanes.begin(job)
        while lanes.busy:
            for done in lanes.round():
                found[job] = done.result
    return found


def same(result: EpisodeResult) -> EpisodeResult:
    """What must not depend on where an episode ran."""
    return dataclasses.replace(result, wall_s=0.0)


def test_interrupted_resumed_and_spread_over_two_workers_it_is_what_each_episode_is_alone(tmp_path: Path) -> None:
    setup = LaneSetup(choice=chosen("expert", SMALL.embodiments), replan_every=SMALL.replan_every)
    expected = alone(SMALL.jobs(), setup)
    heard: list[Progress] = []

    def stop_at_three(news: Progress) -> None:
        heard.append(news)
        if news.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("expert", SMALL, tmp_path, workers=2, films=(0, 0), progress=stop_at_three)
    assert not (tmp_path / "eval.json").exists()
    (journal,) = (tmp_path / "episodes").iterdir()
    kept = list(read_journal(journal)[1])
    assert len(kept) == 3
    heard.clear()

    done = evaluate(
        "expert", SMALL, tmp_path, workers=2, baselines=("hold", "expert"), films=(1, 1), progress=heard.append
    )

    assert [(news.label, news.done, news.total) for news in heard][:2] == [("expert", 3, 8), ("expert", 4, 8)]
    sessions, results, _ = read_journal(journal)
    assert len(sessions) == 2
    assert list(results)[:3] == kept, "what was kept was run again"
    assert {result.job: same(result) for result in results} == {job: same(r) for job, r in expected.items()}
    assert sum(result.success for result in results) >= 6, "the expert fails at easy tasks"
    assert [baseline.label for baseline in done.baselines] == ["hold"]
    assert done.baselines[0].mean().rate == 0.0, "standing still solves a task"
    assert done.comparisons["hold"].sentence.startswith(("expert is better than hold", "No difference"))
    assert read_summary(done.report) == done.summary
    assert json.loads(done.report.read_text())["complete"] is True
    page = done.page.read_text()
    assert "What went right" in page
    assert "When it was filmed it went another way" not in page
    assert 'src="data:video/mp4;base64,AAAA' in page


def test_a_policy_that_sees_gets_full_batches_in_fixed_places(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[Observation]] = []
    still = {arm: HoldStill(spec.spec) for arm, spec in EMBODIMENTS.items()}

    def looking(_: object, arm: str) -> Player:
        def batch(seen: list[Observation], worlds: list[TabletopWorld | int]) -> list[ActionChunk]:
            batches.append(list(seen))
            for row, (observation, world) in enumerate(zip(seen, worlds, strict=True)):
                assert set(observation.images) == {"front", "wrist"}
                if not isinstance(world, TabletopWorld):
                    assert world == row, "a copy has a world of its own"
                    continue
                assert world.spec.name == arm
                assert observation.instruction == world.episode.instruction
            assert len(set(worlds)) == len(worlds)
            return [still[arm].act(observation) for observation in seen]

        return Player(spec=EMBODIMENTS[arm].spec, batch=batch, sees=True)  # type: ignore[arg-type]

    monkeypatch.setattr(lanes_module, "player", looking)
    setup = LaneSetup(choice=chosen("hold", ()), replan_every=40, width=4)
    lanes = Lanes(setup)
    jobs = {row_of(job, 4): job for job in dataclasses.replace(SMALL, embodiments=("so101",)).jobs()}
    for job in jobs.values():
        lanes.begin(job)
    words = {row: lanes._lanes[row].observation.instruction for row in jobs}
    results = []
    while lanes.busy:
        results += [done.result for done in lanes.round()]
    assert {len(batch) for batch in batches} == {4}
    assert all(batches[0][row].instruction == words[row] for row in jobs)
    # 120 and 160 steps, asked every 40: at 0, 40, 80 and, for those that run longer, 120.
    assert len(batches) == 4
    assert sorted(result.job for result in results) == sorted(jobs.values())
    assert all(result.held + result.stopped == 0 for result in results)


def test_a_row_of_the_network_does_not_depend_on_the_other_rows() -> None:
    import torch

    from premotor.models.batch import Inputs
    from premotor.models.systems.premotor import PremotorConfig

    torch.manual_seed(0)
    config = PremotorConfig(embodiments=("panda", "so101"), state_dims=(17, 6), action_dims=(7, 6))
    system, full = config.build().eval(), config.fake_inputs(8)
    wanted = system.sample(full)
    for row in range(8):
        # The same row in the same place, with copies of another around it.
        pick = torch.full((8,), (row + 3) % 8)
        pick[row] = row
        assert full.believed is not None
        assert full.recalls is not None
        other = Inputs(
            images={name: image[pick] for name, image in full.images.items()},
            words=full.words[pick],
            words_mask=full.words_mask[pick],
            state=full.state[pick],
            embodiment=full.embodiment[pick],
            believed=full.believed[pick],
            recalls=full.recalls[pick],
        )
        assert torch.equal(system.sample(other)[row], wanted[row])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"baselines": ("lucky",)}, "no baseline 'lucky'; choose from expert, hold, blind, deaf"),
        ({"baselines": ("deaf",)}, "needs a bundle to make deaf"),
        ({"workers": 0}, "0 workers cannot run"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(tmp_path: Path, change: dict[str, object], says: str) -> None:
    with pytest.raises(EvaluationError, match=says):
        evaluate("hold", SMALL, tmp_path / "new", **change)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
