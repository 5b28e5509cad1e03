"""Flow matching in both directions of time."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from premotor.models.heads.flow import Flow, time_features

BOTH: list[Literal[0, 1]] = [0, 1]


@pytest.mark.parametrize("noise_at", BOTH)
def test_the_true_velocity_leads_from_noise_to_the_actions(noise_at: Literal[0, 1]) -> None:
    flow = Flow(noise_at=noise_at, steps=7)
    noise, actions = torch.randn(2, 3, 4, 5)
    seen: list[Tensor] = []

    def velocity(x: Tensor, time: Tensor) -> Tensor:
        seen.append(time)
        on_path, wanted = flow.between(actions, noise, time)
        assert torch.allclose(x, on_path, atol=1e-5)
        return wanted

    assert torch.allclose(flow.walk(noise, velocity), actions, atol=1e-5)
    assert len(seen) == 7
    assert bool((seen[0] == noise_at).all())


@pytest.mark.parametrize("summed", [False, True])
def test_time_is_exact_unless_it_is_summed(summed: bool) -> None:
    seen: list[float] = []

    def velocity(x: Tensor, time: Tensor) -> Tensor:
        seen.append(float(time))
        return x

    Flow(noise_at=1, steps=10, summed=summed).walk(torch.zeros(1, 1, 1), velocity)
    exact = torch.linspace(1, 0.1, 10, dtype=torch.float64).float().tolist()
    assert (seen == exact) is not summed
    assert seen == pytest.approx(exact, abs=1e-6)


def test_both_directions_draw_the_same_shares_of_noise() -> None:
    torch.manual_seed(0)
    there = Flow(noise_at=1, steps=1).draw_time(20000, torch.device("cpu"))
    torch.manual_seed(0)
    back = Flow(noise_at=0, steps=1).draw_time(20000, torch.device("cpu"))
    assert torch.allclose(there, 1 - back)
    assert float(there.min()) >= 0.001
    assert float(there.max()) <= 1
    # The mean of Beta(1.5, 1) is 0.6.
    assert float(there.mean()) == pytest.approx(0.6, abs=0.01)


def test_time_is_told_in_periods_from_shortest_to_longest() -> None:
    features = time_features(torch.tensor([0.0, 0.004, 4.0]), 8, shortest=0.004, longest=4.0)
    assert torch.equal(features[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    assert torch.allclose(features[1, [0, 4]], torch.tensor([0.0, 1.0]), atol=1e-6)
    assert torch.allclose(features[2, [3, 7]], torch.tensor([0.0, 1.0]), atol=1e-6)
