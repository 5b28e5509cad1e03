"""A decoder beside another reads it in every layer, and its own tokens in some."""

from typing import Any

import pytest
import torch
from torch import Tensor

from premotor.models.fusion.decoder import DecoderConfig, Past
from premotor.models.fusion.interleaved import InterleavedDecoder

SIZES: dict[str, Any] = {"layers": 3, "heads": 4, "kv_heads": 2, "head_width": 8, "near_one": False, "eps": 1e-5}
NARROW = DecoderConfig(width=24, mlp=40, **SIZES)
SEEN, OWN = 5, 4


@pytest.fixture
def past() -> Past:
    torch.manual_seed(0)
    wide = DecoderConfig(width=32, mlp=48, **SIZES).build()
    mask = torch.ones(1, 1, SEEN, SEEN, dtype=torch.bool)
    return wide.remember(torch.randn(2, SEEN, 32), mask, torch.arange(SEEN)[None])


def run(expert: InterleavedDecoder, x: Tensor, past: Past, *, first: int = SEEN, hidden: int = 0) -> Tensor:
    """Every token reads all; the first `hidden` of the other's are masked."""
    mask = torch.ones(2, 1, OWN, SEEN + OWN, dtype=torch.bool)
    mask[..., :hidden] = False
    found: Tensor = expert(x, mask, first + torch.arange(OWN)[None], expert.adopt(past))
    return found.detach()


def test_joint_in_all_layers_is_one_decoder_with_a_past(past: Past) -> None:
    expert, plain = InterleavedDecoder(NARROW, 1), NARROW.build()
    plain.load_state_dict(expert.state_dict())
    x = torch.randn(2, OWN, 24)
    whole, _ = plain(x, torch.ones(1, 1, OWN, SEEN + OWN, dtype=torch.bool), SEEN + torch.arange(OWN)[None], past=past)
    assert torch.equal(run(expert, x, past), whole)


@pytest.mark.parametrize("joint_every", [0, 1, 2])
def test_tokens_meet_in_joint_layers_only(joint_every: int, past: Past) -> None:
    expert, x = InterleavedDecoder(NARROW, joint_every), torch.randn(2, OWN, 24)
    changed = x.clone()
    changed[:, 1] += 1.0
    alike = (run(expert, x, past) == run(expert, changed, past)).flatten(2).all(-1)
    assert alike.tolist() == [[joint_every == 0, False, joint_every == 0, joint_every == 0]] * 2


@pytest.mark.parametrize("joint_every", [0, 2])
def test_masked_tokens_of_the_other_do_not_matter(joint_every: int, past: Past) -> None:
    expert, x = InterleavedDecoder(NARROW, joint_every), torch.randn(2, OWN, 24)
    other = [(k.clone(), v.clone()) for k, v in past]
    for part in other:
        for kept in part:
            kept[:, :, :2] += 9.0
    assert torch.allclose(run(expert, x, past, hidden=2), run(expert, x, other, hidden=2), atol=1e-6)
    assert not torch.allclose(run(expert, x, past), run(expert, x, other), atol=1e-2)


def test_between_joint_layers_tokens_stand_as_if_they_were_the_first(past: Past) -> None:
    x = torch.randn(2, OWN, 24)
    alone, joint = (InterleavedDecoder(NARROW, every) for every in (0, 1))
    assert torch.equal(run(alone, x, past), run(alone, x, past, first=70))
    assert not torch.allclose(run(joint, x, past), run(joint, x, past, first=70), atol=1e-4)
