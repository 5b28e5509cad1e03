"""PaliGemma as Google publishes it -> the language model inside RT-2 or PaLM-E, strictly; the rest begins anew.

This is what there is to begin from: neither system, nor the language models that they were made of, are public.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from premotor.core.errors import WeightsError
from premotor.models.systems.palm_e import PalmE, PalmEConfig
from premotor.models.systems.rt2 import Rt2, Rt2Config
from premotor.models.weights.paligemma import INSIDE, SPOKEN, WORDS, tidy, vlm_name, vlm_sizes
from premotor.models.weights.table import Entry, fill

__all__ = ["load_palm_e", "load_rt2"]

_System = TypeVar("_System", Rt2, PalmE)


def load_rt2(folder: Path, config: Rt2Config | None = None) -> Rt2:
    """An RT-2 that has learned no action yet, from a folder such as paligemma-3b-pt-224.

    Sizes are those of the weights; what else there is to choose is taken from `config`, the published one if None.
    Raises WeightsError with the list of what does not fit.
    """
    weights, config = _read(folder), config or Rt2Config.published()
    return _filled(replace(config, **vlm_sizes(weights, config.heads)).build(), weights, folder)


def load_palm_e(folder: Path, config: PalmEConfig | None = None) -> PalmE:
    """A PaLM-E that has learned none of its words yet; see load_rt2."""
    weights, config = _read(folder), config or PalmEConfig.published()
    return _filled(replace(config, **vlm_sizes(weights, config.heads)).build(), weights, folder)


def _filled(system: _System, weights: dict[str, torch.Tensor], folder: Path) -> _System:
    table = {key: Entry(vlm_name(key)) for key in system.model.vlm.state_dict()}
    fill(system.model.vlm, weights, table, str(folder))
    return system


def _read(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.glob("model*.safetensors"))
    if not files or not (folder / "config.json").is_file():
        raise WeightsError(f"{folder} is not a PaliGemma checkpoint: it needs config.json and model*.safetensors")
    try:
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
        found = {key: value for file in files for key, value in load_file(file).items()}
    except (ValueError, SafetensorError) as damage:
        raise WeightsError(f"{folder} is damaged: {damage}; fetch the checkpoint again") from damage
    if kind != "paligemma":
        raise WeightsError(f"{folder} holds a model of type {kind!r}, not 'paligemma'")
    weights = tidy({f"{INSIDE}{key}": value for key, value in found.items()})
    # What is said has the weights of what is read.
    if SPOKEN in weights and torch.equal(weights[SPOKEN], weights[WORDS]):
        del weights[SPOKEN]
    return weights
