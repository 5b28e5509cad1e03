"""What whoever acts believes it was asked about, in words and as marks, for people to see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from premotor.core.ports import Policy
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import ActionChunk, FloatArray, Observation
from premotor.evaluation.policies import ExpertPolicy
from premotor.sim.tabletop.expert import Expert
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld
from premotor.studio.marks import OBJECT, TARGET, Mark

if TYPE_CHECKING:
    from premotor.models.policy import Belief, BundlePolicy

__all__ = ["ExpertMind", "Mind", "PolicyMind", "Thought", "call"]

_COLORS = (OBJECT, TARGET)
_AT = 0.08  # m; a place this near to a thing means that thing
_WITHOUT_TARGET = ("pick_up", "open_drawer", "close_drawer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Thought:
    """object, target: in words, None when there is none. distance: from the tool to the object, m. marks: by camera."""

    object: str | None = None
    target: str | None = None
    distance: float | None = None
    marks: Mapping[str, list[Mark]] = field(default_factory=dict)


class Mind(Policy, Protocol):
    """A policy that can also say what it believes."""

    def think(self, observation: Observation) -> Thought:
        """What it believes at this moment; nothing about the episode changes by asking."""


class ExpertMind(ExpertPolicy):
    """The scripted expert: it knows."""

    def __init__(self, world: TabletopWorld) -> None:
        super().__init__(world)
        self._world, self._focus = world, Expert(world)

    def think(self, observation: Observation) -> Thought:
        """What it acts on now, marked where that is."""
        names = self._focus.focus()
        places = [None if name is None else self._world.position(name) for name in names]
        marks: dict[str, list[Mark]] = {camera: [] for camera in CAMERAS}
        for camera, found in marks.items():
            for place, color in zip(places, _COLORS, strict=True):
                if place is None:
                    continue
                u, v, depth = self._world.project(camera, place)
                inside = depth > 0 and 0 <= u <= 1 and 0 <= v <= 1
                found.append(Mark(color=color, u=u, v=v, seen=float(inside)))
        distance = None if places[0] is None else float(np.linalg.norm(self._world.tool()[0] - places[0]))
        spoken = [None if name is None else call(self._world, name) for name in names]
        return Thought(object=spoken[0], target=spoken[1], distance=distance, marks=marks)


class PolicyMind:
    """A bundle at work: shows where it points, and names what lies at the places it believes in.

    Of a policy that does not say what it believes, there are no thoughts.
    """

    def __init__(self, policy: "BundlePolicy", world: TabletopWorld) -> None:
        self._policy, self._world = policy, world
        self._thought_of: tuple[int, Belief] | None = None

    @property
    def spec(self) -> EmbodimentSpec:
        """The arm it acts for."""
        return self._policy.spec

    def reset(self) -> None:
        """Forget the episode."""
        self._policy.reset()
        self._thought_of = None

    def act(self, observation: Observation) -> ActionChunk:
        """Plan from one observation."""
        chunk = self._policy.act(observation)
        if self._policy.believes:
            self._thought_of = (observation.stamp_ns, self._policy.beliefs[0])
        return chunk

    def think(self, observation: Observation) -> Thought:
        """What the pictures of this moment make it believe; asks the network unless it was just asked."""
        if not self._policy.believes:
            return Thought()
        if self._thought_of is None or self._thought_of[0] != observation.stamp_ns:
            self.act(observation)
        if self._thought_of is None:
            return Thought()
        belief = self._thought_of[1]
        # An instruction without a target leaves the second pointer untaught; what it says then means nothing.
        count = 1 if self._world.episode.goal.family in _WITHOUT_TARGET else 2
        places = [belief.places[k] + self._world.embodiment.mount for k in range(count)]
        spoken = [_nearest(self._world, place) for place in places]
        marks = {
            camera: [
                Mark(
                    color=_COLORS[k],
                    u=float(belief.uv[camera][k, 0]),
                    v=float(belief.uv[camera][k, 1]),
                    seen=float(belief.seen[camera][k]),
                    heat=belief.heat[camera][k],
                )
                for k in range(count)
            ]
            for camera in belief.uv
        }
        distance = float(np.linalg.norm(self._world.tool()[0] - places[0]))
        return Thought(
            object=spoken[0],
            target=spoken[1] if count == 2 else None,
            distance=distance if np.isfinite(distance) else None,
            marks=marks,
        )


def call(world: TabletopWorld, name: str) -> str:
    """Words for a name of the scene: "blue cup", "drawer"."""
    if name in ("drawer", "drawer_unit"):
        return "drawer"
    thing = world.thing(name)
    twins = [t for t in world.episode.things if (t.kind, t.color) == (thing.kind, thing.color)]
    return (
        f"{thing.size} {thing.color} {thing.kind}"
        if len({t.size for t in twins}) > 1
        else f"{thing.color} {thing.kind}"
    )


def _nearest(world: TabletopWorld, place: FloatArray) -> str:
    names = [thing.name for thing in world.episode.things]
    names += ["drawer", "drawer_unit"] if world.episode.drawer is not None else []
    apart = {name: float(np.linalg.norm(world.position(name)[:2] - place[:2])) for name in names}
    name = min(apart, key=lambda n: apart[n], default=None)
    return call(world, name) if name is not None and apart[name] < _AT else "an empty place"
