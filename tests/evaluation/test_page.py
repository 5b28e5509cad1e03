"""The page says what was measured, needs nothing beside itself, and lets no text become markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest

from premotor.core.errors import EvaluationError
from premotor.evaluation.film import Film
from premotor.evaluation.page import page
from premotor.evaluation.protocol import Protocol
from premotor.evaluation.report import Filmed, Report, read_summary, write_json
from premotor.evaluation.results import EpisodeResult
from premotor.evaluation.summary import Summary, compare, summarise

PROTOCOL = Protocol(families=("pick_up", "open_drawer"), splits=("layout", "slip"), episodes=10)
VOID = {"meta"}


def results(rate: float, protocol: Protocol = PROTOCOL) -> list[EpisodeResult]:
    return [
        EpisodeResult(job=job, instruction="lift <b>it</b> & hold", success=job.seed < 10 * rate, seconds=3.0, passed=9)
        for job in protocol.jobs()
    ]


def summary(label: str, rate: float, protocol: Protocol = PROTOCOL) -> Summary:
    return summarise(
        results(rate, protocol),
        protocol,
        label=label,
        policy=label,
        policy_digest="d" * 64,
        revisions=["abc123"],
        machine={"cpu": "Test CPU", "cores": 2},
        elapsed_s=12.0,
    )


def report(deaf: float = 0.0) -> Report:
    subject = summary("tabletop", 0.9)
    baselines = (summary("expert", 1.0, PROTOCOL.on(("layout",))), summary("deaf", deaf, PROTOCOL.on(("layout",))))
    runs = results(0.9)
    failed, solved = next(r for r in runs if not r.success), next(r for r in runs if r.success)
    return Report(
        summary=subject,
        baselines=baselines,
        comparisons={b.label: compare(subject.only(("layout",)), b) for b in baselines},
        films=(Filmed(result=solved, mp4=b"good", same=True), Filmed(result=failed, mp4=b"bad", same=False)),
        errors=(EpisodeResult(job=runs[0].job, error="WorldError: <unstable>"),),
        command="premotor eval --protocol quick",
    )


class Balance(HTMLParser):
    """Every tag that opens is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_beside_itself() -> None:
    text = page(report())
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert parser.tags.count("video") == 2
    assert "script" not in parser.tags
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert all(source.startswith("data:video/mp4;base64,") for source in sources)
    assert "http" not in text
    assert "url(" not in text


def test_it_says_what_was_measured() -> None:
    text = page(report())
    layout = summary("tabletop", 0.9).mean(split="layout")
    assert f'<span class="big">{100 * layout.rate:.1f} %</span>' in text
    assert f"{100 * layout.low:.0f}&ndash;{100 * layout.high:.0f}" in text
    for words in ("premotor eval --protocol quick", PROTOCOL.hash[:16], "abc123", "Test CPU", "0 to 9", "pick up"):
        assert words in text
    assert "expert is better than tabletop" not in text, "20 episodes with 2 of difference decide nothing"
    assert "No difference between tabletop and expert can be told" in text


def test_failures_come_first_and_a_film_that_went_another_way_says_so() -> None:
    text = page(report())
    assert text.index("What went wrong") < text.index("What went right")
    assert text.count("When it was filmed it went another way.") == 1


def test_texts_do_not_become_markup() -> None:
    text = page(report())
    assert "lift &lt;b&gt;it&lt;/b&gt; &amp; hold" in text
    assert "WorldError: &lt;unstable&gt;" in text
    assert "<b>it" not in text


@pytest.mark.parametrize(("deaf", "says"), [(0.0, "these tasks need both"), (0.5, "The deaf policy solves more")])
def test_a_control_that_succeeds_makes_the_benchmark_suspect(deaf: float, says: str) -> None:
    assert says in page(report(deaf))


def test_the_numbers_are_read_back(tmp_path: Path) -> None:
    made = report()
    written = write_json(made, tmp_path / "new", "eval")
    assert read_summary(written) == made.summary
    assert read_summary(written.with_name("eval_deaf.json")) == made.baselines[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "does not exist"),
        ("{", "is not a report"),
        ("[]", "is not a report"),
        ('{"format": 99}', "has format 99"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "eval.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EvaluationError, match=says):
        read_summary(path)


def test_a_film_shows_both_cameras_in_their_colours(tmp_path: Path) -> None:
    film = Film(rate_hz=20.0)
    red, blue = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    for _ in range(30):
        film.add({"front": red, "wrist": blue})
    path = tmp_path / "f.mp4"
    path.write_bytes(film.mp4())
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p", "other forms do not play in browsers"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 30
    assert frames[0].shape == (128, 2 * 64 * 2 + 8, 3)
    left, right = frames[0][64, 64].astype(int), frames[0][64, -64].astype(int)
    assert left[0] - left[2] > 120
    assert right[2] - right[0] > 120
    assert Film(rate_hz=20.0).mp4() == b""
