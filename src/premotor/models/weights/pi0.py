"""pi0 and pi0.5 as LeRobot and openpi (PyTorch) publish them -> the system, strictly.

Both have the same weights; LeRobot's names begin with "model.", and names from before transformers 4.52 are read too.
The head that turns features into words is no part of acting; where it is all there is of the embedding that it shares
its weights with, it is read as that. The expert's own such head is never used.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.systems.pi0 import Pi0, Pi0Config, Pi05Config
from premotor.models.weights import lerobot
from premotor.models.weights.huggingface import count, decoder_name, shape, siglip_name
from premotor.models.weights.table import Entry, fill

__all__ = ["load_lerobot", "load_openpi", "pi0_table"]

_BOTH = "paligemma_with_expert."
_VLM = f"{_BOTH}paligemma.model."
_EYE, _SEEN = f"{_VLM}vision_tower.vision_model.", f"{_VLM}multi_modal_projector.linear."
_WORDS, _SPOKEN = f"{_VLM}language_model.embed_tokens.weight", f"{_BOTH}paligemma.lm_head.weight"
_EXPERT = f"{_BOTH}gemma_expert.model."
_UNUSED = (_SPOKEN, f"{_BOTH}gemma_expert.lm_head.weight")
_OLD = {
    f"{_BOTH}paligemma.vision_tower.": f"{_VLM}vision_tower.",
    f"{_BOTH}paligemma.multi_modal_projector.": f"{_VLM}multi_modal_projector.",
    f"{_BOTH}paligemma.language_model.model.": f"{_VLM}language_model.",
    f"{_BOTH}paligemma.language_model.lm_head.": f"{_BOTH}paligemma.lm_head.",
}
# What is here as published and cannot be set.
_FIXED = {
    "time_sampling_beta_alpha": 1.5, "time_sampling_beta_beta": 1.0,
    "time_sampling_scale": 0.999, "time_sampling_offset": 0.001,
}  # fmt: skip


def load_lerobot(folder: Path, **sizes: Any) -> Pi0:
    """The system in a LeRobot folder. sizes: see load_openpi. Raises WeightsError with the list of what does not fit.

    As LeRobot runs it: pictures that shrink are not smoothed, padding does not count in the loss.
    """
    settings = json.loads((folder / "config.json").read_text()) if (folder / "config.json").is_file() else {}
    checkpoint = lerobot.read(folder, "pi05" if settings.get("type") == "pi05" else "pi0")
    for name, value in _FIXED.items():
        checkpoint.setting(name, {value: value})
    told, features = checkpoint.settings, checkpoint.features
    weights = _tidy({k.removeprefix("model."): w for k, w in checkpoint.weights.items()})
    config = _config(
        weights,
        **{
            "cameras": features.cameras,
            "state_dim": features.state_dim,
            "action_dim": features.action_dim,
            "horizon": told["chunk_size"],
            "steps": told["num_inference_steps"],
            "shortest": told["min_period"],
            "longest": told["max_period"],
            "antialias": False,
            "padded_loss": False,
        }
        | sizes,
    )
    return fill(config.build(), weights, pi0_table(config), str(folder))


def load_openpi(folder: Path, **sizes: Any) -> Pi0:
    """The system in a folder of openpi's PyTorch conversion.

    sizes: what the weights do not tell (cameras, horizon, vision_heads, heads, steps) where it is not as published.
    antialias=False gives the pictures of openpi's own PyTorch code, which differ from those that the weights were
    trained with. Raises WeightsError with the list of what does not fit.
    """
    try:
        weights = _tidy(load_file(folder / "model.safetensors"))
        told = json.loads((folder / "config.json").read_text()) if (folder / "config.json").is_file() else {}
    except (OSError, ValueError, SafetensorError) as damage:
        raise WeightsError(f"{folder} holds no weights that can be read: {damage}") from damage
    if "horizon" not in sizes and "action_horizon" not in told:
        raise WeightsError(f"{folder}: neither config.json nor the weights tell how long a chunk is; give horizon=")
    config = _config(weights, **{"horizon": told.get("action_horizon")} | sizes)
    return fill(config.build(), weights, pi0_table(config), str(folder))


def pi0_table(config: Pi0Config) -> dict[str, Entry]:
    """Where each of our weights is in what was published, by openpi's names."""
    with torch.device("meta"):
        ours = config.build().state_dict()
    return {key: Entry(_published_name(key, config.adaptive)) for key in ours}


def _published_name(key: str, adaptive: bool) -> str:
    part, _, rest = key.partition(".")
    time = "time_mlp_" if adaptive else "action_time_mlp_"
    match part:
        case "eye":
            return _EYE + siglip_name(rest)
        case "seen":
            return _SEEN + rest
        case "word":
            return _WORDS
        case "vlm":
            return f"{_VLM}language_model.{decoder_name(rest)}"
        case "expert":
            return _EXPERT + decoder_name(rest)
        case "time_in" | "time_out":
            return f"{time}{part.removeprefix('time_')}.{rest}"
        case _:
            return f"{part}_proj.{rest}"


def _tidy(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Today's names, without what acting never uses."""
    found = {}
    for key, weight in weights.items():
        old = next((start for start in _OLD if key.startswith(start)), None)
        found[key if old is None else _OLD[old] + key.removeprefix(old)] = weight
    if _SPOKEN in found:
        found.setdefault(_WORDS, found[_SPOKEN])
    return {key: weight for key, weight in found.items() if key not in _UNUSED}


def _config(weights: Mapping[str, Tensor], **told: Any) -> Pi0Config:
    """The sizes that the weights have; `told` adds to these and goes before them."""
    words, heads = f"{_VLM}language_model.", told.get("heads", Pi0Config().heads)
    layer, patch = f"{words}layers.0.", f"{_EYE}embeddings.patch_embedding.weight"
    vision_width, _, side, _ = shape(weights, patch)
    expert_width, dims = shape(weights, "action_in_proj.weight")
    head_width = shape(weights, f"{layer}self_attn.q_proj.weight")[0] // heads
    vocabulary, width = shape(weights, _WORDS)
    found = {
        "state_dim": dims,
        "action_dim": dims,
        "dims": dims,
        "vocabulary": vocabulary,
        "image_size": side * math.isqrt(shape(weights, f"{_EYE}embeddings.position_embedding.weight")[0]),
        "patch": side,
        "vision_width": vision_width,
        "vision_layers": count(weights, f"{_EYE}encoder.layers."),
        "vision_mlp": shape(weights, f"{_EYE}encoder.layers.0.mlp.fc1.weight")[0],
        "width": width,
        "mlp": shape(weights, f"{layer}mlp.up_proj.weight")[0],
        "expert_width": expert_width,
        "expert_mlp": shape(weights, f"{_EXPERT}layers.0.mlp.up_proj.weight")[0],
        "layers": count(weights, f"{words}layers."),
        "head_width": head_width,
        "kv_heads": shape(weights, f"{layer}self_attn.k_proj.weight")[0] // head_width,
    }
    kind = Pi05Config if "time_mlp_in.weight" in weights else Pi0Config
    return kind(**cast(dict[str, Any], found | told))
