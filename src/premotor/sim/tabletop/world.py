"""A simulated robot at its table: the Robot port on MuJoCo, exact to restore, judged by physics."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import mujoco
import numpy as np
from numpy.typing import NDArray

from premotor.core.errors import WorldError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Command, FloatArray, Image, JointState, Observation
from premotor.robots.embodiment import Embodiment, embodiment
from premotor.sim.tabletop.contacts import Contacts
from premotor.sim.tabletop.disturb import Trigger, disturb
from premotor.sim.tabletop.episode import Episode, Thing
from premotor.sim.tabletop.objects import DRAWER, shape
from premotor.sim.tabletop.render import Renderer
from premotor.sim.tabletop.scene import CONTROL_STEPS, PERIOD_NS, build
from premotor.sim.tabletop.success import HOLD_STEPS, achieved

__all__ = ["CAMERAS", "Snapshot", "TabletopWorld"]

CAMERAS = ("front", "wrist")
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_SETTLE_STEPS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counters:
    """What the world remembers beside the physics. `highest` follows the episode's goal objects, m."""

    steps: int = 0
    held: int = 0
    highest: tuple[float, ...] = ()
    trigger: Trigger = field(default_factory=Trigger)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A moment of one episode, to be given back to `TabletopWorld.restore`."""

    episode: Episode
    physics: FloatArray
    counters: _Counters


class TabletopWorld:
    """One arm at its table. Implements core.ports.Robot; `reset(episode)` comes first.

    render: draw the cameras; without it observations carry no images. depth, segmentation: `observe` also fills
    `depths` and `segments`. size: side of the square pictures, px. A world that draws belongs to the thread that
    first called `observe`.
    """

    def __init__(
        self,
        embodiment_name: str,
        *,
        render: bool = True,
        depth: bool = False,
        segmentation: bool = False,
        size: int = 128,
    ) -> None:
        self.embodiment: Embodiment = embodiment(embodiment_name)
        self.depths: Mapping[str, NDArray[np.float32]] = {}
        self.segments: Mapping[str, NDArray[np.int32]] = {}
        self._size = size
        self._renderer = Renderer(CAMERAS, size) if render else None
        self._with_depth, self._with_segments = depth, segmentation
        self._scene: _Loaded | None = None
        self._counters = _Counters()

    @property
    def spec(self) -> EmbodimentSpec:
        """What the arm sends and accepts."""
        return self.embodiment.spec

    @property
    def episode(self) -> Episode:
        """The episode that is on; raises WorldError before the first reset."""
        return self._loaded.episode

    @property
    def steps(self) -> int:
        """Control periods since the reset."""
        return self._counters.steps

    @property
    def stamp_ns(self) -> int:
        """Simulated time since the reset."""
        return self._counters.steps * PERIOD_NS

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled model of the episode."""
        return self._loaded.model

    @property
    def data(self) -> mujoco.MjData:
        """The state of the simulation."""
        return self._loaded.data

    def reset(self, episode: Episode, *, textured: Sequence[str] = ()) -> None:
        """Build the scene of `episode`, put the arm at home with an open gripper and let everything settle.

        textured: surfaces with a texture to be painted before anything is drawn (scene.build).
        """
        model = build(episode, self.embodiment, size=self._size, textured=textured)
        loaded = _Loaded(episode, self.embodiment, model)
        data = loaded.data
        data.qpos[loaded.joint_qpos] = self.embodiment.home
        data.ctrl[loaded.joint_actuators] = self.embodiment.home
        data.ctrl[loaded.gripper_actuator] = self.embodiment.gripper_open
        loaded.set_gripper()
        if episode.drawer is not None:
            data.qpos[loaded.drawer_qpos] = episode.drawer.opening * DRAWER.travel
        mujoco.mj_step(model, data, _SETTLE_STEPS)
        mujoco.mj_fwdPosition(model, data)
        loaded.home_tool = data.site_xpos[loaded.tcp].copy()
        self._scene = loaded
        self._counters = _Counters(highest=(0.0,) * len(episode.goal.objects))
        self.depths, self.segments = {}, {}

    def observe(self, instruction: str | None = None) -> Observation:
        """Cameras and proprioception now. `instruction` defaults to the episode's."""
        loaded = self._loaded
        images: Mapping[str, Image] = {}
        if self._renderer is not None:
            images = self._renderer.rgb(loaded.model, loaded.data)
            if self._with_depth:
                self.depths = self._renderer.depth(loaded.model, loaded.data)
            if self._with_segments:
                found = self._renderer.geoms(loaded.model, loaded.data)
                self.segments = {name: loaded.geom_segment[geoms] for name, geoms in found.items()}
        return Observation(
            stamp_ns=self.stamp_ns,
            images=images,
            state=self.observe_state(),
            instruction=loaded.episode.instruction if instruction is None else instruction,
        )

    @property
    def segment_names(self) -> tuple[str, ...]:
        """What the numbers in `segments` mean: "" (table and beyond), "robot", the things in order, "drawer"."""
        return self._loaded.segment_names

    def observe_state(self) -> FloatArray:
        """Proprioception (S,) alone, in the order of the spec's state; costs no rendering."""
        loaded = self._loaded
        parts = [loaded.data.qpos[loaded.joint_qpos], np.array([self._gripper()])]
        if len(self.spec.state) > len(loaded.joint_qpos) + 1:
            position, rotation = self.tool()
            parts += [position - self.embodiment.mount, rotation[:, 0], rotation[:, 1]]
        return np.concatenate(parts)

    def joint_state(self) -> JointState:
        """The arm's joints and gripper, measured."""
        loaded = self._loaded
        return JointState(
            stamp_ns=self.stamp_ns,
            positions=loaded.data.qpos[loaded.joint_qpos],
            velocities=loaded.data.qvel[loaded.joint_dofs],
            gripper=self._gripper(),
        )

    def apply(self, command: Command) -> None:
        """Move towards the commanded joints for one control period of physics; disturbances happen at its end.

        The servos' targets go from the last command to this one in a straight line, as a real arm's do.
        Raises WorldError for a command of the wrong length or with a number that is not finite.
        """
        loaded = self._loaded
        wanted = np.append(np.asarray(command.positions, np.float64), command.gripper)
        if wanted.shape != (len(loaded.joint_qpos) + 1,) or not np.isfinite(wanted).all():
            raise WorldError(
                f"a command for {self.embodiment.name} is {len(loaded.joint_qpos)} finite joint positions and a finite "
                f"gripper ratio; got {wanted.tolist()}. Let the guard make commands"
            )
        wanted[-1] = self._native_gripper(float(wanted[-1]))
        model, data = loaded.model, loaded.data
        start = data.ctrl[loaded.actuators]
        for k in range(1, CONTROL_STEPS + 1):
            data.ctrl[loaded.actuators] = start + (wanted - start) * (k / CONTROL_STEPS)
            mujoco.mj_step(model, data)
        self._check_stable()
        # Poses and contacts of the very end of the period; it changes no state, so that restoring stays exact.
        mujoco.mj_fwdPosition(model, data)
        self._finish_step()

    def _finish_step(self) -> None:
        loaded, before = self._loaded, self._counters
        loaded.contacts.update()
        self._counters = dataclasses.replace(before, steps=before.steps + 1, highest=self._raise_highest())
        trigger = disturb(self, before.trigger)
        held = before.held + 1 if achieved(self) else 0
        self._counters = dataclasses.replace(self._counters, held=held, trigger=trigger)

    def success(self) -> bool:
        """Whether the goal has held for the last half second."""
        return self._counters.held >= HOLD_STEPS

    def snapshot(self) -> Snapshot:
        """Everything that decides what happens next."""
        loaded = self._loaded
        physics = np.empty(mujoco.mj_stateSize(loaded.model, _STATE))
        mujoco.mj_getState(loaded.model, loaded.data, physics, _STATE)
        return Snapshot(loaded.episode, physics, self._counters)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to `snapshot`, bit for bit. Raises WorldError when it is from another episode."""
        loaded = self._loaded
        if snapshot.episode != loaded.episode:
            raise WorldError("the snapshot is from another episode; reset the world to the snapshot's episode first")
        mujoco.mj_setState(loaded.model, loaded.data, snapshot.physics, _STATE)
        mujoco.mj_fwdPosition(loaded.model, loaded.data)
        loaded.contacts.update()
        self._counters = snapshot.counters

    def thing(self, name: str) -> Thing:
        """The episode's thing of that name; raises WorldError that lists the names there are."""
        found = self._loaded.things.get(name)
        if found is None:
            raise WorldError(f"no thing {name!r} on the table; there are {', '.join(self._loaded.things)}")
        return found

    def position(self, name: str) -> FloatArray:
        """World position (3,) of a thing's centre, of the "drawer" (its handle) or of the "drawer_unit", m."""
        return self.handle_position() if name == "drawer" else self.pose(name)[0]

    def pose(self, name: str) -> tuple[FloatArray, FloatArray]:
        """World position (3,) and rotation (3, 3) of a body: a thing's name, "drawer" or "drawer_unit"."""
        loaded = self._loaded
        body = loaded.body(name)
        return loaded.data.xpos[body].copy(), loaded.data.xmat[body].reshape(3, 3).copy()

    def speed(self, name: str) -> float:
        """Linear speed of a thing, or sliding speed of the "drawer", m/s."""
        loaded = self._loaded
        if name == "drawer":
            loaded.require_drawer()
            return abs(float(loaded.data.qvel[loaded.drawer_dof]))
        start = loaded.thing_dofs[self.thing(name).name]
        return float(np.linalg.norm(loaded.data.qvel[start : start + 3]))

    def tool(self) -> tuple[FloatArray, FloatArray]:
        """World position (3,) and rotation (3, 3) of the tool centre point."""
        loaded = self._loaded
        return loaded.data.site_xpos[loaded.tcp].copy(), loaded.data.site_xmat[loaded.tcp].reshape(3, 3).copy()

    def home_tool(self) -> FloatArray:
        """World position (3,) of the tool centre point when the episode began."""
        return self._loaded.home_tool

    def commanded(self) -> tuple[FloatArray, float]:
        """The joint targets (J,) and gripper ratio of the last command; home and open after a reset."""
        loaded = self._loaded
        joints: FloatArray = loaded.data.ctrl[loaded.joint_actuators]
        return joints, self._ratio(float(loaded.data.ctrl[loaded.gripper_actuator]))

    def drawer_opening(self) -> float:
        """0 closed .. 1 fully open; raises WorldError when the scene has no drawer."""
        self._loaded.require_drawer()
        return float(self._loaded.data.qpos[self._loaded.drawer_qpos]) / DRAWER.travel

    def handle_position(self) -> FloatArray:
        """World position (3,) of the middle of the handle's graspable stem."""
        position, _ = self.pose("drawer")
        handle: FloatArray = position + np.array([-DRAWER.length / 2 - DRAWER.handle_reach, 0.0, DRAWER.handle_height])
        return handle

    def touches(self, a: str, b: str) -> bool:
        """Whether two bodies are in contact; "table" and "gripper" (every part of the hand) are names here too."""
        return self._loaded.contacts.touches(a, b)

    def is_held(self, name: str) -> bool:
        """Whether two parts of the gripper press on the thing from opposite sides, wherever it stands."""
        return self._loaded.contacts.gripped(self.thing(name).name)

    def highest(self, name: str) -> float:
        """The most that a goal object was above its place on the table so far, m."""
        return dict(zip(self.episode.goal.objects, self._counters.highest, strict=True)).get(name, 0.0)

    def lift(self, name: str) -> float:
        """How far a thing's centre is above where it would stand upright on the table, m."""
        thing = self.thing(name)
        return float(self.pose(name)[0][2]) - shape(thing.kind, thing.size).height / 2

    def pose_arm(self, positions: FloatArray, gripper: float) -> None:
        """Put the arm at joints (J,) and the gripper at a ratio, at rest; nothing else moves."""
        loaded = self._loaded
        loaded.data.qpos[loaded.joint_qpos] = positions
        loaded.data.ctrl[loaded.joint_actuators] = positions
        loaded.data.ctrl[loaded.gripper_actuator] = self._native_gripper(gripper)
        loaded.set_gripper()
        loaded.data.qvel[loaded.joint_dofs] = 0.0
        self._refresh()

    def place(self, name: str, position: FloatArray, yaw: float | None = None) -> None:
        """Put a thing at world `position` (3,) at rest; upright and turned by `yaw` rad where that is given."""
        loaded = self._loaded
        at, dof = loaded.thing_qpos[self.thing(name).name], loaded.thing_dofs[name]
        loaded.data.qpos[at : at + 3] = position
        if yaw is not None:
            loaded.data.qpos[at + 3 : at + 7] = (np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
        loaded.data.qvel[dof : dof + 6] = 0.0
        self._refresh()

    def shift_drawer_unit(self, dx: float, dy: float) -> None:
        """Move the whole unit over the table, m."""
        loaded = self._loaded
        loaded.require_drawer()
        loaded.data.mocap_pos[0, :2] += (dx, dy)
        self._refresh()

    def slide_drawer(self, opening: float) -> None:
        """Set the drawer's opening, at rest."""
        loaded = self._loaded
        loaded.require_drawer()
        loaded.data.qpos[loaded.drawer_qpos] = opening * DRAWER.travel
        loaded.data.qvel[loaded.drawer_dof] = 0.0
        self._refresh()

    def project(self, camera: str, point: FloatArray) -> tuple[float, float, float]:
        """Where world `point` (3,) is in a camera's picture: u right and v down in 0..1 of the picture, depth in m.

        Outside 0..1 it is outside the picture; at a depth of zero or less it is behind the camera,
        and u, v mean nothing.
        """
        loaded = self._loaded
        if camera not in CAMERAS:
            raise WorldError(f"no camera {camera!r}; choose one of {', '.join(CAMERAS)}")
        index = loaded.cameras[camera]
        right, up, back = loaded.data.cam_xmat[index].reshape(3, 3).T @ (point - loaded.data.cam_xpos[index])
        depth = -float(back)
        span = 2.0 * np.tan(np.radians(loaded.model.cam_fovy[index]) / 2) * (depth if abs(depth) > 1e-6 else 1e-6)
        return 0.5 + float(right) / span, 0.5 - float(up) / span, depth

    def close(self) -> None:
        """Free the renderer; the world can be used again, it then makes a new one."""
        if self._renderer is not None:
            self._renderer.close()

    @property
    def _loaded(self) -> "_Loaded":
        if self._scene is None:
            raise WorldError("the world is empty; call reset(episode) first")
        return self._scene

    def _refresh(self) -> None:
        mujoco.mj_fwdPosition(self.model, self.data)
        self._loaded.contacts.update()

    def _check_stable(self) -> None:
        if self.data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
            raise WorldError(
                f"physics became unstable at step {self.steps} of episode "
                f"{self.episode.family}/{self.episode.split}/{self.episode.seed}; reset the world"
            )

    def _raise_highest(self) -> tuple[float, ...]:
        goal = self.episode.goal.objects
        return tuple(max(self.lift(n), h) for n, h in zip(goal, self._counters.highest, strict=True))

    def _native_gripper(self, ratio: float) -> float:
        closed, opened = self.embodiment.gripper_closed, self.embodiment.gripper_open
        return closed + min(max(ratio, 0.0), 1.0) * (opened - closed)

    def _ratio(self, native: float) -> float:
        closed, opened = self.embodiment.gripper_closed, self.embodiment.gripper_open
        return min(max((native - closed) / (opened - closed), 0.0), 1.0)

    def _gripper(self) -> float:
        # A position servo's length is its joint's coordinate, in the unit of its control.
        return self._ratio(float(self.data.actuator_length[self._loaded.gripper_actuator]))


class _Loaded:
    """One compiled episode with the addresses of everything in it."""

    def __init__(self, episode: Episode, arm: Embodiment, model: mujoco.MjModel) -> None:
        self.episode = episode
        self.model = model
        self.data = mujoco.MjData(model)
        self.things = {thing.name: thing for thing in episode.things}
        joints = [model.joint(name).id for name in arm.joint_names]
        self.joint_qpos = model.jnt_qposadr[joints]
        self.joint_dofs = model.jnt_dofadr[joints]
        self.joint_actuators = np.array([model.actuator(name).id for name in arm.joint_names])
        self.gripper_actuator = model.actuator("gripper").id
        self.actuators = np.append(self.joint_actuators, self.gripper_actuator)
        self.home_tool: FloatArray = np.zeros(3)
        self.tcp = model.site(arm.tcp_site).id
        self.cameras = {name: model.camera(name).id for name in CAMERAS}
        self.thing_qpos = {name: int(model.joint(name).qposadr[0]) for name in self.things}
        self.thing_dofs = {name: int(model.joint(name).dofadr[0]) for name in self.things}
        self.bodies = {name: int(model.body(name).id) for name in self.things}
        if episode.drawer is not None:
            self.bodies |= {name: int(model.body(name).id) for name in ("drawer", "drawer_unit")}
            self.drawer_qpos = int(model.joint("drawer").qposadr[0])
            self.drawer_dof = int(model.joint("drawer").dofadr[0])
        self.contacts = Contacts(model, self.data, bodies=self.bodies, hand=int(model.site_bodyid[self.tcp]))

    def body(self, name: str) -> int:
        found = self.bodies.get(name)
        if found is None:
            raise WorldError(f"nothing named {name!r} in the scene; there are {', '.join(self.bodies)}")
        return found

    def require_drawer(self) -> None:
        if self.episode.drawer is None:
            raise WorldError("this scene has no drawer; use an episode with one")

    def set_gripper(self) -> None:
        """Put the fingers at once where the gripper's control says: every joint that moves it goes there."""
        model = self.model
        kind, target = model.actuator_trntype[self.gripper_actuator], model.actuator_trnid[self.gripper_actuator, 0]
        if kind == mujoco.mjtTrn.mjTRN_TENDON:
            start, count = model.tendon_adr[target], model.tendon_num[target]
            joints = model.wrap_objid[start : start + count]
        else:
            joints = np.array([target])
        self.data.qpos[model.jnt_qposadr[joints]] = self.data.ctrl[self.gripper_actuator]

    @cached_property
    def segment_names(self) -> tuple[str, ...]:
        return ("", "robot", *self.things, *(("drawer",) if self.episode.drawer is not None else ()))

    @cached_property
    def geom_segment(self) -> NDArray[np.int32]:
        """(ngeom + 1,) geom -> index in segment_names; the last entry serves geom -1."""
        index = {name: k for k, name in enumerate(self.segment_names)}
        owner = {body: index["drawer" if name == "drawer_unit" else name] for name, body in self.bodies.items()}
        out = np.zeros(self.model.ngeom + 1, np.int32)
        for geom, body in enumerate(self.model.geom_bodyid):
            out[geom] = 0 if body == 0 else owner.get(int(body), 1)
        return out
