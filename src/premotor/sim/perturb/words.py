"""An instruction in another tone, with typing mistakes, or among clauses that do not matter. It asks for the same."""

import hashlib

import numpy as np

from premotor.sim.perturb.axes import Perturbation
from premotor.sim.perturb.phrases import FRAMES, IDLE

__all__ = ["digest", "said"]

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHORTEST = 4
"""Letters of a word from which on it can be mistyped and still be read."""


def said(text: str, change: Perturbation, rng: np.random.Generator) -> str:
    """How the instruction is put; as it was where the perturbation is none of words."""
    if tone := int(change.amount("tone")):
        return FRAMES[tone][int(rng.integers(len(FRAMES[tone])))].replace("{s}", _inside(text))
    if clauses := int(change.amount("clauses")):
        return _among(text, [IDLE[i] for i in rng.permutation(len(IDLE))[:clauses]])
    if change.axis == "typos":
        return _mistyped(text, change.amount("share"), rng)
    return text


def digest() -> str:
    """Of every phrase that is used here, so that a protocol knows when they change."""
    return hashlib.sha256(repr((sorted(FRAMES.items()), IDLE)).encode()).hexdigest()[:16]


def _among(text: str, clauses: list[str]) -> str:
    """One before, one behind, one before that."""
    before, behind = [*clauses[2:], clauses[0]], clauses[1:2]
    return ", ".join([*before, f"so {_inside(text)}", *behind])


def _inside(text: str) -> str:
    """As it is written within a sentence."""
    return text[:1].lower() + text[1:]


def _mistyped(text: str, share: float, rng: np.random.Generator) -> str:
    """One mistake in this share of the words that are long enough, but in one at least; the first letter stays."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if word.isalpha() and len(word) >= _SHORTEST]
    order = rng.permutation(len(long))
    seeds = rng.integers(2**32, size=len(long))
    count = max(1, round(share * len(long))) if share else 0
    for place in order[:count]:
        words[long[place]] = _slip(words[long[place]], np.random.default_rng(seeds[place]))
    return " ".join(words)


def _slip(word: str, rng: np.random.Generator) -> str:
    """Two letters swapped, or one lost, doubled or hit beside; another word in any case."""
    at = int(rng.integers(1, len(word) - 1))
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    ways = (swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], _beside(word, at, rng))
    different = [way for way in ways if way != word]
    return different[int(rng.integers(len(different)))]


def _beside(word: str, at: int, rng: np.random.Generator) -> str:
    """The key next to the letter's instead of it."""
    for row in _KEYBOARD:
        place = row.find(word[at].lower())
        if place >= 0:
            near = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
            return word[:at] + near[int(rng.integers(len(near)))] + word[at + 1 :]
    return word
