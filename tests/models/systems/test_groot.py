"""GR00T tells robots apart, hides padding, reads prompts with pictures in them, and learns what it is told to."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots
from premotor.models.systems.groot import Groot, GrootConfig, GrootN15Config
from premotor.models.vision.qwen3vl import patches

KINDS = [GrootConfig, GrootN15Config]


def built(config: GrootConfig) -> Groot:
    torch.manual_seed(0)
    policy = config.build().eval()
    for name, weight in policy.named_parameters():
        if weight.ndim == 3 or name.startswith("vlm.eye."):
            torch.nn.init.normal_(weight, std=0.3)
    return policy


def act(policy: Groot, inputs: Inputs) -> Tensor:
    torch.manual_seed(1)
    return policy.sample(inputs)


def loss(policy: Groot, inputs: Inputs, targets: Targets) -> Tensor:
    torch.manual_seed(1)
    return policy.loss(inputs, targets)[0]


def padded(inputs: Inputs, before: int, after: int) -> Inputs:
    """The same prompts, with padding around them that would be read as words."""
    around = (before, after)
    return replace(
        inputs,
        words=torch.nn.functional.pad(inputs.words, around, value=7),
        words_mask=torch.nn.functional.pad(inputs.words_mask, around),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_hidden_unless_told_otherwise(kind: Any) -> None:
    policy, inputs = built(kind.toy()), kind.toy().fake_inputs(2)
    plain = act(policy, inputs)
    for around in ((3, 0), (0, 2)):
        assert torch.allclose(act(policy, padded(inputs, *around)), plain, atol=1e-5)
    reading = replace(kind.toy(), reads_padding=True).build().eval()
    reading.load_state_dict(policy.state_dict())
    assert torch.allclose(act(reading, inputs), plain, atol=1e-6)
    assert not torch.allclose(act(reading, padded(inputs, 0, 2)), plain, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_robots_share_the_transformer_and_nothing_else(kind: Any) -> None:
    config = kind.toy()
    policy, inputs, targets = built(config), config.fake_inputs(2), config.fake_targets(2)
    other = [act(policy, replace(inputs, embodiment=torch.tensor([0, robot]))) for robot in (0, 1)]
    assert torch.equal(other[0][0], other[1][0])
    assert not torch.allclose(other[0][1], other[1][1], atol=1e-3)
    loss(policy, replace(inputs, embodiment=torch.tensor([2, 2])), targets).backward()  # type: ignore[no-untyped-call]
    own = [weight.grad for weight in policy.parameters() if weight.ndim == 3]
    assert len(own) == 7
    for grad in own:
        assert grad is not None
        assert bool(grad[2].any())
        assert not bool(grad[:2].any())
    assert [config.index_of(robot) for robot in ("panda", "so101")] == [0, 1]


def test_an_unknown_robot_is_answered_with_those_there_are() -> None:
    with pytest.raises(SpecMismatch, match=r"'aloha'.*panda, so101"):
        GrootConfig.toy().index_of("aloha")


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_have_room_for_every_picture(kind: Any) -> None:
    config = kind.toy()
    policy, inputs = built(config), config.fake_inputs(2)
    assert int((inputs.words == config.image_word)[0].sum()) == 2 * config.picture_tokens
    short = replace(inputs, words=inputs.words[:, 1:], words_mask=inputs.words_mask[:, 1:])
    with pytest.raises(SpecMismatch, match=rf"room for \[\d+, \d+\] tokens.*{config.picture_tokens} for each camera"):
        policy.sample(short)
    with pytest.raises(SpecMismatch, match="looks at"):
        policy.sample(replace(inputs, images={"top": inputs.images["front"]}))
    with pytest.raises(SpecMismatch, match="features"):
        policy.sample(replace(inputs, words=torch.randn(2, 12, 16)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_camera_that_is_missing_is_as_one_that_shows_nothing(kind: Any) -> None:
    config = replace(kind.toy(), vocabulary=0, text_width=16)
    policy, inputs = built(config), config.fake_inputs(2)
    masked = replace(inputs, present={"front": torch.zeros(2, dtype=torch.bool)})
    without = replace(inputs, images={"wrist": inputs.images["wrist"]})
    assert torch.allclose(act(policy, masked), act(policy, without), atol=1e-5)
    assert not torch.allclose(act(policy, masked), act(policy, inputs), atol=1e-4)


def test_words_and_pictures_are_read_in_turns() -> None:
    policy = built(GrootConfig.toy())
    real, pictured = torch.tensor([[True, True, True, False]]), torch.tensor([[True, False, False, False]])
    features = torch.randn(1, 4, 32)
    words, pictures = policy.head.read(features, real, pictured).masks
    assert words is not None
    assert pictures is not None
    assert words.flatten().tolist() == [False, True, True, False]
    assert pictures.flatten().tolist() == [True, False, False, False]


def test_what_is_frozen_stays_and_what_is_dropped_is_hidden() -> None:
    config = replace(GrootConfig.toy(), tune_eye=False, tune_llm=False, state_dropout=1.0)
    policy, inputs, targets = built(config), config.fake_inputs(2), config.fake_targets(2)
    assert {key.split(".")[0] for key, weight in policy.named_parameters() if weight.requires_grad} == {"head"}
    other = replace(inputs, state=-inputs.state)
    assert loss(policy, inputs, targets) != loss(policy, other, targets)
    policy.train()
    assert torch.equal(loss(policy, inputs, targets), loss(policy, other, targets))


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_for_training_alone(kind: Any) -> None:
    config = replace(kind.toy(), dropout=0.5)
    policy, inputs, targets = built(config), config.fake_inputs(2), config.fake_targets(2)
    policy.load_state_dict(built(kind.toy()).state_dict())
    quiet = loss(policy, inputs, targets)
    assert torch.equal(quiet, loss(built(kind.toy()), inputs, targets))
    assert not torch.equal(quiet, loss(policy.train(), inputs, targets))


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_label_is_not_learned(kind: Any) -> None:
    config = kind.toy()
    policy, inputs, targets = built(config), config.fake_inputs(2), config.fake_targets(2)
    targets.weight[0] = 0.0
    targets.weight[1, :, 3:] = 0.0
    wrong = replace(targets, actions=targets.actions + 9.0 * (targets.weight == 0))
    assert torch.equal(loss(policy, inputs, targets), loss(policy, inputs, wrong))


def test_patches_are_the_picture_square_by_square() -> None:
    picture = torch.arange(3 * 12 * 18).view(1, 3, 12, 18).float()
    flat, grid = patches(picture, 3, 2)
    assert (flat.shape, grid) == ((1, 24, 54), (4, 6))
    frames = flat.view(1, 2, 3, 2, 2, 3, 2, 3, 3)  # square row and column, patch row and column, channel, frame
    assert torch.equal(frames[..., 0, :, :], frames[..., 1, :, :])
    # (row of squares, row in it, row in the patch), and the same for columns
    again = frames[..., 0, :, :].permute(0, 5, 1, 3, 6, 2, 4, 7).reshape(1, 3, 12, 18)
    assert torch.equal(again, picture)


def test_misfits_are_refused() -> None:
    with pytest.raises(SpecMismatch, match=r"9 numbers of action are asked for; these weights have room for 8"):
        replace(GrootConfig.toy(), action_dim=9).build()
    robots = Robots(names=("a",) * 5, state_dims=(3,) * 5, action_dims=(12,) * 5, cameras={"top": (32, 32)})
    grown = GrootConfig.toy().for_robots(robots)
    assert (grown.embodiments, grown.state_room, grown.action_room, grown.cameras) == (5, 9, 12, ("top",))
