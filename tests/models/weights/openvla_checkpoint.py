"""Checkpoints of OpenVLA with weights that follow from their names, so that none need be stored."""

import json
import math
import shutil
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["made", "make_openvla"]

_FILM = ("scale.weight", "scale.bias", "shift.weight", "shift.bias")
_NUMBERS = slice(31744, 32000)


def made(name: str, shape: tuple[int, ...], seed: int, file: str) -> Tensor:
    """The weight of this name in this file."""
    # The towers were made, in half precision, before they were wrapped for FiLM.
    vlm = file.startswith(("model", "vision_backbone")) and not name.endswith(_FILM)
    drawn = _drawn(name.replace(".block.", "."), shape, seed)
    weight = torch.from_numpy(np.asarray(drawn * _loudness(name, file), np.float32))
    if name.endswith("lm_head.weight"):
        weight[_NUMBERS] *= 6
    return weight.bfloat16().float() if vlm else weight


def _loudness(name: str, file: str) -> float:
    """Some are scaled, so that tokens fall on actions and many steps of denoising do not go wild."""
    if name.endswith("q_proj.weight"):
        return 2.0
    if name.endswith(_FILM) or file.startswith("noisy"):
        return 0.3
    return 0.5 if "noise_predictor.mlp_resnet.fc2" in name else 1.0


def _drawn(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)
    if name.endswith(("_token", "pos_embed", "latent")):
        return 0.1 * drawn
    if len(shape) == 1:
        return 0.1 * drawn + name.endswith(("weight", "scale_factor"))
    return drawn if "embed_tokens" in name else np.asarray(drawn / np.sqrt(math.prod(shape[1:])))


def make_openvla(golden: Path, folder: Path) -> Path:
    """The checkpoint folder that the reference was recorded from."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(golden / "config.json", folder / "config.json")
    told = json.loads((golden / "shapes.json").read_text())
    for file, shapes in told["files"].items():
        weights = {name: made(name, tuple(shape), told["seed"], file) for name, shape in shapes.items()}
        save_file(weights, folder / file)
    return folder
