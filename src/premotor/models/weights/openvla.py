"""OpenVLA and OpenVLA-OFT as published -> the systems, strictly.

A folder has the VLM in model*.safetensors, as one file or several; OFT's has its parts beside them. The last block of
each tower, what comes after it, and a head that says words where none are said, are published but never used.
"""

import json
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.systems.openvla import OpenVla, OpenVlaConfig
from premotor.models.systems.openvla_oft import OpenVlaOft, OpenVlaOftConfig
from premotor.models.weights.huggingface import count, decoder_name, shape
from premotor.models.weights.table import Entry, fill

__all__ = ["load_openvla", "load_openvla_oft", "openvla_table", "openvla_unread"]

_EYE, _LLM = "vision_backbone.", "language_model."
_TOWERS = {"dino": f"{_EYE}featurizer.", "siglip": f"{_EYE}fused_featurizer."}
_WORDS, _SAYS = f"{_LLM}model.embed_tokens.weight", f"{_LLM}lm_head.weight"
_PARTS = ("action_head", "proprio_projector", "noisy_action_projector")
_INSIDE = {"regression": "action_head.model.", "diffusion": "action_head.noise_predictor.mlp_resnet."}
# Heads are not told by weights, so a tower is known by its name.
_KNOWN_HEADS = {"vit_large_patch14_reg4_dinov2.lvd142m": 16, "vit_so400m_patch14_siglip_224": 16}
_LLAMA = {"num_attention_heads": 32, "rms_norm_eps": 1e-6}
# What is here as published and cannot be set.
_FIXED = {
    "use_fused_vision_backbone": True,
    "image_resize_strategy": "resize-naive",
    "arch_specifier": "no-align+fused-gelu-mlp",
}
_FIXED_TEXT = {"hidden_act": "silu", "rope_theta": 10000.0, "rope_scaling": None, "tie_word_embeddings": False}
_BLOCK = {
    "before_read": "norm1", "before_think": "norm2", "widen": "mlp.fc1", "narrow": "mlp.fc2",
    "read_scale": "ls1.scale_factor", "think_scale": "ls2.scale_factor",
    "read.query": "attn.qkv", "read.key": "attn.qkv", "read.value": "attn.qkv", "read.out": "attn.proj",
}  # fmt: skip
_FILM = {"factor": "scale", "shift": "shift"}
_QKV = ("read.query", "read.key", "read.value")
# One row for the one picture, in what was published.
_WHOLE = {"places": "pos_embed", "whole": "cls_token", "registers": "reg_token"}
_UNUSED = ("norm.weight", "norm.bias")
_POOL = ("latent", "q", "kv", "proj", "norm", "mlp.fc1", "mlp.fc2")
_HEAD = {
    "before_into": "layer_norm1", "into": "fc1", "before_out": "layer_norm2", "out": "fc2",
    "blocks": "mlp_resnet_blocks", "norm": "ffn.0", "think": "ffn.1",
}  # fmt: skip


def load_openvla(folder: Path, **sizes: Any) -> OpenVla:
    """The system in a folder. sizes: what it does not tell, or tells otherwise (cameras, dino_heads, siglip_heads).

    Raises WeightsError with the list of what does not fit.
    """
    weights, told = _read(folder)
    if _part(folder, "action_head"):
        raise WeightsError(f"{folder} holds an OpenVLA-OFT, which has an action head; load it as that")
    config = OpenVlaConfig(**_sizes(folder, weights, told, sizes) | sizes)
    return fill(config.build(), _used(weights, config), openvla_table(config), str(folder))


def load_openvla_oft(folder: Path, *, horizon: int, **sizes: Any) -> OpenVlaOft:
    """The system in a folder, and its parts beside the VLM's weights.

    horizon: actions in a chunk; neither this nor the cameras, nor for how many steps diffusion was trained, is told by
    what was published. sizes: those, see load_openvla; head="words" for a policy without an action head, state_dim=0
    for one that is not told the state. Raises WeightsError with the list of what does not fit.
    """
    weights, told = _read(folder)
    parts = {name: part for name in _PARTS if (part := _part(folder, name))}
    if film := _part(folder, "vision_backbone"):
        weights = {k: v for k, v in weights.items() if not k.startswith(_EYE)} | film
    sizes = _part_sizes(folder, parts) | {"film": bool(film), "horizon": horizon} | sizes
    for name, file, instead in (
        ("head", "action_head", "head='words' if it says words"),
        ("state_dim", "proprio_projector", "state_dim=0 if it is not told the state"),
    ):
        if name not in sizes:
            raise WeightsError(f"{folder} has no {file}; fetch the whole checkpoint, or give {instead}")
    config = OpenVlaOftConfig(**_sizes(folder, weights, told, sizes) | sizes)
    if config.head == "words":
        parts = {name: part for name, part in parts.items() if name == "proprio_projector"}
    weights = _used(weights, config) | {f"{name}.{k}": v for name, part in parts.items() for k, v in part.items()}
    return fill(config.build(), weights, openvla_table(config), str(folder))


def _part_sizes(folder: Path, parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
    """What OFT's parts tell."""
    found: dict[str, Any] = {}
    if "proprio_projector" in parts:
        found["state_dim"] = shape(parts["proprio_projector"], "fc1.weight")[1]
    if "action_head" in parts:
        head = parts["action_head"]
        kinds = [kind for kind, start in _INSIDE.items() if f"{start.removeprefix('action_head.')}fc1.weight" in head]
        if not kinds:
            raise WeightsError(f"{folder}: the action head is neither of these: {', '.join(_INSIDE)}")
        found["head"] = kinds[0]
        found["action_dim"] = shape(head, f"{_INSIDE[kinds[0]].removeprefix('action_head.')}fc2.bias")[0]
    return found


def openvla_table(config: OpenVlaConfig | OpenVlaOftConfig) -> dict[str, Entry]:
    """Where each of our weights is in what was published; OFT's parts have the part's name in front."""
    with torch.device("meta"):
        ours = config.build().state_dict()
    return {key: _entry(key, config) for key in ours}


def openvla_unread(config: OpenVlaConfig | OpenVlaOftConfig) -> set[str]:
    """Names of published weights that acting never uses."""
    ends = [f"attn_pool.{part}.{end}" for part in _POOL[1:] for end in ("weight", "bias")]
    names = {_TOWERS["siglip"] + end for end in ("attn_pool.latent", *ends)}
    film = _film(config)
    for tower, layers in (("dino", config.dino_layers), ("siglip", config.siglip_layers)):
        names |= {_TOWERS[tower] + end for end in _UNUSED}
        parts = {p for p in _BLOCK if not p.endswith("_scale")} | (set(_FILM) if film else set())
        keys = [f"{part}.{end}" for part in parts for end in ("weight", "bias")]
        keys += ["read_scale", "think_scale"] if tower == "dino" else []
        names |= {_tower(tower, f"encoder.blocks.{layers - 1}.{key}", film).theirs for key in keys}
    if isinstance(config, OpenVlaOftConfig) and config.head != "words":
        names.add(_SAYS)
    return names


def _film(config: OpenVlaConfig | OpenVlaOftConfig) -> bool:
    return isinstance(config, OpenVlaOftConfig) and config.film


def _entry(key: str, config: OpenVlaConfig | OpenVlaOftConfig) -> Entry:
    part, _, rest = key.removeprefix("vlm.").partition(".")
    match part:
        case "eye":
            tower, _, rest = rest.partition(".")
            return _tower(tower, rest, _film(config))
        case "seen":
            index, _, end = rest.partition(".")
            return Entry(f"projector.fc{int(index) + 1}.{end}")
        case "word":
            return Entry(_WORDS)
        case "says":
            return Entry(_SAYS)
        case "decoder":
            return Entry(f"{_LLM}model.{decoder_name(rest)}")
        case "state" | "noisy":
            index, _, end = rest.partition(".")
            whole = {"state": "proprio_projector", "noisy": "noisy_action_projector"}[part]
            return Entry(f"{whole}.fc{int(index) // 2 + 1}.{end}")
        case _:
            inside = ".".join(_HEAD.get(piece, piece) for piece in rest.split("."))
            return Entry(_INSIDE[cast(OpenVlaOftConfig, config).head] + inside)


def _tower(tower: str, key: str, film: bool) -> Entry:
    """Where a weight of a tower is."""
    start = _TOWERS[tower]
    if key in _WHOLE:
        return Entry(start + _WHOLE[key], lambda x: x[0])
    if key.startswith("patch."):
        return Entry(f"{start}patch_embed.proj.{key.removeprefix('patch.')}")
    _, _, index, rest = key.split(".", 3)
    block = f"{start}blocks.{index}."
    if rest in _BLOCK:
        return Entry(f"{block}{'block.' if film else ''}{_BLOCK[rest]}")
    part, _, end = rest.rpartition(".")
    if part in _FILM:
        return Entry(f"{block}{_FILM[part]}.{end}")
    theirs = f"{block}{'block.' if film else ''}{_BLOCK[part]}.{end}"
    return Entry(theirs, _third(_QKV.index(part))) if part in _QKV else Entry(theirs)


def _third(index: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.chunk(3)[index]


def _used(weights: Mapping[str, Tensor], config: OpenVlaConfig | OpenVlaOftConfig) -> dict[str, Tensor]:
    unread = openvla_unread(config)
    return {key: weight for key, weight in weights.items() if key not in unread}


def _read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All weights of the VLM, and its description."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files or not (folder / "config.json").is_file():
        raise WeightsError(f"{folder} is not an OpenVLA checkpoint: it needs config.json and model*.safetensors")
    try:
        told = json.loads((folder / "config.json").read_text())
        weights = {key: value for file in files for key, value in load_file(file).items()}
    except (ValueError, SafetensorError) as damage:
        raise WeightsError(f"{folder} is damaged: {damage}; fetch the checkpoint again") from damage
    if told.get("model_type") != "openvla":
        raise WeightsError(f"{folder} holds a model of type {told.get('model_type')!r}, not 'openvla'")
    for part, fixed in ((told, _FIXED), (told.get("text_config", {}), _FIXED_TEXT)):
        for name, value in fixed.items():
            if part.get(name, value) != value:
                raise WeightsError(f"{folder}/config.json: {name} is {part[name]!r}; known: {value!r}")
    return weights, told


def _part(folder: Path, name: str) -> dict[str, Tensor]:
    """One part of OFT: NAME.safetensors, or NAME--STEPS_checkpoint.pt as training wrote it; empty if there is none."""
    files = [*folder.glob(f"{name}.safetensors"), *folder.glob(f"{name}--*_checkpoint.pt")]
    if len(files) > 1:
        raise WeightsError(f"{folder} has {len(files)} files of {name}; keep one: {', '.join(f.name for f in files)}")
    if not files:
        return {}
    try:
        if files[0].suffix == ".pt":
            found = torch.load(files[0], map_location="cpu", weights_only=True)
        else:
            found = load_file(files[0])
    except (RuntimeError, pickle.UnpicklingError, SafetensorError) as damage:
        raise WeightsError(f"{files[0]} is damaged: {damage}; fetch the checkpoint again") from damage
    return {key.removeprefix("module."): value for key, value in found.items()}


def _sizes(
    folder: Path, weights: Mapping[str, Tensor], told: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The sizes of the VLM: those of the weights, and what only the description tells."""
    text, layer = _LLAMA | told.get("text_config", {}), f"{_LLM}model.layers.0."
    vocabulary, width = shape(weights, _WORDS)
    heads = text["num_attention_heads"]
    found: dict[str, Any] = {
        "vocabulary": vocabulary,
        "spoken": vocabulary - told.get("pad_to_multiple_of", 64),
        "bins": told.get("n_action_bins", 256),
        "width": width,
        "mlp": shape(weights, f"{layer}mlp.up_proj.weight")[0],
        "layers": count(weights, f"{_LLM}model.layers."),
        "heads": heads,
        "kv_heads": shape(weights, f"{layer}self_attn.k_proj.weight")[0] * heads // width,
        "eps": text["rms_norm_eps"],
        "registers": shape(weights, f"{_TOWERS['dino']}reg_token")[1],
    }
    for (tower, start), name in zip(_TOWERS.items(), told.get("timm_model_ids", ("", "")), strict=True):
        tower_width, _, patch, _ = shape(weights, f"{start}patch_embed.proj.weight")
        block = f"{start}blocks.0."
        inside = "block." if f"{block}block.norm1.weight" in weights else ""
        found[f"{tower}_width"] = tower_width
        found[f"{tower}_layers"] = count(weights, f"{start}blocks.")
        found[f"{tower}_mlp"] = shape(weights, f"{block}{inside}mlp.fc1.weight")[0]
        found["patch"], found["image_size"] = patch, patch * math.isqrt(shape(weights, f"{start}pos_embed")[1])
        if name not in _KNOWN_HEADS and f"{tower}_heads" not in given:
            raise WeightsError(f"{folder}: nothing tells how many heads {name!r} has; give {tower}_heads=")
        found[f"{tower}_heads"] = _KNOWN_HEADS.get(name)
    return found
