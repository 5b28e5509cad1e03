"""What is injected into a sentence stands where it was put, and nothing else changes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs
from premotor.models.language.sentence import Sentence, Span, composed, injected
from premotor.models.systems.palm_e import PalmEConfig
from premotor.models.vision.objects import ObjectSlots

WORDS, WIDTH = 5, 8


def span(batch: int, count: int) -> Span:
    return torch.randn(batch, count, WIDTH), torch.rand(batch, count) < 0.7


def by_hand(words: Span, parts: dict[str, Span], spots: dict[str, Tensor], row: int) -> tuple[Tensor, Tensor]:
    tokens, real = list[Tensor](), list[Tensor]()
    for word in range(WORDS + 1):
        for name, part in parts.items():
            if int(spots.get(name, torch.zeros(99))[row]) == word:
                tokens.append(part[0][row])
                real.append(part[1][row])
        tokens.append(words[0][row, word : word + 1])
        real.append(words[1][row, word : word + 1])
    return torch.cat(tokens), torch.cat(real)


@pytest.mark.parametrize("seed", range(5))
def test_injecting_is_concatenating(seed: int) -> None:
    torch.manual_seed(seed)
    words, parts = span(4, WORDS), {"front": span(4, 3), "wrist": span(4, 2), "state": span(4, 1)}
    spots = {name: torch.randint(0, WORDS + 1, (4,)) for name in ("wrist", "state")}
    tokens, real = injected(words, parts, spots)
    for row in range(4):
        wanted = by_hand(words, parts, spots, row)
        assert torch.equal(tokens[row], wanted[0])
        assert torch.equal(real[row], wanted[1])


def test_a_spot_that_is_none_is_refused() -> None:
    words, parts = span(2, WORDS), {"front": span(2, 3)}
    with pytest.raises(SpecMismatch, match=r"names \['map'\]; what is no word here is front"):
        injected(words, parts, {"map": torch.zeros(2, dtype=torch.long)})
    with pytest.raises(SpecMismatch, match=r"'front' stands before word \[0, 6\]"):
        injected(words, parts, {"front": torch.tensor([0, 6])})


def test_a_sentence_is_composed_of_words_and_parts() -> None:
    sentence = "Given <front> and <state>, is <object 1> red?"
    words, spots = composed(sentence, lambda text: torch.full((len(text.split()),), float(len(text))))
    assert spots == {"front": 1, "state": 2, "object 1": 4}  # "Given", "and", ", is", "red?"
    assert words.tolist() == [5, 3, 4, 4, 4]
    assert composed("<front><wrist> look", lambda text: torch.ones(1))[1] == {"front": 0, "wrist": 0}
    with pytest.raises(SpecMismatch, match="<front> twice"):
        composed("is <front> like <front>?", lambda text: torch.ones(1))
    with pytest.raises(SpecMismatch, match="no words besides"):
        composed("<front>", lambda text: torch.ones(1))


@pytest.mark.parametrize("causal", [True, False])
def test_where_things_stand_matters_and_padding_does_not(causal: bool) -> None:
    torch.manual_seed(0)
    config = replace(PalmEConfig.toy(), causal=causal)
    model, inputs = Sentence(config).eval(), config.fake_inputs(2)
    inputs.words_mask[:, 4:] = False
    first = torch.full((2, 1), 7)

    def said(changed: Inputs) -> Tensor:
        features, _ = model.follow(first, model(changed))
        return features.detach()

    plain = said(inputs)
    moved = replace(inputs, spots={"object 1": torch.tensor([2, 3]), "wrist": torch.tensor([4, 0])})
    assert not torch.allclose(plain, said(moved), atol=1e-4)
    inputs.words[:, 4:] = 100.0
    assert torch.allclose(plain, said(inputs), atol=1e-5)
    masked = replace(inputs, present={"front": torch.zeros(2, dtype=torch.bool)})
    without = replace(inputs, images={"wrist": inputs.images["wrist"]})
    assert said(masked).isfinite().all()
    assert torch.allclose(said(masked), said(without), atol=1e-5)


def test_a_causal_model_does_not_read_ahead() -> None:
    torch.manual_seed(0)
    config = replace(PalmEConfig.toy(), causal=True, objects=0, feels=False)
    inputs = config.fake_inputs(1)
    longer = replace(inputs, words=inputs.words.clone())
    longer.words[:, -1] = 3.0
    for causal in (True, False):
        torch.manual_seed(1)
        model = Sentence(replace(config, causal=causal)).eval()
        early = [model(case).past[-1][1][:, :, :-1].detach() for case in (inputs, longer)]
        assert torch.allclose(early[0], early[1], atol=1e-6) == causal


def test_words_without_room_are_refused() -> None:
    with pytest.raises(SpecMismatch, match="do not fit into a vocabulary of 84"):
        Sentence(replace(PalmEConfig.toy(), said=tuple(f"word{i}" for i in range(100))))


def test_slots_find_what_is_real_only() -> None:
    torch.manual_seed(0)
    slots, cells = ObjectSlots(WIDTH, 3).eval(), torch.randn(2, 10, WIDTH)
    mask = torch.ones(2, 10, dtype=torch.bool)
    mask[:, 6:] = False
    found = slots(cells, mask)
    assert found.shape == (2, 3, WIDTH)
    assert torch.allclose(found, slots(cells[:, :6], mask[:, :6]), atol=1e-5)
    shuffled = torch.randperm(10)
    assert torch.allclose(found, slots(cells[:, shuffled], mask[:, shuffled]), atol=1e-5)
    assert slots(cells, torch.zeros_like(mask)).isfinite().all()
