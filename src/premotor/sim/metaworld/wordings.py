"""Other words for Meta-World's tasks, to train with: who has heard one sentence only may not have understood it.

Protocols tell the task's own sentence. These are our own.
"""

from premotor.sim.metaworld.tasks import task

__all__ = ["wordings"]

_OWN = 2
"""How often the task's own sentence is among its wordings; it is the one that is asked for."""
_TABLE = """
assembly | put the ring of the tool over the peg | place the nut on the peg
basketball | throw the ball through the hoop | drop the basketball into the hoop
bin-picking | move the puck from its bin to the other one | take the puck and drop it in the other bin
box-close | put the lid on the box | close the box with its cover
button-press-topdown | push the button down from above | press down the button
button-press-topdown-wall | reach over the wall and push the button down | press the button down behind the wall
button-press | push the button in | press the button on the box
button-press-wall | reach around the wall and push the button | press the button behind the wall
coffee-button | press the coffee machine's button | switch on the coffee machine
coffee-pull | take the mug away from the coffee machine | pull the cup off the coffee machine
coffee-push | put the mug under the coffee machine | push the cup to the coffee machine
dial-turn | turn the dial half way round | rotate the knob
disassemble | lift the nut off the peg | take the ring off its peg
door-close | push the door shut | shut the door
door-lock | turn the lock clockwise | lock up the door
door-open | pull the door open | swing the door open
door-unlock | turn the lock counter-clockwise | unlock the door
drawer-close | shut the drawer | push the drawer in
drawer-open | pull the drawer out | pull open the drawer
faucet-close | turn the tap clockwise | turn off the tap
faucet-open | turn the tap counter-clockwise | turn on the tap
hammer | drive the nail in with the hammer | hit the nail on the wall with the hammer
hand-insert | put the hand into the hole | reach down into the hole
handle-press-side | push the handle at the side down | press down the handle from the side
handle-press | push the handle down | press down the handle
handle-pull-side | lift the handle at the side | pull up the handle from the side
handle-pull | lift the handle | pull up the handle
lever-pull | move the lever by a quarter turn | pull the lever
peg-insert-side | put the peg into the hole from the side | push the peg into the box sideways
peg-unplug-side | pull the peg out sideways | take the peg out of the box
pick-out-of-hole | take the puck out of the hole | lift the puck out of its hole
pick-place | lift the puck to the goal | carry the puck to the goal
pick-place-wall | lift the puck over the wall to the goal | carry the puck across the wall
plate-slide-back-side | slide the plate out of the cabinet sideways | pull the plate from the rack to the side
plate-slide-back | slide the plate out of the cabinet | pull the plate back from the rack
plate-slide-side | slide the plate into the rack from the side | push the plate sideways into the cabinet
plate-slide | push the plate into the cabinet | slide the plate into the rack
push-back | push the puck back to the goal | pull the puck back to the goal
push | slide the puck to the goal | push the puck over the table to the goal
push-wall | push the puck around the wall to the goal | slide the puck past the wall
reach | move the hand to the goal | reach the target
reach-wall | move the hand over the wall to the goal | reach the target behind the wall
shelf-place | put the puck on the shelf | lift the puck onto the shelf
soccer | push the ball into the goal | shoot the ball into the goal
stick-pull | pull the box with the stick | take the stick and drag the box with it
stick-push | push the box with the stick | take the stick and push the box with it
sweep-into | sweep the puck into the hole | push the puck into the hole
sweep | sweep the puck off the table | push the puck off the table's edge
window-close | slide the window shut | shut the window
window-open | slide the window open | pull the window open
"""


def _read(line: str) -> tuple[str, tuple[str, ...]]:
    name, *others = (part.strip() for part in line.split("|"))
    return f"{name}-v3", tuple(others)


_OTHERS = dict(map(_read, _TABLE.strip().splitlines()))


def wordings(name: str) -> tuple[str, ...]:
    """Ways to say that task, to be drawn alike; half of them its own sentence. Raises WorldError for unknown names."""
    return (task(name).instruction,) * _OWN + _OTHERS[task(name).name]
