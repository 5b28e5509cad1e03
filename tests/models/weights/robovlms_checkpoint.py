"""RoboVLMs' heads with weights that follow from their names, so that none need be stored."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["made_head"]


def made_head(golden: Path) -> dict[str, Tensor]:
    """The weights that the reference was recorded with, by its names; what GPT-2 may read is no weight."""
    seed = json.loads((golden / "config.json").read_text())["seed"]
    shapes = json.loads((golden / "shapes.json").read_text())
    weights = {name: tuple(s) for name, s in shapes.items() if not name.endswith((".attn.bias", ".masked_bias"))}
    return {name: _made(name, shape, seed).bfloat16().float() for name, shape in weights.items()}


def _made(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    drawn = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)
    if len(shape) > 1:
        loud = 1.4 if name.startswith(("actions", "gripper")) else 1.0
        drawn = drawn / np.sqrt(math.prod(shape[1:])) * loud
    elif ".ln_" in name and name.endswith("weight"):
        drawn = 1 + 0.1 * drawn
    else:
        drawn = drawn * (0.1 if name.startswith("rnn") else 0.05)
    return torch.from_numpy(np.asarray(drawn, np.float32))
