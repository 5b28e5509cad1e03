"""The fifty instructions in other words, for testing only: nothing may be trained with these.

For each task: another verb; another sentence too; hardly a word in common with what is trained.
"""

from collections.abc import Iterator, Mapping

from premotor.core.errors import WorldError
from premotor.sim.metaworld.tasks import TASKS

__all__ = ["PARAPHRASES", "paraphrase"]

_TABLE = """
assembly
  Lift a nut and set it onto a peg
  The nut should end up on the peg
  Slip the metal ring over the upright rod
basketball
  Drop the basketball into the basket
  The basketball belongs in the basket
  Score with the orange sphere
bin-picking
  Take the puck from one bin and drop it into another bin
  The puck should change bins
  Carry the small disc over to the other container
box-close
  Take the cover and shut the box with it
  The cover belongs on the box
  Put the lid where it seals the crate
button-press-topdown
  Hit a button from the top
  The button should go down, from above
  Squeeze the switch downwards
button-press-topdown-wall
  Go around a wall and hit a button from the top
  The button behind the wall should go down, from above
  Reach over the barrier and squeeze the switch downwards
button-press
  Hit a button
  The button should go in
  Squeeze the switch
button-press-wall
  Go around a wall and hit a button
  The button behind the wall should go in
  Reach past the barrier and squeeze the switch
coffee-button
  Hit a button on the coffee machine
  The coffee machine should be started with its button
  Get the espresso maker going
coffee-pull
  Drag a mug from a coffee machine
  The mug should come away from the coffee machine
  Bring me the cup that stands by the espresso maker
coffee-push
  Slide a mug under a coffee machine
  The mug should stand under the coffee machine
  Shove the cup beneath the espresso maker
dial-turn
  Turn a dial 180 degrees
  The dial should face the other way
  Twist the knob half way round
disassemble
  Lift a nut out of a peg
  The nut should come off the peg
  Take the metal ring off the upright rod
door-close
  Shut a door with a revolving joint
  The door should be shut
  Swing the hinged panel to
door-lock
  Bolt the door by turning the lock clockwise
  The lock should be turned clockwise until the door is locked
  Secure the entrance, twisting its bolt to the right
door-open
  Pull open a door with a revolving joint
  The door should stand open
  Swing the hinged panel out
door-unlock
  Free the door by turning the lock counter-clockwise
  The lock should be turned counter-clockwise until the door is unlocked
  Release the entrance, twisting its bolt to the left
drawer-close
  Shove and shut a drawer
  The drawer should be shut
  Get the sliding box back in
drawer-open
  Pull out a drawer
  The drawer should be out
  Get the sliding box to come out by its handle
faucet-close
  Turn the faucet clockwise
  The faucet should be turned clockwise
  Twist the tap to the right
faucet-open
  Turn the faucet counter-clockwise
  The faucet should be turned counter-clockwise
  Twist the tap to the left
hammer
  Drive a screw on the wall in with a hammer
  The screw on the wall should be hit with the hammer
  Use the tool to knock the nail in
hand-insert
  Put the gripper into a hole
  The gripper should be inside the hole
  Reach down into the opening with your fingers
handle-press-side
  Push a handle down sideways
  The handle at the side should be down
  Force the lever to the bottom from beside
handle-press
  Push a handle down
  The handle should be down
  Force the lever to the bottom
handle-pull-side
  Lift a handle up sideways
  The handle at the side should be up
  Raise the lever from beside
handle-pull
  Lift a handle up
  The handle should be up
  Raise the lever
lever-pull
  Tug a lever down 90 degrees
  The lever should be turned by 90 degrees
  Swing the bar round by a quarter turn
peg-insert-side
  Push a peg in sideways
  The peg should be in the hole at the side
  Slot the rod into the opening of the block
peg-unplug-side
  Pull a peg out sideways
  The peg should be out of the hole at the side
  Draw the rod from its socket
pick-out-of-hole
  Lift a puck from a hole
  The puck should be out of the hole
  Fetch the small disc from the pit
pick-place
  Lift and carry a puck to a goal
  The puck should be brought to the goal through the air
  Bring the small disc up to the marked point
pick-place-wall
  Lift a puck, go around a wall and set the puck down
  The puck should be carried over the wall to the goal
  Bring the small disc to the marked point beyond the barrier
plate-slide-back-side
  Move a plate out of the cabinet sideways
  The plate should be beside the cabinet
  Drag the disc from the goal frame to one side
plate-slide-back
  Move a plate out of the cabinet
  The plate should be outside the cabinet
  Drag the disc from the goal frame
plate-slide-side
  Move a plate into a cabinet sideways
  The plate should be in the cabinet, from the side
  Shove the disc across into the goal frame
plate-slide
  Move a plate into a cabinet
  The plate should be in the cabinet
  Shove the disc into the goal frame
push-back
  Drag the puck to a goal
  The puck should be at the goal
  Slide the small disc to the marked point
push
  Move the puck to a goal
  The puck should get to the goal
  Shove the small disc up to the marked point
push-wall
  Go around a wall and move a puck to a goal
  The puck should get past the wall to the goal
  Shove the small disc to the marked point beyond the barrier
reach
  Go to a goal position
  The hand should be at the goal position
  Hold your fingers at the marked point
reach-wall
  Go around a wall and get to a goal
  The hand should be at the goal behind the wall
  Hold your fingers at the marked point beyond the barrier
shelf-place
  Lift and set a puck onto a shelf
  The puck belongs on the shelf
  Bring the small block up to the ledge
soccer
  Shoot a soccer into the goal
  The soccer should be in the goal
  Score with the football
stick-pull
  Hold a stick and drag a box with the stick
  The box should be pulled by means of the stick
  Hook the container with the rod and bring it closer
stick-push
  Hold a stick and shove a box using the stick
  The box should be moved by means of the stick
  Prod the container away with the rod
sweep-into
  Brush a puck into a hole
  The puck should be in the hole
  Wipe the small block over into the pit
sweep
  Brush a puck off the table
  The puck should be off the table
  Wipe the small block over the edge
window-close
  Shove and shut a window
  The window should be shut
  Slide the pane to
window-open
  Shove and unlatch a window
  The window should stand open
  Slide the pane aside
"""


def _read(table: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    lines = iter(table.strip().splitlines())
    for name, one, two, three in zip(lines, lines, lines, lines, strict=True):
        yield f"{name}-v3", (one.strip(), two.strip(), three.strip())


PARAPHRASES: Mapping[str, tuple[str, str, str]] = dict(_read(_TABLE))


def paraphrase(name: str, new_words: int) -> str:
    """What the task is called with so many new words, 0 (as trained) to 3. Raises WorldError for an unknown task."""
    if name not in PARAPHRASES:
        raise WorldError(f"Meta-World has no task {name!r}; choose one of {', '.join(PARAPHRASES)}")
    return (TASKS[name].instruction, *PARAPHRASES[name])[new_words]
