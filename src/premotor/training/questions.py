"""Questions about a scene with their answers, and what is being done in it, all in words, from what a simulator knows.

Only what the front picture shows is asked about, by descriptions that fit one thing, and only where the answer is not a
matter of taste. What may be answered or said is spelled with `WORDS`; questions may be in any words.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from premotor.sim.tabletop.episode import COLORS, GRASPABLE, KINDS, SIZES, Color, Family, Kind, Thing
from premotor.sim.tabletop.success import contained
from premotor.sim.tabletop.tasks import HOLDERS
from premotor.sim.tabletop.world import TabletopWorld

__all__ = ["NUMBERS", "WORDS", "Held", "Question", "QuestionKind", "held", "questions", "skill"]

QuestionKind = Literal["colour", "count", "where", "inside"]
Held = Mapping[tuple[str, str], bool]
"""Whether a thing (first) is in or on another (second), of all that could be."""

_T = TypeVar("_T")
_Ways = Callable[[Thing], tuple[str, ...]]

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ROWS, _COLUMNS = ("far", "near"), ("left", "right")
_HALF_MIDDLE = (0.035, 0.06)
"""Metres from the middle of the table, along x and y, up to which a thing is in the middle."""
_CLEAR = 0.01
"""Metres from such a border within which nobody is asked where a thing is."""
_PIXELS = 12
"""As many of the front picture's must show a thing that is asked about."""
_EACH = 2
"""Questions of one kind about a picture, at most."""

_SKILLS: Mapping[Family, str] = {
    "pick_up": "pick up the {o}",
    "put_in": "put the {o} in the {t}",
    "put_on": "put the {o} on the {t}",
    "stack": "put the {o} on the {t}",
    "push_to": "push the {o} to the {t}",
    "open_drawer": "open the drawer",
    "close_drawer": "close the drawer",
    "put_in_drawer": "put the {o} in the drawer",
    "take_out_of_drawer": "take the {o} out of the drawer",
    "put_all_in": "put the {o} in the {t}",
}
_ASK: Mapping[QuestionKind, tuple[str, ...]] = {
    "colour": ("what colour is the {o}?", "which colour does the {o} have?", "tell me the colour of the {o}"),
    "count": ("how many {o} are there?", "how many {o} do you see?", "count the {o}"),
    "where": ("where is the {o}?", "in which part of the table is the {o}?"),
    "inside": ("is the {o} {p} the {t}?", "does the {t} have the {o} {p} it?"),
}
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *(word for text in _SKILLS.values() for word in text.split() if "{" not in word),
            *(*COLORS, *KINDS, "drawer", "thing", *SIZES, *NUMBERS, *_ROWS, *_COLUMNS, "middle", "yes", "no"),
        ]
    )
)
"""Everything that is answered or said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question about a picture, and its answer."""

    kind: QuestionKind
    text: str
    answer: str


def skill(family: Family, asked: Sequence[Sequence[int]]) -> str:
    """What is being done, in plain words. asked: kind, colour and size of object and target, as in Demonstration."""
    (kind, colour, size), target = asked
    thing = _named(kind, colour, size)
    return _SKILLS[family].format(o=thing, t=_named(target[0], target[1], -1))


def _named(kind: int, colour: int, size: int) -> str:
    nouns = (*KINDS, "drawer", "thing")
    words = (SIZES[size] if size >= 0 else "", COLORS[colour] if colour >= 0 else "", nouns[kind])
    return " ".join(word for word in words if word)


def held(world: TabletopWorld) -> Held:
    """What is in what now, among all pairs where one could be in or on the other."""
    things, drawer = world.episode.things, world.episode.drawer
    inner = [t for t in things if t.kind in GRASPABLE]
    outer = [t.name for t in things if t.kind in (*HOLDERS["in"], *HOLDERS["on"]) and t.kind not in GRASPABLE]
    outer += ["drawer"] if drawer is not None else []
    return {(t.name, name): contained(world, t.name, name) for t in inner for name in outer}


def questions(world: TabletopWorld, inside: Held, rng: np.random.Generator) -> list[Question]:
    """Up to two of each kind, about the picture of a world that was just observed with segmentation."""
    scene = _Scene.of(world, rng)
    return [*scene.colours(), *scene.counts(), *scene.places(), *scene.insides(inside)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scene:
    """Things that there are (a shut drawer hides some) and the names of those that the front picture shows."""

    world: TabletopWorld
    rng: np.random.Generator
    there: tuple[Thing, ...]
    shown: frozenset[str]

    @classmethod
    def of(cls, world: TabletopWorld, rng: np.random.Generator) -> "_Scene":
        pixels = np.bincount(world.segments["front"].ravel(), minlength=len(world.segment_names))
        shown = frozenset(n for n, count in zip(world.segment_names, pixels, strict=True) if count >= _PIXELS)
        shut = world.episode.drawer is not None and world.drawer_opening() < 0.3
        there = tuple(t for t in world.episode.things if not (shut and t.in_drawer))
        return cls(world=world, rng=rng, there=there, shown=shown)

    def colours(self) -> list[Question]:
        named = self._told_apart(lambda t: (t.kind, f"{t.size} {t.kind}"))
        found = [(words, next(t.color for t in self.there if t.name == name)) for name, words in named.items()]
        drawer = self.world.episode.drawer
        if drawer is not None and "drawer" in self.shown:
            found.append(("drawer", drawer.color))
        return [self._ask("colour", answer, o=words) for words, answer in self._some(found)]

    def counts(self) -> list[Question]:
        """Of things of one colour, or kind, or both; every answer that there is in a scene is as likely."""
        drawer = self.world.episode.drawer
        groups: dict[str, tuple[Color | None, Kind | None]] = {f"{kind}s": (None, kind) for kind in KINDS}
        # The drawer is a thing, too, but not everybody would count it.
        plain = [colour for colour in COLORS if drawer is None or colour != drawer.color]
        groups |= {f"{colour} things": (colour, None) for colour in plain}
        groups |= {f"{colour} {kind}s": (colour, kind) for colour in COLORS for kind in KINDS}
        by_count = dict[int, list[str]]()
        for words, (colour, kind) in groups.items():
            names = [t.name for t in self.there if colour in (None, t.color) and kind in (None, t.kind)]
            if self.shown.issuperset(names):
                by_count.setdefault(len(names), []).append(words)
        asked = self._some(list(by_count))
        return [self._ask("count", NUMBERS[count], o=self._some(by_count[count], 1)[0]) for count in asked]

    def places(self) -> list[Question]:
        found = list[tuple[str, str]]()
        for name, words in self._described().items():
            answer = _place(*self.world.position(name)[:2])
            if answer is not None:
                found.append((words, answer))
        return [self._ask("where", answer, o=words) for words, answer in self._some(found)]

    def insides(self, inside: Held) -> list[Question]:
        """Half of them are true, where anything is."""
        named = self._described() | ({"drawer": "drawer"} if "drawer" in self.shown else {})
        pairs = [(o, t, yes) for (o, t), yes in inside.items() if o in named and t in named]
        asked = self._some([p for p in pairs if p[2]], 1) + self._some([p for p in pairs if not p[2]], 1)
        return [
            self._ask("inside", "yes" if yes else "no", o=named[o], t=named[t], p=self._preposition(t))
            for o, t, yes in asked
        ]

    def _preposition(self, target: str) -> str:
        return "in" if target == "drawer" or self.world.thing(target).kind in HOLDERS["in"] else "on"

    def _described(self) -> dict[str, str]:
        """Names of things that are shown -> the shortest words that fit only that."""
        return self._told_apart(lambda t: (f"{t.color} {t.kind}", f"{t.size} {t.color} {t.kind}"))

    def _told_apart(self, ways: _Ways) -> dict[str, str]:
        found = dict[str, str]()
        for thing in self.there:
            for level, words in enumerate(ways(thing)):
                if thing.name in self.shown and sum(ways(other)[level] == words for other in self.there) == 1:
                    found[thing.name] = words
                    break
        return found

    def _some(self, options: Sequence[_T], count: int = _EACH) -> list[_T]:
        return [options[i] for i in self.rng.permutation(len(options))[:count]]

    def _ask(self, kind: QuestionKind, answer: str, **words: str) -> Question:
        patterns = _ASK[kind]
        return Question(kind=kind, text=patterns[int(self.rng.integers(len(patterns)))].format(**words), answer=answer)


def _place(x: float, y: float) -> str | None:
    """Where a point of the table is as seen in the front picture; None close to a border between two places."""
    if any(abs(abs(value) - half) < _CLEAR for value, half in zip((x, y), _HALF_MIDDLE, strict=True)):
        return None
    row = "" if abs(x) < _HALF_MIDDLE[0] else _ROWS[int(x > 0)]
    column = "" if abs(y) < _HALF_MIDDLE[1] else _COLUMNS[int(y > 0)]
    return " ".join(word for word in (row, column) if word) or "middle"
