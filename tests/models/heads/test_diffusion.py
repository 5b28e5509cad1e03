"""The way into noise and the ways back fit together."""

import pytest
import torch
from torch import Tensor

from premotor.models.heads.diffusion import Betas, Diffusion, Sampler

CLEAN = torch.linspace(-0.9, 0.9, 24).view(2, 4, 3)


def test_noise_and_clean_make_what_was_corrupted() -> None:
    diffusion = Diffusion(50)
    noisy, step, noise = diffusion.corrupt(CLEAN)
    kept = diffusion.kept[step].view(-1, 1, 1)
    assert torch.allclose((noisy - (1 - kept) ** 0.5 * noise) / kept**0.5, CLEAN, atol=1e-3)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("betas", ["cosine", "linear", "scaled_linear"])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_a_network_that_knows_the_answer_leads_to_it(sampler: Sampler, betas: Betas, steps: int) -> None:
    diffusion = Diffusion(50, sampler=sampler, betas=betas)

    def knows(noisy: Tensor, step: Tensor) -> Tensor:
        kept = diffusion.kept[step].view(-1, 1, 1)
        return (noisy - kept**0.5 * CLEAN) / (1 - kept) ** 0.5

    found = diffusion.sample(knows, torch.randn(CLEAN.shape), steps)
    assert torch.allclose(found, CLEAN, atol=2e-3)


def test_clean_actions_stay_in_bounds() -> None:
    diffusion = Diffusion(10, prediction="sample", clip=0.5)
    found = diffusion.sample(lambda noisy, _: torch.full_like(noisy, 3.0), torch.randn(2, 4, 3), 10)
    assert torch.allclose(found, torch.full_like(found, 0.5))


@pytest.mark.parametrize("steps", [0, 11])
def test_more_steps_than_were_trained_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"{steps} sampling steps; it takes 1 to 10"):
        Diffusion(10).sample(lambda noisy, _: noisy, torch.randn(1, 2, 3), steps)
