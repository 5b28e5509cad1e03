"""The arms as data: what they send and accept, their limits, where they stand and which model file they have.

Tool frame ("tcp", both arms): z is the approach direction, pointing out of the gripper; y is the closing
direction; x is the side that the wrist camera is on. At home the tool points down and x points away from the base.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from premotor.core.errors import SpecMismatch
from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec
from premotor.core.types import FloatArray

__all__ = ["EMBODIMENTS", "WORK_REGION", "Embodiment", "embodiment"]

WORK_REGION = (0.10, 0.18)
"""Half sizes (x, y) in metres of the part of the table, around the origin, where both arms can grasp from above."""

_ASSETS = Path(__file__).parent / "assets"
_CAMERAS = (
    CameraSpec(name="front", height=128, width=128),
    CameraSpec(name="wrist", height=128, width=128),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Embodiment:
    """One arm. Arrays are (J,) over `joint_names` unless said otherwise; radians, metres, seconds.

    position_low, position_high: joint range that may be commanded, a little inside the mechanical stops.
    home: gripper over the work region, tool pointing down, nothing of the table hidden from the front camera.
    workspace_low, workspace_high: (3,) box that the tool centre point may be sent to, base frame.
    gripper_speed: fastest travel of the gripper, in ratio (0 closed .. 1 open) a second.
    mount: (3,) place of the base in the tabletop's world frame; the axes of both frames are the same.
    model_file: MJCF with position servos named as the joints and "gripper", a site `tcp_site`, a camera "wrist".
    gripper_closed, gripper_open: native control values of the "gripper" servo at ratio 0 and 1.
    """

    spec: EmbodimentSpec
    joint_names: tuple[str, ...]
    position_low: FloatArray
    position_high: FloatArray
    velocity: FloatArray
    acceleration: FloatArray
    jerk: FloatArray
    home: FloatArray
    workspace_low: FloatArray
    workspace_high: FloatArray
    gripper_speed: float
    mount: FloatArray
    model_file: Path
    gripper_closed: float
    gripper_open: float
    tcp_site: str = "tcp"

    @property
    def name(self) -> str:
        """Name in EMBODIMENTS."""
        return self.spec.name


def _gripper() -> DimSpec:
    return DimSpec(name="gripper", unit="ratio", kind="absolute", low=0.0, high=1.0)


def _dims(names: tuple[str, ...], low: FloatArray, high: FloatArray) -> tuple[DimSpec, ...]:
    bounds = zip(names, low, high, strict=True)
    return tuple(DimSpec(name=n, unit="rad", kind="absolute", low=float(a), high=float(b)) for n, a, b in bounds)


def _panda() -> Embodiment:
    """Franka Emika Panda; half the velocities and jerks of its data sheet, 3/4 of its accelerations."""
    joints = tuple(f"joint{k}" for k in range(1, 8))
    margin = 0.01
    low = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973]) + margin
    high = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973]) - margin
    workspace_low = np.array([0.25, -0.40, 0.010])
    workspace_high = np.array([0.75, 0.40, 0.50])
    tool = tuple(
        DimSpec(name=f"tcp.{axis}", unit="m", kind="absolute", low=float(a), high=float(b))
        for axis, a, b in zip("xyz", workspace_low, workspace_high, strict=True)
    )
    turn = tuple(
        DimSpec(name=f"tcp.rot_{column}{axis}", unit="none", kind="absolute", low=-1.0, high=1.0)
        for column in "xy"
        for axis in "xyz"
    )
    shift = tuple(DimSpec(name=f"delta.{axis}", unit="m", kind="delta", low=-0.03, high=0.03) for axis in "xyz")
    spin = tuple(DimSpec(name=f"delta.r{axis}", unit="rad", kind="delta", low=-0.15, high=0.15) for axis in "xyz")
    spec = EmbodimentSpec(
        name="panda",
        cameras=_CAMERAS,
        state=(*_dims(joints, low, high), _gripper(), *tool, *turn),
        action=ActionSpec(dims=(*shift, *spin, _gripper()), frame="base", rotation="rotvec", hold="zero_delta"),
        rate_hz=20.0,
    )
    return Embodiment(
        spec=spec,
        joint_names=joints,
        position_low=low,
        position_high=high,
        velocity=0.5 * np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61]),
        acceleration=0.75 * np.array([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0]),
        jerk=0.5 * np.array([7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10000.0, 10000.0]),
        home=np.array([0.0, -0.1249, 0.0, -2.6862, 0.0, 2.5613, 0.7854]),
        workspace_low=workspace_low,
        workspace_high=workspace_high,
        gripper_speed=2.5,
        mount=np.array([-0.48, 0.0, 0.0]),
        model_file=_ASSETS / "panda" / "panda.xml",
        gripper_closed=0.0,
        gripper_open=0.04,
    )


def _so101() -> Embodiment:
    """SO-101 with STS3215 servos (about 5 rad/s without load), on a 60 mm riser so that it also reaches downwards."""
    joints = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
    margin = 0.01
    low = np.array([-1.91986, -1.74533, -1.69, -1.65806, -2.74385]) + margin
    high = np.array([1.91986, 1.74533, 1.69, 1.65806, 2.84121]) - margin
    dims = (*_dims(joints, low, high), _gripper())
    spec = EmbodimentSpec(
        name="so101",
        cameras=_CAMERAS,
        state=dims,
        action=ActionSpec(dims=dims, frame="joint", rotation="none", hold="measured_position"),
        rate_hz=20.0,
    )
    return Embodiment(
        spec=spec,
        joint_names=joints,
        position_low=low,
        position_high=high,
        velocity=np.full(5, 2.5),
        acceleration=np.full(5, 15.0),
        jerk=np.full(5, 600.0),
        home=np.array([-0.0554, -0.3188, 0.3994, 1.4902, -1.5776]),
        workspace_low=np.array([0.06, -0.30, -0.0505]),
        workspace_high=np.array([0.42, 0.30, 0.25]),
        gripper_speed=1.5,
        mount=np.array([-0.225, 0.0, 0.06]),
        model_file=_ASSETS / "so101" / "so101.xml",
        gripper_closed=-0.174533,
        gripper_open=1.74533,
    )


EMBODIMENTS: dict[str, Embodiment] = {arm.name: arm for arm in (_panda(), _so101())}


def embodiment(name: str) -> Embodiment:
    """The arm of that name; raises SpecMismatch that lists the names there are."""
    if name not in EMBODIMENTS:
        raise SpecMismatch(f"no embodiment {name!r}; choose one of {', '.join(sorted(EMBODIMENTS))}")
    return EMBODIMENTS[name]
