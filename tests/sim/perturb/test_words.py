"""Instructions that are put another way still ask for the same, in words that training does not know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.perturb.axes import STRENGTHS, Perturbation
from premotor.sim.perturb.phrases import FRAMES, IDLE
from premotor.sim.perturb.words import said
from premotor.sim.tabletop.vocabulary import VOCABULARIES

SENTENCE = "put the blue cup in the large wooden bowl"
sentences = st.lists(st.text("abcdefghij", min_size=1, max_size=9), min_size=1, max_size=12).map(" ".join)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(sentences, st.integers(0, 999), st.sampled_from(STRENGTHS))
def test_what_is_asked_stands_in_every_frame_and_among_every_clause(text: str, seed: int, strength: int) -> None:
    for axis in ("register", "chatter"):
        put = said(text, Perturbation(axis, strength), rng(seed))
        assert text in put
        assert len(put) > len(text)
        assert put == said(text, Perturbation(axis, strength), rng(seed))


@given(sentences, st.integers(0, 999), st.sampled_from(STRENGTHS))
def test_mistyped_words_can_still_be_read(text: str, seed: int, strength: int) -> None:
    put = said(text, Perturbation("typos", strength), rng(seed)).split(" ")
    words = text.split(" ")
    assert len(put) == len(words)
    for typed, word in zip(put, words, strict=True):
        assert typed[0] == word[0]
        assert abs(len(typed) - len(word)) <= 1
        assert typed == word or len(word) >= 4


def test_more_is_mistyped_at_higher_strengths_and_what_was_stays() -> None:
    for seed in range(20):
        wrong = [
            {k: typed for k, typed in enumerate(put) if typed != SENTENCE.split()[k]}
            for put in (said(SENTENCE, Perturbation("typos", s), rng(seed)).split() for s in STRENGTHS)
        ]
        assert 1 == len(wrong[0]) < len(wrong[1]) < len(wrong[2]) == 3
        assert wrong[0].items() <= wrong[1].items() <= wrong[2].items()


def test_clauses_are_added_one_by_one() -> None:
    counts = [sum(c in said(SENTENCE, Perturbation("chatter", s), rng(1)) for c in IDLE) for s in (0, *STRENGTHS)]
    assert counts == [0, 1, 2, 3]


@pytest.mark.parametrize("axis", ["register", "typos", "chatter", "camera", "delay"])
def test_strength_0_and_other_axes_leave_the_words_alone(axis: str) -> None:
    assert said(SENTENCE, Perturbation(axis, 0), rng(0)) == SENTENCE
    if axis in ("camera", "delay"):
        assert said(SENTENCE, Perturbation(axis, 3), rng(0)) == SENTENCE


def test_no_phrase_is_said_in_training() -> None:
    frames = [frame for frames in FRAMES.values() for frame in frames]
    assert len({*frames, *IDLE}) == 4 * 3 + len(IDLE)
    trained = [pattern for words in VOCABULARIES for pattern in words.manners]
    trained += [task.instruction.lower() for task in TASKS.values()]
    for phrase in (*frames, *IDLE):
        kept = phrase.replace("{s}", "").strip(" ,:;?")
        assert not [known for known in trained if kept in known], f"{phrase!r} is said in training"
    nouns = {noun for words in VOCABULARIES for kinds in words.nouns.values() for noun in kinds}
    assert not {word for clause in IDLE for word in clause.split()} & nouns, "a clause names a thing of the table"
