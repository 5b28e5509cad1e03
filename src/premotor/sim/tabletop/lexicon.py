"""What a set of words for instructions is made of; there are three: for training, for validation, and held out.

What all three may use is listed in `SHARED`: names of colours and directions, "drawer", and the little words that
hold English together. Everything else (nouns, verbs, adjectives of size, sentence patterns) belongs to one set only.

Slots of a pattern: {o} the object, {t} the target, {s} the same but never described by its surroundings (for patterns
where a neighbour would be read as part of it), {v} a verb of the family, {p} a
preposition of motion ("into") and {q} one of rest ("inside"), {it} "it" or
"them", {goes} {belongs} {is} {has} agreeing with the object. A leading "~" marks a sentence that does not start with
its verb, so that "please" and its kin do not go in front of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from premotor.sim.tabletop.episode import Family, Kind, Size

__all__ = ["SHARED", "Relation", "Side", "Vocabulary", "Words"]

Side = Literal["left", "right", "near", "far"]
Relation = Literal["next_to", "nearest", "left_of", "right_of", "in_front_of", "behind"]
Words = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """One set of words. Nouns and generic names are (singular, plural)."""

    name: str
    nouns: Mapping[Kind, tuple[str, ...]]
    things: tuple[tuple[str, str], ...]
    drawers: Words
    sizes: Mapping[Size, Words]
    sides: Mapping[Side, Words]
    relations: Mapping[Relation, Words]
    every: Words
    verbs: Mapping[Family, Words]
    prepositions: Mapping[Family, Words]
    states: Mapping[Family, Words]
    patterns: Mapping[Family, Words]
    manners: Words


SHARED: frozenset[str] = frozenset(
    "a an the of to i in into inside within on onto top in from out off up over and so that it them is are be should "
    "you your me my we us for at with all way this there then now its as will do have has go goes down by want need "
    "against would red green blue yellow orange purple white black left right front "
    "back camera table drawer one".split()
)
