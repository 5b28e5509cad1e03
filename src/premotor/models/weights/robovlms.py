"""RoboVLMs as its training writes them, with PaliGemma as the backbone -> the system, strictly.

The published Kosmos-2 policies have a backbone that is not here yet; their heads are these.
"""

import math
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.systems.robovlms import RoboVlms, RoboVlmsConfig
from premotor.models.weights.paligemma import SPOKEN, tidy, vlm_name
from premotor.models.weights.table import Entry, fill

__all__ = ["head_entry", "load_robovlms", "robovlms_config", "robovlms_table"]

_VLM, _HEAD = "model.backbone.", "model.act_head."
# The same VLM, where it is part of another policy.
_KNOWN_VLM = "paligemma_with_expert.paligemma."
# GPT-2 keeps what it may read, which is no weight.
_MASK = re.compile(re.escape(_HEAD) + r"gpt\.h\.\d+\.attn\.(masked_)?bias")
_BLOCK = {
    "before_read": "ln_1", "before_think": "ln_2", "widen": "mlp.c_fc", "narrow": "mlp.c_proj",
    "read.query": "attn.c_attn", "read.key": "attn.c_attn", "read.value": "attn.c_attn", "read.out": "attn.c_proj",
}  # fmt: skip
_QKV = ("read.query", "read.key", "read.value")
_GPT = {"places": "gpt.wpe.weight", "encoder.norm": "gpt.ln_f", "into": "fc"}
_CELLS = {
    ("FCDecoder", "post"): ("one_step", "fc"), ("FCDecoder", "pre"): ("interleaved", "fc"),
    ("LSTMDecoder", "post"): ("policy_head", "lstm"), ("GPTDecoder", "post"): ("policy_head", "gpt"),
}  # fmt: skip


def robovlms_config(told: Mapping[str, Any], **sizes: Any) -> RoboVlmsConfig:
    """The cell that a published configuration (configs/*/*.json) describes. sizes: what is to be otherwise.

    Raises WeightsError when it is of a backbone or a cell that is not here.
    """
    try:
        name, head = told["robovlm_name"], told["act_head"]
        if name != "RoboPaligemma":
            raise WeightsError(f"the backbone is {name!r}; published weights are read with 'RoboPaligemma'")
        found: dict[str, Any] = {
            "cameras": ("hand", "static") if told["use_hand_rgb"] else ("static",),
            "action_dims": (head["action_dim"],),
            "window": told["window_size"],
            "horizon": told["fwd_pred_next_n"],
            "gripper_share": told["arm_gripper_loss_ratio"],
            "latent": head.get("latent", 1),
        }
        kind, form = head["type"], head.get("history_type", "post")
        if kind == "DiscreteDecoder":
            found |= {"action": "discrete", "bins": head.get("n_bin", 256)}
            found["history"] = "one_step" if told["window_size"] == 1 else "interleaved"
        elif (kind, form) in _CELLS:
            found["history"], found["head"] = _CELLS[kind, form]
            found["head_width"] = head["hidden_size"]
            found["layers"] = 8 if kind == "GPTDecoder" else head.get("num_layers", 4)
        else:
            cells = ", ".join(" with ".join(cell) for cell in _CELLS)
            raise WeightsError(f"{kind} with {form} is no cell of the grid; known: DiscreteDecoder, {cells}")
    except (KeyError, TypeError, AttributeError) as missing:
        raise WeightsError(f"not the configuration of a RoboVLM: {missing!r}") from missing
    return RoboVlmsConfig(**found | sizes)


def load_robovlms(file: Path, config: RoboVlmsConfig) -> RoboVlms:
    """The system with the weights in a file (.safetensors, or a checkpoint of torch).

    config: see robovlms_config. Raises WeightsError with the list of what does not fit.
    """
    try:
        found = load_file(file) if file.suffix == ".safetensors" else _unpacked(file)
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError, SafetensorError) as damage:
        raise WeightsError(f"{file} holds no weights that can be read: {damage}") from damage
    ours = {}
    for key, weight in found.items():
        key = key.removeprefix("module.")
        key = key if key.startswith("model.") else f"model.{key}"
        if not (config.head == "gpt" and _MASK.fullmatch(key)):
            ours[key.replace(_VLM, _KNOWN_VLM, 1)] = weight
    ours = tidy(ours)
    # It is also stored as what words are read with.
    ours.pop(SPOKEN, None)
    return fill(config.build(), ours, robovlms_table(config), str(file))


def robovlms_table(config: RoboVlmsConfig) -> dict[str, Entry]:
    """Where each of our weights is in what was published. Raises WeightsError for other backbones than PaliGemma."""
    if config.backbone != "paligemma":
        raise WeightsError(f"RoboVLMs was not published with {config.backbone!r} as it is here; take 'paligemma'")
    with torch.device("meta"):
        system = config.build()
    return {key: _entry(key, math.sqrt(system.vlm.width)) for key in system.state_dict()}


def _entry(key: str, loud: float) -> Entry:
    if key == "action":
        # There, the VLM makes all that it is given as much longer as Gemma's words have to be.
        return Entry("model.action_token", lambda x: x * loud)
    if key.startswith("vlm.vlm."):
        return Entry(vlm_name(key.removeprefix("vlm.vlm.")))
    entry = head_entry(key)
    return Entry(_HEAD + entry.theirs, entry.turn)


def head_entry(key: str) -> Entry:
    """Where a weight of the policy head is, by the names of the published head."""
    part, _, rest = key.partition(".")
    if part == "head":
        made, _, rest = rest.partition(".")
        return Entry(f"{'actions' if made == 'arm' else made}.mlp.{rest}")
    rest = rest.removeprefix("body.")
    if rest[0].isdigit():
        return Entry(f"mlp.{rest}")
    start = next((name for name in _GPT if rest.startswith(name)), None)
    if start is not None:
        return Entry(_GPT[start] + rest.removeprefix(start))
    if not rest.startswith("encoder.blocks."):
        return Entry(f"rnn.{rest}")
    index, inside = rest.removeprefix("encoder.blocks.").split(".", 1)
    inside, _, end = inside.rpartition(".")
    theirs = f"gpt.h.{index}.{_BLOCK[inside]}.{end}"
    if inside in _QKV:
        return Entry(theirs, _third(_QKV.index(inside)))
    return Entry(theirs, _turned)


def _third(index: int) -> Callable[[Tensor], Tensor]:
    return lambda x: _turned(x.chunk(3, -1)[index])


def _turned(x: Tensor) -> Tensor:
    """GPT-2's matrices stand the other way round."""
    return x.T if x.ndim > 1 else x


def _unpacked(file: Path) -> dict[str, Tensor]:
    found = torch.load(file, map_location="cpu", weights_only=True)
    for name in ("state_dict", "model_state_dict"):
        if isinstance(found, Mapping) and name in found:
            return dict(found[name])
    raise ValueError("it has neither state_dict nor model_state_dict")
