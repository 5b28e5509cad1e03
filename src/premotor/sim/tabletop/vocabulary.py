"""The words of instructions: which set a split speaks with, and the two sets that nothing is trained with."""

from pathlib import Path

from premotor.sim.tabletop.episode import Split
from premotor.sim.tabletop.lexicon import Vocabulary
from premotor.sim.tabletop.training_words import TRAINING

__all__ = ["HELD_OUT", "THESAURUS", "VALIDATION", "VOCABULARIES", "vocabulary"]

THESAURUS = Path(__file__).with_name("thesaurus.json")
"""Nouns beyond those of training and which of these is nearest, as tools/thesaurus.py makes it of a dictionary."""

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
    drawers=("drawer", "vault"),
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
    manners=("{s}", "i need you to {s}", "try to {s}"),
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
