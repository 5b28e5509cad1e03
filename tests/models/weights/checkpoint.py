"""Checkpoints with weights that follow from their names and shapes, so that none need be stored."""

import json
import math
import shutil
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

__all__ = ["made_weight", "make", "nature"]


def nature(name: str, shape: tuple[int, ...]) -> str | None:
    """How a weight is drawn; None for a fixed table, which the checkpoint holds as it is."""
    if name.endswith(("pos_enc", "pos_grid", "num_batches_tracked")):
        return None
    if name.endswith("running_var"):
        return "var"
    if len(shape) >= 2:
        return "w"
    normalises = any(part in name for part in ("norm", "bn1", "bn2", "bn3", "downsample.1.", "block.1.", "backbone.1."))
    # Of these, the reference makes no ones that would be there to be kept near.
    others = (".language_model.", ".gemma_expert.", ".visual.", ".vl_self_attention.")
    return "one" if normalises and not any(part in name for part in others) and name.endswith("weight") else "zero"


def made_weight(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The weight of this name: matrices keep the scale of what goes through them, scales are near 1, shifts near 0."""
    rng, kind = np.random.default_rng(zlib.crc32(name.encode())), nature(name, shape)
    if kind == "var":
        return np.asarray(0.5 + rng.random(shape), np.float32)
    drawn = rng.standard_normal(shape)
    if kind == "w":
        return np.asarray(drawn / np.sqrt(max(1, math.prod(shape[1:]))), np.float32)
    return np.asarray(1 + 0.1 * drawn if kind == "one" else 0.1 * drawn, np.float32)


def make(golden: Path, folder: Path) -> Path:
    """The checkpoint folder that a reference was recorded from."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(golden / "config.json", folder / "config.json")
    weights = {}
    with np.load(golden / "golden.npz") as recorded:
        for name, shape in json.loads((golden / "shapes.json").read_text()).items():
            fixed = nature(name, tuple(shape)) is None
            weights[name] = recorded[f"table/{name}"] if fixed else made_weight(name, tuple(shape))
    save_file(weights, folder / "model.safetensors")
    return folder
