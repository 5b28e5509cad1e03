"""What a folder holds, by its own files; what is not known for certain is refused."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from premotor.core.errors import WeightsError
from premotor.models.importing.ask import Ask, Reading, near

__all__ = ["READERS", "reader", "recognise"]

READERS = {
    "lerobot act": "premotor.models.importing.lerobot:act",
    "lerobot diffusion": "premotor.models.importing.lerobot:diffusion",
    "lerobot groot": "premotor.models.importing.groot:lerobot",
    "lerobot pi0": "premotor.models.importing.lerobot:pi0",
    "lerobot pi05": "premotor.models.importing.lerobot:pi0",
    "lerobot pi0_fast": "premotor.models.importing.lerobot:pi0_fast",
    "lerobot smolvla": "premotor.models.importing.lerobot:smolvla",
    "octo": "premotor.models.importing.octo:octo",
    "openpi": "premotor.models.importing.openpi:openpi",
    "transformers Gr00tN1d7": "premotor.models.importing.groot:n17",
    "transformers gr00t_n1_5": "premotor.models.importing.groot:n15",
    "transformers openvla": "premotor.models.importing.openvla:openvla",
    "transformers openvla with parts": "premotor.models.importing.openvla:openvla_oft",
}
"""Every layout that can be imported -> what reads it. LeRobot's are named by `type` in config.json, those of
transformers by `model_type`, so another policy of theirs is one line."""

_OFT = ("action_head", "proprio_projector", "noisy_action_projector", "vision_backbone")
_SIGNS = """\
  config.json with "type" and "input_features": LeRobot
  config.json with "model_type": GR00T N1.7, N1.5; OpenVLA; beside that action_head* or proprio_projector*: OpenVLA-OFT
  config.json with "paligemma_variant" and no "type", or assets/*/norm_stats.json: openpi (PyTorch)
  config.json with "model" that has "observation_tokenizers": Octo"""


def recognise(folder: Path) -> str:
    """The layout's name in READERS; raises WeightsError that lists what was looked for, or what is known."""
    told = _config(folder)
    names = [name for mark in (_lerobot, _transformers, _openpi, _octo) if (name := mark(folder, told))]
    if len(names) > 1:
        raise WeightsError(f"{folder} is ambiguous: its files are those of {' and of '.join(names)}; keep one of them")
    if not names:
        inside = sorted(p.name + "/" * p.is_dir() for p in folder.iterdir())
        raise WeightsError(
            f"{folder} is no checkpoint that is known here. Looked for:\n{_SIGNS}\n"
            f"found: {', '.join(inside[:12]) or 'nothing'}{' ...' if len(inside) > 12 else ''}{_hint(folder)}"
        )
    if names[0] not in READERS:
        raise WeightsError(
            f"{folder} holds {names[0]!r}, which is not known here{near(names[0], list(READERS))}; "
            f"known: {', '.join(READERS)}"
        )
    return names[0]


def reader(name: str) -> Callable[[Ask], Reading]:
    """What reads a layout; imports only that."""
    module, _, attribute = READERS[name].partition(":")
    found: Callable[[Ask], Reading] = getattr(import_module(module), attribute)
    return found


def _config(folder: Path) -> Mapping[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        return {}
    try:
        told = json.loads(file.read_text())
    except ValueError as damage:
        raise WeightsError(f"{file} is damaged: {damage}; fetch the checkpoint again") from damage
    if not isinstance(told, Mapping):
        raise WeightsError(f"{file} is no description of a checkpoint: it holds a {type(told).__name__}")
    return told


def _lerobot(folder: Path, told: Mapping[str, Any]) -> str:
    return f"lerobot {told['type']}" if "type" in told and "input_features" in told else ""


def _transformers(folder: Path, told: Mapping[str, Any]) -> str:
    if "model_type" not in told:
        return ""
    parts = any(next(folder.glob(f"{part}*"), None) for part in _OFT)
    return f"transformers {told['model_type']}" + " with parts" * (told["model_type"] == "openvla" and parts)


def _openpi(folder: Path, told: Mapping[str, Any]) -> str:
    trained = not told and any(folder.glob("assets/**/norm_stats.json")) and (folder / "model.safetensors").is_file()
    return "openpi" if ("paligemma_variant" in told and "type" not in told) or trained else ""


def _octo(folder: Path, told: Mapping[str, Any]) -> str:
    model = told.get("model")
    return "octo" if isinstance(model, Mapping) and "observation_tokenizers" in model else ""


def _hint(folder: Path) -> str:
    """What is often given instead."""
    for sign, meaning in (
        ("manifest.json", "This is a premotor bundle already."),
        ("meta/info.json", "This is a dataset; `premotor info` reads it."),
        ("adapter_config.json", "This is an adapter alone; merge it into its base model first."),
        ("params/_METADATA", "These are openpi's JAX weights; openpi's convert_jax_model_to_pytorch.py converts them."),
        ("pretrained_model", f"The checkpoint itself is in {folder / 'pretrained_model'}."),
    ):
        if (folder / sign).exists():
            return f"\n{meaning}"
    return ""
