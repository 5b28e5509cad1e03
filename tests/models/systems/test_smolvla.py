"""SmolVLA: who reads whom, what is taught, and how it is without a pretrained VLM."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs
from premotor.models.systems.smolvla import SmolVla, SmolVlaConfig

TOY = SmolVlaConfig.toy()


def built(config: SmolVlaConfig = TOY) -> SmolVla:
    torch.manual_seed(1)
    return config.build()


def act(policy: SmolVla, inputs: Inputs) -> Tensor:
    torch.manual_seed(0)
    return policy.sample(inputs)


def loss(policy: SmolVla, inputs: Inputs, targets: object) -> Tensor:
    torch.manual_seed(0)
    return policy.loss(inputs, targets)[0]  # type: ignore[arg-type]


def test_padded_words_and_missing_pictures_do_not_matter() -> None:
    policy, inputs = built(), TOY.fake_inputs(2)
    inputs.words_mask[0, 5:] = False
    inputs.present["wrist"] = torch.zeros(2, dtype=torch.bool)
    wrist = torch.zeros_like(inputs.images["wrist"])
    words = inputs.words.masked_fill(~inputs.words_mask, 3)
    other = replace(inputs, words=words, images=inputs.images | {"wrist": wrist})
    without = replace(other, images={"front": inputs.images["front"]}, present={})
    for case in (other, without):
        assert torch.allclose(act(policy, inputs), act(policy, case), atol=1e-6)


def test_an_action_follows_from_the_earlier_ones_alone() -> None:
    policy, inputs = built(), TOY.fake_inputs(2)
    actions, time = torch.randn(2, TOY.horizon, TOY.action_room), torch.tensor([0.3, 0.9])
    with torch.no_grad():
        prefix = policy.read(inputs)
        before = policy.velocity(prefix, actions, time)
        actions[:, 4] += 1.0
        after = policy.velocity(prefix, actions, time)
    assert torch.equal(before[:, :4], after[:, :4])
    assert bool((before[:, 4:] != after[:, 4:]).any(-1).all())


def test_only_actions_read_the_state() -> None:
    policy, inputs = built(), TOY.fake_inputs(2)
    with torch.no_grad():
        one, other = (policy.read(replace(inputs, state=state)) for state in (inputs.state, -inputs.state))
    for (k, v), (k2, v2) in zip(one.past, other.past, strict=True):
        for ours, theirs in ((k, k2), (v, v2)):
            assert torch.equal(ours[:, :, :-1], theirs[:, :, :-1])
            assert not torch.equal(ours[:, :, -1], theirs[:, :, -1])
    assert not torch.equal(act(policy, inputs), act(policy, replace(inputs, state=-inputs.state)))


@pytest.mark.parametrize(("frozen", "held"), [("eye", "vlm.eye."), ("vlm", "vlm.")])
def test_what_is_frozen_is_not_taught_and_all_else_as_ever(frozen: str, held: str) -> None:
    whole, part = built(), built(replace(TOY, frozen=frozen))  # type: ignore[arg-type]
    inputs, targets = TOY.fake_inputs(2), TOY.fake_targets(2)
    inputs.words_mask[0, 5:] = False
    for policy in (whole, part):
        loss(policy, inputs, targets).backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(loss(whole, inputs, targets), loss(part, inputs, targets), rtol=1e-6)
    grads = {key: weight.grad for key, weight in whole.named_parameters()}
    for key, weight in part.named_parameters():
        assert weight.requires_grad == (grads[key] is not None and not key.startswith(held))
        if weight.requires_grad:
            wanted = grads[key]
            assert weight.grad is not None
            assert wanted is not None
            assert torch.allclose(weight.grad, wanted, atol=1e-6), key


def test_features_of_a_text_encoder_stand_in_for_words() -> None:
    config = replace(TOY, text_width=16, vocabulary=0)
    policy, inputs, targets = built(config), config.fake_inputs(3), config.fake_targets(3)
    assert inputs.words.shape == (3, 12, 16)
    loss(policy, inputs, targets).backward()  # type: ignore[no-untyped-call]
    assert [key for key, p in policy.named_parameters() if p.requires_grad and p.grad is None] == []
    assert not torch.equal(act(policy, inputs), act(policy, replace(inputs, words=-inputs.words)))


def test_what_has_no_label_is_not_learned() -> None:
    policy, inputs, targets = built(), TOY.fake_inputs(2), TOY.fake_targets(2)
    targets.weight[0] = 0.0
    targets.weight[1, :, 3:] = 0.0
    wrong = replace(targets, actions=torch.where(targets.weight > 0, targets.actions, 9.0))
    assert torch.equal(loss(policy, inputs, targets), loss(policy, inputs, wrong))


def test_weights_of_half_the_size_act_nearly_the_same() -> None:
    policy, inputs = built(), TOY.fake_inputs(2)
    whole = act(policy, inputs)
    half = act(policy.bfloat16(), inputs)
    assert half.dtype == whole.dtype
    assert torch.allclose(whole, half, atol=0.05)


def test_misfits_are_refused() -> None:
    with pytest.raises(SpecMismatch, match="do not fit into 9 and 8"):
        replace(TOY, action_dim=9).build()
    with pytest.raises(ValueError, match="16 tokens are not the rows of a square that divides by 3"):
        replace(TOY, shuffle=3).build().sample(TOY.fake_inputs(1))
