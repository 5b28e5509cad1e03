"""From an episode to a compiled MuJoCo model: arm, table, lamp, cameras and only the things that are in it.

Pictures are drawn in software on most machines, so nothing casts a shadow or reflects and curved shapes have few faces.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray
from premotor.robots.embodiment import Embodiment
from premotor.sim.tabletop.episode import Camera, Episode, Light
from premotor.sim.tabletop.objects import add_drawer, add_thing

__all__ = ["CONTROL_STEPS", "PERIOD_NS", "TABLE_GEOM", "build"]

PERIOD_NS = 50_000_000
"""One control period, 20 Hz, in nanoseconds."""

CONTROL_STEPS = 10
"""Physics steps in a control period."""

TABLE_GEOM = "table"

_EYE = np.array([0.47, 0.0, 0.56])
_LOOK_AT = np.array([-0.035, 0.0, 0.035])
_FOVY = 40.0
_TABLE_RGBA = (0.74, 0.71, 0.67, 1.0)
_MAT_RGBA = (0.66, 0.65, 0.635, 1.0)
_FLOOR_RGBA = (0.36, 0.40, 0.45, 1.0)
_TEXELS = 256

_BOX = mujoco.mjtGeom.mjGEOM_BOX
_arms: dict[Path, mujoco.MjSpec] = {}
_arms_lock = threading.Lock()


def build(episode: Episode, embodiment: Embodiment, *, size: int = 128, textured: Sequence[str] = ()) -> mujoco.MjModel:
    """Compile the scene of `episode` with `embodiment` in it, for square pictures of `size` pixels.

    The arm's joints come first in qpos, the things follow in the episode's order. textured: of "floor", "tabletop" and
    "mat", those that get a texture of their name, of one colour and to be painted. Raises WorldError when the episode
    is for another arm or MuJoCo refuses the scene.
    """
    if episode.embodiment != embodiment.name:
        raise WorldError(
            f"the episode is for embodiment {episode.embodiment!r}, not {embodiment.name!r}; "
            "build it with the embodiment that it names"
        )
    spec = _arm(embodiment)
    _set_options(spec, size)
    _add_surroundings(spec, embodiment)
    for name in textured:
        _add_texture(spec, name)
    _add_light(spec, episode.light)
    _add_front_camera(spec, episode.camera)
    for thing in episode.things:
        add_thing(spec, thing)
    if episode.drawer is not None:
        add_drawer(spec, episode.drawer)
    try:
        return spec.compile()
    except ValueError as error:
        raise WorldError(
            f"MuJoCo cannot compile episode {episode.family}/{episode.split}/{episode.seed}: {error}"
        ) from error


def _arm(embodiment: Embodiment) -> mujoco.MjSpec:
    """A fresh copy of the arm's spec, standing at its mount; the file is parsed once a process."""
    with _arms_lock:
        parsed = _arms.get(embodiment.model_file)
        if parsed is None:
            parsed = mujoco.MjSpec.from_file(str(embodiment.model_file))
            parsed.worldbody.first_body().pos = embodiment.mount
            _arms[embodiment.model_file] = parsed
        return parsed.copy()


def _set_options(spec: mujoco.MjSpec, size: int) -> None:
    option = spec.option
    option.timestep = PERIOD_NS * 1e-9 / CONTROL_STEPS
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10.0
    option.iterations = 50
    # With fewer the line search fails when light things are squeezed hard, and they shoot out of the fingers.
    option.ls_iterations = 50
    # Fixed, so that clipping planes and force scales do not depend on what lies on the table.
    spec.stat.extent = 1.0
    spec.stat.center = np.zeros(3)
    visual = spec.visual
    visual.quality.offsamples = 0
    visual.quality.shadowsize = 0
    visual.quality.numslices = 16 if size <= 256 else 48
    visual.quality.numstacks = 8 if size <= 256 else 24
    visual.quality.numquads = 1
    visual.global_.offwidth = size
    visual.global_.offheight = 2 * size
    visual.map.znear = 0.01
    visual.map.zfar = 6.0
    visual.headlight.ambient = (0.40, 0.40, 0.40)
    visual.headlight.diffuse = (0.26, 0.26, 0.26)
    visual.headlight.specular = (0.0, 0.0, 0.0)


def _add_surroundings(spec: mujoco.MjSpec, embodiment: Embodiment) -> None:
    """Floor and table. What carries things is one endless plane; the rest is only seen."""
    world = spec.worldbody
    world.add_geom(
        name=TABLE_GEOM,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(2.0, 2.0, 0.1),
        rgba=(0.0, 0.0, 0.0, 0.0),
        friction=(0.6, 0.01, 0.001),
        solref=(0.01, 1.0),
        solimp=(0.95, 0.99, 0.001, 0.5, 2.0),
        group=3,
    )
    seen = {"type": _BOX, "contype": 0, "conaffinity": 0}
    world.add_geom(name="floor", size=(3.0, 3.0, 0.01), pos=(-1.0, 0.0, -0.75), rgba=_FLOOR_RGBA, **seen)
    world.add_geom(name="tabletop", size=(0.60, 0.55, 0.02), pos=(-0.25, 0.0, -0.0203), rgba=_TABLE_RGBA, **seen)
    world.add_geom(name="mat", size=(0.17, 0.25, 0.0005), pos=(0.0, 0.0, -0.0005), rgba=_MAT_RGBA, **seen)
    x, y, z = (float(v) for v in embodiment.mount)
    if z > 0:
        world.add_geom(
            type=_BOX, size=(0.055, 0.05, z / 2), pos=(x, y, z / 2), rgba=_FLOOR_RGBA, contype=2, conaffinity=1
        )


def _add_texture(spec: mujoco.MjSpec, name: str) -> None:
    geom = spec.geom(name)
    flat = np.full((_TEXELS, _TEXELS, 3), np.rint(255 * geom.rgba[:3]), np.uint8)
    texture = spec.add_texture(
        name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=_TEXELS, height=_TEXELS, nchannel=3
    )
    texture.data = flat.tobytes()
    material = spec.add_material(name=name)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    geom.material, geom.rgba = name, (1.0, 1.0, 1.0, 1.0)


def _add_light(spec: mujoco.MjSpec, light: Light) -> None:
    strength = 0.40 * light.strength
    spec.worldbody.add_light(
        name="lamp",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        dir=light.direction,
        pos=(0.0, 0.0, 2.0),
        diffuse=tuple(strength * t for t in light.tint),
        specular=(0.12, 0.12, 0.12),
        castshadow=False,
    )


def _add_front_camera(spec: mujoco.MjSpec, jitter: Camera) -> None:
    position = _EYE + np.array(jitter.shift)
    back = _EYE - _LOOK_AT
    back /= np.linalg.norm(back)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(back, right), back], axis=1) @ _rotation(np.array(jitter.turn))
    spec.worldbody.add_camera(name="front", pos=position, xyaxes=(*frame[:, 0], *frame[:, 1]), fovy=_FOVY)


def _rotation(rotvec: FloatArray) -> FloatArray:
    """(3, 3) matrix of a rotation vector (3,), rad."""
    quat, out = np.zeros(4), np.zeros(9)
    angle = float(np.linalg.norm(rotvec))
    mujoco.mju_axisAngle2Quat(quat, rotvec / angle if angle > 0 else np.array([0.0, 0.0, 1.0]), angle)
    mujoco.mju_quat2Mat(out, quat)
    return out.reshape(3, 3)
