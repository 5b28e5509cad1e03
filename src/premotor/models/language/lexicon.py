"""The words that a small language model says: a list, one id a word.

Ids up to the first word are kept for marks: where a sentence ends, and what is to be said. They are words that Gemma's
tokenizer keeps unused, so the marks of a published size are the same.
"""

from collections.abc import Iterable, Sequence

from premotor.core.errors import SpecMismatch

__all__ = ["ACT", "ANSWER", "FIRST", "PLAN", "STOP", "Lexicon"]

STOP, ANSWER, PLAN, ACT = 1, 7, 8, 9
"""Ids of the end of what is said, and of what stands for "A:", "Plan:" and "Action:"."""
FIRST = 16
"""The first word's id."""


class Lexicon:
    """Words <-> ids. A text is words with spaces between them."""

    def __init__(self, words: Sequence[str]) -> None:
        """Raises SpecMismatch for a word that is listed twice or is none."""
        self.words = tuple(words)
        self._ids = {word: FIRST + i for i, word in enumerate(self.words)}
        if len(self._ids) < len(self.words) or any(word != "".join(word.split()) or not word for word in self.words):
            raise SpecMismatch(f"a lexicon lists each word once, without spaces; got {self.words}")

    def ids(self, text: str) -> list[int]:
        """Ids of a text's words; raises SpecMismatch that lists those that are not known."""
        unknown = [word for word in text.split() if word not in self._ids]
        if unknown:
            raise SpecMismatch(
                f"{text!r} has words that cannot be said: {', '.join(unknown)}; add them to the lexicon "
                f"of {len(self.words)} words"
            )
        return [self._ids[word] for word in text.split()]

    def text(self, ids: Iterable[int]) -> str:
        """What ids say, up to the end; raises SpecMismatch for an id that is no word."""
        said = list[str]()
        for i in ids:
            if i == STOP:
                break
            if not FIRST <= i < FIRST + len(self.words):
                raise SpecMismatch(f"id {i} is no word; words are {FIRST} to {FIRST + len(self.words) - 1}")
            said.append(self.words[i - FIRST])
        return " ".join(said)
