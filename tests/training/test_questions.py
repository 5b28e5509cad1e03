"""Questions are true of the simulator's scene, fit one thing, and can be answered with the words there are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import readme_results
from premotor.core.types import Observation
from premotor.models import bundle
from premotor.models.language.lexicon import Lexicon
from premotor.models.systems import config_for
from premotor.robots.embodiment import EMBODIMENTS, embodiment
from premotor.robots.kinematics import Kinematics
from premotor.sim.tabletop.episode import COLORS, FAMILIES, KINDS, SIZES
from premotor.sim.tabletop.world import TabletopWorld
from premotor.training.grounding import Cell, ask_about, collect_scenes
from premotor.training.questions import NUMBERS, WORDS, Question, held, skill
from premotor.training.store import Store

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "slow" / "scene_questions.py"
CELLS: list[Cell] = [(family, seed) for family in FAMILIES for seed in range(2)]


@pytest.fixture(scope="module")
def world() -> TabletopWorld:
    return TabletopWorld("so101", segmentation=True)


def asked(world: TabletopWorld, cell: Cell) -> tuple[Observation, list[Question]]:
    ((seen, questions),) = ask_about(world, Kinematics(embodiment("so101")), cell, "layout", 1)
    return seen, questions


def fits(words: str, world: TabletopWorld) -> list[str]:
    """Names of the things of which all these words are true."""
    true = {t.name: {t.kind, t.color, t.size} for t in world.episode.things}
    return [name for name, words_of in true.items() if set(words.split()) <= words_of]


def named(text: str) -> list[str]:
    """The descriptions in a question: runs of colours, kinds and sizes."""
    runs: list[list[str]] = [[]]
    for word in text.replace("?", "").split():
        if word.removesuffix("s") in (*KINDS, *COLORS, *SIZES, "drawer") or word in (*COLORS, *SIZES):
            runs[-1].append(word)
        else:
            runs.append([])
    return [" ".join(run) for run in runs if run]


def test_answers_are_true(world: TabletopWorld) -> None:
    answers: dict[str, set[str]] = {}
    for cell in CELLS:
        _, questions = asked(world, cell)
        inside = held(world)
        shut = world.episode.drawer is not None and world.drawer_opening() < 0.3
        there = [t for t in world.episode.things if not (shut and t.in_drawer)]
        for question in questions:
            answers.setdefault(question.kind, set()).add(question.answer)
            words = named(question.text)
            if question.kind == "count":
                (group,) = words or [""]
                attributes = {word.removesuffix("s") for word in group.split()}
                count = sum(attributes <= {t.kind, t.color} for t in there)
                assert question.answer == NUMBERS[count], question
            elif words == ["drawer"]:
                assert world.episode.drawer is not None
                assert question.answer == world.episode.drawer.color
            elif question.kind == "colour":
                assert {world.thing(n).color for n in fits(words[0], world) if world.thing(n) in there} == {
                    question.answer
                }
            elif question.kind == "where":
                (name,) = [n for n in fits(words[0], world) if world.thing(n) in there]
                x, y, _ = world.position(name)
                assert ("left" in question.answer) == (y < -0.06)
                assert ("right" in question.answer) == (y > 0.06)
                assert ("near" in question.answer) == (x > 0.035)
                assert ("far" in question.answer) == (x < -0.035)
            else:
                first, second = (
                    "drawer" if part == "drawer" else next(n for n in fits(part, world) if world.thing(n) in there)
                    for part in words
                )
                pair = (first, second) if (first, second) in inside else (second, first)
                assert question.answer == ("yes" if inside[pair] else "no"), question
    assert set(answers) == {"colour", "count", "where", "inside"}
    assert answers["inside"] == {"yes", "no"}
    assert all(len(found) > 2 for kind, found in answers.items() if kind != "inside")


def test_only_what_is_shown_is_asked_about(world: TabletopWorld) -> None:
    """Who is asked for a colour sees it where the thing is."""
    checked = 0
    for cell in CELLS:
        seen, questions = asked(world, cell)
        for question in questions:
            if (
                question.kind == "colour"
                and question.answer in ("red", "green", "blue")
                and "drawer" not in question.text
            ):
                (name,) = [n for n in fits(named(question.text)[0], world) if world.thing(n).color == question.answer]
                pixels = seen.images["front"][world.segments["front"] == world.segment_names.index(name)]
                assert len(pixels) >= 12
                assert COLORS[(0, 1, 2)[int(pixels.mean(0).argmax())]] == question.answer
                checked += 1
    assert checked > 3


def test_splits_share_no_scene_and_asking_again_gives_the_same(world: TabletopWorld) -> None:
    kinematics, cell = Kinematics(embodiment("so101")), CELLS[0]
    pictures = [next(ask_about(world, kinematics, cell, split, 1)) for split in ("train", "layout", "train")]
    (first, asked_first), (other, _), (again, asked_again) = pictures
    assert np.array_equal(first.images["front"], again.images["front"])
    assert asked_first == asked_again
    assert not np.array_equal(first.images["front"], other.images["front"])


def test_everything_can_be_spelled(world: TabletopWorld) -> None:
    speech = Lexicon(WORDS)
    for cell in CELLS:
        for question in asked(world, cell)[1]:
            assert speech.text(speech.ids(question.answer)) == question.answer
    for family in FAMILIES:
        for kind in range(-1, len(KINDS) + 1):
            for colour in range(-1, len(COLORS)):
                speech.ids(skill(family, [[kind, colour, kind % 3 - 1], [colour, colour, -1]]))


def test_a_skill_is_what_is_being_done() -> None:
    red_block, drawer = [KINDS.index("block"), COLORS.index("red"), 0], [len(KINDS), COLORS.index("blue"), -1]
    bowl, nothing = [KINDS.index("bowl"), COLORS.index("blue"), 1], [-1, -1, -1]
    assert skill("put_all_in", [red_block, bowl]) == "put the small red block in the blue bowl"
    assert skill("put_in_drawer", [red_block, drawer]) == "put the small red block in the drawer"
    assert skill("open_drawer", [drawer, nothing]) == "open the drawer"


def test_stills_carry_their_questions(tmp_path: Path) -> None:
    collect_scenes(tmp_path, "a", "so101", CELLS[:3], 2, asked=True)
    demos = Store([tmp_path], ("front", "wrist"), tuple(EMBODIMENTS)).demonstrations
    assert len(demos) == 6
    for demo in demos:
        assert len(demo.instructions) == len(demo.answers) > 2
        assert not demo.expert.any()
        assert not demo.named.any()


def test_answers_about_unseen_scenes_are_counted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    specs = [EMBODIMENTS["so101"].spec]
    config = config_for("rt2", specs, "toy", said=WORDS, vocabulary=350, numbers=94)
    codecs = {"so101": bundle.load(bundle.DEFAULT).codecs["so101"]}
    bundle.save(tmp_path / "b", config.build(), config, codecs, bundle.DEFAULT, {})
    command = [sys.executable, str(SCRIPT), "--scenes", "1", "--out", str(tmp_path / "report.json"), "--policy"]
    ran = subprocess.run([*command, str(tmp_path / "nobody")], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "is no bundle" in ran.stderr
    assert not (tmp_path / "report.json").exists()
    subprocess.run([*command, str(tmp_path / "b")], capture_output=True, text=True, check=True)
    (report,) = readme_results.reports(tmp_path)
    assert isinstance(report, readme_results.Measurement)
    every, *kinds = report.rows
    assert [row.figure.split(", ")[-1] for row in kinds] == ["colour", "count", "inside", "where"]
    assert every.n == sum(row.n or 0 for row in kinds) > 30
    assert every.n * every.value == pytest.approx(sum((row.n or 0) * row.value for row in kinds))
    assert all("by the commonest answers" in row.target and "blind" in row.target for row in report.rows)
