"""Prompts are the references', letter for letter."""

import pytest
import torch

from premotor.models.language.prompts import (
    openvla_prompt,
    pi0_fast_prompt,
    pi0_prompt,
    pi05_prompt,
    rt2_prompt,
    smolvla_prompt,
)

# Normalised states, and what LeRobot 0.6.1 tells of them.
PI05 = [
    ([0.833029, -0.81286, -0.176996, 0.740539, -0.569926, 0.938134, 0.555151], "234 23 105 222 55 248 199"),
    ([0.80525, 0.330435, 0.783057, -0.836363, 0.035476, 0.775052, -0.465884], "231 170 228 20 132 227 68"),
]  # fmt: skip
FAST = [
    ([-0.05783462, -0.94990695, 0.32989803, 1.0608357, 1.2749408, -0.2635652, 0.5518339], "120 6 170 255 255 94 198"),
    ([1.2458036, 0.5431759, -0.36265695, -0.06565966, 1.3896223, -0.6150134, -1.4128332], "255 197 81 119 255 49 -1"),
]


@pytest.mark.parametrize(("state", "told"), PI05)
def test_pi05_is_told_its_state(state: list[float], told: str) -> None:
    prompt = pi05_prompt("push the blue ball", torch.tensor(state))
    assert prompt == f"Task: push the blue ball, State: {told};\nAction: "


@pytest.mark.parametrize(("state", "told"), FAST)
def test_pi0_fast_is_told_its_state(state: list[float], told: str) -> None:
    numbers = torch.tensor(state)
    assert pi0_fast_prompt("Push the ball", numbers) == f"Task: push the ball, State: {told};\n"
    assert pi0_fast_prompt("Push the ball", numbers, lower=False) == f"Task: Push the ball, State: {told};\n"


def test_an_instruction_is_one_line_of_words() -> None:
    assert pi0_prompt(" pick_up the\nred cube \n") == "pick up the red cube\n"


def test_smolvla_is_told_as_is_with_one_end() -> None:
    for task in ("pick_up the Red cube", "pick_up the Red cube\n"):
        assert smolvla_prompt(task) == "pick_up the Red cube\n"


def test_openvla_is_asked() -> None:
    assert openvla_prompt("Put the Cup down") == "In: What action should the robot take to put the cup down?\nOut:"


def test_rt2_is_asked() -> None:
    assert rt2_prompt("open the drawer") == "Q: what action should the robot take to open the drawer? A:"
