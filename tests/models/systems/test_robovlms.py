"""RoboVLMs: every cell of the grid learns and acts, and knows only what it may."""

import dataclasses
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.systems import restored_config
from premotor.models.systems.robovlms import RoboVlms, RoboVlmsConfig

BACKBONES = ["paligemma", "prismatic", "small"]
GRID = list(itertools.product(["one_step", "interleaved", "policy_head"], ["continuous", "discrete"]))
LOOKS_BACK = [*GRID[2:], ("gpt", "continuous")]
TWO = {"embodiments": ("panda", "so101"), "action_dims": (7, 6)}


def cell(history: str, action: str, **sizes: Any) -> RoboVlmsConfig:
    head: dict[str, Any] = {"head": "gpt"} if history == "gpt" else {}
    history = "policy_head" if head else history
    return replace(RoboVlmsConfig.toy(), **{"history": history, "action": action} | head | sizes)


def made(config: RoboVlmsConfig) -> RoboVlms:
    torch.manual_seed(0)
    return config.build().eval()


def near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=1e-5)


def told(system: RoboVlms, inputs: Inputs) -> Tensor:
    """What actions are made of: finer than words, which are one or the other."""
    with torch.no_grad():
        if not system.config.says:
            return system.memorised(inputs)[0][:, -1]
        tokens, real = system._asked(inputs)
        return system.vlm.think(tokens, real)[0][:, -1]


@pytest.mark.parametrize(("history", "action"), GRID)
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("text", [0, 12])
def test_every_cell_learns_and_acts(history: str, action: str, backbone: str, text: int) -> None:
    config = cell(history, action, backbone=backbone, text_width=text)
    assert restored_config("robovlms", json.loads(json.dumps(dataclasses.asdict(config)))) == config
    system = made(config)
    inputs, targets = config.fake_inputs(2), config.fake_targets(2)
    assert (inputs.state.ndim == 3) == (history != "one_step")
    optimiser, losses = torch.optim.Adam(system.parameters(), lr=3e-3), []
    for _ in range(4):
        loss, parts = system.loss(inputs, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        assert [key for key, p in system.named_parameters() if p.grad is None] == []
        optimiser.step()
        optimiser.zero_grad()
        losses.append(parts["loss"])
    assert losses[-1] < losses[0]
    actions = system.sample(inputs)
    assert actions.shape == (2, 3, 7)
    assert float(actions.abs().max()) <= 1.0


@pytest.mark.parametrize(("history", "action"), LOOKS_BACK)
def test_it_looks_back_at_what_there_was_and_no_further(history: str, action: str) -> None:
    system = made(cell(history, action))
    inputs = system.config.fake_inputs(2)
    whole = told(system, inputs)
    began = replace(inputs, moments=torch.tensor([[False, True, True], [True, True, True]]))
    masked = told(system, began)
    assert not near(whole[0], masked[0])
    assert near(whole[1], masked[1])
    inputs.images["front"][:, 0] = 7
    after = told(system, began)
    assert near(masked[0], after[0])
    assert not near(masked[1], after[1])


@pytest.mark.parametrize(("history", "action"), LOOKS_BACK)
def test_a_moment_that_was_not_is_as_a_shorter_window(history: str, action: str) -> None:
    system = made(cell(history, action))
    inputs = system.config.fake_inputs(1)
    late = replace(
        inputs, images={n: x[:, 1:] for n, x in inputs.images.items()}, state=inputs.state[:, 1:], moments=None
    )
    began = replace(inputs, moments=torch.tensor([[False, True, True]]))
    assert near(told(system, late), told(system, began))


@pytest.mark.parametrize(("history", "action"), GRID)
def test_a_camera_that_is_missing_is_as_one_that_is_not_there(history: str, action: str) -> None:
    system = made(cell(history, action))
    inputs = system.config.fake_inputs(2)
    one = replace(inputs, images={"front": inputs.images["front"]})
    masked = replace(inputs, present={"wrist": torch.zeros(2, dtype=torch.bool)})
    assert near(told(system, one), told(system, masked))
    assert not near(told(system, one), told(system, inputs))


@pytest.mark.parametrize(("history", "action"), GRID)
def test_other_robots_dimensions_are_neither_taught_nor_moved(history: str, action: str) -> None:
    system = made(cell(history, action, **TWO))
    inputs = replace(system.config.fake_inputs(3), embodiment=torch.tensor([0, 1, 1]))
    targets = system.config.fake_targets(3)
    targets.weight[2] = 0
    wild = targets.actions.clone()
    wild[1, :, 6], wild[2] = 100.0, torch.nan
    losses = [
        system.loss(inputs, Targets(actions=a, weight=targets.weight))[1]["loss"] for a in (targets.actions, wild)
    ]
    assert losses[0] == losses[1] > 0
    nothing = Targets(actions=wild, weight=torch.zeros_like(targets.weight))
    assert system.loss(inputs, nothing)[1]["loss"] == 0.0
    actions = system.sample(inputs)
    assert not actions[1:, :, 6].any()
    assert actions[0, :, 6].all()


def test_each_robot_s_last_number_is_its_gripper() -> None:
    system = made(cell("one_step", "continuous", **TWO))
    inputs = replace(system.config.fake_inputs(2), embodiment=torch.tensor([0, 1]))
    with torch.no_grad():
        for part in (system.head.arm, system.head.gripper):
            last: Any = part[-1]
            last.weight.zero_()
        system.head.arm[-1].bias.fill_(0.25)  # type: ignore[operator]
        system.head.gripper[-1].bias.fill_(9.0)  # type: ignore[operator]
    actions = system.sample(inputs)
    opened = 2 * torch.tensor(9.0).sigmoid() - 1
    moved = torch.tensor(0.25).tanh()
    assert near(actions[0], torch.cat([moved.expand(3, 6), opened.expand(3, 1)], 1))
    assert near(actions[1], torch.cat([moved.expand(3, 5), opened.expand(3, 1), torch.zeros(3, 1)], 1))
    # Gripper and arm are as they should be, so nothing is lost but what an open gripper's logit cannot say.
    _, parts = system.loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    assert parts["arm"] < 1e-9
    assert parts["accuracy"] == 1.0


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("history", ["one_step", "interleaved"])
def test_what_is_said_step_by_step_is_what_is_learned_at_once(history: str, backbone: str) -> None:
    system = made(cell(history, "discrete", backbone=backbone, **TWO))
    inputs = replace(system.config.fake_inputs(2), embodiment=torch.tensor([0, 1]))
    inputs.words_mask[0, 4:] = False
    with torch.no_grad():
        for weight in system.parameters():
            weight.mul_(1.5)  # The best word is far from the next.
        said = system.say(inputs)
        numbers = system.bins.decode(system._last - said, nearest=True).float().view(2, 3, 7)
        loss, parts = system.loss(inputs, Targets(actions=numbers, weight=torch.ones_like(numbers)))
        tokens, real = system._asked(inputs)
        own = torch.tensor([[True] * 7, [True] * 6 + [False]]).repeat(1, 3)
        features, _ = system.vlm.think(torch.cat([tokens, system.vlm.word(said)], 1), torch.cat([real, own], 1))
        for row in range(2):
            kept = torch.cat([real, own], 1)[row].nonzero()[:, 0]
            first = int(real[row].sum())
            assert torch.equal(system._number(features[row, kept[first - 1 : -1]]), said[row][own[row]])
    assert torch.isfinite(loss)
    assert 0 <= parts["accuracy"] <= 1


def test_every_moment_can_be_taught() -> None:
    system = made(cell("policy_head", "continuous"))
    inputs = replace(system.config.fake_inputs(2), moments=torch.tensor([[False, True, True], [True, True, True]]))
    actions = torch.randn(2, 3, 3, 7)
    loss, _ = system.loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    actions[0, 0] = 100.0
    same, _ = system.loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    actions[0, 1] = 100.0
    other, _ = system.loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    assert float(loss.detach()) == float(same.detach()) != float(other.detach())
    with pytest.raises(SpecMismatch, match="last moment only"):
        made(cell("interleaved", "discrete")).loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        (
            {"backbone": "paligema"},
            r"backbone='paligema'; did you mean 'paligemma'\? choose one of paligemma, prismatic",
        ),
        ({"history": "policyhead"}, r"did you mean 'policy_head'\?"),
        ({"action": "words"}, "action='words'; choose one of continuous, discrete"),
        ({"head": "lstn"}, r"did you mean 'lstm'\? choose one of fc, lstm, gpt"),
        ({"head": "fc"}, "head='fc' does not go with history='policy_head'.*choose lstm or gpt"),
        ({"history": "one_step", "head": "gpt"}, "choose fc, or leave it out"),
        ({"history": "interleaved", "action": "discrete", "head": "fc"}, "said in words, so leave it out"),
        ({"window": 1}, "window=1; look at 2 or more, or take one_step"),
        ({"size": "published"}, "'small' has no size 'published'; it has nano, toy"),
    ],
)
def test_what_is_no_cell_is_answered_with_what_is(changes: dict[str, Any], answer: str) -> None:
    with pytest.raises(SpecMismatch, match=answer):
        replace(RoboVlmsConfig.toy(), **changes)


def test_numbers_need_words() -> None:
    with pytest.raises(SpecMismatch, match="256 words for numbers and 100 kept: the VLM has 320"):
        cell("one_step", "discrete", kept=100).build()
