"""OpenVLA and OpenVLA-OFT beyond what the originals were asked: several robots, cameras and kinds of words."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from premotor.models.systems.openvla import OpenVlaConfig
from premotor.models.systems.openvla_oft import OpenVlaOftConfig

TOYS: list[Any] = [
    OpenVlaConfig.toy(),
    *(replace(OpenVlaOftConfig.toy(), head=head) for head in ("regression", "diffusion", "words")),
    replace(OpenVlaOftConfig.toy(), state_dim=0, film=False),
]


@pytest.mark.parametrize("config", TOYS)
def test_a_camera_that_is_missing_is_as_one_that_is_not_there(config: Any) -> None:
    torch.manual_seed(0)
    system, inputs = config.build().eval(), config.fake_inputs(2)
    one = replace(inputs, images={"front": inputs.images["front"]})
    masked = replace(inputs, present={"wrist": torch.zeros(2, dtype=torch.bool)})
    found = []
    for case in (one, masked, inputs):
        torch.manual_seed(1)
        found.append(system.sample(case))
    assert torch.allclose(found[0], found[1], atol=1e-5)
    if not isinstance(config, OpenVlaConfig) and config.head != "words":
        assert not torch.allclose(found[0], found[2], atol=1e-4)


@pytest.mark.parametrize("config", TOYS)
def test_what_has_no_label_teaches_nothing(config: Any) -> None:
    torch.manual_seed(0)
    system, inputs, targets = config.build(), config.fake_inputs(3), config.fake_targets(3)
    targets.weight[0] = 0
    targets.weight[1, ..., 5:] = 0
    wild = replace(targets, actions=torch.where(targets.weight > 0, targets.actions, torch.nan))
    losses = []
    for case in (targets, wild):
        torch.manual_seed(1)
        loss, _ = system.loss(inputs, case)
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1] > 0
    loss, _ = system.loss(inputs, replace(targets, weight=torch.zeros_like(targets.weight)))
    assert float(loss.detach()) == 0.0


@pytest.mark.parametrize("kind", [OpenVlaConfig, OpenVlaOftConfig])
def test_features_stand_in_for_words(kind: Any) -> None:
    torch.manual_seed(0)
    config = replace(kind.toy(), text_width=12)
    system, inputs = config.build(), config.fake_inputs(2)
    assert inputs.words.shape == (2, config.words, 12)
    loss, _ = system.loss(inputs, config.fake_targets(2))
    loss.backward()
    assert all(p.grad is not None for p in system.parameters())
    inputs.words_mask[:, 4:] = False
    before = system.sample(inputs)
    inputs.words[:, 4:] = 100.0
    assert torch.allclose(before, system.sample(inputs), atol=1e-5)


@pytest.mark.parametrize("config", TOYS)
def test_weights_of_half_the_size_act_alike(config: Any) -> None:
    torch.manual_seed(0)
    system, inputs = config.build().eval(), config.fake_inputs(2)
    torch.manual_seed(1)
    precise = system.sample(inputs)
    torch.manual_seed(1)
    actions = system.bfloat16().sample(inputs)
    assert actions.dtype == precise.dtype == torch.float32
    if "bins" not in vars(system):  # The most likely word may be another one.
        # The first steps of denoising make much of little.
        assert (actions - precise).abs().max() < (0.25 if config.head == "diffusion" else 0.1)
