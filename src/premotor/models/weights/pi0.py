"""pi0 and pi0.5 as LeRobot and openpi (PyTorch) publish them -> the system, strictly.

Heads that turn features into words are no part of acting: that of the VLM is read where it is all there is of the
words, that of the expert never is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.systems.pi0 import Pi0, Pi0Config
from premotor.models.systems.pi05 import Pi05Config
from premotor.models.weights.huggingface import decoder_name, shape
from premotor.models.weights.paligemma import SPOKEN, lerobot_folder, tidy, vlm_name, vlm_sizes
from premotor.models.weights.table import Entry, fill

__all__ = ["load_lerobot", "load_openpi", "pi0_table"]

_EXPERT = "paligemma_with_expert.gemma_expert.model."
_UNUSED = (SPOKEN, "paligemma_with_expert.gemma_expert.lm_head.weight")
# What is here as published and cannot be set.
_FIXED = {
    "time_sampling_beta_alpha": 1.5,
    "time_sampling_beta_beta": 1.0,
    "time_sampling_scale": 0.999,
    "time_sampling_offset": 0.001,
}


def load_lerobot(folder: Path, **sizes: Any) -> Pi0:
    """The system in a LeRobot folder. sizes: see load_openpi. Raises WeightsError with the list of what does not fit.

    As LeRobot runs it: pictures that shrink are not smoothed, padding does not count in the loss.
    """
    checkpoint, weights, told = lerobot_folder(folder, ("pi0", "pi05"))
    for name, value in _FIXED.items():
        checkpoint.setting(name, {value: value})
    told |= {
        "steps": checkpoint.settings["num_inference_steps"],
        "shortest": checkpoint.settings["min_period"],
        "longest": checkpoint.settings["max_period"],
        "padded_loss": False,
    }
    return _filled(weights, folder, told | sizes)


def load_openpi(folder: Path, **sizes: Any) -> Pi0:
    """The system in a folder of openpi's PyTorch conversion.

    sizes: what the weights do not tell (cameras, horizon, vision_heads, heads, steps) where it is not as published.
    antialias=False gives the pictures of openpi's own PyTorch code, which differ from those that the weights were
    trained with. Raises WeightsError with the list of what does not fit.
    """
    try:
        weights = tidy(load_file(folder / "model.safetensors"))
        told = json.loads((folder / "config.json").read_text()) if (folder / "config.json").is_file() else {}
    except (OSError, ValueError, SafetensorError) as damage:
        raise WeightsError(f"{folder} holds no weights that can be read: {damage}") from damage
    if "horizon" not in sizes and "action_horizon" not in told:
        raise WeightsError(f"{folder}: neither config.json nor the weights tell how long a chunk is; give horizon=")
    return _filled(weights, folder, {"horizon": told.get("action_horizon"), "summed_time": True} | sizes)


def pi0_table(config: Pi0Config) -> dict[str, Entry]:
    """Where each of our weights is in what was published, by openpi's names."""
    with torch.device("meta"):
        ours = config.build().state_dict()
    return {key: Entry(_published_name(key, config.adaptive)) for key in ours}


def _published_name(key: str, adaptive: bool) -> str:
    part, _, rest = key.partition(".")
    match part:
        case "vlm":
            return vlm_name(rest)
        case "expert":
            return _EXPERT + decoder_name(rest)
        case "time_in" | "time_out":
            mixed = "" if adaptive else "action_"
            return f"{mixed}time_mlp_{part.removeprefix('time_')}.{rest}"
        case _:
            return f"{part}_proj.{rest}"


def _filled(weights: Mapping[str, Tensor], folder: Path, told: dict[str, Any]) -> Pi0:
    """The system of the sizes that the weights have; what is told goes before these."""
    width, actions = shape(weights, "action_in_proj.weight")
    pi05 = "time_mlp_in.weight" in weights
    states = actions if pi05 else shape(weights, "state_proj.weight")[1]
    found = vlm_sizes(weights, told.get("heads", Pi0Config().heads)) | {
        "state_dim": states,
        "action_dim": actions,
        "state_room": states,
        "action_room": actions,
        "expert_width": width,
        "expert_mlp": shape(weights, f"{_EXPERT}layers.0.mlp.up_proj.weight")[0],
    }
    config = (Pi05Config if pi05 else Pi0Config)(**found | told)
    own = {key: weight for key, weight in weights.items() if key not in _UNUSED}
    return fill(config.build(), own, pi0_table(config), str(folder))
