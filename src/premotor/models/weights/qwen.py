"""The VLMs inside GR00T N1.7 and N1.5, as NVIDIA and LeRobot publish them.

What is never used of them (words that are said, SigLIP's pooled feature, norms after what is read) is left out.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.language.qwen import QwenVlmConfig
from premotor.models.weights.huggingface import count, decoder_name, shape, siglip_name
from premotor.models.weights.table import Entry

__all__ = ["EAGLE", "as_published", "vlm_entry", "vlm_sizes", "vlm_unread", "with_words"]

_QWEN, EAGLE = "backbone.model.model.", "backbone.eagle_model."
_QWEN_EYE, _EAGLE_EYE = f"{_QWEN}visual.", f"{EAGLE}vision_model.vision_model."
_LLM = {"qwen3_vl": f"{_QWEN}language_model.", "siglip": f"{EAGLE}language_model.model."}
_SAID = {"qwen3_vl": "backbone.model.lm_head.weight", "siglip": f"{EAGLE}language_model.lm_head.weight"}
_POOL = (
    "probe", "attention.in_proj_weight", "attention.in_proj_bias", "attention.out_proj.weight",
    "attention.out_proj.bias", "layernorm.weight", "layernorm.bias",
    "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias",
)  # fmt: skip
_EYE = {
    "before_read": "norm1", "before_think": "norm2", "widen": "mlp.linear_fc1", "narrow": "mlp.linear_fc2",
    "out": "attn.proj", "query": "attn.qkv", "key": "attn.qkv", "value": "attn.qkv",
}  # fmt: skip
_QKV = ("query", "key", "value")
# What is here as published and cannot be set.
_FIXED = {"hidden_act": "silu", "attention_bias": False}
_FIXED_ROPE = {"mrope_interleaved": True, "rope_type": "default"}

_Eye = Literal["qwen3_vl", "siglip"]
_Weights = Mapping[str, Tensor]
_Settings = Mapping[str, Any]


def with_words(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same, the words that are read among them: those that are said are the same, and stored under either name."""
    for eye, said in _SAID.items():
        if said in weights:
            weights.setdefault(f"{_LLM[eye]}embed_tokens.weight", weights[said])
    return weights


def vlm_unread(eye: _Eye) -> set[str]:
    """Names of published weights that acting never uses."""
    if eye == "qwen3_vl":
        return {_SAID[eye], f"{_LLM[eye]}norm.weight"}
    late = [f"post_layernorm.{end}" for end in ("weight", "bias")] + [f"head.{part}" for part in _POOL]
    return {_SAID[eye], *(_EAGLE_EYE + name for name in late)}


def vlm_entry(key: str, eye: _Eye) -> Entry:
    """Where a weight of our QwenVlm is."""
    part, _, rest = key.partition(".")
    match part:
        case "eye":
            return _qwen_eye(rest) if eye == "qwen3_vl" else Entry(_EAGLE_EYE + siglip_name(rest))
        case "seen":
            return Entry(f"{EAGLE}mlp1.0.{rest}")
        case "word":
            return Entry(f"{_LLM[eye]}embed_tokens.weight")
        case _:
            return Entry(_LLM[eye] + decoder_name(rest))


def as_published(folder: Path, settings: _Settings, fixed: _Settings) -> None:
    """Raises WeightsError for a setting that is otherwise than it can be here."""
    for name, value in fixed.items():
        if settings.get(name, value) != value:
            raise WeightsError(f"{folder}/config.json: {name} is {settings[name]!r}; known: {value!r}")


def _qwen_eye(key: str) -> Entry:
    """Where a weight of Qwen3-VL's eye is."""
    part, _, rest = key.partition(".")
    match part:
        case "patch":
            flat = (lambda x: x.flatten(1)) if rest == "weight" else (lambda x: x)
            return Entry(f"{_QWEN_EYE}patch_embed.proj.{rest}", flat)
        case "places":
            return Entry(f"{_QWEN_EYE}pos_embed.weight")
        case "merger" | "deep_mergers":
            whole = "merger" if part == "merger" else "deepstack_merger_list"
            return Entry(f"{_QWEN_EYE}{whole}.{rest.replace('widen', 'linear_fc1').replace('out', 'linear_fc2')}")
        case _:
            _, index, rest = rest.split(".", 2)
            layer, _, end = rest.removeprefix("read.").partition(".")
            theirs = f"{_QWEN_EYE}blocks.{index}.{_EYE[layer]}.{end}"
            return Entry(theirs, _third(_QKV.index(layer))) if layer in _QKV else Entry(theirs)


def _third(index: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.chunk(3)[index]


def vlm_sizes(
    folder: Path, weights: _Weights, settings: _Settings, published: QwenVlmConfig, deep: tuple[int, ...] | None
) -> dict[str, Any]:
    """Sizes of the VLM: those of the weights; what only its settings tell is as published where they do not.

    deep: see QwenVlmConfig, where it is given. Raises WeightsError for a VLM that is none of these.
    """
    text, start = settings.get("text_config", {}), _LLM[published.eye]
    as_published(folder, text, _FIXED)
    vocabulary, width = shape(weights, f"{start}embed_tokens.weight")
    layer = f"{start}layers.0."
    head_width = shape(weights, f"{layer}self_attn.q_norm.weight")[0]
    rope = text.get("rope_parameters") or {}
    eye = _qwen_eye_sizes if published.eye == "qwen3_vl" else _eagle_eye_sizes
    return {
        "vocabulary": vocabulary,
        "vlm_width": width,
        "vlm_layers": count(weights, f"{start}layers."),
        "vlm_heads": shape(weights, f"{layer}self_attn.q_proj.weight")[0] // head_width,
        "vlm_kv_heads": shape(weights, f"{layer}self_attn.k_proj.weight")[0] // head_width,
        "vlm_head_width": head_width,
        "vlm_mlp": shape(weights, f"{layer}mlp.up_proj.weight")[0],
        "base": rope.get("rope_theta", text.get("rope_theta", published.base)),
        "eps": text.get("rms_norm_eps", published.eps),
    } | eye(folder, weights, settings, published, deep)


def _qwen_eye_sizes(
    folder: Path, weights: _Weights, settings: _Settings, published: QwenVlmConfig, deep: tuple[int, ...] | None
) -> dict[str, Any]:
    eye = settings.get("vision_config", {})
    width, _, _, patch, _ = shape(weights, f"{_QWEN_EYE}patch_embed.proj.weight")
    squared = shape(weights, f"{_QWEN_EYE}merger.linear_fc1.weight")[0]
    deep = tuple(deep or eye.get("deepstack_visual_indexes", published.deep))
    if len(deep) != count(weights, f"{_QWEN_EYE}deepstack_merger_list."):
        raise WeightsError(f"{folder}: layers {deep} of the eye do not fit the weights; give vlm= or deep=")
    text = settings.get("text_config", {})
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    as_published(folder, rope, _FIXED_ROPE)
    return {
        "image_word": settings.get("image_token_id", published.image_word),
        "patch": patch,
        "side": math.isqrt(shape(weights, f"{_QWEN_EYE}pos_embed.weight")[0]),
        "merge": math.isqrt(squared // width),
        "deep": deep,
        "vision_width": width,
        "vision_layers": count(weights, f"{_QWEN_EYE}blocks."),
        "vision_heads": eye.get("num_heads", published.vision_heads),
        "vision_mlp": shape(weights, f"{_QWEN_EYE}blocks.0.mlp.linear_fc1.weight")[0],
        "sections": tuple(rope.get("mrope_section", published.sections)),
    }


def _eagle_eye_sizes(
    folder: Path, weights: _Weights, settings: _Settings, published: QwenVlmConfig, deep: tuple[int, ...] | None
) -> dict[str, Any]:
    eye = settings.get("vision_config", {})
    if deep:
        raise WeightsError(f"{folder}: layers {deep} of the eye are given, but Eagle uses its last alone")
    width, _, patch, _ = shape(weights, f"{_EAGLE_EYE}embeddings.patch_embedding.weight")
    layers = count(weights, f"{_EAGLE_EYE}encoder.layers.")
    # What its last layer says is read, without the norm that comes after.
    as_published(folder, settings, {"use_pixel_shuffle": False, "select_layer": layers})
    return {
        "image_word": settings.get("image_token_index", published.image_word),
        "image_size": patch * math.isqrt(shape(weights, f"{_EAGLE_EYE}embeddings.position_embedding.weight")[0]),
        "patch": patch,
        "vision_width": width,
        "vision_layers": layers,
        "vision_heads": eye.get("num_attention_heads", published.vision_heads),
        "vision_mlp": shape(weights, f"{_EAGLE_EYE}encoder.layers.0.mlp.fc1.weight")[0],
    }
