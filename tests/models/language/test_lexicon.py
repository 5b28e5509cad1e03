"""Words and ids are the same thing, or it is said which word is not known."""

import pytest

from premotor.core.errors import SpecMismatch
from premotor.models.language.lexicon import FIRST, STOP, Lexicon

LEXICON = Lexicon(("red", "block", "yes"))


@pytest.mark.parametrize("text", ["", "yes", "red block red"])
def test_text_comes_back(text: str) -> None:
    assert LEXICON.text(LEXICON.ids(text)) == text


def test_ids_begin_after_the_marks_and_end_at_the_stop() -> None:
    assert LEXICON.ids("red yes") == [FIRST, FIRST + 2]
    assert LEXICON.text([FIRST, STOP, FIRST + 2, 999]) == "red"


def test_unknown_words_and_ids_are_named() -> None:
    with pytest.raises(SpecMismatch, match="cannot be said: green, ball"):
        LEXICON.ids("green block ball")
    with pytest.raises(SpecMismatch, match=rf"id {FIRST + 3} is no word; words are {FIRST} to {FIRST + 2}"):
        LEXICON.text([FIRST, FIRST + 3])


@pytest.mark.parametrize("words", [("a", "a"), ("two words",), ("",)])
def test_a_list_that_cannot_spell_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SpecMismatch, match="each word once"):
        Lexicon(words)
