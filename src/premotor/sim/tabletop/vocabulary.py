"""The words of instructions, in three sets that share a grammar: for training, for validation, and held out.

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

from premotor.sim.tabletop.episode import Family, Kind, Size, Split

__all__ = [
    "HELD_OUT",
    "SHARED",
    "TRAINING",
    "VALIDATION",
    "VOCABULARIES",
    "Relation",
    "Side",
    "Vocabulary",
    "Words",
    "vocabulary",
]

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

_IN = ("in", "into", "inside")
_ON = ("on", "onto", "on top of")
_OUT = ("out of", "from", "out from")

_PLACE = (
    "{v} {o} {p} {t}",
    "~{p} {t}, {v} {o}",
    "take {o} and {v} {it} {p} {t}",
    "pick up {o} and {v} {it} {p} {t}",
    "lift {o} and {v} {it} {p} {t}",
    "get {o} {p} {t}",
    "make sure {o} {is} {q} {t}",
    "use the gripper to {v} {o} {p} {t}",
    "~{o} {goes} {p} {t}",
    "~{o} {belongs} {q} {t}",
    "~i want {o} {q} {t}",
    "~i would like {o} {q} {t}",
)
_PUT = ("put", "set", "move", "transfer", "deposit", "stick", "pop", "slip", "load")

TRAINING = Vocabulary(
    name="training",
    nouns={
        "block": ("block", "brick", "toy block", "building block"),
        "ball": ("ball", "toy ball", "marble", "round ball"),
        "cup": ("cup", "drinking cup", "beaker", "tumbler"),
        "bottle": ("bottle", "water bottle", "plastic bottle", "vial"),
        "bowl": ("bowl", "soup bowl", "basin", "mixing bowl"),
        "plate": ("plate", "dinner plate", "saucer", "flat plate"),
        "tray": ("tray", "serving tray", "tea tray", "board"),
        "bin": ("bin", "box", "storage box", "bucket"),
    },
    things=(("thing", "things"), ("object", "objects"), ("item", "items")),
    drawers=("drawer", "drawer", "sliding drawer", "desk drawer"),
    sizes={"small": ("small", "little"), "large": ("large", "big")},
    sides={
        "left": ("left {n}", "leftmost {n}", "{n} on the left"),
        "right": ("right {n}", "rightmost {n}", "{n} on the right"),
        "near": ("front {n}", "{n} at the front", "{n} nearest to the camera", "{n} closest to the camera"),
        "far": ("back {n}", "{n} at the back", "{n} farthest from the camera", "far {n}"),
    },
    relations={
        "next_to": ("next to", "beside", "close to", "near"),
        "nearest": ("nearest to", "closest to"),
        "left_of": ("left of", "to the left of"),
        "right_of": ("right of", "to the right of"),
        "in_front_of": ("in front of",),
        "behind": ("behind",),
    },
    every=(
        "all the {c} {ns}",
        "all {c} {ns}",
        "all of the {c} {ns}",
        "every {c} {n}",
        "each {c} {n}",
        "everything {c}",
        "everything that is {c}",
        "anything {c}",
    ),
    verbs={
        "pick_up": (
            "pick up",
            "lift",
            "lift up",
            "raise",
            "take",
            "get",
            "hold up",
            "elevate",
            "take hold of",
            "fetch",
        ),
        "put_in": (*_PUT, "tuck"),
        "put_on": ("put", "set", "lay", "move", "position", "rest", "transfer", "pop", "deposit"),
        "stack": ("stack", "put", "set", "lay", "move", "position", "rest", "balance"),
        "push_to": ("push", "slide", "move", "nudge", "shift", "press", "scoot", "drive"),
        "open_drawer": ("open", "open up", "pull open", "slide open", "pull out", "slide out", "tug open", "draw open"),
        "close_drawer": (
            "close",
            "shut",
            "push shut",
            "slide shut",
            "push closed",
            "slide closed",
            "push in",
            "close up",
        ),
        "put_in_drawer": (*_PUT, "tuck"),
        "take_out_of_drawer": ("take", "remove", "pull", "get", "lift", "pick", "bring", "fetch", "move"),
        "put_all_in": ("put", "move", "gather", "collect", "load", "pop", "set", "transfer", "clear", "deposit"),
    },
    prepositions={
        "pick_up": ("from", "off"),
        "put_in": _IN,
        "put_on": _ON,
        "stack": _ON,
        "push_to": ("to", "up to", "over to", "towards", "against"),
        "open_drawer": ("by",),
        "close_drawer": ("by",),
        "put_in_drawer": _IN,
        "take_out_of_drawer": _OUT,
        "put_all_in": _IN,
    },
    states={
        "put_in": ("in", "inside"),
        "put_on": ("on", "on top of"),
        "stack": ("on", "on top of"),
        "put_in_drawer": ("in", "inside"),
        "put_all_in": ("in", "inside"),
    },
    patterns={
        "pick_up": (
            "{v} {o}",
            "{v} {o} {p} the table",
            "{v} {o} and hold it",
            "{v} {o} into the air",
            "use the gripper to {v} {o}",
            "find {o} and {v} it",
            "go and {v} {o}",
            "pick {o} up",
            "lift {o} up",
            "~i want {o} in your gripper",
        ),
        "put_in": _PLACE,
        "put_on": _PLACE,
        "stack": (*_PLACE, "build a tower: {v} {o} {p} {t}", "make a tower with {o} {p} {t}"),
        "push_to": (
            "{v} {o} {p} {t}",
            "~{p} {t}, {v} {o}",
            "{v} {o} along the table {p} {t}",
            "{v} {o} across the table {p} {t}",
            "{v} {o} until it touches {t}",
            "{v} {o} until it is next to {s}",
            "{v} {o} until it is beside {s}",
            "keep {o} on the table and {v} it {p} {t}",
            "make {o} slide {p} {t}",
            "~without lifting it, {v} {o} {p} {t}",
        ),
        "open_drawer": (
            "{v} {t}",
            "pull {t} open",
            "slide {t} open",
            "pull {t} out",
            "slide {t} out {p} the handle",
            "{v} {t} {p} its handle",
            "use the handle to {v} {t}",
            "use the gripper to {v} {t}",
            "make sure {t} is open",
            "get {t} open",
            "~i want {t} open",
            "~{t} should be open",
        ),
        "close_drawer": (
            "{v} {t}",
            "push {t} shut",
            "push {t} closed",
            "slide {t} shut",
            "push {t} back in",
            "{v} {t} {p} its handle",
            "use the gripper to {v} {t}",
            "make sure {t} is closed",
            "get {t} closed",
            "~i want {t} closed",
            "~{t} should be shut",
        ),
        "put_in_drawer": (*_PLACE, "{v} {o} away {p} {t}"),
        "take_out_of_drawer": (
            "{v} {o} {p} {t}",
            "~{p} {t}, {v} {o}",
            "{v} {o} {p} {t} and put it on the table",
            "{v} {o} {p} {t} to the table",
            "use the gripper to {v} {o} {p} {t}",
            "find {o} and {v} it {p} {t}",
            "get {o} {p} {t}",
            "~{o} should come {p} {t}",
            "~i want {o} out of {t}",
        ),
        "put_all_in": _PLACE,
    },
    manners=(
        "{s}",
        "please {s}",
        "{s} please",
        "can you {s}",
        "could you please {s}",
        "now {s}",
        "i want you to {s}",
        "i would like you to {s}",
        "robot, {s}",
        "your task is to {s}",
    ),
)

_PLACE_VALIDATION = (
    "{v} {o} straight {p} {t}",
    "have {o} {q} {t}",
    "~{q} {t} {goes} {o}",
    "go to {o} and {v} {it} {p} {t}",
)

VALIDATION = Vocabulary(
    name="validation",
    nouns={
        "block": ("chunk", "wedge"),
        "ball": ("bead", "pellet"),
        "cup": ("goblet", "cuplet"),
        "bottle": ("decanter", "phial"),
        "bowl": ("ramekin", "tureen"),
        "plate": ("coaster", "charger"),
        "tray": ("mat", "pallet"),
        "bin": ("carton", "trough"),
    },
    things=(("piece", "pieces"), ("entity", "entities")),
    drawers=("drawer",),
    sizes={"small": ("mini",), "large": ("great",)},
    sides={
        "left": ("{n} on the left side",),
        "right": ("{n} on the right side",),
        "near": ("{n} right before the camera",),
        "far": ("{n} in the background", "distant {n}"),
    },
    relations={
        "next_to": ("alongside",),
        "nearest": (),
        "left_of": ("on the left side of",),
        "right_of": ("on the right side of",),
        "in_front_of": ("before",),
        "behind": ("beyond",),
    },
    every=("whichever {ns} are {c}", "the complete lot of {c} {ns}"),
    verbs={
        "pick_up": ("seize", "hoist", "grip"),
        "put_in": ("insert", "park", "leave"),
        "put_on": ("park", "leave", "settle"),
        "stack": ("mount", "perch", "settle"),
        "push_to": ("propel", "steer", "ease"),
        "open_drawer": ("ease out", "drag out", "unbar"),
        "close_drawer": ("ease in", "steer in", "seal"),
        "put_in_drawer": ("insert", "park", "leave"),
        "take_out_of_drawer": ("unload", "carry", "hoist"),
        "put_all_in": ("pack", "assemble", "corral"),
    },
    prepositions={
        "pick_up": ("off",),
        "put_in": ("in", "into"),
        "put_on": ("on", "onto"),
        "stack": ("on", "onto"),
        "push_to": ("to", "over to"),
        "open_drawer": ("by",),
        "close_drawer": ("by",),
        "put_in_drawer": ("in", "into"),
        "take_out_of_drawer": ("out of", "from"),
        "put_all_in": ("in", "into"),
    },
    states={
        "put_in": ("in", "inside"),
        "put_on": ("on",),
        "stack": ("on",),
        "put_in_drawer": ("in", "inside"),
        "put_all_in": ("in", "inside"),
    },
    patterns={
        "pick_up": ("go to {o} and {v} it", "{v} {o} well off the table", "{v} {o} above the table"),
        "put_in": _PLACE_VALIDATION,
        "put_on": _PLACE_VALIDATION,
        "stack": _PLACE_VALIDATION,
        "push_to": ("{v} {o} till it arrives at {t}", "{v} {o} straight {p} {t}", "have {o} right up against {t}"),
        "open_drawer": ("{v} {t} fully", "have {t} opened", "let {t} stand ajar"),
        "close_drawer": ("{v} {t} fully", "have {t} sealed again", "let {t} stay sealed"),
        "put_in_drawer": _PLACE_VALIDATION,
        "take_out_of_drawer": ("have {o} {p} {t}", "{v} {o} {p} {t} again", "go to {o} and {v} it {p} {t}"),
        "put_all_in": _PLACE_VALIDATION,
    },
    manners=("{s}", "would you {s}", "try to {s}"),
)

_PLACE_HELD_OUT = (
    "{v} {o} so that {it} ends up {q} {t}",
    "grab {o}, then {v} {it} {p} {t}",
    "see to it that {o} ends up {q} {t}",
    "reach for {o} and {v} {it} {p} {t}",
    "~{o} {has} to be {q} {t}",
    "~{q} {t} is where {o} should be",
)

HELD_OUT = Vocabulary(
    name="held_out",
    nouns={
        "block": ("cube", "cuboid"),
        "ball": ("sphere", "orb", "globe"),
        "cup": ("mug", "glass"),
        "bottle": ("flask", "carafe", "canteen"),
        "bowl": ("dish", "pot"),
        "plate": ("platter", "disc"),
        "tray": ("platform", "baking sheet"),
        "bin": ("crate", "tub", "basket"),
    },
    things=(("article", "articles"), ("gadget", "gadgets")),
    drawers=("drawer", "compartment"),
    sizes={"small": ("tiny", "compact"), "large": ("huge", "bulky")},
    sides={
        "left": ("left-hand {n}", "{n} furthest to the left"),
        "right": ("right-hand {n}", "{n} furthest to the right"),
        "near": ("foremost {n}", "{n} up front"),
        "far": ("rear {n}", "rearmost {n}"),
    },
    relations={
        "next_to": ("adjacent to", "by"),
        "nearest": (),
        "left_of": ("leftward of",),
        "right_of": ("rightward of",),
        "in_front_of": ("ahead of",),
        "behind": ("at the rear of",),
    },
    every=("any {c} {n}", "the entire bunch of {c} {ns}", "whatever is {c}"),
    verbs={
        "pick_up": ("grab", "grasp", "snatch", "scoop up"),
        "put_in": ("place", "drop", "plop", "stash"),
        "put_on": ("place", "drop", "plant"),
        "stack": ("place", "plant", "pile"),
        "push_to": ("shove", "prod", "thrust", "sweep"),
        "open_drawer": ("yank out", "haul out", "extend", "unclose"),
        "close_drawer": ("slam", "retract", "shove in"),
        "put_in_drawer": ("place", "drop", "stash", "stow"),
        "take_out_of_drawer": ("extract", "retrieve", "withdraw", "grab"),
        "put_all_in": ("tidy", "place", "drop", "stash", "sweep"),
    },
    prepositions={
        "pick_up": ("off",),
        "put_in": ("in", "into", "within"),
        "put_on": ("on", "onto", "atop"),
        "stack": ("on", "onto", "atop"),
        "push_to": ("to", "over to"),
        "open_drawer": ("by",),
        "close_drawer": ("by",),
        "put_in_drawer": ("in", "into", "within"),
        "take_out_of_drawer": ("out of", "from"),
        "put_all_in": ("in", "into", "within"),
    },
    states={
        "put_in": ("in", "within"),
        "put_on": ("on", "atop"),
        "stack": ("on", "atop"),
        "put_in_drawer": ("in", "within"),
        "put_all_in": ("in", "within"),
    },
    patterns={
        "pick_up": (
            "reach for {o} and {v} it",
            "{v} {o} {p} the surface",
            "{v} {o}, high up",
            "~{o} is what you should {v}",
        ),
        "put_in": _PLACE_HELD_OUT,
        "put_on": _PLACE_HELD_OUT,
        "stack": _PLACE_HELD_OUT,
        "push_to": (
            "{v} {o} so that it meets {t}",
            "{v} {o} all the way {p} {t}",
            "give {o} a shove {p} {t}",
            "~{o} has to end up against {t}",
        ),
        "open_drawer": (
            "{v} {t} all the way",
            "{v} {t} {p} the knob",
            "give me access to {t}",
            "~i need to see inside {t}",
        ),
        "close_drawer": ("{v} {t} all the way", "{v} {t} {p} the knob", "hide what is inside {t}"),
        "put_in_drawer": _PLACE_HELD_OUT,
        "take_out_of_drawer": (
            "{v} {o} {p} {t}, then release it",
            "reach for {o} and {v} it {p} {t}",
            "see to it that {o} ends up outside {t}",
            "~{o} has to be out of {t}",
        ),
        "put_all_in": _PLACE_HELD_OUT,
    },
    manners=("{s}", "kindly {s}", "be so good as to {s}", "do me a favour and {s}"),
)

VOCABULARIES: tuple[Vocabulary, ...] = (TRAINING, VALIDATION, HELD_OUT)


def vocabulary(split: Split) -> Vocabulary:
    """The words that instructions of `split` are made of."""
    return {"val": VALIDATION, "words": HELD_OUT}.get(split, TRAINING)
