"""Octo's folders: config.json, dataset_statistics.json, and a Flax checkpoint by step, with the text encoder in it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from premotor.core.codec import Codec, Normalize
from premotor.core.errors import SpecMismatch, WeightsError
from premotor.models.importing.ask import NOTHING, Ask, Reading
from premotor.models.importing.openvla import one_of
from premotor.models.importing.statistics import gauss, untouched
from premotor.models.importing.tokens import T5, ids_of, own_tokenizer
from premotor.models.language.words import WordsConfig
from premotor.models.weights.flax import load_flax
from premotor.models.weights.octo import load_octo, load_octo_text, octo_config, octo_settings

__all__ = ["octo"]

_CHECKPOINT = "default/checkpoint"
_EPS = 1e-8


def octo(ask: Ask) -> Reading:
    """Octo with a diffusion head."""
    told = ask.facts({}, ("step",))
    settings, statistics = _json(ask, "config.json"), _json(ask, "dataset_statistics.json")
    window = settings.get("window_size")
    if not isinstance(window, int):
        raise WeightsError(f"{ask.folder}/config.json does not tell how far it looks back: window_size is missing")
    words, vocabulary = _words(ask, settings)
    facts = octo_settings(settings["model"])
    theirs = facts.pop("cameras")
    flat = load_flax(_step(ask, told.get("step", "")))
    config = octo_config(flat, cameras=theirs, window=window, **facts)
    sizes = {name: (size, size) for name, size in zip(config.cameras, config.image_sizes, strict=True)}
    cameras = ask.shown(theirs, sizes, spare=True)
    own = {c: name for c, name in cameras.items() if name != NOTHING}
    codec, name = _codec(ask, statistics, config.action_dims[0], config.state_dims[0] if config.proprioception else 0)
    text = load_octo_text(flat)
    system = load_octo(flat, config)
    # A camera that the robot lacks keeps its weights and its name.
    names = {c: own.get(c, c) for c in cameras}
    if len(set(names.values())) != len(names):
        raise SpecMismatch(f"{ask.robot.name!r} calls a camera as the checkpoint calls another: {names}")
    named = replace(
        config,
        cameras=tuple(names.values()),
        embodiments=(ask.robot.name,),
        state_dims=config.state_dims if config.proprioception else (max(1, len(ask.robot.state)),),
        views=(tuple(own.values()),),
        apart=1 / ask.robot.rate_hz,
    )
    renamed = named.build()
    renamed.load_state_dict({_renamed(key, names): value for key, value in system.state_dict().items()}, strict=True)
    return Reading(
        system=renamed.eval(),
        config=named,
        codec=codec,
        words=replace(words, encoder={k: v for k, v in asdict(text.config).items() if isinstance(v, int)}),
        vocabulary=vocabulary,
        encoder=text.state_dict(),
        facts={"statistics": name},
    )


def _renamed(key: str, names: Mapping[str, str]) -> str:
    parts = key.split(".")
    if parts[0] == "stems":
        parts[1] = names[parts[1]]
    elif parts[0] in ("project", "places") and parts[1].removeprefix("obs_") in names:
        parts[1] = f"obs_{names[parts[1].removeprefix('obs_')]}"
    return ".".join(parts)


def _words(ask: Ask, settings: Mapping[str, Any]) -> tuple[WordsConfig, Any]:
    try:
        told = settings["text_processor"]["kwargs"]
        name, length = str(told["tokenizer_name"]), int(told["tokenizer_kwargs"]["max_length"])
    except (KeyError, TypeError) as missing:
        raise WeightsError(
            f"{ask.folder}/config.json does not tell how instructions are read: {missing!r}"
        ) from missing
    vocabulary = own_tokenizer(ask, name if "/" in name else f"google-t5/{name}", T5)
    return WordsConfig(kind="t5", end=ids_of(vocabulary, "</s>"), length=length), vocabulary


def _step(ask: Ask, wanted: str) -> Any:
    """The checkpoint's file."""
    found = {file.parent.parent.name: file for file in sorted(ask.folder.glob(f"*/{_CHECKPOINT}"))}
    if not found:
        raise WeightsError(f"{ask.folder} has no STEP/{_CHECKPOINT}; fetch the whole checkpoint")
    if wanted not in found and (wanted or len(found) > 1):
        raise WeightsError(f"{ask.folder} has the steps {', '.join(found)}; choose one: --tell step=NUMBER")
    return found[wanted] if wanted else next(iter(found.values()))


def _codec(ask: Ask, statistics: Mapping[str, Any], action: int, state: int) -> tuple[Codec, str]:
    # Of a policy that was tuned on one data set, they have no name.
    known = {"": statistics} if "action" in statistics else statistics
    name = one_of(ask, sorted(known))
    told = known[name]
    ask.fits(state or None, action)
    steps = (_normalize(ask, told, "action", action),)
    felt = _normalize(ask, told, "proprio", state) if state else untouched(len(ask.robot.state))
    return Codec(spec=ask.robot, state=felt, steps=steps), name or "the checkpoint's own"


def _normalize(ask: Ask, told: Mapping[str, Any], part: str, size: int) -> Normalize:
    try:
        mean, std = told[part]["mean"], told[part]["std"]
    except (KeyError, TypeError) as missing:
        raise WeightsError(f"{ask.folder}/dataset_statistics.json lacks {part}: {missing!r}") from missing
    if len(mean) != size:
        raise WeightsError(f"the statistics of {part} are of {len(mean)} numbers; the checkpoint has {size}")
    return gauss(mean, std, eps=_EPS, kept=~np.array(told[part].get("mask", [True] * size), dtype=bool))


def _json(ask: Ask, name: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((ask.folder / name).read_text())
    except (OSError, ValueError) as damage:
        raise WeightsError(f"{ask.folder / name} is missing or damaged: {damage}; fetch it again") from damage
    return told
