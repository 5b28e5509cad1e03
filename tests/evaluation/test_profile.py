"""What a perturbation costs is counted on common episodes, with an interval that covers as often as it says."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premotor.evaluation.page import page
from premotor.evaluation.plus import PlusProtocol
from premotor.evaluation.profile import profile
from premotor.evaluation.protocol import Job, Protocol
from premotor.evaluation.report import Report, write_json
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.statistics import Paired, paired_difference
from premotor.evaluation.summary import Summary, summarise

BASE = Protocol(families=("pick_up", "open_drawer"), splits=("layout",), episodes=20)
PROTOCOL = PlusProtocol(base=BASE, splits=("plain", "light-1", "light-3", "noise-2"))


def summary(solved: Callable[[Job], bool], protocol: PlusProtocol | Protocol = PROTOCOL, skip: int = 0) -> Summary:
    found = [EpisodeResult(job=job, success=solved(job), scene=str(job)) for job in protocol.jobs()[skip:]]
    return summarise(
        found, protocol, label="a", policy="a", policy_digest="d", revisions=["r"], machine={}, elapsed_s=1.0
    )


def one_in(job: Job) -> bool:
    """Plain: all; light-1: all but every tenth; light-3: every other; noise: all."""
    return {"light-1": job.seed % 10 > 0, "light-3": job.seed % 2 == 0}.get(job.cell.split, True)


def test_drops_are_those_of_common_episodes() -> None:
    light, noise = profile(summary(one_in))
    assert (light.axis, noise.axis) == ("light", "noise")
    mild, harsh = light.points
    assert (mild.change.strength, harsh.change.strength) == (1, 3)
    assert [mild.drop.rate, harsh.drop.rate, noise.drop.rate] == pytest.approx([0.1, 0.5, 0.0])
    assert harsh.result == Paired(n=80, successes_a=80, successes_b=40, only_a=40, only_b=0, p=harsh.result.p)
    assert light.drop.rate == pytest.approx(0.3)
    assert light.drop.low == pytest.approx((mild.drop.low + harsh.drop.low) / 2)
    assert harsh.p < 0.001
    assert noise.points[0].p == 1
    assert mild.p == pytest.approx(min(1, 2 * mild.result.p)), "corrected for the three points that were looked at"
    assert noise.drop.low < 0 < noise.drop.high


def test_a_gain_is_a_negative_drop_and_what_is_missing_is_left_out() -> None:
    (_, noise) = profile(summary(lambda job: job.cell.split != "plain" or job.seed % 4 > 0))
    assert noise.drop.rate == pytest.approx(-0.25)
    (light, _) = profile(summary(one_in, skip=8))
    assert light.points[0].result.n == 80 - 2, "two episodes were not run"


def test_without_plain_or_perturbed_episodes_there_is_no_profile() -> None:
    for splits in (("plain",), ("light-1",)):
        assert profile(summary(one_in, PROTOCOL.on(splits))) == ()
    assert profile(summary(one_in, BASE)) == ()


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_difference_and_is_the_same_seen_from_the_other_side(a: int, b: int, rest: int) -> None:
    n = a + b + rest
    mine = paired_difference(Paired(n=n, successes_a=0, successes_b=0, only_a=a, only_b=b, p=1.0))
    theirs = paired_difference(Paired(n=n, successes_a=0, successes_b=0, only_a=b, only_b=a, p=1.0))
    if n == 0:
        assert math.isnan(mine.rate)
        assert (mine.low, mine.high) == (-1, 1)
        return
    assert -1 <= mine.low <= mine.rate <= mine.high <= 1
    assert [mine.low, mine.high] == pytest.approx([-theirs.high, -theirs.low])


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.0), (0.1, 0.05), (0.3, 0.1), (0.2, 0.2), (0.6, 0.05)])
def test_the_interval_covers_as_often_as_it_says(a: float, b: float) -> None:
    rng, n = np.random.default_rng(0), 60
    covered = 0
    for only_a, only_b, _ in rng.multinomial(n, [a, b, 1 - a - b], 1000):
        result = Paired(n=n, successes_a=0, successes_b=0, only_a=int(only_a), only_b=int(only_b), p=1.0)
        found = paired_difference(result)
        covered += found.low <= a - b <= found.high
    assert covered / 1000 >= 0.93


def test_the_page_and_the_numbers_tell_it(tmp_path: Path) -> None:
    report = Report(summary=summary(one_in), comparisons={})
    text = page(report)
    assert "Robustness profile" in text
    assert "Success by split" not in text
    rows = re.findall(r"<tr><th>(\w+)<small>", text)
    assert rows == ["light", "noise"], "the dearest comes first"
    assert text.count('<rect class="s') == 3
    assert "&minus;50<small>" in text
    assert "scene text is left out" in text
    assert re.search(r'<td class="num strong">&minus;50', text), "a sure loss is bold"
    assert re.search(r'<td class="num">0<small>', text), "no loss is not"
    data = json.loads(write_json(report, tmp_path, "eval").read_text())
    (light, noise) = data["profile"]
    assert light["strengths"][1]["only_plain"] == 40
    assert light["strengths"][1]["drop"]["rate"] == 0.5
    assert noise["mean_drop"]["rate"] == 0
    assert "profile" not in json.loads(
        write_json(Report(summary=summary(one_in, BASE), comparisons={}), tmp_path, "b").read_text()
    )
