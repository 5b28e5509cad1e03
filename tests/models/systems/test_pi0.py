"""The pi0 family: what does not matter, and how it is without a pretrained VLM."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from premotor.core.errors import ActionTokenError, SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.systems.pi0 import Pi0Config
from premotor.models.systems.pi0_fast import Pi0FastConfig
from premotor.models.systems.pi05 import Pi05Config

FAMILY: list[Any] = [Pi0Config, Pi05Config, Pi0FastConfig]


def built(config: Any) -> Any:
    """The policy with no weight at zero: a fresh pi0.5's norms let nothing through."""
    torch.manual_seed(1)
    policy = config.build()
    for weight in policy.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return policy


def loss(policy: Any, inputs: Inputs, targets: Targets) -> Tensor:
    torch.manual_seed(0)
    total, _ = policy.loss(inputs, targets)
    found: Tensor = total.detach()
    return found


def act(policy: Any, inputs: Inputs) -> Tensor:
    torch.manual_seed(0)
    found: Tensor = policy.sample(inputs)
    return found


@pytest.mark.parametrize("kind", FAMILY)
def test_padded_words_do_not_matter(kind: Any) -> None:
    config = kind.toy()
    policy, inputs = built(config), config.fake_inputs(2)
    inputs.words_mask[0, 5:] = False
    other = replace(inputs, words=inputs.words.masked_fill(~inputs.words_mask, 3))
    assert torch.allclose(act(policy, inputs), act(policy, other), atol=1e-6)


@pytest.mark.parametrize("kind", FAMILY)
def test_features_of_a_text_encoder_stand_in_for_words(kind: Any) -> None:
    small = kind.toy()
    own = 0 if kind is Pi0Config else small.vocabulary
    config = replace(small, text_width=16, vocabulary=own, state_dim=5)
    policy, inputs, targets = built(config), config.fake_inputs(3), config.fake_targets(3)
    assert inputs.words.shape == (3, 12, 16)
    policy.loss(inputs, targets)[0].backward()
    assert [key for key, p in policy.named_parameters() if p.requires_grad and p.grad is None] == []
    assert act(policy, inputs).shape == (3, 6, 7)
    if kind is not Pi0Config:
        told = replace(inputs, state=-inputs.state)
        assert float(loss(policy, inputs, targets)) != float(loss(policy, told, targets))


@pytest.mark.parametrize("kind", [Pi0Config, Pi05Config])
def test_what_has_no_label_is_not_learned(kind: Any) -> None:
    config = kind.toy()
    policy, inputs, targets = built(config), config.fake_inputs(2), config.fake_targets(2)
    targets.weight[0] = 0.0
    wrong = replace(targets, actions=targets.actions.clone())
    wrong.actions[0] += 9.0
    assert torch.equal(loss(policy, inputs, targets), loss(policy, inputs, wrong))
    targets.weight[1, :, 3:] = 0.0
    wrong.actions[1, :, 3:] += 9.0
    assert torch.equal(loss(policy, inputs, targets), loss(policy, inputs, wrong))


def test_padding_counts_in_the_loss_unless_told_otherwise() -> None:
    config = Pi0Config.toy()
    policy, inputs, targets = built(config), config.fake_inputs(2), config.fake_targets(2)
    policy.action_out.weight.grad = None
    policy.loss(inputs, targets)[0].backward()
    padding = slice(config.action_dim, config.action_room)
    assert bool(policy.action_out.weight.grad[padding].any())
    policy.config, policy.action_out.weight.grad = replace(config, padded_loss=False), None
    policy.loss(inputs, targets)[0].backward()
    assert not bool(policy.action_out.weight.grad[padding].any())


def test_an_action_expert_leaves_the_vlm_s_features_alone() -> None:
    config = Pi0Config.toy()
    policy, inputs = built(config), config.fake_inputs(2)
    tokens, real = policy.vlm.tokens(inputs)
    _, past = policy.vlm.decoder(tokens, real[:, None, None], real.cumsum(1) - 1)
    for ours, whole in zip(policy.vlm(inputs).past, past, strict=True):
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, whole, strict=True))
    unread = {id(weight) for weight in policy.vlm.decoder.unread()}
    assert unread == {id(weight) for weight in policy.parameters() if not weight.requires_grad}


@pytest.mark.parametrize("kind", [Pi0Config, Pi05Config])
def test_weights_of_half_the_size_act_nearly_the_same(kind: Any) -> None:
    config = kind.toy()
    policy, inputs = config.build(), config.fake_inputs(2)
    whole = act(policy, inputs)
    half = act(policy.bfloat16(), inputs)
    assert half.dtype == whole.dtype
    assert torch.allclose(whole, half, atol=0.05)


def test_misfits_are_refused() -> None:
    with pytest.raises(SpecMismatch, match="do not fit into 9 and 8"):
        replace(Pi0Config.toy(), action_dim=9).build()
    config = Pi0Config.toy()
    with pytest.raises(SpecMismatch, match="features"):
        config.build().sample(replace(config.fake_inputs(1), words=torch.randn(1, 12, 16)))
    speechless = replace(config, vocabulary=0, text_width=16)
    with pytest.raises(SpecMismatch, match="no words of its own"):
        speechless.build().vlm.score(torch.randn(1, 32))


def test_pi0_fast_needs_a_codec_that_fits() -> None:
    config = Pi0FastConfig.toy()
    bare = replace(config, fast="").build()
    with pytest.raises(ActionTokenError, match="fit one to its actions"):
        bare.sample(config.fake_inputs(1))
    with pytest.raises(ActionTokenError, match="268 FAST tokens do not fit into a vocabulary with room for 240"):
        replace(config, vocabulary=256).build()
