from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from premotor.studio.film import Film, side_by_side
from premotor.studio.marks import OBJECT, TARGET, Mark, mark
from premotor.studio.strip import Keyframes, Moment, strip, write_picture

GREY = np.full((32, 32, 3), 128, np.uint8)


def test_a_ring_is_drawn_where_the_belief_is() -> None:
    marked = mark(GREY, 128, [Mark(color=OBJECT, u=0.25, v=0.75)])
    changed = np.argwhere((marked != 128).any(axis=2))
    centre = changed.mean(axis=0) / 128
    assert marked.shape == (128, 128, 3)
    assert centre == pytest.approx((0.75, 0.25), abs=0.02)


def test_heat_tints_its_own_place_only() -> None:
    heat = np.zeros((16, 16))
    heat[4, 12] = 1.0
    marked = mark(GREY, 128, [Mark(color=TARGET, u=0.78, v=0.28, heat=heat)]).astype(int)
    blue = marked[..., 2] - marked[..., 0]
    row, column = np.unravel_index(blue.argmax(), blue.shape)
    assert abs(row / 128 - 0.28) < 0.1
    assert abs(column / 128 - 0.78) < 0.1
    assert blue[100, 20] == 0


@pytest.mark.parametrize(("seen", "u"), [(0.4, 0.5), (1.0, float("nan"))])
def test_what_is_not_believed_or_not_a_number_is_not_drawn(seen: float, u: float) -> None:
    assert (mark(GREY, 64, [Mark(color=OBJECT, u=u, v=0.5, seen=seen, heat=np.ones((4, 4)))]) == 128).all()


@pytest.mark.parametrize("heat", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_heat_without_a_peak_leaves_the_ring_alone(heat: np.ndarray) -> None:
    assert mark(GREY, 64, [Mark(color=OBJECT, u=0.5, v=0.5, heat=heat)])[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize("count", [1, 4, 6, 69, 220, 601, 5000])
def test_an_episode_is_told_from_its_first_to_its_last_moment(count: int) -> None:
    keys = Keyframes(6)
    for k in range(count):
        keys.add(Moment(seconds=float(k), front=GREY, wrist=GREY))
    seconds = [moment.seconds for moment in keys.chosen()]
    assert (seconds[0], seconds[-1], len(seconds)) == (0, count - 1, min(count, 6))
    if count > 6:
        gaps = np.diff(seconds)
        assert gaps.max() < 1.5 * gaps.mean()
        assert gaps.min() > 0.5 * gaps.mean()


def test_nothing_is_told_of_nothing() -> None:
    assert Keyframes().chosen() == []


def test_a_strip_has_every_moment_and_survives_long_words(tmp_path: Path) -> None:
    colors = [(40 * i, 100, 200) for i in range(6)]
    moments = [
        Moment(seconds=float(i), front=np.full((64, 64, 3), c, np.uint8), wrist=GREY.repeat(2, 0).repeat(2, 1))
        for i, c in enumerate(colors)
    ]
    page = strip(moments, title="put " * 200, detail="x" * 900, outcome="done in 7 s", good=True)
    write_picture(tmp_path / "new" / "strip.png", page)
    with Image.open(tmp_path / "new" / "strip.png") as opened:
        again = np.asarray(opened)
    assert (again == page).all()
    for color in colors:
        assert (page == np.array(color, np.uint8)).all(axis=2).sum() > 64 * 64 * 0.9


def test_a_film_holds_every_frame_in_a_form_that_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "a" / "film.mp4"
    with Film(path, 20) as film:
        for level in (0, 120, 240):
            film.add(side_by_side(np.full((32, 32, 3), level, np.uint8), np.full((32, 32, 3), 60, np.uint8)))
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(stream)]
    assert (stream.codec_context.pix_fmt, float(stream.average_rate or 0)) == ("yuv420p", 20.0)
    assert [round(float(f[:, :30].mean()) / 120) for f in frames] == [0, 1, 2]


def test_a_film_that_breaks_off_keeps_what_was_seen(tmp_path: Path) -> None:
    def shoot() -> None:
        with Film(tmp_path / "film.mp4", 20) as film:
            film.add(np.zeros((32, 32, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shoot()
    assert (tmp_path / "film.mp4").stat().st_size > 0
    assert not list(tmp_path.glob("*.part"))
    with Film(tmp_path / "none.mp4", 20):
        pass
    assert not (tmp_path / "none.mp4").exists()
