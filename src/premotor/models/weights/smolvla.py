"""SmolVLA as LeRobot publishes it -> the system, strictly.

The VLM's head for words is stored with it and is no part of acting.
"""

import math
from pathlib import Path
from typing import Any

import torch

from premotor.core.errors import WeightsError
from premotor.models.systems.smolvla import SmolVla, SmolVlaConfig
from premotor.models.weights import lerobot
from premotor.models.weights.huggingface import count, decoder_name, shape, siglip_name
from premotor.models.weights.table import Entry, fill

__all__ = ["load_lerobot", "smolvla_table"]

_BOTH = "model.vlm_with_expert."
_VLM, _EXPERT, _SPOKEN = f"{_BOTH}vlm.model.", f"{_BOTH}lm_expert.", f"{_BOTH}vlm.lm_head.weight"
_EYE, _TEXT, _SEEN = f"{_VLM}vision_model.", f"{_VLM}text_model.", f"{_VLM}connector.modality_projection.proj.weight"
# What is here as published and cannot be set.
_FIXED = {"add_image_special_tokens": False, "adapt_to_pi_aloha": False}


def load_lerobot(folder: Path, **sizes: Any) -> SmolVla:
    """The system in a LeRobot folder.

    sizes: what the weights do not tell (heads, vision_heads) where it is not as published. Raises WeightsError with
    the list of what does not fit.
    """
    checkpoint = lerobot.read(folder, "smolvla")
    for name, value in _FIXED.items():
        checkpoint.setting(name, {value: value})
    settings, weights = checkpoint.settings, checkpoint.weights
    width, state_room = shape(weights, "model.state_proj.weight")
    expert_width, action_room = shape(weights, "model.action_in_proj.weight")
    vision_width, _, patch, _ = shape(weights, f"{_EYE}embeddings.patch_embedding.weight")
    heads = sizes.get("heads", SmolVlaConfig().heads)
    head_width = shape(weights, f"{_TEXT}layers.0.self_attn.q_proj.weight")[0] // heads
    config = SmolVlaConfig(
        **{
            "cameras": checkpoint.features.cameras,
            "state_dim": checkpoint.features.state_dim,
            "action_dim": checkpoint.features.action_dim,
            "horizon": settings["chunk_size"],
            "state_room": state_room,
            "action_room": action_room,
            "vocabulary": shape(weights, f"{_TEXT}embed_tokens.weight")[0],
            "image_size": patch * math.isqrt(shape(weights, f"{_EYE}embeddings.position_embedding.weight")[0]),
            "patch": patch,
            "vision_width": vision_width,
            "vision_layers": count(weights, f"{_EYE}encoder.layers."),
            "vision_mlp": shape(weights, f"{_EYE}encoder.layers.0.mlp.fc1.weight")[0],
            "shuffle": math.isqrt(shape(weights, _SEEN)[1] // vision_width),
            "width": width,
            "mlp": shape(weights, f"{_TEXT}layers.0.mlp.up_proj.weight")[0],
            "layers": count(weights, f"{_TEXT}layers."),
            "heads": heads,
            "kv_heads": shape(weights, f"{_TEXT}layers.0.self_attn.k_proj.weight")[0] // head_width,
            "head_width": head_width,
            "expert_width": expert_width,
            "expert_mlp": shape(weights, f"{_EXPERT}layers.0.mlp.up_proj.weight")[0],
            "joint_every": _joint_every(checkpoint),
            "steps": settings["num_steps"],
            "shortest": settings["min_period"],
            "longest": settings["max_period"],
            "frozen": _frozen(checkpoint),
        }
        | sizes
    )
    if settings["resize_imgs_with_padding"] != [config.image_size] * 2:
        raise WeightsError(
            f"{folder}/config.json: pictures are resized to {settings['resize_imgs_with_padding']}; "
            f"the vision tower sees {config.image_size} x {config.image_size}, and here pictures are that size"
        )
    if (experts := count(weights, f"{_EXPERT}layers.")) != config.layers:
        raise WeightsError(f"{folder}: the expert has {experts} layers beside {config.layers}; here they are as many")
    own = {key: weight for key, weight in weights.items() if key != _SPOKEN}
    return fill(config.build(), own, smolvla_table(config), str(folder))


def smolvla_table(config: SmolVlaConfig) -> dict[str, Entry]:
    """Where each of our weights is in what was published."""
    with torch.device("meta"):
        ours = config.build().state_dict()
    return {key: Entry(_published_name(key)) for key in ours}


def _joint_every(checkpoint: lerobot.Checkpoint) -> int:
    """In cross-attention mode, 0 or less means that no layer is joint."""
    every = max(0, checkpoint.settings["self_attn_every_n_layers"])
    found: int = checkpoint.setting("attention_mode", {"self_attn": 1, "cross_attn": every})
    return found


def _frozen(checkpoint: lerobot.Checkpoint) -> str:
    if checkpoint.settings["train_expert_only"]:
        return "vlm"
    return "eye" if checkpoint.settings["freeze_vision_encoder"] else "nothing"


def _published_name(key: str) -> str:
    part, _, rest = key.partition(".")
    inner, _, leaf = rest.partition(".")
    match part, inner:
        case "vlm", "eye":
            return _EYE + siglip_name(leaf)
        case "vlm", "seen":
            return _SEEN
        case "vlm", "word":
            return f"{_TEXT}embed_tokens.{leaf}"
        case "vlm", _:
            return _TEXT + decoder_name(leaf)
        case "expert", _:
            return _EXPERT + decoder_name(rest)
        case (("time_in" | "time_out"), _):
            return f"model.action_time_mlp_{part.removeprefix('time_')}.{rest}"
        case _:
            return f"model.{part}_proj.{rest}"
