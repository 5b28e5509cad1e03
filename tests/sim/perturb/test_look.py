"""Camera, light and surfaces of any model: each changes by as much as it says, and nothing else changes."""

import math
from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from premotor.core.errors import WorldError
from premotor.sim.perturb.axes import STRENGTHS, Perturbation
from premotor.sim.perturb.look import move_camera, paint, relight

MODEL = """
<mujoco>
  <asset>
    <texture name="wood" type="2d" builtin="checker" rgb1="0.5 0.4 0.3" rgb2="0.6 0.5 0.4" width="32" height="48"/>
    <material name="wood" texture="wood"/>
  </asset>
  <worldbody>
    <light type="directional" dir="0 0.3 -1" diffuse="0.4 0.4 0.4" ambient="0.1 0.1 0.1"/>
    <camera name="eye" pos="0.5 0.1 0.6" xyaxes="0 1 0 -0.77 0 0.64"/>
    <camera name="level" pos="0.5 0 0.6" xyaxes="0 1 0 0 0 1"/>
    <geom type="plane" size="1 1 0.1" material="wood"/>
    <body pos="0 0 1"><freejoint/><geom size="0.1"/><camera name="riding" pos="0 0 0.5"/></body>
  </worldbody>
</mujoco>
"""
CHANGES: dict[str, Callable[[mujoco.MjModel, Perturbation, np.random.Generator], None]] = {
    "camera": lambda model, change, rng: move_camera(model, "eye", change, rng),
    "light": relight,
    "texture": lambda model, change, rng: paint(model, 0, change, rng),
}
TOUCHED = {
    "camera": {"cam_pos", "cam_quat"},
    "light": {"light_ambient", "light_diffuse", "light_dir", "headlight"},
    "texture": {"tex_data"},
}


def arrays(model: mujoco.MjModel) -> dict[str, bytes]:
    """Every array of the model, and the lamp at the viewer's head."""
    found = {name: value for name in dir(model) if isinstance(value := getattr(model, name), np.ndarray)}
    head = model.vis.headlight
    found["headlight"] = np.concatenate([head.ambient, head.diffuse, head.specular])
    return {name: value.tobytes() for name, value in found.items()}


def changed(axis: str, strength: int, seed: int = 0) -> mujoco.MjModel:
    model = mujoco.MjModel.from_xml_string(MODEL)
    CHANGES[axis](model, Perturbation(axis, strength), np.random.default_rng(seed))
    return model


@pytest.mark.parametrize("axis", CHANGES)
def test_each_changes_what_it_says_and_nothing_else(axis: str) -> None:
    before = arrays(mujoco.MjModel.from_xml_string(MODEL))
    assert arrays(changed(axis, 0)) == before, "strength 0 is nothing"
    for strength in STRENGTHS:
        after = arrays(changed(axis, strength))
        assert {name for name in before if before[name] != after[name]} == TOUCHED[axis]
        assert after == arrays(changed(axis, strength)), "not repeatable"
        assert after != arrays(changed(axis, strength, seed=1)), "every episode is perturbed alike"


def view(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray, float]:
    """Place, direction of sight, and distance along it to the table."""
    camera = model.camera("eye").id
    frame = np.zeros(9)
    mujoco.mju_quat2Mat(frame, model.cam_quat[camera])
    sight, eye = -frame.reshape(3, 3)[:, 2], model.cam_pos[camera]
    return eye, sight, float(-eye[2] / sight[2])


@pytest.mark.parametrize("seed", range(8))
def test_the_camera_is_carried_as_far_as_it_says(seed: int) -> None:
    eye, sight, far = view(mujoco.MjModel.from_xml_string(MODEL))
    focus = eye + far * sight
    for strength in STRENGTHS:
        moved, looks, _ = view(changed("camera", strength, seed))
        change = Perturbation("camera", strength)
        assert np.linalg.norm(moved - focus) == pytest.approx(far), "neither nearer nor further"
        arc = 2 * far * math.sin(math.radians(change.amount("orbit_deg")) / 2)
        # Sideways the way is shorter by the cosine of the camera's height.
        assert 0.6 * arc < np.linalg.norm(moved - eye) <= arc * (1 + 1e-6)
        aside = math.degrees(math.acos(min(1.0, float(looks @ (focus - moved)) / far)))
        assert aside == pytest.approx(change.amount("turn_deg"), abs=0.01)


def test_a_camera_without_a_table_in_sight_is_refused() -> None:
    model, rng = mujoco.MjModel.from_xml_string(MODEL), np.random.default_rng(0)
    for name in ("level", "riding"):
        with pytest.raises(WorldError, match=f"camera '{name}' is not fixed above the table"):
            move_camera(model, name, Perturbation("camera", 1), rng)


@pytest.mark.parametrize("seed", range(8))
def test_light_is_as_strong_as_it_says_and_comes_from_above(seed: int) -> None:
    before = mujoco.MjModel.from_xml_string(MODEL)
    for strength in STRENGTHS:
        model, change = changed("light", strength, seed), Perturbation("light", strength)
        ratio = model.light_diffuse[0] / before.light_diffuse[0]
        assert ratio == pytest.approx(model.vis.headlight.ambient / before.vis.headlight.ambient, rel=1e-5)
        sizes = [np.abs(ratio / by - 1).max() for by in (change.amount("brighter"), 1 / change.amount("darker"))]
        assert [size for size in sizes if size == pytest.approx(change.amount("tint"), rel=1e-4)]
        assert model.light_dir[0, 2] < 0


def test_a_surface_keeps_a_share_of_what_it_was() -> None:
    shares = [
        np.abs(changed("texture", s).tex_data - mujoco.MjModel.from_xml_string(MODEL).tex_data.astype(float))
        for s in STRENGTHS
    ]
    assert shares[0].mean() < shares[1].mean() < shares[2].mean()
    assert shares[0].mean() / shares[2].mean() == pytest.approx(0.25 / 0.95, rel=0.05)
