import re
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from premotor.core.errors import InstructionError
from premotor.sim.tabletop.episode import (
    COLORS,
    FAMILIES,
    KINDS,
    SPLITS,
    Color,
    Drawer,
    Episode,
    Family,
    Goal,
    Kind,
    Size,
    Split,
    Thing,
)
from premotor.sim.tabletop.language import render, resolve
from premotor.sim.tabletop.lexicon import SHARED, Vocabulary
from premotor.sim.tabletop.parse import MAX_LENGTH, kinds_of
from premotor.sim.tabletop.references import CLEAR, Reference, denote, scene_description
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.tasks import EXAMPLES, MOVED_FAMILIES, SLIP_FAMILIES
from premotor.sim.tabletop.training_words import TRAINING
from premotor.sim.tabletop.vocabulary import HELD_OUT, VALIDATION, VOCABULARIES


def thing(kind: Kind, color: Color, x: float, y: float, size: Size = "small", *, in_drawer: bool = False) -> Thing:
    return Thing(
        name=f"{size}_{color}_{kind}", kind=kind, color=color, size=size, x=x, y=y, yaw=0.0, in_drawer=in_drawer
    )


DRAWER = Drawer(color="black", x=0.09, y=0.1, opening=1.0)
SCENE = (
    thing("cup", "blue", 0.05, -0.15),
    thing("cup", "red", -0.05, 0.05),
    thing("block", "red", 0.06, -0.05),
    thing("block", "green", -0.08, -0.14),
    thing("block", "green", -0.08, -0.04, "large"),
    thing("bowl", "white", 0.0, -0.1),
    thing("plate", "yellow", -0.08, 0.15),
    thing("bin", "red", 0.08, 0.05),
    thing("ball", "purple", 0.0, 0.1, in_drawer=True),
)


def goal(family: Family, target: str | None, *objects: str) -> Goal:
    return Goal(family=family, objects=objects, target=target)


UNDERSTOOD = {
    "put the blue cup in the bowl": goal("put_in", "small_white_bowl", "small_blue_cup"),
    "Put the BLUE cup into the bowl!": goal("put_in", "small_white_bowl", "small_blue_cup"),
    "put blue cup in bowl": goal("put_in", "small_white_bowl", "small_blue_cup"),
    "In the white bowl, please put the mug that is blue.": goal("put_in", "small_white_bowl", "small_blue_cup"),
    "pick up the purple sphere and place it in the red box": goal("put_in", "small_red_bin", "small_purple_ball"),
    "the blue cup goes on the plate": goal("put_on", "small_yellow_plate", "small_blue_cup"),
    "Please stack the red cube on the big green one": goal("stack", "large_green_block", "small_red_block"),
    "make a tower with the red block on the large green block": goal("stack", "large_green_block", "small_red_block"),
    "open the drawer": goal("open_drawer", "drawer"),
    "pull the drawer open, please": goal("open_drawer", "drawer"),
    "pull the drawer out": goal("open_drawer", "drawer"),
    "open the closed drawer": goal("open_drawer", "drawer"),
    "close the open drawer": goal("close_drawer", "drawer"),
    "push the drawer in": goal("close_drawer", "drawer"),
    "shove the black drawer shut": goal("close_drawer", "drawer"),
    "put the red mug back in the drawer": goal("put_in_drawer", "drawer", "small_red_cup"),
    "get the ball out of the drawer": goal("take_out_of_drawer", "drawer", "small_purple_ball"),
    "pick up the ball in the drawer": goal("take_out_of_drawer", "drawer", "small_purple_ball"),
    "put everything red into the white bowl": goal(
        "put_all_in", "small_white_bowl", "small_red_cup", "small_red_block"
    ),
    "put all the red things in the red bin": goal("put_all_in", "small_red_bin", "small_red_cup", "small_red_block"),
    "put both green blocks in the bowl": goal(
        "put_all_in", "small_white_bowl", "small_green_block", "large_green_block"
    ),
    "put the cups in the bin": goal("put_all_in", "small_red_bin", "small_blue_cup", "small_red_cup"),
    "push the red block next to the plate": goal("push_to", "small_yellow_plate", "small_red_block"),
    "slide the red block over to the blue cup": goal("push_to", "small_blue_cup", "small_red_block"),
    "push the cup next to the bowl to the plate": goal("push_to", "small_yellow_plate", "small_blue_cup"),
    "drop the purple ball inside the red thing on the right": goal("put_in", "small_red_bin", "small_purple_ball"),
    "set the blue cup on the yellow thing": goal("put_on", "small_yellow_plate", "small_blue_cup"),
    "pick up the left cup": goal("pick_up", None, "small_blue_cup"),
    "grab the cup on the right": goal("pick_up", None, "small_red_cup"),
    "grab the block nearest to the camera": goal("pick_up", None, "small_red_block"),
    "put the cup on the left on the plate": goal("put_on", "small_yellow_plate", "small_blue_cup"),
    "put the red cup in the container on the right": goal("put_in", "small_red_bin", "small_red_cup"),
    "take the large green block": goal("pick_up", None, "large_green_block"),
    "lift the cup farthest from the camera": goal("pick_up", None, "small_red_cup"),
    "pick the block in front of the bowl up": goal("pick_up", None, "small_red_block"),
    "put the cup standing next to the bowl in the bin": goal("put_in", "small_red_bin", "small_blue_cup"),
    "could you hold up the shiny blue cup for me?": goal("pick_up", None, "small_blue_cup"),
    # Nouns that only the dictionary knows, and what they may stand in front of.
    "pick up the blue eggcup": goal("pick_up", None, "small_blue_cup"),
    "put the red coffee mug in the salad bowl": goal("put_in", "small_white_bowl", "small_red_cup"),
    "put the blue dixie cup on the yellow dinner plate": goal("put_on", "small_yellow_plate", "small_blue_cup"),
    "put all the beer mugs in the bin": goal("put_all_in", "small_red_bin", "small_blue_cup", "small_red_cup"),
    "push the red block to the eggcup bowl": goal("push_to", "small_white_bowl", "small_red_block"),
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_people_are_understood(text: str) -> None:
    assert resolve(text, SCENE, DRAWER) == UNDERSTOOD[text]


REFUSED = {
    "": "empty",
    "  ?! ": "empty",
    "x" * (MAX_LENGTH + 1): "501 characters",
    "put the banana in the bowl": r"banana.*I see: a blue cup, a red cup",
    "put banana in bowl": r"banana.*I see",
    "put the blue cup in the fridge": r"fridge.*I see",
    "pick up the pink cup": r"pink.*red, green, blue",
    "pick up the yellow cup": r"no \"yellow cup\".*I see: .*a purple ball in the drawer.*and a black drawer",
    "pick up the cup": r"fits 2 things: the small blue cup \(left, front\), the small red cup",
    "pick up the green block": "fits 2 things: the small green block.*the large green block",
    "take the cup out of the drawer": r"no \"cup\" in the drawer. I see: a purple ball in the drawer",
    "open the red drawer": "no red drawer",
    "put the red cup": "Where to",
    "dance for me": r"(?s)ten kinds of task.*open the drawer.*put all the red things",
    "hello": "(?s)ten kinds",
    "the blue cup": "(?s)ten kinds",
    "do not pick up the blue cup": "not what to leave",
    "don't open the drawer": "not what to leave",
    "pick up the blue cup then open the drawer": "one task",
    "put the blue cup and the red cup in the bowl": "one task",
    "pick up the plate": "plate cannot be used.*block, ball, cup, bottle",
    "put the blue cup on the red cup": "cannot hold anything",
    "put all the red things on the plate": "cannot hold several",
    "stack the blue cup on the red block": "cannot be used",
    "push the ball to the bowl": "cannot be used",
    "put the red block on the red block": "itself",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_done_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(InstructionError, match=REFUSED[text]):
        resolve(text, SCENE, DRAWER)


def test_without_a_drawer_its_tasks_are_refused() -> None:
    for text in ("open the drawer", "put the blue cup in the drawer", "take the ball out of the drawer"):
        with pytest.raises(InstructionError, match=r'no ("drawer"|drawer) here'):
            resolve(text, SCENE, None)


_RED_AND_GREEN: tuple[tuple[Color, float], ...] = (("red", -0.05), ("green", -0.1))


@pytest.mark.parametrize("words", VOCABULARIES, ids=lambda words: words.name)
def test_the_dictionary_takes_no_word_from_a_vocabulary(words: Vocabulary) -> None:
    for kind, nouns in words.nouns.items():
        assert all(kind in kinds_of(noun) for noun in nouns)
    assert kinds_of("eggcup") == kinds_of("beer mug") == ("cup",)


def test_every_example_names_its_family() -> None:
    for family, text in EXAMPLES.items():
        names = set(re.findall("|".join((*KINDS, "drawer")), text))
        things = [thing("cup", "blue", 0, 0), thing("bowl", "red", 0.1, 0), thing("plate", "white", 0, 0.1)]
        things += [thing("block", c, 0.05, y) for c, y in _RED_AND_GREEN] if family == "stack" else []
        things += [thing("block", "blue", 0.05, -0.05), thing("bottle", "red", 0, -0.1)] if family != "stack" else []
        things += [
            thing("bin", "green", -0.1, 0.1),
            thing("ball", "red", 0.1, 0.1, in_drawer=family.startswith("take")),
        ]
        assert names
        assert resolve(text, things, DRAWER).family == family


def episodes(split: Split, count: int) -> list[Episode]:
    allowed = {"moved": MOVED_FAMILIES, "slip": SLIP_FAMILIES}.get(split, FAMILIES)
    return [
        sample(arm, family, split, seed) for family in allowed for arm in ("panda", "so101") for seed in range(count)
    ]


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_said_is_what_is_understood(split: Split) -> None:
    for episode in episodes(split, 20):
        assert resolve(episode.instruction, episode.things, episode.drawer) == episode.goal, episode.instruction


@pytest.mark.parametrize("words", VOCABULARIES, ids=lambda words: words.name)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_pattern_and_verb_is_understood(words: Vocabulary, family: Family) -> None:
    """Any vocabulary in any scene, with one pattern and one verb at a time."""
    scenes = [sample("panda", family, "train", seed) for seed in range(6)]
    rng = np.random.default_rng(5)
    for pattern in words.patterns[family]:
        for verb in words.verbs[family]:
            episode = scenes[int(rng.integers(len(scenes)))]
            narrow = Vocabulary(
                **{name: getattr(words, name) for name in words.__slots__}
                | {"patterns": {family: (pattern,)}, "verbs": {family: (verb,)}}
            )
            text = render(episode.goal, episode.things, episode.drawer, rng, narrow)
            assert resolve(text, episode.things, episode.drawer) == episode.goal, text


def content(words: Vocabulary) -> set[str]:
    """All words of a vocabulary that are not shared."""
    parts = [n for nouns in words.nouns.values() for n in nouns]
    parts += [n for pair in words.things for n in pair]
    parts += [*words.drawers, *words.every, *words.manners]
    for table in (
        words.sizes,
        words.sides,
        words.relations,
        words.verbs,
        words.prepositions,
        words.states,
        words.patterns,
    ):
        parts += [w for entries in table.values() for w in entries]
    text = re.sub(r"\{.*?\}", " ", " ".join(parts))
    return set(re.findall(r"[a-z][a-z-]*", text)) - SHARED


def test_the_three_vocabularies_share_no_content_word() -> None:
    train, validation, held_out = (content(words) for words in VOCABULARIES)
    assert not train & held_out
    assert not train & validation
    assert not validation & held_out
    assert {"mug", "cube", "sphere", "crate", "flask", "grab", "place", "drop", "shove", "tidy"} <= held_out


def skeleton(pattern: str) -> str:
    """A pattern with everything that may vary inside a vocabulary left out."""
    return " ".join(re.sub(r"\{[pqv]\}", "_", pattern.removeprefix("~")).replace("{s}", "{t}").split())


def test_the_three_vocabularies_share_no_sentence_pattern() -> None:
    for family in FAMILIES:
        train, validation, held_out = (
            {skeleton(p) for p in words.patterns[family]} for words in (TRAINING, VALIDATION, HELD_OUT)
        )
        assert not train & (validation | held_out)
        assert not validation & held_out
    manners = [set(words.manners) - {"{s}"} for words in VOCABULARIES]
    assert sum(map(len, manners)) == len(set.union(*manners))


def test_no_text_has_a_content_word_of_another_vocabulary() -> None:
    own = {"val": VALIDATION, "words": HELD_OUT}
    for split in SPLITS:
        others = set.union(*(content(words) for words in VOCABULARIES if words is not own.get(split, TRAINING)))
        for episode in episodes(split, 8):
            said = set(re.findall(r"[a-z][a-z-]*", episode.instruction))
            assert not said & others, episode.instruction


def test_training_words_are_rich() -> None:
    for family in FAMILIES:
        assert len(TRAINING.verbs[family]) >= 8
        assert len(TRAINING.patterns[family]) >= 8
    assert all(len(set(nouns)) >= 3 for nouns in TRAINING.nouns.values())
    texts = [e.instruction for e in episodes("train", 60)]
    assert len(set(texts)) > 0.85 * len(texts)
    said = Counter(w for text in texts for w in re.findall("[a-z]+", text))
    assert all(said[c] for c in COLORS)
    places = [t for t in texts if re.search("left|right|front|back|camera|next to|behind|beside|near|close", t)]
    assert 0.15 < len(places) / len(texts) < 0.6


def test_a_place_is_named_only_when_it_is_clear() -> None:
    cups = (thing("cup", "red", 0.0, 0.0), thing("cup", "blue", 0.0, CLEAR + 0.001), thing("bowl", "red", 0.05, -0.1))
    left = Reference(kinds=("cup",), side="left")
    assert denote(left, cups, None) == ("small_red_cup",)
    close = (cups[0], thing("cup", "blue", 0.0, CLEAR - 0.001), cups[2])
    assert len(denote(left, close, None)) == 2
    with pytest.raises(InstructionError, match="fits 2 things"):
        resolve("pick up the left cup", close, None)


def test_left_right_near_and_far_are_as_the_front_camera_sees_them() -> None:
    balls = {
        "left": thing("ball", "red", 0.0, -0.1),
        "right": thing("ball", "blue", 0.0, 0.1),
        "front": thing("ball", "green", 0.09, 0.0),
        "back": thing("ball", "white", -0.09, 0.0),
    }
    for side, ball in balls.items():
        assert resolve(f"pick up the {side} ball", tuple(balls.values()), None).objects == (ball.name,)
    centre = thing("block", "red", 0.0, 0.0)
    for words, side in (
        ("left of", "left"),
        ("to the right of", "right"),
        ("in front of", "front"),
        ("behind", "back"),
    ):
        text = f"pick up the ball {words} the block"
        assert resolve(text, (*balls.values(), centre), None).objects == (balls[side].name,)


def test_two_things_alike_in_the_same_spot_cannot_be_named() -> None:
    twins = (
        thing("cup", "red", 0.0, 0.0),
        Thing(**{s: getattr(thing("cup", "red", 0.01, 0.0), s) for s in Thing.__slots__} | {"name": "twin"}),
    )
    with pytest.raises(InstructionError, match="tell"):
        render(goal("pick_up", None, "twin"), twins, None, np.random.default_rng(0))


def test_scene_description() -> None:
    assert scene_description((), None) == "nothing"
    assert scene_description((thing("cup", "orange", 0, 0),), None) == "an orange cup"
    twins = (
        thing("block", "red", 0, 0),
        thing("block", "red", 0.1, 0, "large"),
        thing("ball", "blue", 0, 0, in_drawer=True),
    )
    assert scene_description(twins, DRAWER) == (
        "a small red block, a large red block, a blue ball in the drawer and a black drawer"
    )


@given(st.text(max_size=600))
@example("\x00" * 10)
@example("the " * 100)
@example("next to next to the left of")
def test_any_text_gives_a_goal_or_an_instruction_error(text: str) -> None:
    try:
        found = resolve(text, SCENE, DRAWER)
    except InstructionError:
        pass
    else:
        assert found.family in FAMILIES


_WORDS = sorted({w for words in VOCABULARIES for w in content(words)} | SHARED | {"banana", "not"})


@given(st.lists(st.sampled_from(_WORDS), max_size=14).map(" ".join))
def test_any_salad_of_known_words_gives_a_goal_or_an_instruction_error(text: str) -> None:
    try:
        found = resolve(text, SCENE, DRAWER)
    except InstructionError:
        pass
    else:
        names = {t.name for t in SCENE} | {"drawer"}
        assert set(found.objects) <= names
        assert found.target is None or found.target in names


def test_understanding_is_quick() -> None:
    texts = [e.instruction for e in episodes("train", 3)]
    start = time.process_time()
    for text in texts:
        try:
            resolve(text, SCENE, DRAWER)
        except InstructionError:
            continue
    assert (time.process_time() - start) / len(texts) < 0.005
