"""GR00T's folders: N1.7 and N1.5 as NVIDIA publishes them, and N1.7 as LeRobot does.

What stands around an instruction is told by the chat template of the VLM, which lies elsewhere, beside its tokenizer.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from premotor.core.codec import Codec, Normalize, Relative, Step
from premotor.core.errors import WeightsError
from premotor.core.rows import NormalizeRows
from premotor.core.types import FloatArray
from premotor.models.importing.ask import Ask, Reading, near
from premotor.models.importing.chat import around
from premotor.models.importing.groot_numbers import Groups, Range, constant_actions, constant_states, refuse_others
from premotor.models.importing.hub import named_file
from premotor.models.importing.lerobot import relative_dims
from premotor.models.importing.openvla import one_of
from premotor.models.importing.statistics import between
from premotor.models.importing.tokens import own_tokenizer
from premotor.models.language.words import WordsConfig
from premotor.models.systems.groot import Groot
from premotor.models.weights.groot import load_groot

__all__ = ["lerobot", "n15", "n17"]

_N15 = {
    "state": "groups of the state in their order, with commas between, as experiment_cfg/metadata.json names them",
    "action": "the same of the action",
    "normalised": "extremes (min_max in the data configuration that it was trained with) or quantiles (q99)",
}
_N15_IDS = {"new_embodiment": 31, "oxe_droid": 17, "agibot_genie1": 26, "genie1_gripper": 26, "gr1": 24}
_COSMOS, _EAGLE = "nvidia/Cosmos-Reason2-2B", ""
_LONGEST = 256  # words of an instruction
_PACK, _SEE = "groot_n1_7_pack_inputs_v1", "groot_n1_7_vlm_encode_v1"
_DECODE, _UNPACK = "groot_n1_7_action_decode_v1", "groot_action_unpack_unnormalize_v2"
_STEPS = (
    "rename_observations_processor", "to_batch_processor", "device_processor", "relative_actions_processor",
    "absolute_actions_processor", _PACK, _SEE, _DECODE, _UNPACK,
)  # fmt: skip

_Steps = Mapping[str, Mapping[str, Any]]


def n17(ask: Ask) -> Reading:
    """N1.7 as NVIDIA's trainer leaves it."""
    ask.facts({}, ("embodiment",))
    settings = _json(ask.folder / "config.json")
    told = _json(ask.folder / "processor_config.json")["processor_kwargs"]
    statistics, modalities = _json(ask.folder / "statistics.json"), told["modality_configs"]
    tag = one_of(ask, sorted(statistics.keys() & modalities.keys()))
    source = f"{ask.folder} ({tag})"
    refuse_others(modalities[tag], source)
    for name in ("exclude_state", "use_tactile", "apply_sincos_state_encoding", "use_mean_std"):
        if told.get(name):
            raise WeightsError(f"{ask.folder}/processor_config.json: {name} is set, which is not known here")
    groups = Groups(
        told=modalities[tag],
        table=statistics[tag],
        ends=("q01", "q99") if told.get("use_percentiles") else ("min", "max"),
        relative=bool(told.get("use_relative_action")),
        source=source,
    )
    file = ask.folder / "embodiment_id.json"
    number = _embodiment(ask, tag, _json(file) if file.is_file() else {})
    cameras = ask.shown(modalities[tag]["video"]["modality_keys"])
    return _reading(
        ask,
        tag,
        codec=_codec(ask, groups.state(), groups.steps()),
        cameras=tuple(cameras.values()),
        vlm=str(settings.get("model_name", _COSMOS)),
        prompt="groot" if told.get("formalize_language", True) else "plain",
        sizes={
            "ids": (number,),
            "horizon": len(modalities[tag]["action"]["delta_indices"]),
            "clips": told.get("clip_outliers", True),
            **_framing(told),
        },
    )


def n15(ask: Ask) -> Reading:
    """N1.5 as NVIDIA's trainer leaves it. Its data configuration lies in code, so what that says is told."""
    known = _json(ask.folder / "experiment_cfg" / "metadata.json")
    tag = one_of(ask, sorted(known))
    facts = ask.facts(_N15, ("embodiment",))
    if not ask.cameras:
        raise WeightsError(
            f"{ask.folder} does not tell the order of its cameras; name them in it: --cameras THEIRS=OURS ..., of "
            f"{', '.join(known[tag].get('modalities', {}).get('video', {})) or 'those of its data configuration'}"
        )
    extremes = ask.choice(facts, "normalised", ("extremes", "quantiles")) == "extremes"
    source = f"{ask.folder}/experiment_cfg/metadata.json ({tag})"
    groups = Groups(
        told={part: {"modality_keys": facts[part].split(",")} for part in ("state", "action")},
        table=known[tag]["statistics"],
        ends=("min", "max") if extremes else ("q01", "q99"),
        relative=False,
        source=source,
    )
    return _reading(
        ask,
        tag,
        codec=_codec(ask, groups.state(), groups.steps()),
        cameras=tuple(ask.shown(tuple(ask.cameras)).values()),
        vlm=_EAGLE,
        prompt="plain",
        sizes={"ids": (_embodiment(ask, tag, _N15_IDS),), "clips": not extremes},
    )


def lerobot(ask: Ask) -> Reading:
    """N1.7 as LeRobot saves it; --tell base=FOLDER where NVIDIA's that it was made from had other sizes."""
    told = ask.facts({}, ("base",))
    before, after = (_steps(ask.folder, name) for name in ("policy_preprocessor.json", "policy_postprocessor.json"))
    if _PACK not in before or not after.keys() & {_DECODE, _UNPACK}:
        raise WeightsError(
            f"{ask.folder} has no {_PACK} before or no {_DECODE} after the policy, so its statistics are not known"
        )
    pack, seen = before[_PACK]["config"], before.get(_SEE, {}).get("config", {})
    if pack.get("video_horizon") not in (None, 1):
        raise WeightsError(f"{ask.folder}: video_horizon is {pack['video_horizon']}; known: 1, now alone")
    if not pack.get("normalize_min_max"):
        raise WeightsError(f"{ask.folder}: its numbers are not normalised, so they are not known to fit; tune it again")
    settings = _json(ask.folder / "config.json")
    codec = _lerobot_codec(ask, settings, before, after)
    tag, cameras = pack["embodiment_tag"], pack.get("video_modality_keys") or sorted(_cameras(settings))
    return _reading(
        ask,
        tag,
        codec=codec,
        cameras=tuple(ask.shown(cameras).values()),
        vlm=str(seen.get("model_name", _COSMOS)),
        prompt="groot" if pack["formalize_language"] else "plain",
        base=Path(told["base"]) if "base" in told else None,
        sizes={
            "ids": (_embodiment(ask, tag, pack["embodiment_mapping"]),),
            "horizon": min(pack["valid_action_horizon"], pack["action_horizon"]),
            "clips": pack["clip_outliers"],
            **_framing(seen),
        },
    )


def _reading(
    ask: Ask,
    tag: str,
    *,
    codec: Codec,
    cameras: tuple[str, ...],
    vlm: str,
    prompt: str,
    sizes: Mapping[str, Any],
    base: Path | None = None,
) -> Reading:
    """Weights and words, once all else is known."""
    vocabulary = own_tokenizer(ask, vlm, {})
    if vocabulary.parent != ask.folder and ask.tokenizer is None:
        for name in ("config.json", "tokenizer_config.json"):
            named_file(ask, vlm, name, "--tokenizer FOLDER")
    beside = vocabulary.parent / "config.json"
    own = beside.parent if beside.is_file() and beside.parent != ask.folder else None
    system = load_groot(
        ask.folder,
        base=base,
        vlm=own,
        robots=(ask.robot.name,),
        cameras=cameras,
        state_dim=len(ask.robot.state),
        action_dim=len(ask.robot.action.dims),
        **sizes,
    )
    pictures, word = _tokens(ask, system), system.config.image_word
    # Eagle is asked for an answer, Cosmos-Reason is not.
    begin, end = around(vocabulary, pictures, begun=vlm == _EAGLE)
    if begin.count(word) != sum(pictures):
        raise WeightsError(
            f"{vocabulary} is another model's tokenizer: {word} is no word of its that stands for pictures"
        )
    return Reading(
        system=system,
        config=system.config,
        codec=codec,
        words=WordsConfig(kind="ids", prompt=prompt, begin=begin, end=end, length=len(begin) + len(end) + _LONGEST),
        vocabulary=vocabulary,
        facts={"statistics": tag, "embodiment": system.config.ids[0]},
    )


def _tokens(ask: Ask, system: Groot) -> list[int]:
    """Of the picture of each camera."""
    sizes = {camera.name: (camera.height, camera.width) for camera in ask.robot.cameras}
    side = system.config.patch * system.config.merge
    shapes = [system.vlm.picture(torch.zeros(1, *sizes[name], 3)).shape[-2:] for name in system.config.cameras]
    return [(height // side) * (width // side) for height, width in shapes]


def _embodiment(ask: Ask, tag: str, known: Mapping[str, int]) -> int:
    """Its number; raises WeightsError where that is not told."""
    if "embodiment" in ask.tell:
        return ask.sizes(ask.tell, "embodiment")["embodiment"]
    if tag not in known:
        raise WeightsError(f"{ask.folder} does not tell which embodiment {tag!r} is: --tell embodiment=NUMBER")
    return int(known[tag])


def _framing(told: Mapping[str, Any]) -> dict[str, Any]:
    """How pictures are shown."""
    if not told.get("image_target_size"):
        return {}
    size, edge, crop = told["image_target_size"][0], told.get("shortest_image_edge"), told.get("crop_fraction")
    if crop is None:
        crop = (told.get("image_crop_size") or [size])[0] / size
    found = {"image_size": size, "crop": crop, "boxed": bool(told.get("letter_box_transform"))}
    if not told.get("use_albumentations"):
        return found
    return found | {"image_size": edge or size, "resize": "area_edge" if edge else "area"}


def _lerobot_codec(ask: Ask, settings: Mapping[str, Any], before: _Steps, after: _Steps) -> Codec:
    table = _tensors(ask.folder, before[_PACK])
    steps: list[Step] = []
    if _DECODE in after:
        told, source = after[_DECODE]["config"], f"{ask.folder}/policy_postprocessor.json"
        refuse_others(told["modality_config"], source)
        steps += Groups(
            told=told["modality_config"],
            table=told["raw_stats"],
            ends=("q01", "q99") if told["use_percentiles"] else ("min", "max"),
            relative=bool(told["use_relative_action"]),
            source=source,
        ).steps()
    else:
        relative = before.get("relative_actions_processor", {}).get("config", {})
        if relative.get("enabled") and (dims := relative_dims(relative, settings)):
            steps.append(Relative(dims=dims, state_dims=dims))
        steps.append(between(*constant_actions(_ends(ask, table, "action"))))
    return _codec(ask, between(*constant_states(_ends(ask, table, "observation.state"))), steps)


def _codec(ask: Ask, state: Normalize, steps: Sequence[Step]) -> Codec:
    ask.fits(state.size, next(step.size for step in steps if isinstance(step, Normalize | NormalizeRows)))
    return Codec(spec=ask.robot, state=state, steps=tuple(steps))


def _ends(ask: Ask, table: Mapping[str, FloatArray], feature: str) -> Range:
    lacking = [name for name in (f"{feature}.min", f"{feature}.max") if name not in table]
    if lacking:
        raise WeightsError(f"{ask.folder}: {' and '.join(lacking)} are missing, so what it says means nothing")
    return table[f"{feature}.min"].reshape(-1), table[f"{feature}.max"].reshape(-1)


def _steps(folder: Path, name: str) -> dict[str, Mapping[str, Any]]:
    """What LeRobot does before or after the policy, by name."""
    found = {str(step.get("registry_name")): step for step in _json(folder / name)["steps"]}
    for kind in found:
        if kind not in _STEPS:
            raise WeightsError(f"{folder}/{name} has a step {kind!r}, which is not known here{near(kind, _STEPS)}")
    return found


def _tensors(folder: Path, step: Mapping[str, Any]) -> dict[str, FloatArray]:
    """The numbers that a step brings in a file of its own."""
    if "state_file" not in step:
        raise WeightsError(f"{folder}: {_PACK} has no statistics, so what the policy says means nothing")
    file = folder / step["state_file"]
    try:
        return {key: value.astype(np.float64) for key, value in load_file(file).items()}
    except (OSError, SafetensorError) as damage:
        raise WeightsError(f"{file} is missing or damaged: {damage}; fetch the checkpoint again") from damage


def _cameras(settings: Mapping[str, Any]) -> list[str]:
    features = settings["input_features"].items()
    return [key.removeprefix("observation.images.") for key, told in features if told["type"] == "VISUAL"]


def _json(file: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as damage:
        raise WeightsError(f"{file} is missing or damaged: {damage}; fetch the checkpoint again") from damage
    return told
