"""One task of LIBERO as a world: an episode is a pure function of (task, seed, start), whatever ran before it.

robosuite's own renderer hands out garbage once a second environment was built in a process, so pictures are drawn here
from a copy of the state; they are the same to the last bit.
"""

from typing import Any, Literal

import mujoco
import numpy as np

from premotor.core.errors import WorldError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import FloatArray, Image, Observation
from premotor.sim.libero.expert import Expert, place_of
from premotor.sim.libero.package import drawing, files, package, starts, unmoved
from premotor.sim.libero.robot import CAMERAS, RATE_HZ, View, panda, to_native
from premotor.sim.libero.tasks import Task, task
from premotor.sim.stream import stream

__all__ = ["LIMIT", "STARTS", "Libero", "Start"]

LIMIT = 1000
"""Steps after which LIBERO itself ends an episode."""
STARTS = 50
"""Starting states of a task that evaluations use."""
Start = Literal["fixed", "drawn"]
_TICK_NS = round(1e9 / RATE_HZ)
_STAYS_M = 0.08
_TRIES = 100  # draws in which no place was found for all things; the first is nearly always good


class Libero:
    """Begin with `reset`. render: whether observations carry pictures, which cost most of the time."""

    def __init__(self, view: View | None = None, *, render: bool = True) -> None:
        self._view = view or View()
        self._spec = panda(self._view)
        self._render = render
        self._task: Task | None = None
        self._env: Any = None
        self._states: FloatArray = np.zeros((0, 0))
        self._furniture: dict[int, tuple[FloatArray, FloatArray]] = {}
        self._renderer: mujoco.Renderer | None = None
        self._shown: mujoco.MjData | None = None
        self._expert: Expert | None = None
        self._seen: FloatArray = np.zeros(8)
        self.steps = 0
        self.success = False

    @property
    def spec(self) -> EmbodimentSpec:
        """What it sends and accepts."""
        return self._spec

    @property
    def task(self) -> Task:
        """What is to be done. Raises WorldError before the first reset."""
        if self._task is None:
            raise WorldError("no episode is on; call reset with a task and a seed first")
        return self._task

    @property
    def env(self) -> Any:
        """LIBERO's own environment, with everything it knows; never for a policy."""
        if self._env is None:
            raise WorldError("no episode is on; call reset with a task and a seed first")
        return self._env

    def reset(self, name: str, seed: int, start: Start = "fixed") -> None:
        """Start an episode. fixed: in starting state number `seed` of the benchmark's. drawn: as LIBERO draws it, and
        again where things fly apart.

        Furniture is drawn in both, as the states do not hold it. Raises WorldError when there is no such task or state,
        or no LIBERO.
        """
        wanted = task(name)
        if start == "fixed" and not 0 <= seed < STARTS:
            raise WorldError(f"there is no starting state {seed}; choose 0 to {STARTS - 1}, or draw another start")
        if self._task != wanted:
            self.close()
            self._build(wanted)
            self._task = wanted
        with drawing(stream("libero", name, start, seed)):
            self._draw(lasting=start == "drawn")
        if start == "fixed":
            self._begin(self._states[seed])
        self.steps, self.success, self._expert = 0, False, None

    def restore(self, state: FloatArray) -> None:
        """Put arm and things into (1 + nq + nv,) a recorded state; furniture stays. Raises WorldError for another."""
        model = self.env.sim.model._model
        if state.shape != (1 + model.nq + model.nv,):
            raise WorldError(f"a state of this task has {1 + model.nq + model.nv} numbers, not {state.shape}")
        self._begin(state)

    def observe(self, instruction: str | None = None) -> Observation:
        """What the policy is shown now; the task's own sentence when none is given."""
        told = self.task.instruction if instruction is None else instruction
        images = {name: self._picture(camera) for name, camera in CAMERAS.items()} if self._render else {}
        return Observation(stamp_ns=self.steps * _TICK_NS, images=images, state=self.observe_state(), instruction=told)

    def observe_state(self) -> FloatArray:
        """The state alone, without drawing anything."""
        return self._seen.copy()

    def places(self) -> FloatArray:
        """(2, 3) where the thing that is to be moved truly is and where it belongs, in the moment of the pictures.

        Metres in the world's frame; never for a policy. Raises WorldError as `expert` and `project` do.
        """
        shown = self._moment
        return np.stack([place_of(self._env, shown, name) for name in self.expert.focus()])

    def project(self, camera: str, points: FloatArray) -> FloatArray:
        """(N, 3) metres -> (N, 3): u to the right and v down in a camera's picture, 0..1 inside of it, and depth (m).

        Raises WorldError before the first reset, when nothing is drawn, and for a camera that there is not.
        """
        if camera not in CAMERAS:
            raise WorldError(f"LIBERO has no camera {camera!r}; choose one of {', '.join(CAMERAS)}")
        shown, model = self._moment, self._env.sim.model._model
        index = model.camera(CAMERAS[camera]).id
        right, up, back = ((points - shown.cam_xpos[index]) @ shown.cam_xmat[index].reshape(3, 3)).T
        reach = 2 * np.tan(np.radians(model.cam_fovy[index]) / 2)
        # The picture is mirrored.
        return np.stack([0.5 + right / back / reach, 0.5 + up / back / reach, -back], -1)

    def step(self, action: FloatArray) -> None:
        """(7,) act for one control period; `success` then says whether the task is achieved now.

        Raises WorldError before the first reset, after LIMIT steps, or for numbers that are not finite.
        """
        env = self.env
        if not np.isfinite(action).all():
            raise WorldError(f"action {action} is not finite; hold instead")
        if self.steps >= LIMIT:
            raise WorldError(f"the episode is over after {self.steps} steps; reset for another one")
        env.step(to_native(action))
        self.steps += 1
        self.success = bool(env._check_success())

    @property
    def expert(self) -> Expert:
        """The scripted expert of this episode; ask it at every step. Raises WorldError when it has no script."""
        if self._expert is None:
            self._expert = Expert(self.env)
        return self._expert

    def hand_over(self) -> None:
        """Have the expert look at everything anew, because another has moved the arm."""
        self._expert = None

    @property
    def _moment(self) -> mujoco.MjData:
        if self._shown is None:
            raise WorldError("there are no pictures: call reset first, of a world that draws")
        return self._shown

    def close(self) -> None:
        """Free the renderer and the environment."""
        if self._renderer is not None:
            self._renderer.close()
        if self._env is not None:
            self._env.close()
        self._renderer, self._env, self._task, self._shown = None, None, None, None

    def _build(self, wanted: Task) -> None:
        envs = package()
        from robosuite.utils.observables import Observable, sensor

        # Building it draws a scene, too.
        with drawing(stream("libero", wanted.name)):
            outer = envs.ControlEnv(
                bddl_file_name=str(files(wanted)[0]),
                use_camera_obs=False,
                has_offscreen_renderer=False,
                hard_reset=False,
                ignore_done=True,
                control_freq=int(RATE_HZ),
            )
        env = self._env = outer.env
        self._states = starts(wanted)
        self._furniture = unmoved(env)
        # LIBERO samples what is observed once a period, somewhere within it, and published policies see just that. One
        # sensor of ours is sampled when its sensors would be; theirs cost much and are not needed.
        for name in env.observation_names:
            env.modify_observable(observable_name=name, attribute="enabled", modifier=False)
            env.modify_observable(observable_name=name, attribute="active", modifier=False)
        felt = sensor(modality="premotor")(lambda _: self._sense())
        env.add_observable(Observable(name="premotor", sensor=felt, sampling_rate=env.control_freq))

    def _draw(self, *, lasting: bool) -> None:
        from robosuite.utils.errors import RandomizationError

        env = self._env
        for _ in range(_TRIES):
            # A reset that keeps the model does not think of the gripper's command.
            env.robots[0].gripper.current_action = np.zeros(env.robots[0].gripper.dof)
            # Nor does LIBERO, which adds what it draws for furniture to where that is when it puts things on it.
            for body, (place, turn) in self._furniture.items():
                env.sim.model.body_pos[body], env.sim.model.body_quat[body] = place, turn
            try:
                env.reset()
                if not lasting or self._lasts():
                    return
            except RandomizationError:
                continue
        raise WorldError(f"{self._task}: in {_TRIES} draws no scene had a place for everything; use another seed")

    def _lasts(self) -> bool:
        """Whether what was drawn stays about where it is for a second; some things are drawn into one another."""
        env, model = self._env, self._env.sim.model._model
        trial = mujoco.MjData(model)
        mujoco.mj_copyData(trial, model, env.sim.data._data)
        free = model.jnt_qposadr[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
        before = trial.qpos[[free, free + 1]]
        robot = env.robots[0]
        for _ in range(round(1 / model.opt.timestep)):
            # The arm is held against its weight.
            trial.ctrl[robot._ref_joint_actuator_indexes] = trial.qfrc_bias[robot._ref_joint_vel_indexes]
            mujoco.mj_step(model, trial)
        return bool(np.linalg.norm(trial.qpos[[free, free + 1]] - before, axis=0).max() < _STAYS_M)

    def _begin(self, state: FloatArray) -> None:
        env = self._env
        env.sim.set_state_from_flattened(state)
        env.sim.forward()
        env._check_success()
        env._post_process()
        env._update_observables(force=True)

    def _sense(self) -> FloatArray:
        """(8,) what the arm feels when the environment samples it; pictures are drawn later from the same moment."""
        env, sim = self._env, self._env.sim
        robot, data = env.robots[0], sim.data
        x, y, z, w = np.roll(data.get_body_xquat(robot.robot_model.eef_name), -1)
        w = float(np.clip(w, -1.0, 1.0))
        sine = np.sqrt(1.0 - w * w)
        # As published: the angle is not brought below half a turn.
        turned = np.zeros(3) if np.isclose(sine, 0.0) else np.array([x, y, z]) * (2 * np.arccos(w) / sine)
        fingers = [data.qpos[index] for index in robot._ref_gripper_joint_pos_indexes]
        self._seen = np.concatenate([data.site_xpos[robot.eef_site_id], turned, fingers])
        if self._render:
            self._shown = self._shown or mujoco.MjData(sim.model._model)
            mujoco.mj_copyData(self._shown, sim.model._model, data._data)
        return self._seen

    def _picture(self, camera: str) -> Image:
        shown = self._moment
        if self._renderer is None:
            self._renderer = self._make_renderer(self._env.sim.model._model)
        self._renderer.update_scene(shown, camera, self._option)
        drawn: Image = self._renderer.render()
        # The benchmark's pictures begin at the bottom, and are turned by half a turn for the policy: mirrored, that is.
        return np.ascontiguousarray(drawn[:, ::-1])

    def _make_renderer(self, model: mujoco.MjModel) -> mujoco.Renderer:
        size = self._view.size
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, size)
        model.vis.global_.offheight = max(model.vis.global_.offheight, size)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[0] = 0  # what things collide with is not what they look like
        return mujoco.Renderer(model, size, size)
