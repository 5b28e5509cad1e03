"""What Octo may and may not know: masked cameras, moments and words, the future, other robots."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.systems.octo import Octo, OctoConfig


@pytest.fixture
def octo() -> Octo:
    torch.manual_seed(0)
    octo = OctoConfig.toy().build()
    for places in octo.places.values():
        torch.nn.init.normal_(places)
    return octo.eval()


def features(octo: Octo, inputs: Inputs) -> Tensor:
    with torch.no_grad():
        return octo.features(inputs)


def seeded_loss(octo: Octo, inputs: Inputs, targets: Targets) -> Tensor:
    torch.manual_seed(1)
    return octo.loss(inputs, targets)[0]


def near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=1e-5)


def test_a_camera_that_a_robot_lacks_does_not_matter(octo: Octo) -> None:
    inputs = replace(octo.config.fake_inputs(2), embodiment=torch.tensor([0, 1]))
    before = features(octo, inputs)
    without = replace(inputs, images={"primary": inputs.images["primary"]})
    inputs.images["wrist"].fill_(7)
    after, none = features(octo, inputs), features(octo, without)
    assert not near(before[0], after[0])
    assert near(before[1], after[1])
    assert near(before[1], none[1])
    absent = replace(inputs, present={"wrist": torch.tensor([False, True])})
    assert near(features(octo, absent)[0], none[0])


def test_state_beyond_a_robot_s_own_does_not_matter(octo: Octo) -> None:
    inputs = replace(octo.config.fake_inputs(2), embodiment=torch.tensor([0, 1]))
    before = features(octo, inputs)
    inputs.state[:, :, 6:] += 1.0
    after = features(octo, inputs)
    assert not near(before[0], after[0])
    assert near(before[1], after[1])


def test_a_moment_that_was_not_does_not_matter_and_none_sees_the_future(octo: Octo) -> None:
    inputs = octo.config.fake_inputs(1)
    padded = replace(inputs, moments=torch.tensor([[False, True, True]]))
    whole, before = features(octo, inputs), features(octo, padded)
    assert not near(whole[:, 1:], before[:, 1:])
    inputs.images["primary"][:, 0] = 3
    assert near(before[:, 1:], features(octo, padded)[:, 1:])
    now = features(octo, inputs)
    inputs.images["primary"][:, 2] = 9
    inputs.state[:, 2] += 1.0
    later = features(octo, inputs)
    assert near(now[:, :2], later[:, :2])
    assert not near(now[:, 2], later[:, 2])


def test_words_and_goals_are_heard_and_masked_words_are_not(octo: Octo) -> None:
    inputs = octo.config.fake_inputs(1)
    before = features(octo, inputs)
    assert not near(before, features(octo, replace(inputs, goals={})))
    assert not near(before, features(octo, replace(inputs, words=inputs.words + 1)))
    few = replace(inputs, words=inputs.words[:, :5], words_mask=inputs.words_mask[:, :5])
    masked = inputs.words_mask.clone()
    masked[:, 5:] = False
    assert near(features(octo, few), features(octo, replace(inputs, words_mask=masked)))
    with pytest.raises(SpecMismatch, match="17 text tokens"):
        features(octo, replace(inputs, words=torch.zeros(1, 17, 32)))


def test_readouts_are_read_by_nobody_else(octo: Octo) -> None:
    inputs = octo.config.fake_inputs(1)
    with torch.no_grad():
        before = octo(inputs).tokens
        octo.places["readout_action"] += 1.0
        after = octo(inputs).tokens
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["readout_action"]


def test_other_robots_dimensions_are_neither_taught_nor_moved(octo: Octo) -> None:
    inputs = replace(octo.config.fake_inputs(2), embodiment=torch.tensor([1, 1]))
    targets = octo.config.fake_targets(2)
    loss = seeded_loss(octo, inputs, targets)
    strange = targets.actions + 100.0 * torch.eye(7)[6]
    same = seeded_loss(octo, inputs, Targets(actions=strange, weight=targets.weight))
    assert torch.equal(loss, same)
    loss.backward()  # type: ignore[no-untyped-call]
    taught = octo.head.out.bias.grad
    assert taught is not None
    assert (taught.view(4, 7) != 0).all(0).tolist() == [True] * 6 + [False]
    assert not octo.sample(inputs)[..., 6].any()


def test_one_moment_needs_no_window_axis(octo: Octo) -> None:
    inputs = octo.config.fake_inputs(2)
    last = replace(inputs, images={n: x[:, -1:] for n, x in inputs.images.items()}, state=inputs.state[:, -1:])
    flat = replace(last, images={n: x[:, 0] for n, x in last.images.items()}, state=last.state[:, 0])
    assert torch.equal(features(octo, last), features(octo, flat))


def test_every_moment_can_be_taught(octo: Octo) -> None:
    inputs = replace(octo.config.fake_inputs(2), moments=torch.tensor([[False, True, True], [True, True, True]]))
    actions = torch.randn(2, 3, 4, 7)
    loss = seeded_loss(octo, inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    actions[0, 0] = 100.0
    same = seeded_loss(octo, inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    assert torch.allclose(loss, same, atol=1e-6)
