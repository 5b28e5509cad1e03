"""The world's cameras, larger than the policy sees them, for people. The policy's own pictures stay as they are."""

import mujoco
import numpy as np

from premotor.core.types import Image
from premotor.sim.tabletop.render import Renderer
from premotor.sim.tabletop.scene import build
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld

__all__ = ["Eyes"]

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class Eyes:
    """Draws a world's scene again in a copy of its own, so that looking cannot disturb what happens in it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._renderer = Renderer(CAMERAS, size)
        self._world_model: mujoco.MjModel | None = None

    def look(self, world: TabletopWorld) -> dict[str, Image]:
        """Camera name -> (size, size, 3)."""
        if self._world_model is not world.model:
            self._world_model = world.model
            self._model = build(world.episode, world.embodiment, size=self.size)
            self._data = mujoco.MjData(self._model)
            self._state = np.empty(mujoco.mj_stateSize(self._model, _STATE))
        mujoco.mj_getState(world.model, world.data, self._state, _STATE)
        mujoco.mj_setState(self._model, self._data, self._state, _STATE)
        mujoco.mj_fwdPosition(self._model, self._data)
        return self._renderer.rgb(self._model, self._data)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()
