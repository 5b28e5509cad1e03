"""LeRobot's policy folders: config.json, model.safetensors, policy_preprocessor.json and its statistics.

LeRobot passes numbers through as they are where it has no statistics of them; here that is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from premotor.core.codec import Codec, Normalize, Relative, Step
from premotor.core.errors import WeightsError
from premotor.core.types import FloatArray
from premotor.models.importing.ask import NOTHING, Ask, Reading, near
from premotor.models.importing.hub import named_file
from premotor.models.importing.statistics import between, gauss, untouched
from premotor.models.importing.tokens import PALIGEMMA, SMOLVLM, ids_of, own_tokenizer
from premotor.models.language.words import WordsConfig
from premotor.models.weights import lerobot, lerobot_act, lerobot_diffusion
from premotor.models.weights import pi0 as pi0_weights
from premotor.models.weights import pi0_fast as pi0_fast_weights
from premotor.models.weights import smolvla as smolvla_weights
from premotor.models.weights.fast import load_fast

__all__ = ["act", "diffusion", "numbers", "pi0", "pi0_fast", "relative_dims", "smolvla"]

_RANGES = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90")}
_MODES = ("MEAN_STD", *_RANGES, "IDENTITY")
# Steps before and after the policy; what else there might be would change what it is shown or what it says.
_STEPS = (
    "rename_observations_processor", "to_batch_processor", "device_processor", "normalizer_processor",
    "tokenizer_processor", "pi0_new_line_processor", "pi05_prepare_state_tokenizer_processor_step",
    "pi0_fast_prepare_state_tokenizer_processor_step", "smolvla_new_line_processor", "relative_actions_processor",
    "action_tokenizer_processor", "unnormalizer_processor", "absolute_actions_processor",
)  # fmt: skip
_PALIGEMMA_TOKENIZER = "google/paligemma-3b-pt-224"
_EMPTY = "empty_camera_"


def act(ask: Ask) -> Reading:
    """ACT."""
    ask.facts({})
    system = lerobot_act.load(ask.folder)
    cameras, codec, facts = numbers(ask, "act", own_size=True)
    return Reading(
        system=system,
        config=replace(system.config, cameras=tuple(cameras.values())),
        codec=codec,
        words=WordsConfig(kind="none"),
        facts=facts,
    )


def diffusion(ask: Ask) -> Reading:
    """Diffusion Policy."""
    ask.facts({})
    system = lerobot_diffusion.load(ask.folder)
    cameras, codec, facts = numbers(ask, "diffusion", own_size=True)
    # What it looks back at are the control steps before.
    config = replace(system.config, cameras=tuple(cameras.values()), apart=1 / ask.robot.rate_hz)
    return Reading(system=system, config=config, codec=codec, words=WordsConfig(kind="none"), facts=facts)


def pi0(ask: Ask) -> Reading:
    """pi0 and pi0.5."""
    sizes = ask.sizes(ask.facts({}, ("heads", "vision_heads")), "heads", "vision_heads")
    settings = _json(ask.folder / "config.json")
    cameras, codec, facts = numbers(ask, settings["type"], spare=True)
    vocabulary = own_tokenizer(ask, str(settings.get("text_tokenizer_name", _PALIGEMMA_TOKENIZER)), PALIGEMMA)
    system = pi0_weights.load_lerobot(ask.folder, **sizes)
    return Reading(
        system=system,
        config=replace(system.config, **_for_robot(ask, cameras)),
        codec=codec,
        words=WordsConfig(
            kind="ids",
            prompt=settings["type"],
            begin=ids_of(vocabulary, "<bos>"),
            length=settings["tokenizer_max_length"],
        ),
        vocabulary=vocabulary,
        facts=facts,
    )


def pi0_fast(ask: Ask) -> Reading:
    """pi0-FAST, with the codec of its tokens that config.json names; --tell fast=FOLDER where that is not at hand."""
    told = ask.facts({}, ("fast", "heads", "vision_heads"))
    settings = _json(ask.folder / "config.json")
    cameras, codec, facts = numbers(ask, "pi0_fast", spare=True)
    vocabulary = own_tokenizer(ask, settings["text_tokenizer_name"], PALIGEMMA)
    begin = ids_of(vocabulary, "<bos>")
    name = settings["action_tokenizer_name"]
    tokens = Path(told["fast"]) if "fast" in told else _fast(ask, name)
    system = pi0_fast_weights.load_lerobot(
        ask.folder,
        load_fast(tokens),
        opening=(*begin, *ids_of(vocabulary, text="Action: ")),
        closing=(*ids_of(vocabulary, text="|"), *ids_of(vocabulary, "<eos>")),
        **ask.sizes(told, "heads", "vision_heads"),
    )
    return Reading(
        system=system,
        config=replace(system.config, **_for_robot(ask, cameras)),
        codec=codec,
        words=WordsConfig(kind="ids", prompt="pi0_fast_lerobot", begin=begin, length=settings["tokenizer_max_length"]),
        vocabulary=vocabulary,
        facts=facts | {"FAST tokens": name},
    )


def smolvla(ask: Ask) -> Reading:
    """SmolVLA, with the tokenizer of the VLM that config.json names; nothing stands around its words."""
    sizes = ask.sizes(ask.facts({}, ("heads", "vision_heads")), "heads", "vision_heads")
    settings = _json(ask.folder / "config.json")
    cameras, codec, facts = numbers(ask, "smolvla", spare=True)
    vocabulary = own_tokenizer(ask, settings["vlm_model_name"], SMOLVLM)
    system = smolvla_weights.load_lerobot(ask.folder, **sizes)
    return Reading(
        system=system,
        config=replace(system.config, **_for_robot(ask, cameras)),
        codec=codec,
        words=WordsConfig(kind="ids", prompt="smolvla", length=settings["tokenizer_max_length"]),
        vocabulary=vocabulary,
        facts=facts,
    )


def _fast(ask: Ask, name: str) -> Path:
    """The folder of a codec of FAST tokens."""
    folder = named_file(ask, name, "processor_config.json", "--tell fast=FOLDER").parent
    if not (folder / "bpe_tokenizer").is_dir():
        named_file(ask, name, "tokenizer.json", "--tell fast=FOLDER")
    return folder


def numbers(
    ask: Ask, kind: str, *, own_size: bool = False, spare: bool = False
) -> tuple[dict[str, str], Codec, dict[str, Any]]:
    """Cameras, codec and facts of a folder with a policy of this kind; of any that LeRobot normalises for.

    own_size: pictures must have the size that config.json says. spare: cameras may be missing. A robot with fewer
    numbers than the policy has room for fits where the statistics come from its own dataset.
    """
    folder = ask.folder
    checkpoint = lerobot.read(folder, kind, weights=False)
    f, settings, robot = checkpoint.features, checkpoint.settings, ask.robot
    if f.environment_dim:
        raise WeightsError(f"{folder} reads observation.environment_state, which no robot here gives")
    theirs = tuple(name for name in f.cameras if not name.startswith(_EMPTY))
    visual = {name: _size(settings, name) for name in theirs} if own_size else {}
    cameras = ask.shown(theirs, visual, spare=spare)
    state, action = len(robot.state), len(robot.action.dims)
    roomy = state <= settings.get("max_state_dim", 0) and action <= settings.get("max_action_dim", 0)
    if not (ask.stats and roomy):
        ask.fits(f.state_dim or None, f.action_dim)
    modes, eps, relative = _pipeline(folder, settings)
    table, source = _table(ask, checkpoint)
    steps: list[Step] = [Relative(dims=relative, state_dims=relative)] if relative else []
    steps.append(_normalize(table, source, "action", modes["ACTION"], eps, action))
    told = _normalize(table, source, "observation.state", modes["STATE"], eps, state) if f.state_dim else None
    codec = Codec(spec=robot, state=told or untouched(state), steps=tuple(steps))
    return cameras, codec, {"statistics": source}


def _for_robot(ask: Ask, cameras: Mapping[str, str]) -> dict[str, Any]:
    """What of a VLM's configuration the robot decides. A camera that it lacks is as one that shows nothing."""
    return {
        "cameras": tuple(name for name in cameras.values() if name != NOTHING),
        "state_dim": len(ask.robot.state),
        "action_dim": len(ask.robot.action.dims),
    }


def _pipeline(folder: Path, settings: Mapping[str, Any]) -> tuple[Mapping[str, str], float, tuple[int, ...]]:
    """How states and actions are normalised, what is added to spreads, and which actions are relative to the state."""
    modes, eps, relative = settings.get("normalization_mapping", {}), 1e-8, tuple[int, ...]()
    steps: list[Mapping[str, Any]] = []
    for name in ("policy_preprocessor.json", "policy_postprocessor.json"):
        steps += _json(folder / name)["steps"] if (folder / name).is_file() else []
    for step in steps:
        kind, told = step.get("registry_name"), step.get("config", {})
        if kind not in _STEPS:
            raise WeightsError(
                f"{folder} has a step {kind!r} before or after the policy, which is not known here"
                f"{near(str(kind), _STEPS)}"
            )
        if told.get("include_state_in_prompt") is False:
            raise WeightsError(f"{folder} was trained with memory, which is not known here")
        if kind in ("normalizer_processor", "unnormalizer_processor"):
            modes, eps = told["norm_map"], float(told["eps"])
        if kind == "relative_actions_processor" and told.get("enabled"):
            relative = relative_dims(told, settings)
    for part in ("STATE", "ACTION"):
        if modes.get(part) not in _MODES:
            raise WeightsError(f"{folder}: {part} is normalised by {modes.get(part)!r}; known: {', '.join(_MODES)}")
    return modes, eps, relative


def relative_dims(told: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Which actions are relative to the state, as a relative_actions_processor tells it."""
    count, names = settings["output_features"]["action"]["shape"][0], told.get("action_names") or []
    spared = [str(name).lower() for name in told.get("exclude_joints") or [] if name]
    stays = [any(part in str(name).lower() for part in spared) for name in names[:count]]
    stays += [False] * (count - len(stays))
    return tuple(index for index, absolute in enumerate(stays) if not absolute)


def _table(ask: Ask, checkpoint: lerobot.Checkpoint) -> tuple[dict[str, FloatArray], str]:
    """Statistics by name, and where they are from: a dataset that was named, else the folder."""
    if not ask.stats:
        return {k: v.double().numpy() for k, v in checkpoint.statistics.items()}, "the checkpoint's own"
    path = Path(ask.stats)
    file = path / "meta" / "stats.json" if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(
            f"--stats {ask.stats}: a LeRobot policy has one set of statistics of its own; --stats takes those of a "
            "dataset instead, so give its folder, with meta/stats.json"
        )
    found = dict[str, FloatArray]()
    for feature, told in _json(file).items():
        found |= {f"{feature}.{name}": np.asarray(values, np.float64) for name, values in told.items()}
    return found, str(file)


def _normalize(
    table: Mapping[str, FloatArray], source: str, feature: str, mode: str, eps: float, size: int
) -> Normalize:
    if mode == "IDENTITY":
        return untouched(size)
    names = ("mean", "std") if mode == "MEAN_STD" else _RANGES[mode]
    lacking = [f"{feature}.{name}" for name in names if f"{feature}.{name}" not in table]
    if lacking:
        raise WeightsError(
            f"no statistics of {feature}: {' and '.join(lacking)} are missing in {source}. A base model has none "
            "before it is tuned; give a dataset of the robot: --stats FOLDER"
        )
    low, high = (table[f"{feature}.{name}"].reshape(-1) for name in names)
    if len(low) != size:
        raise WeightsError(f"statistics of {feature} in {source} are of {len(low)} numbers; the robot has {size}")
    return gauss(low, high, eps=eps) if mode == "MEAN_STD" else between(low, high)


def _size(settings: Mapping[str, Any], camera: str) -> tuple[int, int]:
    for key, feature in settings["input_features"].items():
        if feature["type"] == "VISUAL" and key.removeprefix("observation.").removeprefix("images.") == camera:
            return int(feature["shape"][1]), int(feature["shape"][2])
    raise WeightsError(f"config.json says nothing of the size of {camera!r}'s pictures")


def _json(file: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as damage:
        raise WeightsError(f"{file} is missing or damaged: {damage}; fetch the checkpoint again") from damage
    return told
