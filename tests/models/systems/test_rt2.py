"""RT-2: one model says actions and answers, a plan comes first where there is one, and what it learned it says."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.language.lexicon import ACT, ANSWER, FIRST, PLAN, STOP
from premotor.models.systems.rt2 import Rt2, Rt2Config


def overfitted(config: Rt2Config, inputs: Inputs, targets: Targets, steps: int = 120) -> tuple[Rt2, float]:
    torch.manual_seed(0)
    system = config.build()
    optimiser = torch.optim.Adam(system.parameters(), lr=5e-3)
    for _ in range(steps):
        loss, _ = system.loss(inputs, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
    return system.eval(), float(loss.detach())


def case(config: Rt2Config) -> tuple[Inputs, Targets]:
    """Three robot prompts and a question."""
    torch.manual_seed(1)
    return config.fake_inputs(4), config.fake_targets(4)


@pytest.mark.parametrize("plans", [True, False])
def test_a_few_samples_are_learned_and_said_again(plans: bool) -> None:
    config = replace(Rt2Config.toy(), plans=plans)
    inputs, targets = case(config)
    assert targets.said is not None
    system, loss = overfitted(config, inputs, targets)
    assert loss < 0.02
    decision, right = system.decide(inputs), targets.actions.clamp(-1, 1)
    # Half a bin is what is lost.
    assert (decision.actions - right)[:3].abs().max() <= 1 / config.bins + 1e-6
    assert torch.equal(system.sample(inputs), decision.actions)
    assert decision.plans[:3] == (targets.said[:3].tolist() if plans else [[]] * 3)
    assert not decision.terminate[:3].any()
    assert config.speech is not None
    assert system.answer(inputs)[3] == config.speech.text(targets.said[3].tolist())


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_what_knows_nothing_says_actions_and_words_all_the_same(seed: int, causal: bool) -> None:
    torch.manual_seed(seed)
    config = replace(Rt2Config.toy(), causal=causal)
    system, inputs = config.build().eval(), config.fake_inputs(3)
    decision = system.decide(inputs)
    assert decision.actions.shape == (3, 1, 7)
    assert decision.actions.abs().max() <= 1
    assert all(1 <= len(plan) <= config.longest for plan in decision.plans)
    assert all(set(text.split()) <= set(config.said) for text in system.answer(inputs))


def test_sentences_are_plan_action_and_answer() -> None:
    config = Rt2Config.toy()
    low, high = config.numbers, config.numbers + config.bins - 1
    actions = torch.tensor([[[-1.0, 1, 1, 1, 1, 1, 9]]]).repeat(3, 1, 1)
    weight = torch.ones(3, 1, 7)
    weight[1, :, 5:], weight[2] = 0, 0
    said = torch.tensor([[17, 18], [-1, -1], [19, -1]])
    ids, known = config.build().sentences(Targets(actions=actions, weight=weight, said=said))
    number = [low, low, *[high] * 6]
    assert ids[0].tolist() == [PLAN, 17, 18, ACT, *number]
    assert known[0].tolist() == [True] * 12
    absent = low + config.bins // 2
    assert ids[1].tolist() == [ACT, *number[:6], absent, absent, 0, 0, 0]
    assert known[1].tolist() == [True] * 7 + [False] * 5
    assert ids[2, :3].tolist() == [ANSWER, 19, STOP]
    assert known[2].tolist() == [True] * 3 + [False] * 9


def test_what_has_no_label_teaches_nothing() -> None:
    config = Rt2Config.toy()
    inputs, targets = case(config)
    system = config.build()
    nothing = replace(targets, weight=torch.zeros_like(targets.weight), said=None)
    loss, parts = system.loss(inputs, nothing)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0.0 == parts["action"] == parts["words"]
    targets.weight[0, :, 3:] = 0
    wild = replace(targets, actions=torch.where(targets.weight > 0, targets.actions, torch.nan))
    assert torch.equal(system.loss(inputs, targets)[0], system.loss(inputs, wild)[0])


def test_words_of_a_batch_do_not_depend_on_each_other() -> None:
    config = Rt2Config.toy()
    inputs, targets = case(config)
    system = config.build()

    def rows(values: Any, at: list[int]) -> Any:
        return values[at] if isinstance(values, Tensor) else {name: value[at] for name, value in values.items()}

    sums = 0.0
    for row in range(4):
        one = Inputs(**{name: rows(getattr(inputs, name), [row]) for name in
                        ("images", "words", "words_mask", "state", "embodiment")})  # fmt: skip
        assert targets.said is not None
        told = Targets(actions=targets.actions[[row]], weight=targets.weight[[row]], said=targets.said[[row]])
        count = system.sentences(told)[1][:, 1:].sum()
        sums += float(system.loss(one, told)[0].detach() * count)
    total = system.sentences(targets)[1][:, 1:].sum()
    assert float(system.loss(inputs, targets)[0].detach()) == pytest.approx(sums / float(total), rel=1e-5)


def test_ids_of_another_tokenizer_are_read_and_said() -> None:
    torch.manual_seed(0)
    config = replace(Rt2Config.toy(), text_width=0, said=(), plans=False)
    system, inputs = config.build().eval(), config.fake_inputs(2)
    assert inputs.words.dtype == torch.long
    loss, _ = system.loss(inputs, config.fake_targets(2))
    assert loss.isfinite()
    said = system.say(inputs)
    assert bool(((said == STOP) | ((said >= FIRST) & (said < config.numbers))).all())
    with pytest.raises(SpecMismatch, match="given no words to say"):
        system.answer(inputs)
