"""The ordinary Gymnasium door to the tabletop: `gymnasium.make("premotor.sim.tabletop.env:premotor/Tabletop-v0")`.

Importing this module registers the id. Actions are the embodiment's own; there is no guard on this side of the door, so
a policy that is meant for a robot is run by control.loop instead.
"""

import string
from typing import Any, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from premotor.core.errors import WorldError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Command, FloatArray, Image
from premotor.robots.kinematics import Kinematics
from premotor.sim.tabletop.episode import Episode, Family, Split
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld

__all__ = ["ENV_ID", "TabletopEnv"]

ENV_ID = "premotor/Tabletop-v0"
_LONGEST_TASK = 400
_OPTIONS = ("embodiment", "family", "split", "seed", "episode")

_Observed = dict[str, Any]


class TabletopEnv(gymnasium.Env[_Observed, NDArray[np.float32]]):
    """One arm at its table.

    Observations carry LeRobot's names: "observation.images.front" and "observation.images.wrist" (size, size, 3) uint8,
    "observation.state" (S,) float32, "task" a string. Reward 1 and the end come with success; an episode is cut off
    after its own number of steps. family None draws one of all ten at each reset.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012  as gymnasium declares it

    def __init__(
        self,
        embodiment: str = "panda",
        *,
        family: Family | None = None,
        split: Split = "train",
        size: int = 128,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise WorldError(f"no render mode {render_mode!r}; choose None or 'rgb_array'")
        self.render_mode = render_mode
        self.world = TabletopWorld(embodiment, size=size)
        self._kinematics = Kinematics(self.world.embodiment)
        self._family, self._split = family, split
        spec = self.world.spec
        self.action_space = spaces.Box(
            spec.action.low.astype(np.float32), spec.action.high.astype(np.float32), dtype=np.float32
        )
        image = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {
                **{f"observation.images.{name}": image for name in CAMERAS},
                "observation.state": _state_space(spec),
                "task": spaces.Text(_LONGEST_TASK, charset=string.printable),
            }
        )
        self._front: Image | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[_Observed, dict[str, Any]]:
        """Start an episode. options: "family", "split", "seed" of the episode to draw, or a whole "episode".

        "embodiment" may be given to be sure of the arm, which an environment has for life. Raises WorldError for other
        options or another arm.
        """
        super().reset(seed=seed)
        self.world.reset(self._episode(options or {}))
        return self._observe(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[_Observed, float, bool, bool, dict[str, Any]]:
        """Act for one control period of 50 ms."""
        commanded, _ = self.world.commanded()
        wide: FloatArray = np.asarray(action, np.float64)
        positions, gripper = self._kinematics.targets(wide, commanded)
        self.world.apply(Command(stamp_ns=self.world.stamp_ns, positions=positions, gripper=gripper))
        success = self.world.success()
        out_of_time = self.world.steps >= self.world.episode.max_steps
        return self._observe(), float(success), success, out_of_time and not success, self._info()

    def render(self) -> Image | None:
        """The front camera's latest picture in render mode "rgb_array"."""
        return self._front if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Free the renderer."""
        self.world.close()

    def _episode(self, options: dict[str, Any]) -> Episode:
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise WorldError(f"unknown reset options {', '.join(unknown)}; there are {', '.join(_OPTIONS)}")
        arm = self.world.spec.name
        if options.get("embodiment", arm) != arm:
            raise WorldError(f"this environment has the arm {arm!r}; make another one for {options['embodiment']!r}")
        given = options.get("episode")
        if isinstance(given, Episode):
            return given
        family = options.get("family", self._family)
        if family is None:
            choices = get_args(Family)
            family = choices[int(self.np_random.integers(len(choices)))]
        number = options.get("seed")
        if number is None:
            number = int(self.np_random.integers(2**31))
        return sample(arm, family, options.get("split", self._split), int(number))

    def _observe(self) -> _Observed:
        seen = self.world.observe()
        self._front = seen.images["front"]
        return {
            **{f"observation.images.{name}": image for name, image in seen.images.items()},
            "observation.state": seen.state.astype(np.float32),
            "task": seen.instruction,
        }

    def _info(self) -> dict[str, Any]:
        episode = self.world.episode
        return {
            "is_success": self.world.success(),
            "family": episode.family,
            "split": episode.split,
            "episode_seed": episode.seed,
        }


def _state_space(spec: EmbodimentSpec) -> spaces.Box:
    """What is measured may leave the range of what can be commanded, so there is room on both sides."""
    low = np.array([dim.low for dim in spec.state], np.float32)
    high = np.array([dim.high for dim in spec.state], np.float32)
    room = high - low
    return spaces.Box(low - room, high + room, dtype=np.float32)


if ENV_ID not in gymnasium.registry:
    gymnasium.register(ENV_ID, entry_point="premotor.sim.tabletop.env:TabletopEnv")
