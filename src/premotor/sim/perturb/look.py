"""Camera, light and surfaces of any compiled MuJoCo model, changed in place; nothing else of it is touched.

Who holds the data calls mj_camlight afterwards, and uploads textures that were already drawn with.
"""

import math

import mujoco
import numpy as np

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray
from premotor.sim.perturb.axes import Perturbation
from premotor.sim.perturb.patterns import pattern

__all__ = ["move_camera", "paint", "relight"]


def move_camera(model: mujoco.MjModel, name: str, change: Perturbation, rng: np.random.Generator) -> None:
    """Carry a fixed camera around what it looks at on the table (z = 0), then turn it a little away from that.

    Raises WorldError for a camera that rides on a body, or that does not look down.
    """
    camera = model.camera(name).id
    numbers = np.zeros(9)
    mujoco.mju_quat2Mat(numbers, model.cam_quat[camera])
    frame = numbers.reshape(3, 3)
    right, back = frame[:, 0], frame[:, 2]
    if model.cam_bodyid[camera] != 0 or back[2] < 0.05:
        raise WorldError(f"camera {name!r} is not fixed above the table, so it cannot be carried around it")
    way, aside = rng.uniform(0, 2 * math.pi, 2)
    if not change.strength:
        return
    eye = model.cam_pos[camera].copy()
    focus = eye - eye[2] / back[2] * back
    # Sideways, up or down, or anything between.
    orbit = _turn(math.cos(way) * np.array([0.0, 0.0, 1.0]) + math.sin(way) * right, change.amount("orbit_deg"))
    turn = _turn(np.array([math.cos(aside), math.sin(aside), 0.0]), change.amount("turn_deg"))
    model.cam_pos[camera] = focus + orbit @ (eye - focus)
    mujoco.mju_mat2Quat(model.cam_quat[camera], (orbit @ frame @ turn).ravel())


def relight(model: mujoco.MjModel, change: Perturbation, rng: np.random.Generator) -> None:
    """Make every lamp brighter or darker, tint it, and let it shine from another side."""
    brighter = rng.random() < 0.5
    tint, way = rng.uniform(-1, 1, 3), rng.uniform(0, 2 * math.pi)
    if not change.strength:
        return
    # The strongest channel changes by the whole tint, so that every tint of a strength is as strong.
    colour = 1 + change.amount("tint") * tint / np.abs(tint).max()
    # Pictures have little room above and much below, so what is as hard to see is less far that way.
    factor = colour * (change.amount("brighter") if brighter else 1 / change.amount("darker"))
    lean = _turn(np.array([math.cos(way), math.sin(way), 0.0]), change.amount("lean_deg"))
    for part in (model.vis.headlight.ambient, model.vis.headlight.diffuse, model.light_ambient, model.light_diffuse):
        part[:] = part * factor
    for light in range(model.nlight):
        shines = lean @ model.light_dir[light]
        # From below a table is not lit.
        model.light_dir[light] = shines if shines[2] < 0 else shines * (1, 1, -1)


def paint(model: mujoco.MjModel, texture: int, change: Perturbation, rng: np.random.Generator) -> None:
    """Mix a drawn pattern into a texture of the model."""
    height, width = int(model.tex_height[texture]), int(model.tex_width[texture])
    drawn = pattern(rng, height, width)
    if not change.strength:
        return
    channels, start = int(model.tex_nchannel[texture]), int(model.tex_adr[texture])
    there = model.tex_data[start : start + height * width * channels].reshape(height, width, channels)
    share = change.amount("share")
    there[..., :3] = np.rint((1 - share) * there[..., :3] + share * drawn)


def _turn(axis: FloatArray, degrees: float) -> FloatArray:
    """(3, 3) rotation about an axis (3,)."""
    quaternion, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quaternion, axis / np.linalg.norm(axis), math.radians(degrees))
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)
