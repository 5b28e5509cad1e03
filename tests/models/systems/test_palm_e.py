"""PaLM-E: it says what to do, does what it says, answers, and its language model may be left alone."""

from dataclasses import replace

import pytest
import torch

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.language.lexicon import FIRST
from premotor.models.systems.act import ActConfig
from premotor.models.systems.palm_e import PalmE, PalmEConfig


def overfitted(system: PalmE, inputs: Inputs, targets: Targets, steps: int) -> float:
    learned = [p for p in system.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=5e-3)
    for _ in range(steps):
        loss, parts = system.loss(inputs, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
    return parts["words"]


def test_a_few_samples_are_learned_and_said_and_done_again() -> None:
    torch.manual_seed(0)
    config = PalmEConfig.toy()
    system, inputs, targets = config.build(), config.fake_inputs(4), config.fake_targets(4)
    assert overfitted(system, inputs, targets, 150) < 0.02
    assert config.speech is not None
    assert targets.said is not None
    wanted = [config.speech.text(row) for row in targets.said.tolist()]
    system.eval()
    assert system.steps(inputs)[:3] == wanted[:3]
    assert system.answer(inputs)[3] == wanted[3]
    assert (system.sample(inputs) - targets.actions)[:3].abs().mean() < 0.1


def test_a_frozen_language_model_does_not_change_and_the_rest_learns() -> None:
    torch.manual_seed(0)
    config = replace(PalmEConfig.toy(), frozen=True)
    system, inputs, targets = config.build(), config.fake_inputs(4), config.fake_targets(4)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    first, _ = system.loss(inputs, targets)
    overfitted(system, inputs, targets, 30)
    last, _ = system.loss(inputs, targets)
    language = ("model.vlm.word.", "model.vlm.text.", "model.vlm.decoder.")
    for name, value in system.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith(language), name
    assert float(last.detach()) < 0.9 * float(first.detach())


def test_the_hand_does_what_it_is_told() -> None:
    torch.manual_seed(0)
    config = PalmEConfig.toy()
    system, inputs = config.build().eval(), config.fake_inputs(2)
    seen = system.model.look(inputs)
    real = torch.ones(2, 1, dtype=torch.bool)
    done = [system.head(system.grasp(inputs, seen, torch.full((2, 1), FIRST + k), real)).detach() for k in range(2)]
    assert not torch.allclose(done[0], done[1], atol=1e-4)
    unread = [torch.full((2, 2), FIRST), torch.full((2, 2), FIRST + 1)]
    half = torch.tensor([[False, False]] * 2)
    done = [system.head(system.grasp(inputs, seen, ids, half)).detach() for ids in unread]
    assert torch.equal(*done)


def test_targets_without_words_are_refused() -> None:
    config = PalmEConfig.toy()
    targets = replace(config.fake_targets(2), said=None)
    with pytest.raises(SpecMismatch, match="targets need `said`"):
        config.build().loss(config.fake_inputs(2), targets)


def test_a_system_that_only_acts_says_so() -> None:
    config = ActConfig.toy()
    with pytest.raises(SpecMismatch, match="Act only acts; rt2, palm_e and pi05 answer"):
        config.build().answer(config.fake_inputs(1))
