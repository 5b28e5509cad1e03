"""What Hugging Face's layouts call the weights of parts that many published systems share."""

import re
from collections.abc import Mapping

from torch import Tensor

from premotor.core.errors import WeightsError

__all__ = ["count", "decoder_name", "shape", "siglip_name"]

_DECODER = {
    "before_read": "input_layernorm", "before_think": "post_attention_layernorm", "factors": "dense",
    "query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj", "out": "self_attn.o_proj",
    "query_norm": "self_attn.q_norm", "key_norm": "self_attn.k_norm",
    "gate": "mlp.gate_proj", "widen": "mlp.up_proj", "narrow": "mlp.down_proj", "blocks": "layers",
}  # fmt: skip
_SIGLIP = {
    "patch": "embeddings.patch_embedding", "places": "embeddings.position_embedding.weight", "blocks": "layers",
    "before_read": "layer_norm1", "before_think": "layer_norm2", "read": "self_attn", "query": "q_proj",
    "key": "k_proj", "value": "v_proj", "out": "out_proj", "widen": "mlp.fc1", "narrow": "mlp.fc2",
}  # fmt: skip


def decoder_name(key: str) -> str:
    """Published name of a key of our Decoder, in the layout of Llama, Gemma and their kin."""
    return ".".join(_DECODER.get(part, part) for part in key.split("."))


def siglip_name(key: str) -> str:
    """Published name of a key of our SigLip."""
    if key.startswith("encoder.norm."):
        return key.replace("encoder.norm", "post_layernorm")
    return ".".join(_SIGLIP.get(part, part) for part in key.split("."))


def shape(weights: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    """Shape of a published weight; raises WeightsError when there is none."""
    if name not in weights:
        raise WeightsError(f"missing: {name}; are these the weights of another system?")
    return tuple(weights[name].shape)


def count(weights: Mapping[str, Tensor], start: str) -> int:
    """How many numbered layers there are whose names begin so."""
    layer = re.compile(re.escape(start) + r"(\d+)\.")
    return len({m[1] for key in weights if (m := layer.match(key))})
