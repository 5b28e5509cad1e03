"""From a sentence to a request: which task it asks for, and descriptions of what it names.

A keyword parser. It finds noun phrases ("the large red cup next to the bowl"), the preposition in front of each, and
the verbs; it needs no scene. Words it does not know are skipped where they cannot change the meaning ("the shiny red
cup"), and refused where they stand for a thing ("the banana").
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, cast

from premotor.core.errors import InstructionError
from premotor.sim.tabletop.episode import COLORS, FAMILIES, KINDS, Color, Family, Size
from premotor.sim.tabletop.lexicon import SHARED, Relation, Side
from premotor.sim.tabletop.references import Reference
from premotor.sim.tabletop.tasks import EXAMPLES
from premotor.sim.tabletop.vocabulary import THESAURUS, VOCABULARIES

__all__ = ["MAX_LENGTH", "Request", "Task", "UnknownWord", "kinds_of", "parse"]

MAX_LENGTH = 500
Task = Literal["lift", "place", "push", "open_drawer", "close_drawer", "take_out"]
_Type = Literal[
    "det", "noun", "listed", "color", "size", "side", "post", "rel", "in", "on", "to", "out", "with", "every",
    "lift", "verb", "open", "close", "pull", "press", "not", "skip", "word",
]  # fmt: skip


class UnknownWord(InstructionError):
    """A word stands for a thing or a colour that does not exist here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a sentence asks for. `place` becomes put in, put on, stack or put in the drawer once the target is known.

    preposition: the sort of word in front of the target, "in", "on" or "to"; "" for none or any other.
    """

    task: Task
    object: Reference | None
    target: Reference | None
    preposition: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    type: _Type
    value: str
    kinds: tuple[str, ...] = ()
    plural: bool = False


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A noun phrase in its sentence: `marker` is the type of the preposition in front, "" for none."""

    marker: str
    reference: Reference
    relation: Relation | None = None


_OTHER_COLORS = (
    "pink brown grey gray violet turquoise cyan magenta gold golden silver beige crimson scarlet teal lime navy".split()
)
_EXTRA: tuple[tuple[str, _Type], ...] = (
    *((w, "det") for w in ("the", "a", "an", "this", "that", "these", "those", "my", "your", "its", "some")),
    *((w, "in") for w in ("in", "into", "inside", "within", "in to")),
    *((w, "on") for w in ("on", "onto", "atop", "on top of", "on to", "upon")),
    *((w, "to") for w in ("to", "up to", "over to", "towards", "toward", "against", "up against", "right up against")),
    *((w, "to") for w in ("right up to", "touches", "meets", "reaches", "arrives at")),
    *((w, "out") for w in ("out of", "from", "out from", "outside", "outside of", "from inside", "from within")),
    *((w, "every") for w in ("all", "all of", "every", "each", "everything", "anything", "any", "whatever", "both")),
    *((w, "every") for w in ("whichever", "complete lot of", "entire bunch of", "both of", "every one of", "each of")),
    *((w, "not") for w in ("not", "dont", "do not", "never", "except", "without", "instead", "nothing", "no")),
    *((w, "open") for w in ("open", "opened", "out", "extend", "unclose", "access", "ajar", "look", "see")),
    *((w, "close") for w in ("close", "closed", "shut", "slam", "retract", "hide", "sealed")),
    *((w, "pull") for w in ("pull", "tug", "draw", "yank", "haul", "drag")),
    *((w, "press") for w in ("push", "press", "shove")),
    *((w, "lift") for w in ("pick", "lift", "take", "get", "hold", "bring", "give", "hand", "retrieve", "scoop")),
    *((w, "lift") for w in ("reach for", "in your gripper", "in your hand", "in the gripper", "in the hand")),
    *((w, "skip") for w in ("without lifting it", "all the way", "back", "of", "over", "belongs")),
    *((w, "skip") for w in ("without lifting", "into the air", "in the air", "table", "robot", "arm", "gripper")),
    *((w, "skip") for w in ("go to", "with the gripper", "with your gripper", "with your hand")),
    *((f"{p} the {n}", "skip") for n in ("table", "surface")
      for p in ("on", "onto", "from", "off", "to", "across", "along", "above", "clear of", "of", "on top of")),
    *((f"by {d} {n}", "skip") for d in ("the", "its") for n in ("handle", "knob")),
    *((f"use {d} {n}", "skip") for d in ("the", "your", "its") for n in ("handle", "knob", "gripper", "arm")),
)  # fmt: skip
_EXTRA_SIDES: dict[Side, tuple[str, ...]] = {
    "left": ("on the left hand side", "to the left", "furthest left", "at the left", "in the left"),
    "right": ("on the right hand side", "to the right", "furthest right", "at the right", "in the right"),
    "near": (
        "in front",
        "in the front",
        "nearest the camera",
        "nearest the viewer",
        "closest to me",
        "nearest to me",
        "near the camera",
    ),
    "far": ("in the back", "furthest from the camera", "in the far back", "far away", "farthest away"),
}
_EXTRA_NOUNS: dict[str, tuple[str, ...]] = {
    "bowl bin": ("container", "receptacle", "vessel"),
    "bowl plate": ("dish",),
    "block": ("dice", "die", "square"),
    "cup": ("teacup",),
    "": ("one", "thingy", "stuff"),
    "drawer": ("cabinet", "cupboard"),
}


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.sub(r"[^a-z0-9 ]", " ", text.lower().replace("'", "").replace("\u2019", "")).split())


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("x", "s", "sh", "ch")) else "s")


def _entries() -> Iterator[tuple[str, _Token]]:
    """Everything the parser knows, the more general first: a later entry replaces an earlier one."""
    for noun, known in json.loads(THESAURUS.read_text())["nouns"].items():
        if known in KINDS:
            yield from ((word, replace(token, type="listed")) for word, token in _both(noun, (known,)))
    for book in VOCABULARIES:
        patterns = [p for ps in book.patterns.values() for p in ps]
        for pattern in (*patterns, *book.manners):
            yield from ((w, _Token("skip", w)) for w in _words(re.sub(r"\{.*?\}", " ", pattern)))
    yield from ((w, _Token("skip", w)) for w in sorted(SHARED))
    for book in VOCABULARIES:
        for family in FAMILIES:
            type_ = _VERBS.get(family, "verb")
            yield from ((v, _Token(type_, v)) for v in book.verbs[family] if type_ != "verb" or v not in _LIFTS)
    yield from ((phrase, _Token(extra, phrase)) for phrase, extra in _EXTRA)
    yield from _nouns()
    yield from ((c, _Token("color", c)) for c in COLORS)
    for book in VOCABULARIES:
        yield from ((word, _Token("size", size)) for size, words in book.sizes.items() for word in words)
        for relation, words in book.relations.items():
            yield from ((word, _Token("rel", relation)) for word in words)
    yield from ((word, _Token("rel", "nearest")) for word in ("nearest the", "closest the"))
    yield from ((word, _Token("rel", "in_front_of")) for word in ("in front of",))
    yield from _sides()


_VERBS: dict[Family, _Type] = {"pick_up": "lift", "open_drawer": "open", "close_drawer": "close"}
_LIFTS = frozenset(v for book in VOCABULARIES for v in book.verbs["pick_up"]) | {"pick", "bring", "retrieve"}


def _both(noun: str, kinds: tuple[str, ...]) -> Iterator[tuple[str, _Token]]:
    yield noun, _Token("noun", noun, kinds)
    yield _plural(noun), _Token("noun", noun, kinds, plural=True)


def _nouns() -> Iterator[tuple[str, _Token]]:
    for book in VOCABULARIES:
        for kind in KINDS:
            for noun in book.nouns[kind]:
                yield from _both(noun, (kind,))
        for noun in book.drawers:
            yield from _both(noun, ("drawer",))
        for pair in book.things:
            yield pair[0], _Token("noun", pair[0])
            yield pair[1], _Token("noun", pair[0], plural=True)
    for kinds, nouns in _EXTRA_NOUNS.items():
        for noun in nouns:
            yield from _both(noun, tuple(kinds.split()))


def _sides() -> Iterator[tuple[str, _Token]]:
    patterns = [(side, p) for book in VOCABULARIES for side, ps in book.sides.items() for p in ps]
    patterns += [(side, f"{{n}} {p}") for side, ps in _EXTRA_SIDES.items() for p in ps]
    for side, pattern in patterns:
        words = pattern.replace("{n}", "").strip()
        type_: _Type = "side" if pattern.endswith("{n}") else "post"
        yield words, _Token(type_, side)
        if type_ == "post":
            yield f"{words} of the table", _Token("post", side)
    for word, side in (("nearest", "near"), ("closest", "near"), ("farthest", "far"), ("furthest", "far")):
        yield word, _Token("side", side)


@cache
def _lexicon() -> tuple[dict[tuple[str, ...], _Token], int]:
    """Phrases as tuples of words, and the length of the longest."""
    book = {_words(phrase): token for phrase, token in _entries()}
    return book, max(map(len, book))


def kinds_of(noun: str) -> tuple[str, ...]:
    """The kinds that a listener may take `noun` for; empty when it can be any thing."""
    return _lexicon()[0][_words(noun)].kinds


_RELATIVE = {(pronoun, verb) for pronoun in ("that", "which") for verb in ("is", "are", "stands", "lies")}
"""Left out: "the cup that is next to the bowl" is "the cup next to the bowl"."""
_PRONOUNS = ("everything", "anything", "whatever")
_ADJECTIVES = ("color", "size", "side", "noun", "listed")


def _longest(words: tuple[str, ...], at: int, limit: int) -> tuple[_Token, int]:
    """The longest known phrase of at most `limit` words at `at`, and its length."""
    book, _ = _lexicon()
    for length in range(min(limit, len(words) - at), 0, -1):
        token = book.get(words[at : at + length])
        if token is not None:
            return token, length
    return _Token("word", words[at]), 1


def _tokens(words: tuple[str, ...]) -> list[_Token]:
    """Longest phrase first. "on the left" in front of a noun is "on" and "the left <noun>"."""
    _, limit = _lexicon()
    tokens: list[_Token] = []
    at = 0
    while at < len(words):
        if words[at : at + 2] in _RELATIVE:
            at += 2
            continue
        token, length = _longest(words, at, limit)
        rest = at + length
        ahead = _longest(words, rest, limit)[0] if rest < len(words) else None
        if token.type == "post" and length > 1 and ahead and (ahead.type in _ADJECTIVES or words[rest] == "hand"):
            token, length = _longest(words, at, 1)
        tokens.append(token)
        at += length
    return _headed(tokens)


def _headed(tokens: list[_Token]) -> list[_Token]:
    """What the dictionary lists is a noun, unless another noun follows: "a crystal bowl" is a bowl."""
    for at in range(len(tokens) - 1, -1, -1):
        if tokens[at].type == "listed":
            last = at + 1 == len(tokens) or tokens[at + 1].type != "noun"
            tokens[at] = replace(tokens[at], type="noun") if last else _Token("word", tokens[at].value)
    return tokens


def _noun_phrase(tokens: list[_Token], at: int) -> tuple[Reference, int] | None:
    """The noun phrase that starts at `at`, without its relation, and where it ends.

    Raises InstructionError for "the banana": an article with words after it that name nothing known.
    """
    start, found, unknown = at, Reference(), ""
    article = headed = False
    while at < len(tokens) and not headed:
        token = tokens[at]
        if token.type == "word" and (article or found != Reference()) and found.noun not in _PRONOUNS:
            unknown = unknown or token.value
        elif token.type == "det" or (token.type == "skip" and token.value == "of" and found.every):
            article = True
        elif token.type == "every":
            found = replace(found, every=True, noun=token.value)
        elif token.type == "noun":
            every = found.every or (article and token.plural)
            found, headed = replace(found, kinds=token.kinds, noun=token.value, every=every), True
        elif token.type in ("open", "close") and article and at + 1 < len(tokens) and tokens[at + 1].type == "noun":
            pass
        elif token.type in ("color", "size", "side"):
            found = _described(found, token)
        else:
            break
        at += 1
    bare = not (headed or found.every or (found.color is not None) or (article and found != Reference()))
    if bare or (unknown and not headed):
        if unknown and article:
            raise _unknown(unknown)
        return None
    while at < len(tokens) and (tokens[at].type in ("color", "size", "post") or tokens[at].value in ("are", "is")):
        if tokens[at].type != "skip":
            found = _described(found, tokens[at])
        at += 1
    return (found, at) if at > start else None


def _described(found: Reference, token: _Token) -> Reference:
    if token.type == "color":
        return replace(found, color=cast(Color, token.value))
    if token.type == "size":
        return replace(found, size=cast(Size, token.value))
    return replace(found, side=cast(Side, token.value))


def _unknown(word: str) -> UnknownWord:
    if word in _OTHER_COLORS:
        return UnknownWord(f'I do not know the colour "{word}". Known colours: {", ".join(COLORS)}.')
    return UnknownWord(f'I do not know what "{word}" is. Known things: {", ".join(KINDS)}, drawer.')


def _phrases(tokens: list[_Token]) -> list[_Phrase]:
    """All noun phrases with their prepositions; relations are attached to the noun phrase right before them."""
    phrases: list[_Phrase] = []
    marker, relation, last_end, at = "", "", -1, 0
    while at < len(tokens):
        token = tokens[at]
        if token.type in ("in", "on", "to", "out", "with", "rel"):
            attached = token.type == "rel" and last_end == at
            marker, relation = ("attached" if attached else token.type), token.value
            at += 1
            continue
        parsed = _noun_phrase(tokens, at)
        if parsed is None:
            if token.type != "det":
                marker = ""  # as in "to put"
            at += 1
            continue
        reference, at = parsed
        named = cast(Relation, relation) if marker in ("attached", "rel") else None
        free = bool(phrases) and phrases[-1].reference.relation is None and phrases[-1].relation is None
        if marker == "attached" and free:
            before = phrases.pop()
            joined = replace(before.reference, relation=named, anchor=reference)
            phrases.append(replace(before, reference=joined))
        else:
            phrases.append(_Phrase("rel" if named else marker, reference, named))
        marker, last_end = "", at
    return phrases


def _is_drawer(reference: Reference) -> bool:
    return reference.kinds == ("drawer",)


def _opens(tokens: list[_Token]) -> Task | None:
    """Whether words say open or close; plain "pull" and "push" count only where nothing clearer is said.

    The last word counts, as in "the drawer is open, close it".
    """
    plain = [t for i, t in enumerate(tokens) if not (
        i and i + 1 < len(tokens) and tokens[i - 1].type == "det" and tokens[i + 1].type == "noun"
    )]  # fmt: skip
    for opening, closing in (("open", "close"), ("pull", "press")):
        for token in reversed(plain):
            if token.type == opening:
                return "open_drawer"
            if token.type == closing:
                return "close_drawer"
    return None


def _one_at_a_time() -> InstructionError:
    return InstructionError(
        'I can do one task at a time with one object (or "all the red things"). Say for example: '
        f'"{EXAMPLES["put_in"]}" or "{EXAMPLES["put_all_in"]}".'
    )


def _no_task() -> InstructionError:
    listed = "\n".join(f"  {family.replace('_', ' '):<19} {EXAMPLES[family]}" for family in FAMILIES)
    return InstructionError(f"I do not see which task is meant. I can do ten kinds of task, such as:\n{listed}")


def _check(text: str) -> tuple[str, ...]:
    words = _words(text)
    if not words:
        raise InstructionError(f'The instruction is empty. Say for example: "{EXAMPLES["put_in"]}".')
    if len(text) > MAX_LENGTH:
        raise InstructionError(f"The instruction is {len(text)} characters long; at most {MAX_LENGTH} are read.")
    for word in words:
        if word in _OTHER_COLORS:
            raise _unknown(word)
    return words


def parse(text: str) -> Request:
    """Understand a sentence without a scene.

    Raises InstructionError when it is empty, longer than 500 characters, negated, asks for several tasks, names
    something unknown, or asks for nothing that can be done.
    """
    tokens = _tokens(_check(text))
    if any(t.type == "not" for t in tokens):
        raise InstructionError(f'I only understand what to do, not what to leave, such as "{EXAMPLES["put_in"]}".')
    phrases = _phrases(tokens)
    if phrases and all(_is_drawer(p.reference) for p in phrases):
        task = _opens(tokens)
        if task is None:
            raise _no_task()
        return Request(task=task, object=None, target=phrases[0].reference)
    return _roles(phrases, tokens)


def _roles(phrases: list[_Phrase], tokens: list[_Token]) -> Request:
    """Which phrase is the object, which the target."""
    placed = [p for p in phrases if p.marker in ("in", "on", "to")]
    sources = [p for p in phrases if p.marker == "out"]
    if placed:
        phrases = _attach_relations(phrases)
        placed = [p for p in phrases if p.marker in ("in", "on", "to")]
    elif not sources:
        phrases = _as_goal(phrases, tokens)
    goals = [p for p in phrases if p.marker in ("in", "on", "to", "rel")]
    objects = list(dict.fromkeys(p.reference for p in phrases if p.marker in ("", "with")))
    if any(t.type in ("open", "close") and t.value in ("open", "close", "shut") for t in tokens):
        raise _one_at_a_time()
    if len(objects) > 1 or len(goals) > 1 or len(sources) > 1:
        raise _one_at_a_time()
    if not objects:
        raise _missing("what", tokens)
    lifting = any(t.type == "lift" for t in tokens)
    placing = any(t.type in ("verb", "press") for t in tokens)
    inside = bool(goals) and goals[0].marker == "in" and _is_drawer(goals[0].reference)
    picking = any(t.type == "lift" and t.value != "get" for t in tokens)  # "get it in the drawer" means put
    if sources and not _is_drawer(sources[0].reference):
        raise _no_task()
    if sources or (inside and picking and not placing):
        return Request(task="take_out", object=objects[0], target=(sources or goals)[0].reference)
    if not goals:
        if not lifting or objects[0].every:
            raise _missing("where", tokens)
        return Request(task="lift", object=objects[0], target=None)
    near = goals[0].marker in ("to", "rel") and not _is_drawer(goals[0].reference)
    return Request(
        task="push" if near else "place",
        object=objects[0],
        target=goals[0].reference,
        preposition=goals[0].marker,
    )


def _attach_relations(phrases: list[_Phrase]) -> list[_Phrase]:
    """With the target named otherwise, "the cup standing next to the bowl" can only describe the cup."""
    joined: list[_Phrase] = []
    for phrase in phrases:
        if phrase.marker == "rel" and joined and joined[-1].reference.relation is None:
            before = joined.pop()
            related = replace(before.reference, relation=phrase.relation, anchor=phrase.reference)
            joined.append(replace(before, reference=related))
        else:
            joined.append(phrase)
    return joined


def _as_goal(phrases: list[_Phrase], tokens: list[_Token]) -> list[_Phrase]:
    """In "push the block next to the bowl" the last relation is where to, unless something is only to be lifted."""
    if any(p.marker == "rel" for p in phrases) or not any(t.type in ("verb", "press", "skip") for t in tokens):
        return phrases
    if any(t.type == "lift" for t in tokens) and not any(t.type in ("verb", "press") for t in tokens):
        return phrases
    for at in range(len(phrases) - 1, -1, -1):
        reference = phrases[at].reference
        if reference.relation in ("next_to", "nearest") and reference.anchor is not None:
            alone = replace(phrases[at], reference=replace(reference, relation=None, anchor=None))
            goal = _Phrase("rel", reference.anchor, reference.relation)
            return [*phrases[:at], alone, goal, *phrases[at + 1 :]]
    return phrases


def _missing(what: str, tokens: list[_Token]) -> InstructionError:
    unknown = [t.value for t in tokens if t.type == "word"]
    known = any(t.type in ("lift", "verb", "press") for t in tokens)
    if unknown and known:
        return _unknown(unknown[0])
    if known and what == "where":
        return InstructionError(f'Where to? Say for example: "{EXAMPLES["put_in"]}" or "{EXAMPLES["push_to"]}".')
    return _no_task()
