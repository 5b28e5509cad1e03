"""Phrases that instructions are dressed in to perturb them. Nothing here may be said in training.

In frames {s} is the instruction, whatever its form, so they end in front of it with a colon or a comma, or follow it.
"""

from collections.abc import Mapping

__all__ = ["FRAMES", "IDLE"]

FRAMES: Mapping[int, tuple[str, ...]] = {
    # Courteous.
    1: (
        "good morning, if it is no trouble: {s}",
        "would you mind? {s}, with my gratitude",
        "whenever it suits you, {s}",
        "i would appreciate this very much: {s}",
    ),
    # Chatty.
    2: (
        "yo buddy, so basically, {s}, cheers mate",
        "alright dude, here goes: {s}, yeah?",
        "umm well, you know what, {s}, or whatever you call it",
        "hey there pal, quick one: {s}, ta very much lol",
    ),
    # Official.
    3: (
        "pursuant to section four the operator is hereby directed as follows: {s}, without undue delay",
        "notice to personnel: the undersigned requests that the following be executed forthwith: {s}",
        "by order of the management and effective immediately, the subsequent directive applies: {s}",
        "for the attention of the manipulator unit, task statement, verbatim: {s}; end of statement",
    ),
}
"""Ways of speaking: tone 1, 2, 3."""

IDLE: tuple[str, ...] = (
    "it rained again last night",
    "my sister called from the airport",
    "the coffee went cold",
    "i hardly slept",
    "the train was late as usual",
    "somebody left the window ajar",
    "lunch is at noon",
    "the neighbours are singing",
    "we watched a film about whales",
    "the printer is jammed",
    "my knee hurts",
    "the lift is out of order",
)
"""Clauses that mean nothing for the task, and name nothing that a task could be about."""
