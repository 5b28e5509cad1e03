"""Instructions: saying a goal in words that fit the scene, and understanding words in a scene."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from premotor.core.errors import InstructionError
from premotor.sim.tabletop.episode import CONTAINERS, GRASPABLE, Drawer, Family, Goal, Kind, Thing
from premotor.sim.tabletop.lexicon import Relation, Side, Vocabulary
from premotor.sim.tabletop.parse import Request, UnknownWord, kinds_of, parse
from premotor.sim.tabletop.references import Reference, denote, describe, scene_description
from premotor.sim.tabletop.tasks import EXAMPLES, HOLDERS, OBJECT_KINDS, TARGET_KINDS
from premotor.sim.tabletop.training_words import TRAINING

__all__ = [
    "family_of",
    "render",
    "resolve",
]


def render(
    goal: Goal,
    things: Sequence[Thing],
    drawer: Drawer | None,
    rng: np.random.Generator,
    vocabulary: Vocabulary = TRAINING,
) -> str:
    """An instruction that asks for `goal`, worded at random; every description in it fits exactly one thing.

    Raises InstructionError when no words tell the goal's things apart from others.
    """
    speaker = _Speaker(things=tuple(things), drawer=drawer, rng=rng, words=vocabulary, goal=goal)
    pattern = speaker.pick(vocabulary.patterns[goal.family])
    many, text = False, pattern.removeprefix("~")
    spoken: Reference | None = None
    if goal.family == "put_all_in":
        said, many = speaker.every()
        text = text.replace("{o}", said)
    elif goal.objects:
        spoken, said = speaker.refer(goal.objects[0])
        text = text.replace("{o}", said)
    if goal.target is not None:
        said = speaker.target(goal.target, spoken, plain="{s}" in pattern)
        text = text.replace("{t}", said).replace("{s}", said)
    for slot, one, several in _AGREEMENT:
        text = text.replace(slot, several if many else one)
    verb = speaker.pick(vocabulary.verbs[goal.family])
    text = _split_particle(text, verb).replace("{v}", verb)
    text = text.replace("{p}", speaker.pick(vocabulary.prepositions[goal.family]))
    if "{q}" in text:
        text = text.replace("{q}", speaker.pick(vocabulary.states[goal.family]))
    return text if pattern.startswith("~") else speaker.pick(vocabulary.manners).replace("{s}", text)


def _split_particle(text: str, verb: str) -> str:
    """ "hold it up", not "hold up it"."""
    head, _, particle = verb.rpartition(" ")
    for pronoun in ("it", "them") if head and particle in ("up", "out", "in") else ():
        text = text.replace(f"{{v}} {pronoun}", f"{head} {pronoun} {particle}")
    return text


_AGREEMENT = (
    ("{it}", "it", "them"),
    ("{goes}", "goes", "go"),
    ("{belongs}", "belongs", "belong"),
    ("{is}", "is", "are"),
    ("{has}", "has", "have"),
)
# What is said of a thing besides its place, and how often: (kind, colour, size).
_ATTRIBUTES = ((True, True, False), (True, False, False), (False, True, False), (True, False, True), (True, True, True))
_WEIGHTS = np.array([5.0, 3.0, 1.5, 1.5, 1.5])
_SIDES: tuple[Side, ...] = ("left", "right", "near", "far")
_RELATIONS: tuple[Relation, ...] = ("next_to", "nearest", "left_of", "right_of", "in_front_of", "behind")
_SIDE_SHARE = 0.2
_T = TypeVar("_T")
_RELATION_SHARE = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class _Speaker:
    """Finds words for things of one scene."""

    things: tuple[Thing, ...]
    drawer: Drawer | None
    rng: np.random.Generator
    words: Vocabulary
    goal: Goal

    def pick(self, options: Sequence[_T]) -> _T:
        return options[int(self.rng.integers(len(options)))]

    def refer(self, name: str, *, plain: bool = False) -> tuple[Reference, str]:
        """A description that fits `name` only, and its words. plain: without its surroundings."""
        inside = self.goal.family == "take_out_of_drawer"
        pool = tuple(t for t in self.things if t.in_drawer) if inside else self.things
        drawer = None if inside else self.drawer
        thing = next(t for t in self.things if t.name == name)
        attributes = self._attributes(thing)
        draw = self.rng.random()
        ways = [self._bare, self._by_side, self._by_relation]
        if inside:
            ways = ways[:1]
        elif draw < _SIDE_SHARE:
            ways = [self._by_side, self._bare, self._by_relation]
        elif draw < _SIDE_SHARE + _RELATION_SHARE:
            ways = [self._by_relation, self._bare, self._by_side]
        if plain:
            ways = [way for way in ways if way != self._by_relation]
        for way in ways:
            found = way(name, attributes, pool, drawer)
            if found is not None:
                return found, self.say(found, thing.kind)
        raise InstructionError(f"no words tell {describe(thing)} apart. I see: {scene_description(pool, drawer)}.")

    def _attributes(self, thing: Thing) -> list[Reference]:
        """Descriptions without a place, in random order, the usual ones first more often."""
        order = np.argsort(self.rng.exponential(size=len(_WEIGHTS)) / _WEIGHTS)
        return [
            Reference(
                kinds=(thing.kind,) if kind else (),
                color=thing.color if color else None,
                size=thing.size if size else None,
            )
            for kind, color, size in (_ATTRIBUTES[i] for i in order)
        ]

    def _bare(
        self, name: str, attributes: list[Reference], things: tuple[Thing, ...], drawer: Drawer | None
    ) -> Reference | None:
        return next((a for a in attributes if denote(a, things, drawer) == (name,)), None)

    def _by_side(
        self, name: str, attributes: list[Reference], things: tuple[Thing, ...], drawer: Drawer | None
    ) -> Reference | None:
        """ "The left cup": only where there are several, and it stands out."""
        for attribute in attributes:
            if len(denote(attribute, things, drawer)) < 2:
                continue
            for i in self.rng.permutation(len(_SIDES)):
                placed = replace(attribute, side=_SIDES[i])
                if denote(placed, things, drawer) == (name,):
                    return placed
        return None

    def _by_relation(
        self, name: str, attributes: list[Reference], things: tuple[Thing, ...], drawer: Drawer | None
    ) -> Reference | None:
        """ "The cup next to the bowl": the other thing takes no part in the task and is described without a place."""
        parts = (*self.goal.objects, self.goal.target)
        anchors = [
            found
            for t in things
            if t.name not in parts and (found := self._bare(t.name, self._attributes(t), things, drawer))
        ]
        if drawer is not None and "drawer" not in parts:
            anchors.append(Reference(kinds=("drawer",)))
        relations = [r for r in _RELATIONS if self.words.relations[r]]
        for attribute in attributes[:3]:
            for i in self.rng.permutation(len(anchors) * len(relations)):
                anchor, relation = anchors[i // len(relations)], relations[i % len(relations)]
                related = replace(attribute, relation=relation, anchor=anchor)
                if denote(related, things, drawer) == (name,):
                    return related
        return None

    def target(self, name: str, spoken: Reference | None, *, plain: bool) -> str:
        """Words for the target; `spoken` is how the object was described ("the red block on the green one")."""
        if name == "drawer":
            color = self.drawer.color if self.drawer is not None and self.rng.random() < 0.2 else None
            return self.say(Reference(kinds=("drawer",), color=color), None)
        found, said = self.refer(name, plain=plain)
        same = spoken is not None and found.kinds and found.kinds == spoken.kinds and found.color is not None
        if same and found.side is None and found.relation is None and self.rng.random() < 0.3:
            return f"the {self._size(found)}{found.color} one"
        return said

    def every(self) -> tuple[str, bool]:
        """ "All the red things", and whether that is plural."""
        color = next(t.color for t in self.things if t.name == self.goal.objects[0])
        one, several = self.pick(self.words.things)
        pattern = self.pick(self.words.every)
        said = pattern.replace("{c}", color).replace("{ns}", several).replace("{n}", one)
        return said, "{ns}" in pattern

    def say(self, reference: Reference, kind: Kind | None) -> str:
        """The words of a description."""
        return f"the {self._phrase(reference, kind)}"

    def _size(self, reference: Reference) -> str:
        return f"{self.pick(self.words.sizes[reference.size])} " if reference.size else ""

    def _phrase(self, reference: Reference, kind: Kind | None) -> str:
        color = f"{reference.color} " if reference.color else ""
        text = f"{self._size(reference)}{color}{self._noun(reference, kind)}"
        if reference.side is not None:
            text = self.pick(self.words.sides[reference.side]).replace("{n}", text)
        if reference.relation is not None and reference.anchor is not None:
            anchor = self.say(reference.anchor, None)
            text = f"{text} {self.pick(self.words.relations[reference.relation])} {anchor}"
        return text

    def _noun(self, reference: Reference, kind: Kind | None) -> str:
        if not reference.kinds:
            return self.pick(self.words.things)[0]
        named = reference.kinds[0]
        if named == "drawer":
            return self.pick(self.words.drawers)
        there = {t.kind for t in self.things} - {named}
        clear = [n for n in self.words.nouns[kind or _kind(named)] if there.isdisjoint(kinds_of(n))]
        return self.pick(clear)


def _kind(name: str) -> Kind:
    return next(k for k in (*GRASPABLE, *CONTAINERS) if k == name)


def resolve(text: str, things: Sequence[Thing], drawer: Drawer | None) -> Goal:
    """The goal that `text` asks for in this scene.

    Raises InstructionError, saying what is on the table or what can be asked, when the text is empty, longer than 500
    characters, not understood, names what is not there, fits several things, or asks for what cannot be done.
    """
    scene = _Scene(tuple(things), drawer)
    try:
        request = parse(text)
    except UnknownWord as unknown:
        raise InstructionError(f"{unknown} {scene.seen()}") from unknown
    if request.task == "open_drawer" or request.task == "close_drawer":
        scene.need_drawer(request.target)
        return Goal(family=request.task, objects=(), target="drawer")
    if request.object is None:
        raise InstructionError(f'I do not see what to act on. {scene.seen()} Say for example: "{EXAMPLES["pick_up"]}".')
    if request.task == "take_out":
        scene.need_drawer(request.target)
        name = _Scene(scene.inside(), drawer).one(request.object, GRASPABLE, "in the drawer")
        return Goal(family="take_out_of_drawer", objects=(name,), target="drawer")
    if request.task == "lift" or request.target is None:
        name = scene.one(request.object, GRASPABLE)
        scene.check("pick_up", name)
        inside = any(t.name == name and t.in_drawer for t in things)
        if inside:
            return Goal(family="take_out_of_drawer", objects=(name,), target="drawer")
        return Goal(family="pick_up", objects=(name,), target=None)
    return _with_target(request, request.object, request.target, scene)


def _with_target(request: Request, described: Reference, where: Reference, scene: "_Scene") -> Goal:
    if request.task == "push":
        name = scene.one(described, OBJECT_KINDS["push_to"])
        target = scene.one(_same_kind(where, described, OBJECT_KINDS["push_to"], scene), TARGET_KINDS["push_to"])
        scene.check("push_to", name)
        if target == name or scene.kind(target) not in TARGET_KINDS["push_to"]:
            raise InstructionError(f'Nothing can be pushed to {scene.call(target)}. Say "{EXAMPLES["push_to"]}".')
        return Goal(family="push_to", objects=(name,), target=target)
    # With "in the red one", of a red bowl and a red plate it is the bowl.
    holders = HOLDERS.get(request.preposition, (*CONTAINERS, "block", "drawer"))
    target = scene.one(_same_kind(where, described, OBJECT_KINDS["stack"], scene), holders)
    family = family_of(scene.kind(target), every=described.every)
    if family is None:
        raise InstructionError(
            f"{scene.call(target).capitalize()} cannot hold {'several things' if described.every else 'anything'}. "
            f"A bowl, bin, plate, tray, drawer or block can hold one thing, a bowl or bin several. {scene.seen()}"
        )
    if family == "put_all_in":
        return Goal(family=family, objects=scene.all(described, target), target=target)
    name = scene.one(described, OBJECT_KINDS[family])
    scene.check(family, name)
    if name == target:
        raise InstructionError(f"{scene.call(name).capitalize()} cannot be put into or onto itself. {scene.seen()}")
    return Goal(family=family, objects=(name,), target=target)


def family_of(target_kind: str, *, every: bool) -> Family | None:
    """The family of putting one thing, or all that fit, into or onto a `target_kind`; None if it holds none."""
    if every:
        return "put_all_in" if target_kind in TARGET_KINDS["put_all_in"] else None
    families: tuple[Family, ...] = ("put_in", "put_on", "stack", "put_in_drawer")
    return next((f for f in families if target_kind in TARGET_KINDS[f]), None)


def _same_kind(where: Reference, described: Reference, kinds: Sequence[str], scene: "_Scene") -> Reference:
    """In "the red block on the green one" the one is a block, if there is such a block."""
    if where.noun != "one" or where.kinds or not described.kinds or not set(described.kinds) <= set(kinds):
        return where
    alike = replace(where, kinds=described.kinds)
    return alike if denote(alike, scene.things, scene.drawer) else where


@dataclass(frozen=True, slots=True)
class _Scene:
    """Finds things of one scene, and words for what is missing."""

    things: tuple[Thing, ...]
    drawer: Drawer | None

    def seen(self) -> str:
        return f"I see: {scene_description(self.things, self.drawer)}."

    def inside(self) -> tuple[Thing, ...]:
        return tuple(t for t in self.things if t.in_drawer)

    def kind(self, name: str) -> str:
        return "drawer" if name == "drawer" else next(t.kind for t in self.things if t.name == name)

    def call(self, name: str) -> str:
        return "the drawer" if name == "drawer" else f"the {describe(next(t for t in self.things if t.name == name))}"

    def need_drawer(self, reference: Reference | None) -> None:
        if self.drawer is None:
            raise InstructionError(f"There is no drawer here. {self.seen()}")
        if reference is not None and reference.color not in (None, self.drawer.color):
            raise InstructionError(f"There is no {reference.color} drawer here. {self.seen()}")

    def one(self, reference: Reference, kinds: Sequence[str], where: str = "here") -> str:
        """The name of the only thing that fits; of several, the only one among `kinds`."""
        names = denote(reference, self.things, self.drawer)
        if len(names) > 1:
            able = tuple(n for n in names if self.kind(n) in kinds)
            names = able if len(able) == 1 else names
        if not names:
            raise InstructionError(f'There is no "{_told(reference)}" {where}. {self.seen()}')
        if len(names) > 1:
            if reference.every:
                raise InstructionError(f'Several things can only be put in a bowl or bin: "{EXAMPLES["put_all_in"]}".')
            fitting = ", ".join(self._placed(n) for n in names)
            raise InstructionError(
                f'"{_told(reference)}" fits {len(names)} things: {fitting}. Say which, by colour, size or place.'
            )
        return names[0]

    def _placed(self, name: str) -> str:
        """The call of a thing, with its place as the front camera sees it."""
        spot = self.drawer if name == "drawer" else next(t for t in self.things if t.name == name)
        if spot is None:
            return self.call(name)
        side = "left" if spot.y < -0.03 else "right" if spot.y > 0.03 else "middle"
        return f"{self.call(name)} ({side}, {'front' if spot.x > 0 else 'back'})"

    def all(self, reference: Reference, target: str) -> tuple[str, ...]:
        """Names of all graspable things that fit."""
        names = denote(replace(reference, every=False), self.things, self.drawer)
        names = tuple(n for n in names if n != target and self.kind(n) in OBJECT_KINDS["put_all_in"])
        if not names:
            raise InstructionError(f'There is no "{_told(reference)}" here that can be picked up. {self.seen()}')
        return names

    def check(self, family: Family, name: str) -> None:
        """Raise InstructionError unless things of that kind can be an object of `family`."""
        if self.kind(name) not in OBJECT_KINDS[family]:
            able = ", ".join(OBJECT_KINDS[family])
            raise InstructionError(
                f'{self.call(name).capitalize()} cannot be used as in "{EXAMPLES[family]}"; that takes one of: {able}. '
                f"{self.seen()}"
            )


def _told(reference: Reference) -> str:
    """A description in plain words, for messages."""
    words = [
        *([reference.side] if reference.side else []),
        *([reference.size] if reference.size else []),
        *([reference.color] if reference.color else []),
        reference.noun or "thing",
    ]
    if reference.relation is not None and reference.anchor is not None:
        words += [reference.relation.replace("_", " "), "the", _told(reference.anchor)]
    return " ".join(words)
