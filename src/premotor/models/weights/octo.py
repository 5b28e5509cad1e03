"""Octo's published parameters, flat with "/" between Flax names -> the system and its text encoder, strictly."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.language.t5 import T5Config, T5Encoder
from premotor.models.systems.octo import Octo, OctoConfig
from premotor.models.weights.table import Entry, fill

__all__ = ["load_octo", "load_octo_text", "octo_config", "octo_settings", "octo_table", "octo_text_table"]

_OCTO, _HEAD = "octo_transformer/", "heads_action/diffusion_model/"
_TEXT = f"{_OCTO}task_tokenizers_language/hf_model/"


def octo_settings(model: Mapping[str, Any]) -> dict[str, Any]:
    """What octo_config needs beside the weights, from the "model" part of a published config.json.

    Raises WeightsError when it describes an Octo of other parts than those here.
    """
    try:
        head, tokenizers = model["heads"]["action"], model["observation_tokenizers"]
        choices, pictures = head["kwargs"], {n: t for n, t in tokenizers.items() if t["name"] == "ImageTokenizer"}
        others = {n: t["name"] for n, t in tokenizers.items() if n not in pictures}
        kinds = {head["name"], *others.values()} - {"DiffusionActionHead", "LowdimObsTokenizer"}
        if kinds or choices.get("use_map") or set(others) - {"proprio"} or len(model["heads"]) > 1:
            raise WeightsError(f"this Octo has parts that are unknown here: {sorted(kinds) or [*others, *choices]}")
        return {
            "horizon": choices.get("action_horizon", 1),
            "steps": choices.get("diffusion_steps", 20),
            "limit": choices.get("max_action", 5.0),
            "draws": choices.get("n_diffusion_samples", 1),
            "cameras": tuple(pictures),
            "repeat_task": model["repeat_task_tokens"],
            "first_release": not model.get("use_correct_attention", False),
        }
    except (KeyError, TypeError, AttributeError) as missing:
        raise WeightsError(f"not the description of an Octo: {missing!r}") from missing


def octo_config(flat: Mapping[str, Tensor], *, horizon: int, cameras: Sequence[str] = (), **rest: Any) -> OctoConfig:
    """The sizes that published weights have. cameras: in their order, by name when empty.

    rest: what weights do not tell (steps, repeat_task, window, ...), see octo_settings. Raises WeightsError when they
    are not those of an Octo with a diffusion head.
    """

    def shape(name: str) -> torch.Size:
        if name not in flat:
            raise WeightsError(f"not the weights of an Octo with a diffusion head: {name} is missing")
        return flat[name].shape

    found = {m[1] for k in flat if (m := re.match(_OCTO + r"observation_tokenizers_([^/]+)/S", k))}
    cameras = tuple(cameras or sorted(found))
    if not cameras or found != set(cameras):
        raise WeightsError(f"not the weights of an Octo with a diffusion head: cameras {sorted(found)}, not {cameras}")
    stem = _stem(flat, cameras[0])
    convs = _count(flat, f"{stem}StdConv_")
    patch = shape(f"{stem}embedding/kernel")[0] * 2**convs
    blocks = f"{_OCTO}BlockTransformer_0/Transformer_0/encoderblock_"
    words, width = shape(f"{_OCTO}task_language_pos_embedding")[1:]
    head = f"{_HEAD}reverse_network/"
    dims = shape(f"{head}Dense_1/bias")[0] // horizon
    tokens = [shape(f"{_OCTO}obs_{c}_pos_embedding")[2] for c in cameras]
    sizes: dict[str, Any] = {
        "embodiments": ("any",),
        "state_dims": (1,),
        "action_dims": (dims,),
        "cameras": cameras,
        "image_sizes": tuple(math.isqrt(n) * patch for n in tokens),
        "moments": shape(f"{_OCTO}readout_action_pos_embedding")[1],
        "readouts": shape(f"{_OCTO}readout_action_pos_embedding")[2],
        "horizon": horizon,
        "words": words,
        "text_width": shape(f"{_OCTO}task_language_projection/kernel")[0],
        "goals": shape(f"{stem}StdConv_0/kernel")[2] == 6,
        "stem": tuple(shape(f"{stem}StdConv_{i}/kernel")[3] for i in range(convs)),
        "features": shape(f"{stem}embedding/kernel")[3],
        "patch": patch,
        "width": width,
        "layers": _count(flat, blocks),
        "heads": shape(f"{blocks}0/MultiHeadDotProductAttention_0/query/kernel")[1],
        "mlp": shape(f"{blocks}0/MlpBlock_0/Dense_0/kernel")[1],
        "head_width": shape(f"{head}Dense_0/kernel")[1],
        "head_blocks": _count(flat, f"{head}MLPResNetBlock_"),
        "time": 2 * shape(f"{_HEAD}time_preprocess/kernel")[0],
    }
    if f"{_OCTO}obs_proprio_projection/kernel" in flat:
        sizes |= {"proprioception": True, "state_dims": (shape(f"{_OCTO}obs_proprio_pos_embedding")[2],)}
    return OctoConfig(**sizes | rest)


def load_octo(flat: Mapping[str, Tensor], config: OctoConfig) -> Octo:
    """The system with these weights; raises WeightsError when any is missing, unknown or of another shape.

    The text encoder's own weights may be among them; load_octo_text reads those.
    """
    stems = {name: _stem(flat, name) for name in config.cameras}
    own = {key: value for key, value in flat.items() if not key.startswith(_TEXT)}
    return fill(config.build(), own, octo_table(config, stems), "Octo")


def load_octo_text(flat: Mapping[str, Tensor]) -> T5Encoder:
    """The frozen text encoder inside Octo's weights; raises WeightsError when any is missing, unknown or misshapen."""
    own = {key: value for key, value in flat.items() if key.startswith(_TEXT)}
    block = f"{_TEXT}encoder/block/0/layer/"
    try:
        vocabulary, width = own[f"{_TEXT}shared/embedding"].shape
        buckets, heads = own[f"{block}0/SelfAttention/relative_attention_bias/embedding"].shape
        inner = own[f"{block}0/SelfAttention/q/kernel"].shape[1]
        mlp = own[f"{block}1/DenseReluDense/wi/kernel"].shape[1]
    except KeyError as missing:
        raise WeightsError(f"no T5 encoder among these weights: {missing} is missing") from missing
    config = T5Config(
        vocabulary=vocabulary,
        width=width,
        layers=_count(own, f"{_TEXT}encoder/block/"),
        heads=heads,
        head_width=inner // heads,
        mlp=mlp,
        buckets=buckets,
    )
    return fill(config.build(), own, octo_text_table(config), "Octo's text encoder").requires_grad_(False)


def octo_table(config: OctoConfig, stems: Mapping[str, str]) -> dict[str, Entry]:
    """Where each of our parameters is in the published weights. stems: camera -> beginning of its stem's names."""
    table = {
        "encoder.norm": f"{_OCTO}BlockTransformer_0/Transformer_0/encoder_norm",
        "head.when.0": f"{_HEAD}cond_encoder/Dense_0",
        "head.when.1": f"{_HEAD}cond_encoder/Dense_1",
        "head.into": f"{_HEAD}reverse_network/Dense_0",
        "head.out": f"{_HEAD}reverse_network/Dense_1",
        "project.task_language": f"{_OCTO}task_language_projection",
    }
    for index in range(config.head_blocks):
        at = f"{_HEAD}reverse_network/MLPResNetBlock_{index}/"
        inner = {"norm": "LayerNorm_0", "widen": "Dense_0", "narrow": "Dense_1"}
        table |= {f"head.blocks.{index}.{ours}": at + theirs for ours, theirs in inner.items()}
    for index in range(config.layers):
        at = f"{_OCTO}BlockTransformer_0/Transformer_0/encoderblock_{index}/"
        inner = {"before_read": "LayerNorm_0", "before_think": "LayerNorm_1"}
        inner |= {"widen": "MlpBlock_0/Dense_0", "narrow": "MlpBlock_0/Dense_1"}
        inner |= {f"read.{part}": f"MultiHeadDotProductAttention_0/{part}" for part in ("query", "key", "value", "out")}
        table |= {f"encoder.blocks.{index}.{ours}": at + theirs for ours, theirs in inner.items()}
    for camera in config.cameras:
        table[f"project.obs_{camera}"] = f"{_OCTO}obs_{camera}_projection"
        table[f"stems.{camera}.patch"] = f"{stems[camera]}embedding"
        for index in range(len(config.stem)):
            table[f"stems.{camera}.convs.{index}"] = f"{stems[camera]}StdConv_{index}"
            table[f"stems.{camera}.norms.{index}"] = f"{stems[camera]}GroupNorm_{index}"
    if config.proprioception:
        table["project.obs_state"] = f"{_OCTO}obs_proprio_projection"
    entries = {key: entry for ours, theirs in table.items() for key, entry in _layer(ours, theirs)}
    for group in config.groups:
        if group.name != "obs_task_language":
            theirs = group.name.replace("obs_state", "obs_proprio")
            entries[f"places.{group.name}"] = Entry(f"{_OCTO}{theirs}_pos_embedding", lambda x: x[0])
    return entries | {"head.time.frequencies": Entry(f"{_HEAD}time_preprocess/kernel")}


def octo_text_table(config: T5Config) -> dict[str, Entry]:
    """Where each of the text encoder's parameters is in the published weights."""
    distance = f"{_TEXT}encoder/block/0/layer/0/SelfAttention/relative_attention_bias/embedding"
    table = {
        "embed.weight": Entry(f"{_TEXT}shared/embedding"),
        "distance.weight": Entry(distance),
        "norm.weight": Entry(f"{_TEXT}encoder/final_layer_norm/weight"),
    }
    parts = {"query": "0/SelfAttention/q", "key": "0/SelfAttention/k", "value": "0/SelfAttention/v"}
    parts |= {"out": "0/SelfAttention/o", "widen": "1/DenseReluDense/wi", "narrow": "1/DenseReluDense/wo"}
    for index in range(config.layers):
        at = f"{_TEXT}encoder/block/{index}/layer/"
        for ours, theirs in parts.items():
            table[f"blocks.{index}.{ours}.weight"] = Entry(f"{at}{theirs}/kernel", lambda x: x.T)
        for ours, layer in (("before_read", 0), ("before_think", 1)):
            table[f"blocks.{index}.{ours}.weight"] = Entry(f"{at}{layer}/layer_norm/weight")
    return table


def _layer(ours: str, theirs: str) -> list[tuple[str, Entry]]:
    """Weight and bias of one layer; its kind follows from its name."""
    kind = theirs.rsplit("/", 1)[-1]
    bias = (f"{ours}.bias", Entry(f"{theirs}/bias", torch.flatten))
    if "norm" in kind.lower():
        return [(f"{ours}.weight", Entry(f"{theirs}/scale")), bias]
    if kind.startswith("StdConv") or kind == "embedding":
        return [(f"{ours}.weight", Entry(f"{theirs}/kernel", lambda x: x.permute(3, 2, 0, 1))), bias]
    if kind == "out":
        return [(f"{ours}.weight", Entry(f"{theirs}/kernel", lambda x: x.flatten(0, -2).T)), bias]
    return [(f"{ours}.weight", Entry(f"{theirs}/kernel", lambda x: x.flatten(1).T)), bias]


def _count(flat: Mapping[str, Tensor], start: str) -> int:
    """How many numbered layers begin with `start`."""
    return len({m[1] for key in flat if (m := re.match(re.escape(start) + r"(\d+)/", key))})


def _stem(flat: Mapping[str, Tensor], camera: str) -> str:
    """The beginning of the names of a camera's stem; the last part says which of Octo's stems it was."""
    start = f"{_OCTO}observation_tokenizers_{camera}/"
    found = {key.removeprefix(start).split("/")[0] for key in flat if key.startswith(start)}
    if len(found) != 1 or not next(iter(found)).startswith("SmallStem"):
        raise WeightsError(f"camera {camera!r}: one SmallStem expected under {start}, found {sorted(found)}")
    return f"{start}{found.pop()}/"
