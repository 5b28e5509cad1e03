"""Draws the cameras of a compiled scene: one GL context for a world's life, both pictures in one read."""

import atexit
import os
import sys
import weakref
from collections.abc import Sequence
from typing import Any, TypeVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from premotor.core.errors import WorldError
from premotor.core.types import Image

__all__ = ["Renderer"]

_T = TypeVar("_T", bound=np.generic)
_MAX_GEOMS = 600
_PACKAGES = "libegl1, libgl1-mesa-dri and libopengl0"


def _gl_context(width: int, height: int) -> Any:
    """A GL context. Where neither MUJOCO_GL nor a display says how to draw, it is EGL, off screen.

    mujoco.GLContext reads MUJOCO_GL when mujoco is imported, which may be long before, so EGL is asked for by name.
    """
    # Mesa's software rasteriser: in the calling thread it costs least, and processes side by side do not fight.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    unsaid = not os.environ.get("MUJOCO_GL") and not os.environ.get("DISPLAY")
    if sys.platform.startswith("linux") and unsaid:
        from mujoco.egl import GLContext

        return GLContext(width, height)
    return mujoco.GLContext(width, height)


def _free(gl: Any, context: mujoco.MjrContext) -> None:
    gl.make_current()
    context.free()
    gl.free()


class Renderer:
    """Pictures of `cameras` as squares of `size` pixels.

    It belongs to the thread that first draws with it. One renderer serves any number of models as long as their meshes
    are the same, which holds for all scenes of one arm; for a model with textures it starts anew.
    """

    def __init__(self, cameras: Sequence[str], size: int) -> None:
        self._cameras = tuple(cameras)
        self._size = size
        self._gl: mujoco.GLContext | None = None
        self._context: mujoco.MjrContext | None = None
        self._scene: mujoco.MjvScene | None = None
        self._model: mujoco.MjModel | None = None
        self._free: weakref.finalize[..., Renderer] | None = None
        self._option = mujoco.MjvOption()
        self._perturb = mujoco.MjvPerturb()
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        height = size * len(self._cameras)
        self._rgb = np.zeros((height, size, 3), np.uint8)
        self._depth = np.zeros((height, size), np.float32)

    def rgb(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, Image]:
        """Camera name -> (size, size, 3) uint8 RGB, top row first."""
        scene, context = self._draw(model, data)
        del scene
        mujoco.mjr_readPixels(self._rgb, None, self._everything, context)
        return {name: np.ascontiguousarray(self._tile(self._rgb, k)) for k, name in enumerate(self._cameras)}

    def depth(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, NDArray[np.float32]]:
        """Camera name -> (size, size) float32, metres along the optical axis; the far plane where nothing is."""
        _, context = self._draw(model, data)
        mujoco.mjr_readPixels(None, self._depth, self._everything, context)
        near = model.vis.map.znear * model.stat.extent
        far = model.vis.map.zfar * model.stat.extent
        # The buffer holds 1 at the near plane and 0 at the far plane (see readDepthMap in _start).
        metres = (near * far / (self._depth.astype(np.float64) * (far - near) + near)).astype(np.float32)
        return {name: np.ascontiguousarray(self._tile(metres, k)) for k, name in enumerate(self._cameras)}

    def geoms(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, NDArray[np.int32]]:
        """Camera name -> (size, size) int32 index of the geom seen at each pixel, -1 where there is none."""
        scene, context = self._draw(model, data, by_id=True)
        mujoco.mjr_readPixels(self._rgb, None, self._everything, context)
        rgb = self._rgb.astype(np.int32)
        ids = rgb[..., 0] + (rgb[..., 1] << 8) + (rgb[..., 2] << 16)
        lookup = np.full(scene.ngeom + 1, -1, np.int32)
        for geom in scene.geoms[: scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                lookup[geom.segid + 1] = geom.objid
        found = lookup[ids]
        return {name: np.ascontiguousarray(self._tile(found, k)) for k, name in enumerate(self._cameras)}

    def close(self) -> None:
        """Give the GL context back; the next drawing would make a new one."""
        if self._free is not None:
            atexit.unregister(self._free)
            self._free()
        self._gl = self._context = self._scene = self._model = self._free = None

    @property
    def _everything(self) -> mujoco.MjrRect:
        return mujoco.MjrRect(0, 0, self._size, self._size * len(self._cameras))

    def _tile(self, buffer: NDArray[_T], index: int) -> NDArray[_T]:
        """The picture at place `index` of the buffer, which GL fills from the bottom row up."""
        start = index * self._size
        return buffer[start : start + self._size][::-1]

    def _draw(
        self, model: mujoco.MjModel, data: mujoco.MjData, *, by_id: bool = False
    ) -> tuple[mujoco.MjvScene, mujoco.MjrContext]:
        if self._model is not None and model is not self._model and (model.ntex or self._model.ntex):
            self.close()  # a context holds the textures that it was made with
        self._model = model
        if self._gl is None or self._context is None or self._scene is None:
            gl, context, scene = self._start(model)
        else:
            gl, context, scene = self._gl, self._context, self._scene
        gl.make_current()
        flags = scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = by_id
        flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = by_id
        self._view.fixedcamid = model.camera(self._cameras[0]).id
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(model, data, self._option, self._perturb, self._view, everything, scene)
        for k, name in enumerate(self._cameras):
            if k:
                self._view.fixedcamid = model.camera(name).id
                mujoco.mjv_updateCamera(model, data, self._view, scene)
            mujoco.mjr_render(mujoco.MjrRect(0, k * self._size, self._size, self._size), scene, context)
        return scene, context

    def _start(self, model: mujoco.MjModel) -> tuple[mujoco.GLContext, mujoco.MjrContext, mujoco.MjvScene]:
        try:
            gl = _gl_context(self._size, self._size * len(self._cameras))
            gl.make_current()
            context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        except Exception as error:  # each backend raises its own kinds
            raise WorldError(
                f"no picture can be drawn with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r} ({error}); "
                f"install the Debian packages {_PACKAGES} and use MUJOCO_GL=egl, or build the world with render=False"
            ) from error
        context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        # Shadows, reflections, skybox and haze cost much in software and show nothing here.
        scene.flags[:] = 0
        scene.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = 1
        # Contexts must be freed before the interpreter takes the GL library down, also when nobody called close.
        # atexit runs what was registered last first, so this comes before mujoco's own; a finalizer's own turn may not.
        self._free = weakref.finalize(self, _free, gl, context)
        atexit.register(self._free)
        self._gl, self._context, self._scene = gl, context, scene
        return gl, context, scene
