"""One task of MT50 as a world: an episode is a pure function of (task, seed), whatever ran before it."""

import pickle
import warnings
from types import ModuleType
from typing import Any

import mujoco
import numpy as np
from PIL import Image as Pictures

from premotor.core.errors import WorldError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import FloatArray, Image, Observation
from premotor.sim.metaworld.perturbed import Perturber
from premotor.sim.metaworld.robot import RATE_HZ, State, View, from_native, sawyer, to_native
from premotor.sim.metaworld.tasks import Task, task
from premotor.sim.perturb.axes import Perturbation

__all__ = ["LIMIT", "VERSION", "MetaWorld", "package"]

LIMIT = 500
"""Steps after which metaworld itself ends an episode."""
VERSION = "3.0.0"
"""Of the package metaworld; others have other models, rewards and goals, so results are not comparable."""
_TICK_NS = round(1e9 / RATE_HZ)
_OBJECT, _GOAL = slice(4, 7), slice(36, 39)  # in what metaworld tells
_DRAFT_SHADOWS = 1024  # cells a side of the shadow map, which has 4096


def package() -> ModuleType:
    """The package metaworld. Raises WorldError when it is not installed, or is of another version."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("metaworld")
    except PackageNotFoundError as missing:
        raise WorldError("Meta-World needs the package metaworld: pip install 'premotor[metaworld]'") from missing
    if found != VERSION:
        raise WorldError(f"metaworld {found} has other worlds than {VERSION}: pip install metaworld=={VERSION}")
    import metaworld

    return metaworld  # type: ignore[no-any-return, unused-ignore]


class MetaWorld:
    """Begin with `reset`. render: whether observations carry the picture, which costs most of the time.

    draft: draw without smoothing edges and with coarser shadows, in a third of the time. For pictures that are shrunk
    afterwards: of 480 pixels a side averaged to 96, the numbers of 0..255 differ by 0.3 in the mean.
    """

    def __init__(
        self, view: View | None = None, *, state: State = "proprioception", render: bool = True, draft: bool = False
    ) -> None:
        self._view = view or View()
        self._spec = sawyer(self._view, state)
        self._render, self._draft = render, draft
        self._task: Task | None = None
        self._env: Any = None
        self._expert: Any = None
        self._perturber: Perturber | None = None
        self._seen: FloatArray = np.zeros(39)
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
    def seen(self) -> FloatArray:
        """(39,) all that metaworld tells: hand, gripper and objects, the same a step ago, and the goal."""
        return self._seen

    def reset(self, name: str, seed: int, change: Perturbation | None = None) -> None:
        """Start the episode of that seed: places of the object and the goal are drawn by metaworld from it.

        change: what is perturbed of the world. Raises WorldError when there is no such task, or no metaworld.
        """
        wanted = task(name)
        if self._task != wanted:
            self.close()
            self._env, self._expert = self._build(wanted)
            self._task = wanted
        if self._perturber is None:
            self._perturber = Perturber(self._env, self._view.camera)
        self._perturber.begin(name, seed, change)
        self._env.seed(seed)
        self._seen, _ = self._env.reset()
        # Metaworld leaves some sites where the last episode had them, by less than a micrometre.
        mujoco.mj_kinematics(self._env.model, self._env.data)
        self.steps, self.success = 0, False

    def observe(self, instruction: str | None = None) -> Observation:
        """What the policy is shown now; the task's own sentence when none is given."""
        told = self.task.instruction if instruction is None else instruction
        images = {self._view.camera: self._picture()} if self._render else {}
        return Observation(stamp_ns=self.steps * _TICK_NS, images=images, state=self.observe_state(), instruction=told)

    def observe_state(self) -> FloatArray:
        """The state alone, without drawing anything."""
        return self._seen[: len(self._spec.state)].copy()

    def places(self) -> FloatArray:
        """(2, 3) where the object truly is and where the goal is, metres in the world's frame. Never for a policy."""
        return np.stack([self._seen[_OBJECT], self._seen[_GOAL]])

    def project(self, camera: str, points: FloatArray) -> FloatArray:
        """(N, 3) metres -> (N, 3): u to the right and v down in the camera's picture, 0..1 inside of it, and depth (m).

        Raises WorldError for another camera than the view's.
        """
        if camera != self._view.camera:
            raise WorldError(f"this world draws what {self._view.camera!r} sees, and not {camera!r}")
        data, index = self._env.data, self._env.model.camera(camera).id
        right, up, back = ((points - data.cam_xpos[index]) @ data.cam_xmat[index].reshape(3, 3)).T
        reach = 2 * np.tan(np.radians(self._env.model.cam_fovy[index]) / 2) * self._view.keep
        # The picture is turned by half a turn.
        return np.stack([0.5 + right / back / reach, 0.5 - up / back / reach, -back], -1)

    def step(self, action: FloatArray) -> None:
        """(4,) act for one control period; `success` then says whether the task is achieved now.

        Raises WorldError before the first reset, after LIMIT steps, or for numbers that are not finite.
        """
        if self._env is None:
            raise WorldError("no episode is on; call reset with a task and a seed first")
        if not np.isfinite(action).all():
            raise WorldError(f"action {action} is not finite; hold instead")
        if self.steps >= LIMIT:
            raise WorldError(f"the episode is over after {self.steps} steps; reset for another one")
        self._seen, _, _, _, info = self._env.step(to_native(action))
        self.steps += 1
        self.success = bool(info["success"])

    def expert_action(self) -> FloatArray:
        """(4,) what metaworld's scripted policy does now; it is told where object and goal truly are."""
        with warnings.catch_warnings():
            # Some gains of the scripts ask for more than the arm gives; the environment clips, and so do we.
            warnings.filterwarnings("ignore", message="Constant", category=UserWarning)
            return from_native(np.asarray(self._expert.get_action(self._seen), np.float64))

    def close(self) -> None:
        """Free the renderer."""
        if self._env is not None:
            self._env.close()
            self._env, self._task, self._perturber = None, None, None

    def _build(self, wanted: Task) -> tuple[Any, Any]:
        package()
        from metaworld import policies
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS
        from metaworld.types import Task as Goal

        kind = ALL_V3_ENVIRONMENTS[wanted.name]
        drawn = {"width": self._view.size, "height": self._view.size, "camera_name": self._view.camera}
        env = kind(render_mode="rgb_array", **drawn)
        # The scripts need the goal, which this door alone can unlock; the place itself is drawn anew at each reset.
        goal = {"env_cls": kind, "rand_vec": None, "partially_observable": False}
        env.set_task(Goal(env_name=wanted.name, data=pickle.dumps(goal)))
        env._freeze_rand_vec, env.seeded_rand_vec = False, True
        if self._draft:
            env.model.vis.quality.offsamples, env.model.vis.quality.shadowsize = 0, _DRAFT_SHADOWS
        if self._view.position is not None:
            env.model.cam_pos[env.model.camera(self._view.camera).id] = self._view.position
        return env, getattr(policies, f"Sawyer{wanted.expert}V3Policy")()

    def _picture(self) -> Image:
        if self._perturber is None:
            raise WorldError("no episode is on; call reset with a task and a seed first")
        drawn = np.asarray(self._perturber.draw(), np.uint8)[::-1, ::-1]
        view = self._view
        kept = max(1, round(view.size * view.keep))
        begin = (view.size - kept) // 2
        cut = np.ascontiguousarray(drawn[begin : begin + kept, begin : begin + kept])
        if view.pixels == kept:
            return cut
        resized = Pictures.fromarray(cut).resize((view.pixels, view.pixels), Pictures.Resampling.BILINEAR)
        return np.asarray(resized, np.uint8)
