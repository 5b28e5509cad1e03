"""PaliGemma inside policies of the pi0 family, as LeRobot and openpi (PyTorch) publish it.

LeRobot's names begin with "model."; names from before transformers 4.52 are read too.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from premotor.models.weights import lerobot
from premotor.models.weights.huggingface import count, decoder_name, shape, siglip_name

__all__ = ["INSIDE", "SPOKEN", "WORDS", "lerobot_folder", "tidy", "vlm_name", "vlm_sizes"]

_BOTH = "paligemma_with_expert."
# What a weight of PaliGemma begins with where it is part of a policy.
INSIDE = f"{_BOTH}paligemma."
_VLM = f"{INSIDE}model."
_EYE, _LAYERS = f"{_VLM}vision_tower.vision_model.", f"{_VLM}language_model.layers."
_OLD = {
    f"{_BOTH}paligemma.vision_tower.": f"{_VLM}vision_tower.",
    f"{_BOTH}paligemma.multi_modal_projector.": f"{_VLM}multi_modal_projector.",
    f"{_BOTH}paligemma.language_model.model.": f"{_VLM}language_model.",
    f"{_BOTH}paligemma.language_model.lm_head.": f"{_BOTH}paligemma.lm_head.",
}
# Words read and words said may share their weights, which are then stored under either name.
WORDS, SPOKEN = f"{_VLM}language_model.embed_tokens.weight", f"{_BOTH}paligemma.lm_head.weight"


def lerobot_folder(
    folder: Path, kinds: tuple[str, ...]
) -> tuple[lerobot.Checkpoint, dict[str, Tensor], dict[str, Any]]:
    """A LeRobot folder of one of these kinds of policy: as read, its weights, and what it tells of their sizes.

    Raises WeightsError when it is incomplete, damaged or of another kind.
    """
    file = folder / "config.json"
    kind = json.loads(file.read_text()).get("type") if file.is_file() else None
    checkpoint = lerobot.read(folder, kind if kind in kinds else kinds[0])
    told = {
        "cameras": checkpoint.features.cameras,
        "state_dim": checkpoint.features.state_dim,
        "action_dim": checkpoint.features.action_dim,
        "horizon": checkpoint.settings["chunk_size"],
        # LeRobot does not smooth pictures that shrink.
        "antialias": False,
    }
    return checkpoint, tidy({k.removeprefix("model."): w for k, w in checkpoint.weights.items()}), told


def tidy(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under today's names, the words among them."""
    found = {}
    for key, weight in weights.items():
        old = next((start for start in _OLD if key.startswith(start)), None)
        found[key if old is None else _OLD[old] + key.removeprefix(old)] = weight
    if SPOKEN in found:
        found.setdefault(WORDS, found[SPOKEN])
    return found


def vlm_name(key: str) -> str:
    """What a weight of our PaliGemma is called."""
    part, _, rest = key.partition(".")
    match part:
        case "eye":
            return _EYE + siglip_name(rest)
        case "seen":
            return f"{_VLM}multi_modal_projector.linear.{rest}"
        case "word":
            return WORDS
        case _:
            return f"{_VLM}language_model.{decoder_name(rest)}"


def vlm_sizes(weights: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    """Sizes of the PaliGemma that has these weights, as in PaliGemmaConfig; heads must be told."""
    vision_width, _, side, _ = shape(weights, f"{_EYE}embeddings.patch_embedding.weight")
    head_width = shape(weights, f"{_LAYERS}0.self_attn.q_proj.weight")[0] // heads
    vocabulary, width = shape(weights, WORDS)
    return {
        "vocabulary": vocabulary,
        "image_size": side * math.isqrt(shape(weights, f"{_EYE}embeddings.position_embedding.weight")[0]),
        "patch": side,
        "vision_width": vision_width,
        "vision_layers": count(weights, f"{_EYE}encoder.layers."),
        "vision_mlp": shape(weights, f"{_EYE}encoder.layers.0.mlp.fc1.weight")[0],
        "width": width,
        "mlp": shape(weights, f"{_LAYERS}0.mlp.up_proj.weight")[0],
        "layers": count(weights, _LAYERS),
        "heads": heads,
        "kv_heads": shape(weights, f"{_LAYERS}0.self_attn.k_proj.weight")[0] // head_width,
        "head_width": head_width,
    }
