"""LeRobot's half of metaworld_lerobot.py and eval_throughput.py: its Meta-World and its loop, in its own environment.

Started by lerobot_peer.py with the number of a pipe; nobody starts it by hand. It imports nothing of premotor. A policy
that plays here lives at the other end of the pipe, so that it is the same one, with the same library underneath.
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.envs import make_env
from lerobot.envs.configs import MetaworldEnv as MetaworldConfig
from lerobot.envs.metaworld import MetaworldEnv
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.scripts.lerobot_eval import eval_policy

Pipe = Connection
_PACKAGES = ("lerobot", "metaworld", "mujoco", "gymnasium", "numpy", "torch")


@PreTrainedConfig.register_subclass("other_end")
@dataclass
class OtherEndConfig(PreTrainedConfig):  # type: ignore[misc, unused-ignore]
    """What LeRobot wants to be told of any policy; nothing of it is used in an evaluation."""

    observation_delta_indices = None
    action_delta_indices = None
    reward_delta_indices = None

    def get_optimizer_preset(self) -> Any:
        """It is not trained here."""
        raise NotImplementedError

    def get_scheduler_preset(self) -> Any:
        """It is not trained here."""
        raise NotImplementedError

    def validate_features(self) -> None:
        """The other end checks what it is shown."""


class OtherEnd(PreTrainedPolicy):  # type: ignore[misc, unused-ignore]
    """Asks the other end of the pipe for a plan, and gives out its rows as LeRobot's own policies do.

    every: rows of a plan that are carried out. first: seed of the first episode; each rollout takes the next `many`.
    """

    config_class = OtherEndConfig
    name = "other_end"

    def __init__(self, pipe: Pipe, task: str, every: int, first: int, many: int) -> None:
        super().__init__(OtherEndConfig(device="cpu"))
        self._pipe, self._task, self._every = pipe, task, every
        self._next, self._many, self._step = first, many, 0
        self._rows: deque[torch.Tensor] = deque()

    def reset(self) -> None:
        """A rollout begins."""
        self._seeds = range(self._next, self._next + self._many)
        self._next, self._step = self._next + self._many, 0
        self._rows.clear()

    def select_action(self, batch: dict[str, Any], **_: Any) -> torch.Tensor:
        """(B, 4) what each world does now, in metaworld's own numbers."""
        if not self._rows:
            pictures = (batch["observation.image"] * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
            asked = {
                "task": self._task,
                "seeds": list(self._seeds),
                "step": self._step,
                "pictures": np.ascontiguousarray(pictures),
                "states": batch["observation.state"].numpy(),
                "told": list(batch["task"]),
            }
            self._pipe.send(("act", asked))
            plans: Any = self._pipe.recv()  # (B, T, 4)
            self._rows.extend(torch.from_numpy(plans[:, : self._every]).unbind(1))
        self._step += 1
        return self._rows.popleft()

    def predict_action_chunk(self, batch: dict[str, Any], **_: Any) -> torch.Tensor:
        """LeRobot's loop does not ask for it."""
        raise NotImplementedError

    def forward(self, batch: dict[str, Any]) -> Any:
        """It is not trained here."""
        raise NotImplementedError

    def get_optim_params(self) -> Any:
        """It is not trained here."""
        raise NotImplementedError


def look(pipe: Pipe, task: str, seed: int, actions: np.ndarray) -> dict[str, Any]:
    """The first observation of an episode, and all that the world tells after each of these actions, (T, 39).

    Actions go to the environment inside of LeRobot's, which else would draw a picture after each.
    """
    env = MetaworldEnv(task, obs_type="pixels_agent_pos")
    seen, _ = env.reset(seed=seed)
    told, success = [], False
    for action in actions:
        raw, _, _, _, info = env._env.step(action)
        told.append(np.asarray(raw))
        success = bool(info["success"])
    env.close()
    return {
        "picture": seen["pixels"],
        "state": np.asarray(seen["agent_pos"]),
        "told": np.array(told),
        "success": success,
    }


def play(pipe: Pipe, task: str, episodes: int, envs: int, first: int, every: int, processes: bool) -> dict[str, Any]:
    """Episodes in LeRobot's vector environment and loop. processes: a process for each of `envs` worlds."""
    ((env,),) = (group.values() for group in make_env(MetaworldConfig(task=task), envs, processes).values())
    policy = OtherEnd(pipe, task, every, first, envs)
    found = eval_policy(env, policy, _as_it_is, _as_it_is, _as_it_is, _as_it_is, episodes, start_seed=first)
    env.close()
    rows = found["per_episode"]
    return {"seeds": [row["seed"] for row in rows], "successes": [bool(row["success"]) for row in rows]}


def _as_it_is(data: Any) -> Any:
    return data


def main(words: Sequence[str]) -> None:
    """Do what is asked for until the pipe is closed."""
    pipe: Pipe = Connection(int(words[1]))
    wishes: dict[str, Callable[..., Any]] = {"look": look, "play": play}
    pipe.send({name: version(name) for name in _PACKAGES})
    while True:
        try:
            wish: Any = pipe.recv()
        except EOFError:
            return
        pipe.send(("done", wishes[wish[0]](pipe, **wish[1])))


if __name__ == "__main__":
    main(sys.argv)
