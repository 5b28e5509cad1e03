"""Every registered system builds, gives a finite loss, learns something and samples the right shape."""

from typing import Any

import pytest
import torch

from premotor.core.errors import BundleError
from premotor.models.systems import SYSTEMS, system_config
from premotor.models.systems.octo import PRESETS

SMALL = {"stem": 9, "fine": 16, "coarse": 16, "width": 32, "head_width": 32, "image_size": 64, "horizon": 4}
SIZES: dict[str, Any] = {"octo": PRESETS["toy"], "premotor": SMALL}
ARMS = {"embodiments": ("panda", "so101"), "state_dims": (17, 6), "action_dims": (7, 6)}


@pytest.mark.parametrize("name", SYSTEMS)
def test_builds_learns_and_samples(name: str) -> None:
    torch.manual_seed(0)
    config = system_config(name)(**ARMS, **SIZES[name])
    system = config.build()
    inputs, targets = config.fake_inputs(4), config.fake_targets(4)
    optimiser = torch.optim.Adam(system.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss, parts = system.loss(inputs, targets)
        assert torch.isfinite(loss)
        assert all(value == value for value in parts.values())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert system.eval().sample(inputs).shape == (4, 4, 7)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    config = system_config(name)(**ARMS, **SIZES[name])
    system = config.build()
    loss, _ = system.loss(config.fake_inputs(6), config.fake_targets(6))
    loss.backward()
    idle = [key for key, p in system.named_parameters() if p.grad is None]
    assert idle == []


def test_actions_are_the_rows_own_robots() -> None:
    config = system_config("premotor")(**ARMS, **SMALL)
    system, inputs = config.build().eval(), config.fake_inputs(3)
    with torch.no_grad():
        every = system(inputs).features
        head = system.head(every).view(3, 4, 2, 7)
        for row, robot in enumerate(inputs.embodiment):
            assert torch.equal(system(inputs).actions[row], head[row, :, robot])


def test_words_beyond_the_mask_do_not_matter() -> None:
    config = system_config("premotor")(**ARMS, **SMALL)
    system, inputs = config.build().eval(), config.fake_inputs(2)
    inputs.words_mask[:, 7:] = False
    before = system.sample(inputs)
    inputs.words[:, 7:] = 100.0
    assert torch.allclose(before, system.sample(inputs), atol=1e-6)


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(BundleError, match=r"'pi9'.*premotor"):
        system_config("pi9")
