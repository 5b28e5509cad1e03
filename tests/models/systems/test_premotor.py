"""The native policy looks at pictures that are smaller than its robot's."""

from dataclasses import replace

import pytest
import torch

from premotor.core.errors import SpecMismatch
from premotor.models.contract import Robots
from premotor.models.systems.premotor import PremotorConfig


def robots(side: int) -> Robots:
    return Robots(names=("sawyer",), state_dims=(4,), action_dims=(4,), cameras={"corner2": (side, side)})


def test_a_large_picture_is_averaged_to_the_one_that_was_learned_from() -> None:
    torch.manual_seed(0)
    config = replace(PremotorConfig.toy(), shrink=3).for_robots(robots(192))
    assert (config.image_size, config.cameras) == (64, ("corner2",))
    system, inputs = config.build().eval(), config.fake_inputs(2)
    large = torch.randint(0, 256, (2, 192, 192, 3), dtype=torch.uint8)
    small = large.view(2, 64, 3, 64, 3, 3).float().mean((2, 4)).round().to(torch.uint8)
    plans = [system.sample(replace(inputs, images={"corner2": picture})) for picture in (large, small)]
    assert torch.equal(*plans)
    other = system.sample(replace(inputs, images={"corner2": 255 - small}))
    assert not torch.allclose(plans[0], other, atol=1e-3)


def test_pictures_that_do_not_fit_are_refused() -> None:
    config = replace(PremotorConfig.toy(), shrink=7)
    with pytest.raises(SpecMismatch, match=r"480 pixels a side cannot be shrunk by 7 .* 1, 2, 3, 5, 6, 10, 15, 30"):
        config.for_robots(robots(480))
    system, inputs = PremotorConfig.toy().build(), PremotorConfig.toy().fake_inputs(1)
    large = {name: torch.zeros(1, 128, 128, 3, dtype=torch.uint8) for name in inputs.images}
    with pytest.raises(SpecMismatch, match=r"pictures of \(128, 128\) pixels; this policy takes 64"):
        system.sample(replace(inputs, images=large))
