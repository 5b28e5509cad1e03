"""What published policies are told: the instruction, and where it has no other way in, the state in numbers.

A state is normalised by quantiles and each number told as one of 256 steps from -1 to 1; what lies below is -1, what
lies above is 255, as in the data that the published weights were trained with.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from premotor.models.heads.bins import Bins

__all__ = [
    "PROMPTS",
    "groot_prompt",
    "openvla_prompt",
    "pi0_fast_prompt",
    "pi0_prompt",
    "pi05_prompt",
    "rt2_prompt",
    "smolvla_prompt",
]

_STEPS = Bins.uniform(256, below=True)


def openvla_prompt(task: str) -> str:
    """A question, without capitals in the instruction, and where the answer starts. OpenVLA-OFT is asked the same."""
    return f"In: What action should the robot take to {task.lower()}?\nOut:"


def groot_prompt(task: str) -> str:
    """The instruction without capitals and punctuation."""
    return re.sub(r"[^\w\s]", "", task.lower())


def rt2_prompt(task: str) -> str:
    """A question; its answer are integers."""
    return f"Q: what action should the robot take to {task}? A:"


def pi0_prompt(task: str) -> str:
    """The instruction and the end of a line, at which an answer starts."""
    return f"{_one_line(task)}\n"


def pi05_prompt(task: str, state: Tensor) -> str:
    """The instruction and a state (S,); the answer are actions."""
    return f"Task: {_one_line(task)}, State: {_numbers(state)};\nAction: "


def pi0_fast_prompt(task: str, state: Tensor, *, lower: bool = True) -> str:
    """The instruction and a state (S,). lower: without capitals, as openpi trained; LeRobot leaves them."""
    task = _one_line(task)
    return f"Task: {task.lower() if lower else task}, State: {_numbers(state)};\n"


def smolvla_prompt(task: str) -> str:
    """The instruction as it is, and the end of a line where it has none."""
    return task if task.endswith("\n") else f"{task}\n"


def _one_line(task: str) -> str:
    return task.strip().replace("_", " ").replace("\n", " ")


def _numbers(state: Tensor) -> str:
    return " ".join(map(str, _STEPS.encode(state).tolist()))


PROMPTS: Mapping[str, Callable[[str, Tensor], str]] = {
    "plain": lambda task, state: task,
    "groot": lambda task, state: groot_prompt(task),
    "openvla": lambda task, state: openvla_prompt(task),
    "pi0": lambda task, state: pi0_prompt(task),
    "pi05": pi05_prompt,
    "pi0_fast": pi0_fast_prompt,
    "pi0_fast_lerobot": lambda task, state: pi0_fast_prompt(task, state, lower=False),
    "smolvla": lambda task, state: smolvla_prompt(task),
}
"""Every prompt by its name in a bundle: instruction and normalised state (S,) -> what is tokenized."""
