"""PaliGemma's weights become the language model of RT-2 and PaLM-E, all of them or none."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.systems.palm_e import PalmEConfig
from premotor.models.systems.rt2 import Rt2Config
from premotor.models.weights.backbone import load_palm_e, load_rt2
from premotor.models.weights.paligemma import INSIDE, vlm_name

# Sizes that no weight tells.
TOY = replace(Rt2Config.toy(), text_width=0, said=())
# How transformers called them when PaliGemma was published.
NAMES = {
    "word.weight": "language_model.model.embed_tokens.weight",
    "seen.weight": "multi_modal_projector.linear.weight",
    "eye.places": "vision_tower.vision_model.embeddings.position_embedding.weight",
    "decoder.norm.weight": "language_model.model.norm.weight",
    "decoder.blocks.1.key.weight": "language_model.model.layers.1.self_attn.k_proj.weight",
}


def published(folder: Path, weights: dict[str, Tensor]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "paligemma"}))
    middle = sorted(weights)[len(weights) // 2]
    for index, part in enumerate((True, False)):
        some = {name: value.contiguous() for name, value in weights.items() if (name < middle) == part}
        save_file(some, folder / f"model-{index}-of-2.safetensors")
    return folder


@pytest.fixture
def weights() -> dict[str, Tensor]:
    """Under the published names."""
    torch.manual_seed(0)
    names = (f"{INSIDE}model.language_model.", f"{INSIDE}model.")
    found = {}
    for key, value in replace(TOY, vocabulary=400).build().model.vlm.state_dict().items():
        name = vlm_name(key)
        name = name.replace(names[0], "language_model.model.").replace(names[1], "")
        assert name == NAMES.get(key, name)
        found[name] = value.clone()
    assert set(NAMES.values()) <= found.keys()
    return found


def test_every_weight_is_where_it_belongs(weights: dict[str, Tensor], tmp_path: Path) -> None:
    folder = published(tmp_path / "p", weights)
    rt2 = load_rt2(folder, TOY)
    palm_e = load_palm_e(folder, replace(PalmEConfig.toy(), text_width=0, said=(), heads=TOY.heads, frozen=True))
    for vlm in (rt2.model.vlm, palm_e.model.vlm):
        assert vlm.config.vocabulary == 400
        for key, name in NAMES.items():
            assert torch.equal(vlm.state_dict()[key], weights[name]), key
    assert not palm_e.model.vlm.word.weight.requires_grad  # type: ignore[union-attr]
    assert rt2.sample(rt2.config.fake_inputs(2)).shape == (2, 1, 7)


def test_words_said_may_be_stored_too_if_they_are_the_same(weights: dict[str, Tensor], tmp_path: Path) -> None:
    words = weights["language_model.model.embed_tokens.weight"]
    load_rt2(published(tmp_path / "same", weights | {"language_model.lm_head.weight": words.clone()}), TOY)
    with pytest.raises(WeightsError, match=r"unknown: .*lm_head"):
        load_rt2(published(tmp_path / "other", weights | {"language_model.lm_head.weight": words + 1}), TOY)


def test_what_does_not_fit_is_listed(weights: dict[str, Tensor], tmp_path: Path) -> None:
    del weights["language_model.model.norm.weight"]
    weights["extra"] = torch.zeros(1)
    folder = published(tmp_path / "p", weights)
    with pytest.raises(WeightsError, match=r"2 weights(.|\n)*missing: .*norm(.|\n)*unknown: .*extra"):
        load_rt2(folder, TOY)
    (folder / "config.json").write_text(json.dumps({"model_type": "gemma"}))
    with pytest.raises(WeightsError, match="type 'gemma', not 'paligemma'"):
        load_rt2(folder, TOY)
    with pytest.raises(WeightsError, match=r"it needs config\.json"):
        load_palm_e(tmp_path)
