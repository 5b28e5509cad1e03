"""The fifty tasks as data: what the policy is told, and how hard each is held to be.

Tiers and sentences are those that published vision-language-action results on MT50 use (SmolVLA, arXiv 2506.01844,
after Seo et al., arXiv 2206.14244). `push-v3` and `push-back-v3` share a sentence, so there are 49.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from premotor.core.errors import WorldError

__all__ = ["TASKS", "TIERS", "Task", "Tier", "task"]

Tier = Literal["easy", "medium", "hard", "very_hard"]
TIERS: tuple[Tier, ...] = get_args(Tier)


@dataclass(frozen=True, slots=True)
class Task:
    """One task. name: as metaworld calls it. expert: the scripted policy's class is Sawyer<expert>V3Policy."""

    name: str
    tier: Tier
    instruction: str
    expert: str


_TABLE = """
assembly | hard | Pick up a nut and place it onto a peg
basketball | medium | Dunk the basketball into the basket
bin-picking | medium | Grasp the puck from one bin and place it into another bin
box-close | medium | Grasp the cover and close the box with it
button-press-topdown | easy | Press a button from the top
button-press-topdown-wall | easy | Bypass a wall and press a button from the top
button-press | easy | Press a button
button-press-wall | easy | Bypass a wall and press a button
coffee-button | easy | Push a button on the coffee machine
coffee-pull | medium | Pull a mug from a coffee machine
coffee-push | medium | Push a mug under a coffee machine
dial-turn | easy | Rotate a dial 180 degrees
disassemble | very_hard | Pick a nut out of a peg
door-close | easy | Close a door with a revolving joint
door-lock | easy | Lock the door by rotating the lock clockwise
door-open | easy | Open a door with a revolving joint
door-unlock | easy | Unlock the door by rotating the lock counter-clockwise
drawer-close | easy | Push and close a drawer
drawer-open | easy | Open a drawer
faucet-close | easy | Rotate the faucet clockwise
faucet-open | easy | Rotate the faucet counter-clockwise
hammer | medium | Hammer a screw on the wall
hand-insert | hard | Insert the gripper into a hole
handle-press-side | easy | Press a handle down sideways
handle-press | easy | Press a handle down
handle-pull-side | easy | Pull a handle up sideways
handle-pull | easy | Pull a handle up
lever-pull | easy | Pull a lever down 90 degrees
peg-insert-side | medium | Insert a peg sideways
peg-unplug-side | easy | Unplug a peg sideways
pick-out-of-hole | hard | Pick up a puck from a hole
pick-place | hard | Pick and place a puck to a goal
pick-place-wall | very_hard | Pick a puck, bypass a wall and place the puck
plate-slide-back-side | easy | Get a plate from the cabinet sideways
plate-slide-back | easy | Get a plate from the cabinet
plate-slide-side | easy | Slide a plate into a cabinet sideways
plate-slide | easy | Slide a plate into a cabinet
push-back | hard | Push the puck to a goal
push | hard | Push the puck to a goal
push-wall | medium | Bypass a wall and push a puck to a goal
reach | easy | Reach a goal position
reach-wall | easy | Bypass a wall and reach a goal
shelf-place | very_hard | Pick and place a puck onto a shelf
soccer | medium | Kick a soccer into the goal
stick-pull | very_hard | Grasp a stick and pull a box with the stick
stick-push | very_hard | Grasp a stick and push a box using the stick
sweep-into | medium | Sweep a puck into a hole
sweep | medium | Sweep a puck off the table
window-close | easy | Push and close a window
window-open | easy | Push and open a window
"""
_OTHER_EXPERTS = {"peg-insert-side": "PegInsertionSide"}


def _read(line: str) -> Task:
    name, tier, instruction = (part.strip() for part in line.split("|"))
    (known,) = [one for one in TIERS if one == tier]
    expert = _OTHER_EXPERTS.get(name, "".join(word.capitalize() for word in name.split("-")))
    return Task(f"{name}-v3", known, instruction, expert)


TASKS: Mapping[str, Task] = {found.name: found for found in map(_read, _TABLE.strip().splitlines())}


def task(name: str) -> Task:
    """The task of that name; raises WorldError that lists the names there are."""
    if name not in TASKS:
        raise WorldError(f"Meta-World has no task {name!r}; choose one of {', '.join(TASKS)}")
    return TASKS[name]
