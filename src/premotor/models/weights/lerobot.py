"""What LeRobot's checkpoint folders have in common: config.json, model.safetensors, and statistics.

Numbers of state and action are normalised by the codec; here they are only counted. Statistics lie in files of their
own, or, until LeRobot 0.3, among the weights.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.vision.pixels import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["Backbone", "Checkpoint", "Features", "backbone", "block_name", "features", "read"]

_CAMERA = re.compile(r"observation\.(?:images\.)?(.+)")
# Where statistics were among the weights.
_BUFFERS = ("normalize_inputs.buffer_", "unnormalize_outputs.buffer_", "normalize_targets.buffer_")
_PART = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2", "6": "conv3", "7": "bn3"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A folder as read. pixel_mean, pixel_std: of 0..255, three numbers or three for each camera.

    statistics: such as "observation.state.mean"; empty where the folder has none.
    """

    folder: Path
    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    features: "Features"
    pixel_mean: tuple[float, ...]
    pixel_std: tuple[float, ...]
    statistics: Mapping[str, Tensor]

    def setting(self, name: str, known: Mapping[Any, Any]) -> Any:
        """The value that stands for a setting here; WeightsError lists the known ones."""
        value = self.settings[name]
        if value not in known:
            options = ", ".join(repr(k) for k in known)
            raise WeightsError(f"{self.folder}/config.json: {name} is {value!r}; known: {options}")
        return known[value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Features:
    """What goes in and comes out; sizes are 0 where there is none."""

    cameras: tuple[str, ...]
    image_size: tuple[int, ...]
    state_dim: int
    environment_dim: int
    action_dim: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """Sizes of a residual network."""

    stem: int
    stages: tuple[int, ...]
    blocks: tuple[int, ...]
    bottleneck: bool


def read(folder: Path, kind: str, *, weights: bool = True) -> Checkpoint:
    """Read a folder, without its weights if these are not wanted.

    Raises WeightsError when it is incomplete, damaged or holds another kind of policy.
    """
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise WeightsError(f"{folder} is not a LeRobot checkpoint: {name} is missing")
    try:
        settings = cast(dict[str, Any], json.loads((folder / "config.json").read_text()))
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            buffers = {key: file.get_tensor(key) for key in file.keys() if key.startswith(_BUFFERS)}  # noqa: SIM118
        found = load_file(folder / "model.safetensors") if weights else {}
    except (ValueError, SafetensorError) as damage:
        raise WeightsError(f"{folder} is damaged: {damage}; fetch the checkpoint again") from damage
    if settings.get("type") != kind:
        raise WeightsError(f"{folder} holds a policy of type {settings.get('type')!r}, not {kind!r}")
    known = features(folder, settings)
    statistics = _statistics(folder, settings, buffers)
    mean, std = _pixels(folder, settings, known, statistics)
    return Checkpoint(
        folder=folder,
        settings=settings,
        weights={key: weight for key, weight in found.items() if key not in buffers},
        features=known,
        pixel_mean=mean,
        pixel_std=std,
        statistics=statistics,
    )


def features(folder: Path, settings: Mapping[str, Any]) -> Features:
    """What goes in and comes out; raises WeightsError when config.json does not tell."""
    try:
        return _features(settings)
    except (KeyError, IndexError, TypeError) as lack:
        raise WeightsError(f"{folder}/config.json does not say what goes in and comes out: {lack!r}") from lack


def block_name(key: str, stem: Sequence[str], stages: Sequence[str]) -> str:
    """Published name of a key of our ResNet; stem: names of the first convolution and norm, stages: of each stage."""
    part, *rest = key.split(".")
    if part == "stem":
        return ".".join([stem[int(rest[0])], *rest[1:]])
    stage, block, branch, place, *leaf = rest
    inside = _PART[place] if branch == "body" else f"downsample.{place}"
    return ".".join([stages[int(stage)], block, inside, *leaf])


def backbone(checkpoint: Checkpoint, prefix: str, stem: str, stages: Sequence[str]) -> Backbone:
    """Sizes read off the weights themselves, since a network's name does not always tell them."""
    depths, widths = [], []
    for stage in stages:
        blocks = re.compile(re.escape(f"{prefix}{stage}.") + r"(\d+)\.")
        depths.append(len({m[1] for key in checkpoint.weights if (m := blocks.match(key))}))
        widths.append(_rows(checkpoint, f"{prefix}{stage}.0.conv1.weight"))
    return Backbone(
        stem=_rows(checkpoint, f"{prefix}{stem}.weight"),
        stages=tuple(widths),
        blocks=tuple(depths),
        bottleneck=f"{prefix}{stages[0]}.0.conv3.weight" in checkpoint.weights,
    )


def _rows(checkpoint: Checkpoint, key: str) -> int:
    if key not in checkpoint.weights:
        raise WeightsError(f"{checkpoint.folder}: missing: {key}")
    return len(checkpoint.weights[key])


def _features(settings: Mapping[str, Any]) -> Features:
    inside = settings["input_features"]
    cameras = {_camera(k): tuple(f["shape"][1:]) for k, f in inside.items() if f["type"] == "VISUAL"}
    counts = {k: f["shape"][0] for k, f in inside.items() if f["type"] != "VISUAL"}
    unknown = counts.keys() - {"observation.state", "observation.environment_state"}
    if unknown:
        raise WeightsError(f"inputs that no policy here takes: {', '.join(sorted(unknown))}")
    return Features(
        cameras=tuple(cameras),
        image_size=next(iter(cameras.values()), ()),
        state_dim=counts.get("observation.state", 0),
        environment_dim=counts.get("observation.environment_state", 0),
        action_dim=settings["output_features"]["action"]["shape"][0],
    )


def _camera(key: str) -> str:
    """observation.images.front -> front; a dot would end a name in a state dict."""
    named = _CAMERA.fullmatch(key)
    return (named[1] if named else key).replace(".", "_")


def _statistics(folder: Path, settings: Mapping[str, Any], buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = dict[str, Tensor]()
    for feature in (*settings["input_features"], *settings["output_features"]):
        # In the name of a weight a dot means something else.
        for start in (f"{begin}{feature.replace('.', '_')}." for begin in _BUFFERS):
            found |= {f"{feature}.{k.removeprefix(start)}": w for k, w in buffers.items() if k.startswith(start)}
    for file in sorted(folder.glob("policy_preprocessor*normalizer_processor.safetensors")):
        try:
            found |= load_file(file)
        except SafetensorError as damage:
            raise WeightsError(f"{file} is damaged: {damage}; fetch the checkpoint again") from damage
    return found


def _pixels(
    folder: Path, settings: Mapping[str, Any], features: Features, table: Mapping[str, Tensor]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and spread of pixels in 0..255: those in the folder, ImageNet's where it has none."""
    keys = [k for k, f in settings["input_features"].items() if f["type"] == "VISUAL"]
    mode = settings.get("normalization_mapping", {}).get("VISUAL", "MEAN_STD")
    if mode == "IDENTITY":
        return (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    if mode != "MEAN_STD":
        raise WeightsError(f"{folder}/config.json: pictures are normalised by {mode!r}; known: 'MEAN_STD', 'IDENTITY'")
    if not table or not features.cameras:
        return IMAGENET_MEAN, IMAGENET_STD
    lacking = [f"{k}.{part}" for k in keys for part in ("mean", "std") if f"{k}.{part}" not in table]
    if lacking:
        raise WeightsError(f"{folder}: its statistics lack: {', '.join(lacking)}")
    mean = torch.cat([table[f"{k}.mean"].flatten() for k in keys]).double() * 255
    # The published normalisation adds this to every spread.
    std = (torch.cat([table[f"{k}.std"].flatten() for k in keys]).double() + 1e-8) * 255
    return tuple(mean.tolist()), tuple(std.tolist())
