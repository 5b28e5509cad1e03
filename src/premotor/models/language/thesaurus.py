"""Nouns that a policy has not learned, restated by the nearest that it has: "the goblet" becomes "the cup".

A policy is trained with a hundred nouns and meets any. What a small text encoder makes of an unknown one is right in
half of the cases (docs/log.md); a thesaurus that was made from a dictionary's hierarchy knows more of them, and lists a
noun only if it is sure. All other words are left to the encoder.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from premotor.core.errors import BundleError
from premotor.models.language.minilm import TextEncoder

__all__ = ["THESAURUS", "RestatedWords", "Thesaurus"]

THESAURUS = "thesaurus.json"
_WORD = re.compile(r"[a-z]+")
_Span = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thesaurus:
    """nouns: noun -> the known one in its place, a known one itself. determiners, adjectives: what a noun phrase begins
    with; stop: words of training that end one.
    """

    nouns: Mapping[str, str]
    determiners: frozenset[str]
    adjectives: frozenset[str]
    stop: frozenset[str]

    @classmethod
    def load(cls, path: Path) -> "Thesaurus":
        """Raises BundleError when the file is damaged."""
        try:
            told = json.loads(path.read_text())
            sets = {name: frozenset(told[name]) for name in ("determiners", "adjectives", "stop")}
            return cls(nouns=dict(told["nouns"]), **sets)
        except (ValueError, KeyError, TypeError) as damage:
            raise BundleError(f"{path} is no thesaurus ({damage!r}); restore the bundle") from damage

    def restated(self, instruction: str) -> str:
        """The instruction, in lower case, with known nouns for those that the thesaurus lists."""
        text = instruction.lower()
        for start, stop, noun in reversed([found for phrase in self._phrases(text) for found in self._known(phrase)]):
            text = text[:start] + noun + text[stop:]
        return text

    def _phrases(self, text: str) -> Iterator[list[_Span]]:
        """The words of each noun phrase that are neither determiners nor adjectives."""
        phrase: list[_Span] | None = None
        end = 0
        for found in _WORD.finditer(text):
            word, apart = found.group(), text[end : found.start()].strip(" -")
            begins, end = word in self.determiners or word in self.adjectives, found.end()
            if phrase and (apart or word in self.determiners or word in self.stop):
                yield phrase
            if apart or word in self.stop:
                phrase = None
            if begins:
                phrase = [] if word in self.determiners or phrase is None else phrase
            elif phrase is not None:
                phrase.append((word, found.start(), found.end()))
        if phrase:
            yield phrase

    def _known(self, phrase: list[_Span]) -> Iterator[tuple[int, int, str]]:
        """Where the phrase's noun is and what it is called; nothing for one that is known, or not listed."""
        for last in range(len(phrase) - 1, -1, -1):
            for first in (last - 1, last) if last else (last,):
                noun = " ".join(word for word, _, _ in phrase[first : last + 1])
                if (known := self._listed(noun)) is not None:
                    if known != noun:
                        yield phrase[first][1], phrase[last][2], known
                    return

    def _listed(self, noun: str) -> str | None:
        """What a noun is called, in the singular or in the plural."""
        if noun in self.nouns:
            return self.nouns[noun]
        for ending in ("s", "es"):
            single = noun.removesuffix(ending)
            if single != noun and (known := self.nouns.get(single)) is not None:
                # Known nouns are known in the plural, too.
                return noun if known == single else known + ("es" if known.endswith(("s", "x", "ch")) else "s")
        return None


class RestatedWords:
    """The frozen text encoder, told restated instructions."""

    def __init__(self, thesaurus: Thesaurus, encoder: TextEncoder) -> None:
        self._thesaurus, self._encoder = thesaurus, encoder

    def batch(self, instructions: list[str], states: Tensor) -> tuple[Tensor, Tensor]:
        """As TextEncoder.batch."""
        return self._encoder.batch([self._thesaurus.restated(text) for text in instructions], states)
