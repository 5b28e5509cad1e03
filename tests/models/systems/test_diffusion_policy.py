"""What Diffusion Policy takes for the moments before an episode began."""

from dataclasses import replace

import pytest
import torch

from premotor.core.errors import SpecMismatch
from premotor.models.systems.diffusion_policy import DiffusionPolicy, DiffusionPolicyConfig


@pytest.fixture
def policy() -> DiffusionPolicy:
    torch.manual_seed(0)
    return replace(DiffusionPolicyConfig.toy(), history=3, horizon=4, environment_dim=2).build().eval()


@torch.no_grad()
def test_what_was_before_an_episode_is_its_first_moment(policy: DiffusionPolicy) -> None:
    inputs = policy.config.fake_inputs(2)
    still = replace(
        inputs,
        images={name: picture[:, [1, 1, 2]] for name, picture in inputs.images.items()},
        state=inputs.state[:, [1, 1, 2]],
        environment=None if inputs.environment is None else inputs.environment[:, [1, 1, 2]],
    )
    begun = replace(inputs, moments=torch.tensor([[False, True, True], [True, True, True]]))
    found = policy(begun)
    assert torch.allclose(found[0], policy(still)[0], atol=1e-6)
    assert torch.allclose(found[1], policy(inputs)[1], atol=1e-6)


def test_another_window_is_refused(policy: DiffusionPolicy) -> None:
    inputs = replace(policy.config, history=2).fake_inputs(1)
    with pytest.raises(SpecMismatch, match="2 moments, this policy looks at 3"):
        policy(inputs)
