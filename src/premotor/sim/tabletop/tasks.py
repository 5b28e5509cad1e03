"""What each task family acts on, how long it may take, and what one says to ask for it."""

from collections.abc import Mapping

from premotor.sim.tabletop.episode import FAMILIES, GRASPABLE, Family

__all__ = [
    "DRAWER_FAMILIES",
    "EXAMPLES",
    "HOLDERS",
    "MAX_STEPS",
    "MOVED_FAMILIES",
    "OBJECT_KINDS",
    "SLIP_FAMILIES",
    "TARGET_KINDS",
]

OBJECT_KINDS: Mapping[Family, tuple[str, ...]] = {
    "pick_up": GRASPABLE,
    "put_in": GRASPABLE,
    "put_on": GRASPABLE,
    "stack": ("block",),
    # A ball rolls away, a bottle topples, a plate is too flat to push from the side.
    "push_to": ("block", "cup", "bowl"),
    "open_drawer": (),
    "close_drawer": (),
    "put_in_drawer": GRASPABLE,
    "take_out_of_drawer": GRASPABLE,
    "put_all_in": GRASPABLE,
}
TARGET_KINDS: Mapping[Family, tuple[str, ...]] = {
    "pick_up": (),
    "put_in": ("bowl", "bin"),
    "put_on": ("plate", "tray"),
    "stack": ("block",),
    "push_to": ("block", "cup", "bottle", "bowl", "plate", "tray", "bin"),
    "open_drawer": ("drawer",),
    "close_drawer": ("drawer",),
    "put_in_drawer": ("drawer",),
    "take_out_of_drawer": ("drawer",),
    "put_all_in": ("bowl", "bin"),
}
HOLDERS: Mapping[str, tuple[str, ...]] = {
    "in": ("bowl", "bin", "drawer"),
    "on": ("plate", "tray", "block"),
}
"""Kinds that something can be put in, and on."""
DRAWER_FAMILIES: tuple[Family, ...] = tuple(f for f in FAMILIES if TARGET_KINDS[f] == ("drawer",))
MOVED_FAMILIES: tuple[Family, ...] = ("pick_up", "put_in", "put_on", "stack", "push_to", "put_in_drawer", "put_all_in")
"""Families in which a loose thing can be shifted while the arm is on its way; the drawer unit is fixed."""
SLIP_FAMILIES: tuple[Family, ...] = (
    "pick_up",
    "put_in",
    "put_on",
    "stack",
    "put_in_drawer",
    "take_out_of_drawer",
    "put_all_in",
)
"""Families in which something is lifted, and so can be knocked out of the gripper."""
MAX_STEPS: Mapping[Family, int] = {
    "pick_up": 120,
    "put_in": 220,
    "put_on": 220,
    "stack": 220,
    "push_to": 200,
    "open_drawer": 160,
    "close_drawer": 160,
    "put_in_drawer": 260,
    "take_out_of_drawer": 260,
    "put_all_in": 600,
}
"""Control steps at 20 Hz, some 2.5 times what a hand at 0.3 m/s needs."""
EXAMPLES: Mapping[Family, str] = {
    "pick_up": "pick up the blue cup",
    "put_in": "put the blue cup in the red bowl",
    "put_on": "put the ball on the plate",
    "stack": "stack the red block on the green one",
    "push_to": "push the block to the bowl",
    "open_drawer": "open the drawer",
    "close_drawer": "close the drawer",
    "put_in_drawer": "put the bottle in the drawer",
    "take_out_of_drawer": "take the ball out of the drawer",
    "put_all_in": "put all the red things in the bin",
}
