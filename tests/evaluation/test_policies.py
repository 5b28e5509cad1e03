"""Names choose policies; the baselines do what their names say."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from premotor.core.agree import agree
from premotor.core.errors import BundleError, EvaluationError, SpecMismatch
from premotor.core.types import ActionChunk, Observation
from premotor.evaluation.policies import Choice, HoldStill, chosen, player
from premotor.models import bundle
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.tabletop.sample import sample

ARMS = tuple(EMBODIMENTS)


class Fake:
    """Stands in for a bundle's policy and remembers what it was shown."""

    def __init__(self, _: object, arm: str) -> None:
        self.spec = EMBODIMENTS[arm].spec
        self.seen: list[Observation] = []
        FAKES.append(self)

    def act_batch(self, observations: Sequence[Observation], worlds: Sequence[object]) -> list[ActionChunk]:
        self.seen += observations
        actions = np.zeros((2, len(self.spec.action.dims)))
        return [ActionChunk(stamp_ns=o.stamp_ns, rate_hz=20.0, actions=actions) for o in observations]


FAKES: list[Fake] = []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def codec(arm: str) -> None:
        if arm != "panda":
            raise BundleError(f"not trained for {arm}")

    monkeypatch.setattr(bundle, "load", lambda _: SimpleNamespace(digest="d" * 64, codec=codec))
    monkeypatch.setattr("premotor.models.policy.BundlePolicy", Fake)
    FAKES.clear()
    return tmp_path


def observation() -> Observation:
    images = {name: np.full((4, 4, 3), 7, np.uint8) for name in ("front", "wrist")}
    return Observation(stamp_ns=50, images=images, state=np.arange(17.0), instruction="pick it up")


def test_names() -> None:
    assert [chosen(name, ARMS).label for name in ("expert", "hold")] == ["expert", "hold"]
    assert chosen("expert", ARMS).digest != chosen("hold", ARMS).digest


def test_a_bundle_and_what_is_made_of_it(folder: Path) -> None:
    plain, blind, deaf = (chosen(f"{control}{folder}", ("panda",)) for control in ("", "blind:", "deaf:"))
    assert [c.control for c in (plain, blind, deaf)] == ["none", "blind", "deaf"]
    assert {c.folder for c in (plain, blind, deaf)} == {folder.resolve()}
    assert len({c.digest for c in (plain, blind, deaf)}) == 3
    assert [c.label for c in (plain, blind, deaf)] == [folder.name, "blind", "deaf"]


def test_a_bundle_of_another_robot_is_refused_before_anything_runs(folder: Path) -> None:
    with pytest.raises(BundleError, match="not trained for so101"):
        chosen(str(folder), ("panda", "so101"))


@pytest.mark.parametrize("name", ["nothing/here", "blind:nothing", "numb:hold"])
def test_a_name_that_means_nothing_is_refused_with_the_options(name: str) -> None:
    with pytest.raises(EvaluationError, match=r"no policy .* blind:<path> or deaf:<path>"):
        chosen(name, ARMS)


@pytest.mark.parametrize("name", ["blind:expert", "deaf:hold"])
def test_who_neither_sees_nor_hears_cannot_be_made_blind_or_deaf(name: str) -> None:
    with pytest.raises(EvaluationError, match="only a bundle can be"):
        chosen(name, ARMS)


@pytest.mark.parametrize("arm", ARMS)
def test_hold_still_is_what_the_spec_calls_standing_still(arm: str) -> None:
    spec = EMBODIMENTS[arm].spec
    state = np.linspace(0.1, 0.9, len(spec.state))
    seen = Observation(stamp_ns=5, images={}, state=state, instruction="")
    still = HoldStill(spec)
    agree(spec, still.spec)
    chunk = still.act(seen)
    values = dict(zip((dim.name for dim in spec.state), state, strict=True))
    expected = [0.0 if dim.kind == "delta" else values[dim.name] for dim in spec.action.dims]
    assert np.array_equal(chunk.actions, np.tile(expected, (len(chunk.actions), 1)))
    assert chunk.stamp_ns == 5


def test_hold_still_needs_a_place_to_stay_at() -> None:
    from dataclasses import replace

    spec = EMBODIMENTS["so101"].spec
    with pytest.raises(SpecMismatch, match="cannot hold 'shoulder_pan'"):
        HoldStill(replace(spec, state=spec.state[1:]))


@pytest.mark.parametrize(("control", "pixel", "deaf"), [("none", 7, False), ("blind", 0, False), ("deaf", 7, True)])
def test_blind_sees_black_and_deaf_is_told_otherwise(folder: Path, control: str, pixel: int, deaf: bool) -> None:
    text = str(folder) if control == "none" else f"{control}:{folder}"
    who = player(chosen(text, ("panda",)), "panda")
    plans = who.batch([observation(), observation()], [])
    assert len(plans) == 2
    assert who.sees
    assert all((image == pixel).all() for seen in FAKES[-1].seen for image in seen.images.values())
    assert [seen.instruction for seen in FAKES[-1].seen] == ["pick it up"] * 2
    episode = sample("panda", "put_in", "layout", 3)
    assert (who.instruction(episode) != episode.instruction) is deaf


def test_every_player_keeps_to_its_arm() -> None:
    for name in ("hold", "expert"):
        for arm in ARMS:
            agree(player(chosen(name, ARMS), arm).spec, EMBODIMENTS[arm].spec)


def test_choices_travel_to_worker_processes() -> None:
    import pickle

    choice = Choice(text="deaf:x", kind="bundle", control="deaf", folder=Path("x"), digest="d")
    assert pickle.loads(pickle.dumps(choice)) == choice
