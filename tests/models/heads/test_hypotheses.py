"""Several hypotheses: the nearest learns, the likeliest acts."""

import torch
from torch import Tensor

from premotor.models.heads.hypotheses import HypothesesHead, likeliest, nearest_loss


def fitted(count: int) -> tuple[Tensor, Tensor]:
    """What a head says of one state from which half of the demonstrations go left and a third as many go right."""
    torch.manual_seed(0)
    head = HypothesesHead(3, 16, 1, horizon=2, action=1, count=count)
    features, weight = torch.ones(40, 3), torch.ones(40, 2, 1)
    actions = torch.ones(40, 2, 1)
    actions[:24] = -1.0
    optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(300):
        error, told = nearest_loss(*head(features), actions, weight)
        (error + told).backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        return head(features[:1])


def test_two_ways_stay_two_ways_and_the_likelier_is_taken() -> None:
    chunks, logits = fitted(2)
    assert sorted(chunks[0, :, 0, 0].round().tolist()) == [-1.0, 1.0]
    assert torch.allclose(likeliest(chunks, logits), torch.tensor(-1.0), atol=0.2)
    assert abs(float(logits.softmax(-1).max()) - 0.6) < 0.05  # as often as it was shown


def test_what_has_no_weight_teaches_nothing() -> None:
    chunks, logits = torch.randn(3, 4, 2, 5, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    weight = torch.ones(3, 2, 5)
    weight[1] = 0
    error, told = nearest_loss(chunks, logits, torch.randn(3, 2, 5), weight)
    grown = torch.autograd.grad(error + told, [chunks, logits])
    assert all(bool((g[1] == 0).all()) and bool((g[0] != 0).any()) for g in grown)
    silent = nearest_loss(chunks, logits, torch.randn(3, 2, 5), torch.zeros(3, 2, 5))
    assert [float(s) for s in silent] == [0.0, 0.0]


def test_one_hypothesis_is_plain_regression() -> None:
    chunks, actions, weight = torch.randn(6, 1, 3, 2), torch.randn(6, 3, 2), torch.rand(6, 3, 2).round()
    error, told = nearest_loss(chunks, torch.zeros(6, 1), actions, weight)
    plain = ((chunks[:, 0] - actions).abs() * weight).sum() / weight.sum()
    assert torch.allclose(error, plain)
    assert float(told) == 0.0
