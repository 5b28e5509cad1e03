"""pi0.5: it says what to do before it does it, and what moves does not teach what reads."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from premotor.core.errors import ActionTokenError, SpecMismatch
from premotor.models.language.lexicon import FIRST, PLAN, STOP
from premotor.models.systems.pi05 import Pi05, Pi05Config

CONFIG = Pi05Config.toy()


def built(**changes: Any) -> Pi05:
    """The policy with no weight at zero: a fresh one's norms let nothing through."""
    torch.manual_seed(1)
    policy = replace(CONFIG, **changes).build()
    for weight in policy.expert.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return policy


def part(policy: Pi05, name: str, *given: Any) -> Tensor:
    torch.manual_seed(0)
    return policy.parts(*given)[name]


@pytest.mark.parametrize("insulated", [True, False])
def test_an_insulated_vlm_does_not_learn_from_the_expert(insulated: bool) -> None:
    policy = built(insulated=insulated)
    given = policy.config.fake_inputs(3), policy.config.fake_targets(3)

    def taught(name: str, part_of: torch.nn.Module) -> bool:
        policy.zero_grad()
        part(policy, name, *given).backward()  # type: ignore[no-untyped-call]
        return any(w.grad is not None and bool(w.grad.any()) for w in part_of.parameters())

    assert taught("moving", policy.expert)
    assert taught("moving", policy.vlm) is not insulated
    for name in ("words", "tokens"):
        assert taught(name, policy.vlm.eye)
        assert not taught(name, policy.expert)


def test_the_expert_reads_the_sub_task_and_not_the_tokens() -> None:
    policy = built()
    given = policy.config.fake_inputs(2), replace(policy.config.fake_targets(2), weight=torch.ones(2, 6, 7))
    moving = part(policy, "moving", *given).detach()
    assert given[1].said is not None
    other = replace(given[1], said=(given[1].said + 1 - FIRST) % 4 + FIRST)
    assert float((part(policy, "moving", given[0], other).detach() - moving).abs()) > 1e-5
    policy.config = replace(policy.config, tokens=0)
    assert torch.equal(part(policy, "moving", *given).detach(), moving)


def test_it_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, done = built(), []
    inputs = policy.config.fake_inputs(2)
    for words in ([[16, 17], [18, STOP]], [[17, 17], [18, STOP]]):
        monkeypatch.setattr(policy, "_say", lambda prefix, mark, words=words: torch.tensor(words))
        torch.manual_seed(0)
        done.append(policy.sample(inputs))
    assert float((done[0] - done[1])[0].abs().max()) > 1e-4
    # The other row's words were the same, and what follows STOP is not read.
    assert torch.equal(done[0][1], done[1][1])


def test_what_was_said_is_read_as_in_training() -> None:
    """Words one by one, with STOP at the end, leave behind what the same words do when they are taught."""
    policy = built()
    inputs = policy.config.fake_inputs(1)
    said = torch.tensor([[17, 16, 18, STOP]])
    with torch.no_grad():
        prefix = policy.vlm(inputs)
        ours = policy._with(prefix, said)
        _, past = policy.vlm.follow(torch.tensor([[PLAN, 17, 16, 18]]), prefix)
    assert ours.real.sum() == prefix.real.sum() + 4
    for mine, theirs in zip(ours.past, past, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert torch.allclose(a[:, :, : b.shape[2]], b, atol=1e-6)


def test_a_few_samples_are_learned_said_and_done_again() -> None:
    torch.manual_seed(0)
    policy = CONFIG.build()
    inputs, targets = CONFIG.fake_inputs(3), CONFIG.fake_targets(3)
    optimiser, first = torch.optim.Adam(policy.parameters(), lr=5e-3), dict[str, float]()
    for _ in range(120):
        torch.manual_seed(0)
        loss, parts = policy.loss(inputs, targets)
        first = first or parts
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
    assert parts["words"] < 0.05
    assert parts["tokens"] < 0.3 * first["tokens"]
    assert parts["moving"] < 0.3 * first["moving"]
    assert parts["loss"] == pytest.approx(10 * parts["moving"] + parts["words"] + parts["tokens"], rel=1e-5)
    assert CONFIG.speech is not None
    assert targets.said is not None
    wanted = [CONFIG.speech.text(row) for row in targets.said.tolist()]
    assert policy.steps(inputs)[:2] == wanted[:2]
    assert policy.answer(inputs)[2] == wanted[2]


def test_without_words_it_only_moves() -> None:
    policy = built(said=(), tokens=0, fast="", insulated=False)
    inputs, targets = policy.config.fake_inputs(2), policy.config.fake_targets(2)
    loss, parts = policy.loss(inputs, targets)
    assert targets.said is None
    assert set(parts) == {"loss", "moving"}
    assert float(loss.detach()) == parts["moving"]
    assert policy.sample(inputs).shape == (2, 6, 7)


@pytest.mark.parametrize("given_rows", [0, 3])
def test_rows_that_are_given_are_told_so_and_not_learned(given_rows: int) -> None:
    policy = built(given_rows=given_rows)
    told = list[Tensor]()
    given, velocity = (policy.config.fake_inputs(40), policy.config.fake_targets(40)), policy.velocity

    def heard(prefix: Any, state: Tensor, actions: Tensor, time: Tensor) -> Tensor:
        told.append(time)
        wrong = (time == 0)[..., None] * 1e6 if time.ndim == 2 else 0.0
        return velocity(prefix, state, actions, time) + wrong

    policy.velocity = heard  # type: ignore[method-assign]
    assert float(part(policy, "moving", *given).detach()) < 1e3
    if not given_rows:
        assert told[0].shape == (40,)
        return
    clean = told[0] == 0
    counts = clean.sum(1)
    assert set(counts.tolist()) == {0, 1, 2, 3}
    assert torch.equal(clean, torch.arange(6) < counts[:, None])


def test_misfits_are_refused() -> None:
    with pytest.raises(SpecMismatch, match=r"4 words from 16 on and 300 tokens .* vocabulary of 335; raise"):
        replace(CONFIG, vocabulary=335).build()
    with pytest.raises(SpecMismatch, match="an insulated VLM learns from words alone"):
        replace(CONFIG, said=(), tokens=0, fast="").build()
    with pytest.raises(SpecMismatch, match="given_rows 6 of chunks of 6"):
        replace(CONFIG, given_rows=6).build()
    inputs, targets = CONFIG.fake_inputs(1), CONFIG.fake_targets(1)
    with pytest.raises(SpecMismatch, match="targets need `said`"):
        CONFIG.build().loss(inputs, replace(targets, said=None))
    with pytest.raises(ActionTokenError, match="fit one to its actions"):
        replace(CONFIG, fast="").build().loss(inputs, targets)
    with pytest.raises(SpecMismatch, match="was given no words to say"):
        replace(CONFIG, said=()).build().answer(inputs)
