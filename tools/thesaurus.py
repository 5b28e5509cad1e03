"""Make the tabletop's thesaurus: which noun that policies are trained with is nearest to one that they are not.

    python tools/thesaurus.py --wordnet DICT     # the folder with data.noun and index.noun of WordNet 3

Nearness of two nouns is Lin's (ICML 1998, "An information-theoretic definition of similarity"): how much of what the
two say, the nearest thing above both says already; the more kinds a thing has below it, the less it says. A noun's
rarer senses count less, and those that say next to nothing, such as "equipment", not at all. Of each class of things,
such as cups, the two nearest nouns count. Classes and nouns are those of the training vocabulary; the held-out words
are not read. A noun is only listed if it is of one of the eight kinds of things, near and clearly nearest to it: what
may be a drawer or just an object is left to the text encoder. --check says how often that is right, each of the
training nouns being asked about as if it were unknown.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from premotor.sim.tabletop.episode import COLORS
from premotor.sim.tabletop.lexicon import SHARED, Vocabulary
from premotor.sim.tabletop.training_words import TRAINING
from premotor.sim.tabletop.vocabulary import THESAURUS

SOURCE = (
    "Made from WordNet 3 by tools/thesaurus.py. WordNet 3.0 Copyright 2006 by Princeton University. All rights "
    "reserved; see NOTICE."
)
NEAR, CLEAR = 0.6, 0.03
_GENERAL = 200  # has more kinds below it
_RARER, _ELSEWHERE = 0.9, 0.8
_NEAREST = 2
_SENSES, _ANCHOR_SENSES = 6, 4
_MADE_OR_SHAPED = {"06", "25"}  # WordNet's files of artefacts and of shapes
_DETERMINERS = "the a an this that these those my your our all every each any some both whichever".split()


class WordNet:
    """Nouns, their senses, and what is above each sense."""

    def __init__(self, folder: Path) -> None:
        self._above: dict[str, list[str]] = {}
        self.file: dict[str, str] = {}
        for fields in _lines(folder / "data.noun"):
            sense, self.file[sense], words = fields[0], fields[1], int(fields[3], 16)
            start = 5 + 2 * words
            pointers = [fields[start + 4 * k : start + 4 * k + 4] for k in range(int(fields[start - 1]))]
            self._above[sense] = [where for mark, where, kind, _ in pointers if mark in ("@", "@i") and kind == "n"]
        self.senses = {fields[0]: fields[-int(fields[2]) :] for fields in _lines(folder / "index.noun")}
        self._chains: dict[str, frozenset[str]] = {}
        self._below = Counter(above for sense in self._above for above in self.chain(sense))
        self.says = {sense: -math.log(self._below[sense] / len(self._above)) for sense in self._above}

    def chain(self, sense: str) -> frozenset[str]:
        """The sense and all that is above it."""
        if sense not in self._chains:
            self._chains[sense] = frozenset({sense}).union(*(self.chain(above) for above in self._above[sense]))
        return self._chains[sense]

    def near(self, one: str, other: str) -> float:
        """Lin's likeness of two senses, 0..1."""
        shared = max((self.says[sense] for sense in self.chain(one) & self.chain(other)), default=0.0)
        return 2 * shared / max(self.says[one] + self.says[other], 1e-9)

    def weighed(self, noun: str, most: int) -> list[tuple[str, float]]:
        """The senses of a noun, the most frequent first, and how much each counts."""
        found = self.senses.get(noun.replace(" ", "_"), [])[:most]
        return [
            (sense, _RARER**rank * (1.0 if self.file[sense] in _MADE_OR_SHAPED else _ELSEWHERE))
            for rank, sense in enumerate(found)
            if self._below[sense] <= _GENERAL
        ]


def _lines(path: Path) -> Iterator[list[str]]:
    for line in path.read_text("latin1").splitlines():
        if not line.startswith(" "):  # the licence
            yield line.partition("|")[0].split()


def classes(words: Vocabulary) -> dict[str, tuple[str, ...]]:
    """The plain noun of each class, and all the nouns of it."""
    found: dict[str, tuple[str, ...]] = {str(kind): nouns for kind, nouns in words.nouns.items()}
    return found | {"object": tuple(one for one, _ in words.things), "drawer": tuple(dict.fromkeys(words.drawers))}


class Judge:
    """Says which class an unknown noun is of."""

    def __init__(self, net: WordNet, known: Mapping[str, Sequence[str]]) -> None:
        self._net, self._known = net, known
        self._likeness: dict[tuple[str, str], float] = {}

    def judge(self, noun: str, without: str = "") -> tuple[str, float, float]:
        """The nearest class, how near it is, and by how much nearer than the next; without: a noun that is left out."""
        senses = self._net.weighed(noun, _SENSES)
        ranked = sorted(((self._class(senses, kind, without), kind) for kind in self._known), reverse=True)
        return ranked[0][1], ranked[0][0], ranked[0][0] - ranked[1][0]

    def _class(self, senses: Sequence[tuple[str, float]], kind: str, without: str) -> float:
        nouns = [noun for noun in self._known[kind] if noun.split()[-1] != without]
        near = sorted(self._noun(senses, noun) for noun in nouns if noun.replace(" ", "_") in self._net.senses)
        return sum(near[-_NEAREST:]) / _NEAREST

    def _noun(self, senses: Sequence[tuple[str, float]], noun: str) -> float:
        anchors = self._net.weighed(noun, _ANCHOR_SENSES)
        return max((self._near(s, a) * w * v for s, w in senses for a, v in anchors), default=0.0)

    def _near(self, one: str, other: str) -> float:
        if (one, other) not in self._likeness:
            self._likeness[one, other] = self._net.near(one, other)
        return self._likeness[one, other]


def table(net: WordNet, words: Vocabulary) -> dict[str, Any]:
    """The thesaurus as `premotor.models.language.thesaurus` reads it."""
    known = classes(words)
    own = {noun: noun for nouns in known.values() for noun in nouns}
    adjectives = {*COLORS, *(word for sizes in words.sizes.values() for one in sizes for word in one.split())}
    adjectives |= {one for sides in words.sides.values() for text in sides for one in text.partition("{n}")[0].split()}
    used = {word for text in _texts(words) for word in text.replace("{", " {").split() if word.isalpha()}
    stop = (used | SHARED) - adjectives - set(_DETERMINERS) - {word for noun in own for word in noun.split()}
    judge, found = Judge(net, known), dict[str, str]()
    for lemma in net.senses:
        noun = lemma.replace("_", " ")
        if noun in own or noun in used or not noun.replace(" ", "").isalpha() or noun.count(" ") > 1:
            continue
        kind, near, clear = judge.judge(noun)
        if kind in words.nouns and near >= NEAR and clear >= CLEAR:
            found[noun] = kind
    return {
        "source": SOURCE,
        "determiners": sorted(_DETERMINERS),
        "adjectives": sorted(adjectives),
        "stop": sorted(stop),
        "nouns": dict(sorted((own | found).items())),
    }


def _texts(words: Vocabulary) -> Iterator[str]:
    """All that training sentences are made of, but nouns."""
    for group in (words.sizes, words.sides, words.relations, words.verbs, words.prepositions, words.states):
        for texts in group.values():
            yield from texts
    for texts in words.patterns.values():
        yield from (text.lstrip("~") for text in texts)
    yield from words.every
    yield from words.manners


def checked(net: WordNet, words: Vocabulary) -> tuple[int, int, int]:
    """Of the training nouns, asked about as if each were unknown: right ones, those that would be listed, and all.

    All are those of the eight kinds; drawers and nouns for anything are asked about, too, and never right to list.
    """
    known = classes(words)
    asked = [(noun, kind) for kind, nouns in known.items() for noun in nouns if " " not in noun and noun not in known]
    judge = Judge(net, known)
    answers = [(kind, *judge.judge(noun, without=noun)) for noun, kind in asked]
    listed = [(k, said) for k, said, near, clear in answers if said in words.nouns and near >= NEAR and clear >= CLEAR]
    return sum(kind == said for kind, said in listed), len(listed), sum(kind in words.nouns for _, kind in asked)


def main() -> None:
    """Write the thesaurus, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with data.noun and index.noun")
    parser.add_argument("--check", action="store_true", help="only say how good it is")
    parser.add_argument("--out", type=Path, default=THESAURUS)
    args = parser.parse_args()
    net = WordNet(args.wordnet)
    right, listed, asked = checked(net, TRAINING)
    print(
        f"{asked} training nouns of the eight kinds, each as if unknown: {right} listed right, {listed - right} wrong"
    )
    if not args.check:
        made = table(net, TRAINING)
        args.out.write_text(json.dumps(made, indent=0, ensure_ascii=False) + "\n")
        print(f"{len(made['nouns'])} nouns in {args.out.name}")


if __name__ == "__main__":
    main()
