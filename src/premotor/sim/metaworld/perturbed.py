"""One environment of metaworld under perturbations, each of which is undone before the next.

metaworld compiles a task once and keeps a state of fixed length, so clutter is only seen here: the hand goes through.
"""

from typing import Any

import mujoco
import numpy as np

from premotor.core.types import FloatArray
from premotor.sim.metaworld.paraphrases import paraphrase
from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.perturb.axes import Perturbation
from premotor.sim.perturb.look import move_camera, paint, relight
from premotor.sim.perturb.words import said
from premotor.sim.stream import stream

__all__ = ["Perturber", "key", "told"]

_TABLE, _BEYOND = ("T_table",), ("T_floor", "T_wallmetal")
_KINDS = (mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_SPHERE)
_SIDES, _DEPTH = (0.24, 0.5), (0.42, 0.85)
"""Metres to either side of the middle, and away from the robot, where more things stand: beside what is to be done."""


def key(name: str, seed: int) -> str:
    """What draws of an episode's perturbation follow from."""
    return f"{name} {seed}"


def told(name: str, seed: int, change: Perturbation, text: str) -> str:
    """How an instruction is put. A sentence that is not the task's own has no paraphrase and stays."""
    if change.axis == "paraphrase" and text == TASKS[name].instruction:
        return paraphrase(name, int(change.amount("new_words")))
    return said(text, change, stream("perturb", change.axis, key(name, seed)))


class Perturber:
    """Changes what `env` draws and where it starts; call `begin` before each of its resets."""

    def __init__(self, env: Any, camera: str) -> None:
        self._env, self._camera = env, camera
        self._clutter: list[dict[str, Any]] = []
        head, model = env.model.vis.headlight, env.model
        self._parts = (model.cam_pos, model.cam_quat, model.light_dir, model.light_ambient, model.light_diffuse,
                       head.ambient, head.diffuse, model.tex_data)  # fmt: skip
        self._before = [part.copy() for part in self._parts]
        self._space, self._hand = env._random_reset_space, env.hand_init_pos
        self._painted: set[int] = set()

    def begin(self, name: str, seed: int, change: Perturbation | None) -> None:
        """Undo what was done for the last episode, and do what the next one wants."""
        env = self._env
        for part, before in zip(self._parts, self._before, strict=True):
            part[:] = before
        env._random_reset_space, env.hand_init_pos = self._space, self._hand
        self._clutter, painted = [], set[int]()
        if change is not None and change.strength:
            painted = self._change(change, stream("perturb", change.axis, key(name, seed)))
        self._upload(self._painted | painted)
        self._painted = painted

    def draw(self) -> FloatArray:
        """The camera's picture (H, W, 3), as metaworld hangs it."""
        viewer = self._env.mujoco_renderer._get_viewer("rgb_array")
        for thing in self._clutter:
            viewer.add_marker(**thing)
        # Gymnasium draws with whatever context was made last, be it another world's with other textures and meshes.
        viewer.make_context_current()
        drawn: FloatArray = self._env.render()
        return drawn

    def _change(self, change: Perturbation, rng: np.random.Generator) -> set[int]:
        """Do it, and return the textures that were painted."""
        env, model = self._env, self._env.model
        if change.axis == "camera":
            move_camera(model, self._camera, change, rng)
        elif change.axis == "light":
            relight(model, change, rng)
        elif change.axis == "layout":
            # The same draws, further from the middle than any in training.
            middle, half = (self._space.high + self._space.low) / 2, (self._space.high - self._space.low) / 2
            half = half * change.amount("stretch")
            env._random_reset_space = type(self._space)(middle - half, middle + half, dtype=np.float64)
        elif change.axis == "start":
            way = rng.normal(size=3)
            way[2] = abs(way[2])
            env.hand_init_pos = self._hand + change.amount("tool_m") * way / np.linalg.norm(way)
        elif change.axis == "clutter":
            self._clutter = [_thing(rng) for _ in range(int(change.amount("things")))]
        surfaces = self._surfaces(change.axis)
        for texture in surfaces:
            paint(model, texture, change, rng)
        return set(surfaces)

    def _surfaces(self, axis: str) -> list[int]:
        model = self._env.model
        names = {"texture": _TABLE, "background": _BEYOND}.get(axis, ())
        sky = int(mujoco.mjtTexture.mjTEXTURE_SKYBOX) if axis == "background" else -1
        return [k for k in range(model.ntex) if model.texture(k).name in names or model.tex_type[k] == sky]

    def _upload(self, textures: set[int]) -> None:
        """Tell a renderer that has already drawn; one that has not reads the model when it is made."""
        viewer = self._env.mujoco_renderer.viewer
        if textures and viewer is not None:
            viewer.make_context_current()
            for texture in sorted(textures):
                mujoco.mjr_uploadTexture(self._env.model, viewer.con, texture)


def _thing(rng: np.random.Generator) -> dict[str, Any]:
    """A box, can or ball of 5 to 8 cm on the table."""
    size = rng.uniform(0.025, 0.04)
    side = (1 if rng.random() < 0.5 else -1) * rng.uniform(*_SIDES)
    angle = rng.uniform(0, np.pi)
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    return {
        "type": _KINDS[int(rng.integers(len(_KINDS)))],
        "size": np.full(3, size),
        "pos": np.array([side, rng.uniform(*_DEPTH), size]),
        "mat": turned.ravel(),
        "rgba": np.append(rng.uniform(0.05, 0.95, 3), 1.0).astype(np.float32),
    }
