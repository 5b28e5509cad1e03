"""openpi's PyTorch folders: model.safetensors, config.json from its converter, assets/ID/norm_stats.json.

openpi's other choices lie in its code under the name of a training run, which the folder does not have; they are told.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from premotor.core.codec import Codec, Normalize, Relative, Step
from premotor.core.errors import WeightsError
from premotor.models.importing.ask import NOTHING, Ask, Reading
from premotor.models.importing.openvla import one_of
from premotor.models.importing.statistics import between, gauss
from premotor.models.importing.tokens import PALIGEMMA, ids_of, own_tokenizer
from premotor.models.language.words import WordsConfig
from premotor.models.weights.pi0 import load_openpi

__all__ = ["openpi"]

_CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
_RELATIVE = {
    "relative": "actions that are learned relative to the state, by the robot's names with commas between, or none; "
    "published: none for pi05_libero, all but the grippers for ALOHA"
}
_PROMPT = {"prompt": "pi05 where the state is among the words, pi0 where it is not (pi05_libero)"}
_HORIZON = {"horizon": "actions in a chunk, since there is no config.json; published: 50, 10 for LIBERO, 15 for DROID"}
_SIZES = ("horizon", "heads", "vision_heads", "steps")
_EPS = 1e-6


def openpi(ask: Ask) -> Reading:
    """pi0 and pi0.5."""
    cameras = ask.shown(_CAMERAS, spare=True)
    first = {} if (ask.folder / "config.json").is_file() else _HORIZON
    ask.facts(first, (*_SIZES, *_RELATIVE, *_PROMPT))
    # Only the weights tell which of the two it is.
    system = load_openpi(ask.folder, **ask.sizes(ask.tell, *_SIZES))
    adaptive = system.config.adaptive
    told = ask.facts(_RELATIVE | (_PROMPT if adaptive else {}), _SIZES)
    prompt = ask.choice(told, "prompt", ("pi05", "pi0")) if adaptive else "pi0"
    state, action = len(ask.robot.state), len(ask.robot.action.dims)
    if action > system.config.action_room or (state > system.config.state_room and not adaptive):
        ask.fits(system.config.state_room, system.config.action_room)
    codec, name = _codec(ask, told["relative"], quantiles=adaptive)
    vocabulary = own_tokenizer(ask, "google/paligemma-3b-pt-224", PALIGEMMA)
    return Reading(
        system=system,
        config=replace(
            system.config,
            cameras=tuple(camera for camera in cameras.values() if camera != NOTHING),
            state_dim=state,
            action_dim=action,
        ),
        codec=codec,
        words=WordsConfig(kind="ids", prompt=prompt, begin=ids_of(vocabulary, "<bos>"), length=200 if adaptive else 48),
        vocabulary=vocabulary,
        facts={"statistics": name},
    )


def _codec(ask: Ask, relative: str, *, quantiles: bool) -> tuple[Codec, str]:
    files = {str(f.parent.relative_to(ask.folder / "assets")): f for f in ask.folder.glob("assets/**/norm_stats.json")}
    name = one_of(ask, sorted(files))
    stats = _read(files[name])
    robot, steps = ask.robot, list[Step]()
    if dims := _relative(ask, relative):
        names = [d.name for d in robot.state]
        steps.append(Relative(dims=dims, state_dims=tuple(names.index(robot.action.dims[d].name) for d in dims)))
    steps.append(_normalize(files[name], stats, "actions", len(robot.action.dims), quantiles=quantiles))
    told = _normalize(files[name], stats, "state", len(robot.state), quantiles=quantiles)
    return Codec(spec=robot, state=told, steps=tuple(steps)), name


def _relative(ask: Ask, told: str) -> tuple[int, ...]:
    if told == NOTHING:
        return ()
    actions, states = [d.name for d in ask.robot.action.dims], [d.name for d in ask.robot.state]
    names = told.split(",")
    wrong = [name for name in names if name not in actions or name not in states]
    if wrong:
        both = ", ".join(name for name in actions if name in states)
        raise WeightsError(
            f"--tell relative={told}: {', '.join(map(repr, wrong))} is not both an action and a state of "
            f"{ask.robot.name!r}; these are: {both or NOTHING}"
        )
    return tuple(actions.index(name) for name in names)


def _normalize(file: Path, stats: Mapping[str, Any], part: str, size: int, *, quantiles: bool) -> Normalize:
    names = ("q01", "q99") if quantiles else ("mean", "std")
    told = stats.get(part) or {}
    lacking = [f"{part}.{name}" for name in names if not told.get(name)]
    if lacking:
        raise WeightsError(f"{file} lacks {' and '.join(lacking)}; compute them with openpi's compute_norm_stats.py")
    low, high = (list(told[name]) for name in names)
    if min(len(low), len(high)) < size:
        raise WeightsError(f"{file}: {part} has statistics of {len(low)} numbers; the robot has {size}")
    # What was padded while training has statistics, too.
    low, high = low[:size], high[:size]
    return between(low, high, wider=_EPS) if quantiles else gauss(low, high, eps=_EPS)


def _read(file: Path) -> dict[str, Any]:
    try:
        stats: dict[str, Any] = json.loads(file.read_text())["norm_stats"]
    except (ValueError, KeyError, TypeError) as damage:
        raise WeightsError(f"{file} is damaged: {damage!r}; fetch the checkpoint again") from damage
    return stats
