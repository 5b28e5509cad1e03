"""GR00T N1.7 and N1.5 as LeRobot and NVIDIA publish them -> the system, strictly.

A folder has the weights in model*.safetensors, as one file or several, named alike but for LeRobot's prefix. What the
weights do not tell is in NVIDIA's config.json; of the VLM, whose own configuration lies elsewhere, and of LeRobot's
folders, which name another that they were made from, it is as published unless given.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.systems.groot import Groot, GrootConfig, GrootN15Config
from premotor.models.weights import lerobot
from premotor.models.weights.huggingface import count, shape
from premotor.models.weights.qwen import EAGLE, as_published, vlm_entry, vlm_sizes, vlm_unread, with_words
from premotor.models.weights.table import Entry, fill

__all__ = ["groot_table", "groot_unread", "load_groot"]

_LEROBOT = "_groot_model."
_HEAD = "action_head."
_BLOCK = {
    "before_read": "norm1", "before_think": "norm3", "told": "norm1.linear", "widen": "ff.net.0.proj",
    "narrow": "ff.net.2", "query": "attn1.to_q", "key": "attn1.to_k", "value": "attn1.to_v", "out": "attn1.to_out.0",
}  # fmt: skip
_DIT = {
    "step_in": "timestep_encoder.timestep_embedder.linear_1", "step_out": "timestep_encoder.timestep_embedder.linear_2",
    "told": "proj_out_1", "out": "proj_out_2",
}  # fmt: skip
_OWN = {
    "state": "state_encoder", "action": "action_encoder", "decode": "action_decoder",
    "places": "position_embedding", "future": "future_tokens", "norm": "vlln",
}  # fmt: skip
# What is here as published and cannot be set: of the head, and of its transformer.
_FIXED = {
    "noise_beta_alpha": 1.5, "noise_beta_beta": 1.0, "noise_s": 0.999, "num_timestep_buckets": 1000,
    "add_pos_embed": True, "use_vlln": True, "reproject_vision": False, "state_history_length": 1,
    "exclude_state": False,
}  # fmt: skip
_FIXED_DIT = {"norm_type": "ada_norm", "interleave_self_attention": True, "positional_embeddings": None}

_Weights = Mapping[str, Tensor]
_Settings = Mapping[str, Any]


def load_groot(folder: Path, *, base: Path | None = None, vlm: Path | None = None, **sizes: Any) -> Groot:
    """The system in a folder.

    base: the folder of NVIDIA's that a LeRobot one was made from; vlm: that of the VLM's own configuration; what these
    tell is as published without them. sizes: what none tells, or tells otherwise, such as cameras, robots, or
    reads_padding=True for padding that is read, as published. Raises WeightsError with the list of what does not fit.
    """
    weights, told = _read(folder)
    lerobots = told.get("type") == "groot"
    settings = _settings(base) if base else {} if lerobots else told
    kind = GrootN15Config if any(key.startswith(EAGLE) for key in weights) else GrootConfig
    found = vlm_sizes(folder, weights, {} if vlm is None else _settings(vlm), kind(), sizes.get("deep"))
    found |= _head_sizes(folder, weights, settings, kind()) | _shown(settings)
    if lerobots:
        found |= _robot(folder, told, found["row_room"])
    config = kind(**found | sizes)
    unread = groot_unread(config)
    own = {key: weight for key, weight in weights.items() if key not in unread}
    return fill(config.build(), own, groot_table(config), str(folder))


def groot_table(config: GrootConfig) -> dict[str, Entry]:
    """Where each of our weights is in what was published, by NVIDIA's names."""
    with torch.device("meta"):
        ours = config.build().state_dict()
    return {key: _entry(key, config) for key in ours}


def groot_unread(config: GrootConfig) -> set[str]:
    """Names of published weights that acting never uses."""
    return vlm_unread(config.eye)


def _entry(key: str, config: GrootConfig) -> Entry:
    part, _, rest = key.partition(".")
    if part == "head":
        return Entry(_HEAD + _head_name(rest))
    return vlm_entry(rest, config.eye)


def _head_name(key: str) -> str:
    """What a weight of the action head is called."""
    part, _, rest = key.partition(".")
    if part in ("places", "future"):
        return f"{_OWN[part]}.weight"
    if part == "norm":
        return f"{_OWN[part]}.{rest}"
    if part in _OWN:
        layer, _, end = rest.partition(".")
        names = ("W1", "W2", "W3") if part == "action" else ("layer1", "", "layer2")
        return f"{_OWN[part]}.{names[('into', 'mix', 'out').index(layer)]}.{'W' if end == 'weight' else 'b'}"
    whole = "vl_self_attention." if part == "digest" else "model."
    rest = rest.removeprefix("blocks.")
    if not rest[0].isdigit():
        layer, _, end = rest.partition(".")
        return f"{whole}{_DIT[layer]}.{end}"
    index, _, rest = rest.partition(".")
    layer, _, end = rest.removeprefix("read.").partition(".")
    return f"{whole}transformer_blocks.{index}.{_BLOCK[layer]}.{end}"


def _read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All weights by NVIDIA's names, and what config.json tells."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files or not (folder / "config.json").is_file():
        raise WeightsError(f"{folder} is no GR00T checkpoint: it needs config.json and model*.safetensors")
    try:
        weights = {key.removeprefix(_LEROBOT): w for file in files for key, w in load_file(file).items()}
    except (ValueError, SafetensorError) as damage:
        raise WeightsError(f"{folder} is damaged: {damage}; fetch the checkpoint again") from damage
    return with_words(weights), _settings(folder)


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], json.loads((folder / "config.json").read_text()))
    except (OSError, ValueError) as damage:
        raise WeightsError(f"{folder}/config.json cannot be read: {damage}; fetch the checkpoint again") from damage


def _head_sizes(folder: Path, weights: _Weights, settings: _Settings, published: GrootConfig) -> dict[str, Any]:
    """Sizes of the action head: those of the weights, and what only the settings tell."""
    own = settings.get("action_head_cfg", settings)
    dit, digest = own.get("diffusion_model_cfg", {}), own.get("vl_self_attention_cfg") or {}
    dropout = dit.get("dropout", published.dropout)
    for part, fixed in (
        (own, _FIXED),
        (dit, _FIXED_DIT | ({"final_dropout": True} if dropout else {})),
        (digest, {"positional_embeddings": None, "dropout": dropout}),
    ):
        as_published(folder, part, fixed)
    embodiments, states, hidden = shape(weights, f"{_HEAD}state_encoder.layer1.W")
    length, width = shape(weights, f"{_HEAD}position_embedding.weight")
    future = f"{_HEAD}future_tokens.weight"
    rows = own.get("action_horizon", published.row_room)
    alternates = own.get("use_alternate_vl_dit", bool(published.text_every))
    return {
        "embodiments": embodiments,
        "state_dim": states,
        "state_room": states,
        "action_dim": shape(weights, f"{_HEAD}action_encoder.W1.W")[1],
        "action_room": shape(weights, f"{_HEAD}action_encoder.W1.W")[1],
        "horizon": rows,
        "row_room": rows,
        "width": width,
        "length": length,
        "hidden": hidden,
        "layers": count(weights, f"{_HEAD}model.transformer_blocks."),
        "heads": dit.get("num_attention_heads", published.heads),
        "digest_layers": count(weights, f"{_HEAD}vl_self_attention.transformer_blocks."),
        "digest_heads": digest.get("num_attention_heads", published.digest_heads),
        "future": len(weights[future]) if future in weights else 0,
        "text_every": own.get("attend_text_every_n_blocks", published.text_every) if alternates else 0,
        "dropout": dropout,
        "state_dropout": own.get("state_dropout_prob", published.state_dropout),
        "steps": own.get("num_inference_timesteps", published.steps),
        "tune_eye": own.get("tune_visual", settings.get("backbone_cfg", {}).get("tune_visual", published.tune_eye)),
        "tune_llm": own.get("tune_llm", settings.get("backbone_cfg", {}).get("tune_llm", published.tune_llm)),
    }


def _shown(settings: _Settings) -> dict[str, Any]:
    """How large pictures are shown, and how much of them."""
    if not settings.get("image_target_size"):
        return {}
    size, crop = settings["image_target_size"][0], settings.get("crop_fraction")
    if crop is None:
        crop = (settings.get("image_crop_size") or [size])[0] / size
    return {"image_size": size, "crop": crop}


def _robot(folder: Path, told: _Settings, rows: int) -> dict[str, Any]:
    """What a LeRobot folder tells of its robot."""
    features = lerobot.features(folder, told)
    chosen = {"steps": told.get("num_inference_timesteps"), "tune_eye": told.get("tune_visual")}
    return {
        "cameras": features.cameras,
        "state_dim": features.state_dim,
        "action_dim": features.action_dim,
        "horizon": min(rows, told["chunk_size"]),
        "tune_llm": told.get("tune_llm", False),
    } | {name: value for name, value in chosen.items() if value is not None}
