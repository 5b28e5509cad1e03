"""A decoder reads the past as it reads its own tokens."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from premotor.models.fusion.decoder import DecoderConfig, Past

GEMMA: dict[str, Any] = {}
LLAMA: dict[str, Any] = {"near_one": False, "activation": "silu", "bias": True, "base": 5e5, "eps": 1e-5}
QWEN: dict[str, Any] = {"near_one": False, "activation": "silu", "head_norm": True, "end_norm": False}
TOLD: dict[str, Any] = {"told": 6}


@pytest.mark.parametrize("kind", [GEMMA, LLAMA, QWEN, TOLD])
def test_one_token_after_another_is_all_at_once(kind: dict[str, Any]) -> None:
    torch.manual_seed(0)
    config = DecoderConfig(width=24, layers=3, mlp=40, heads=4, kv_heads=2, head_width=8, **kind)
    decoder, x = config.build(), torch.randn(2, 7, 24)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    told = torch.randn(2, 1, 6) if kind is TOLD else None
    places = torch.arange(7)[None]
    causal = torch.ones(1, 1, 7, 7, dtype=torch.bool).tril()
    whole, _ = decoder(x, causal, places, told=told)
    past: Past | None = None
    found = []
    for index in range(7):
        now = slice(index, index + 1)
        step, past = decoder(x[:, now], causal[:, :, now, : index + 1], places[:, now], told=told, past=past)
        found.append(step)
    assert torch.allclose(torch.cat(found, 1), whole, atol=1e-5)
    if told is None:
        kept = decoder.remember(x, causal, places)
        for short, full in zip(kept, past or (), strict=True):
            assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(short, full, strict=True))


def test_only_how_far_apart_tokens_are_matters() -> None:
    torch.manual_seed(0)
    decoder = DecoderConfig(width=24, layers=2, mlp=40, heads=4, kv_heads=1, head_width=8).build()
    x, mask = torch.randn(1, 5, 24), torch.ones(1, 1, 5, 5, dtype=torch.bool)
    near, _ = decoder(x, mask, torch.arange(5)[None])
    far, _ = decoder(x, mask, torch.arange(5)[None] + 100)
    apart, _ = decoder(x, mask, torch.arange(5)[None] * 3)
    assert torch.allclose(near, far, atol=1e-4)
    assert not torch.allclose(near, apart, atol=1e-2)


def test_untold_norms_of_a_fresh_expert_add_nothing() -> None:
    decoder = DecoderConfig(width=24, layers=2, mlp=40, heads=4, kv_heads=1, head_width=8, told=6).build()
    x, mask = torch.randn(1, 5, 24), torch.ones(1, 1, 5, 5, dtype=torch.bool)
    found, _ = decoder(x, mask, torch.arange(5)[None], told=torch.randn(1, 1, 6))
    assert torch.allclose(found, torch.nn.functional.rms_norm(x, (24,), eps=1e-6), atol=1e-5)


def test_tokens_that_advance_together_in_all_sections_are_as_in_one() -> None:
    torch.manual_seed(0)
    config = DecoderConfig(width=24, layers=2, mlp=40, heads=4, kv_heads=1, head_width=8)
    plain, sectioned = config.build(), replace(config, sections=(2, 1, 1)).build()
    sectioned.load_state_dict(plain.state_dict())
    x, mask, places = torch.randn(1, 5, 24), torch.ones(1, 1, 5, 5, dtype=torch.bool), torch.arange(5)[None]
    whole, _ = plain(x, mask, places)
    together, _ = sectioned(x, mask, places.expand(3, 1, 5))
    assert torch.equal(whole, together)
    for axis in range(3):
        moved = places.repeat(3, 1, 1)
        moved[axis] *= 2
        assert not torch.allclose(whole, sectioned(x, mask, moved)[0], atol=1e-3)


def test_what_is_added_counts_from_the_layer_after_on() -> None:
    torch.manual_seed(0)
    decoder = DecoderConfig(width=24, layers=2, mlp=40, heads=4, kv_heads=1, head_width=8, end_norm=False).build()
    x, mask, places = torch.randn(1, 5, 24), torch.ones(1, 1, 5, 5, dtype=torch.bool), torch.arange(5)[None]
    none, past = decoder(x, mask, places)
    late, late_past = decoder(x, mask, places, added=[torch.zeros_like(x), torch.ones_like(x)])
    early, early_past = decoder(x, mask, places, added=[torch.ones_like(x)])
    assert torch.allclose(late, none + 1)
    assert not torch.allclose(early, none + 1, atol=1e-3)
    assert all(torch.equal(a, b) for a, b in zip(past[1], late_past[1], strict=True))
    assert not torch.equal(past[1][0], early_past[1][0])
