"""OpenVLA and OpenVLA-OFT folders: config.json, sharded weights, tokenizer.json and statistics by dataset.

OFT's code takes the length of a chunk and the way of normalising from its command line; here these are told.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from premotor.core.codec import Codec, Normalize
from premotor.core.errors import WeightsError
from premotor.models.importing.ask import NOTHING, Ask, Reading, near
from premotor.models.importing.statistics import untouched
from premotor.models.importing.tokens import LLAMA, ids_of, own_tokenizer
from premotor.models.language.words import WordsConfig
from premotor.models.systems.openvla import OpenVlaConfig
from premotor.models.systems.openvla_oft import OpenVlaOftConfig
from premotor.models.weights.openvla import load_openvla, load_openvla_oft
from premotor.models.weights.openvla_stats import load_openvla_stats, openvla_stats_names

__all__ = ["one_of", "openvla", "openvla_oft"]

_HEADS = ("dino_heads", "siglip_heads")
_LONGEST = 512
_OFT = {
    "horizon": "actions in a chunk; published: 8 for LIBERO, 25 for ALOHA, 5 for Bridge",
    "normalised": "quantiles (as published for LIBERO and Bridge) or extremes (for ALOHA)",
}


def openvla(ask: Ask) -> Reading:
    """OpenVLA: one camera, no state."""
    sizes = ask.sizes(ask.facts({}, _HEADS), *_HEADS)
    cameras = ask.shown(("primary",))
    codec, name = _codec(ask, state=None, oft=False, extremes=False)
    begin, vocabulary = _words(ask)
    system = load_openvla(ask.folder, action_dim=len(ask.robot.action.dims), **sizes)
    config: OpenVlaConfig = replace(system.config, cameras=tuple(cameras.values()))
    return Reading(
        system=system, config=config, codec=codec, words=begin, vocabulary=vocabulary, facts={"statistics": name}
    )


def openvla_oft(ask: Ask) -> Reading:
    """OpenVLA-OFT, with its parts beside the VLM; its cameras, in their order, are those of --cameras."""
    told = ask.facts(_OFT, (*_HEADS, "head", "state"))
    extremes = ask.choice(told, "normalised", ("quantiles", "extremes")) == "extremes"
    if not ask.cameras:
        raise WeightsError(
            f"{ask.folder} does not tell its cameras; name them in their order, published: "
            "--cameras primary=OURS wrist=OURS for LIBERO, primary, left_wrist and right_wrist for ALOHA"
        )
    cameras = ask.shown(tuple(ask.cameras))
    rest: dict[str, Any] = ask.sizes(told, "horizon", *_HEADS)
    if "head" in told:
        rest["head"] = ask.choice(told, "head", ("words",))
    if "state" in told:
        ask.choice(told, "state", (NOTHING,))
        rest["state_dim"] = 0
    begin, vocabulary = _words(ask)
    system = load_openvla_oft(ask.folder, **rest)
    ask.fits(system.config.state_dim or None, system.config.action_dim)
    codec, name = _codec(ask, state=system.config.state_dim, oft=True, extremes=extremes)
    config: OpenVlaOftConfig = replace(system.config, cameras=tuple(cameras.values()))
    return Reading(
        system=system, config=config, codec=codec, words=begin, vocabulary=vocabulary, facts={"statistics": name}
    )


def one_of(ask: Ask, names: Sequence[str]) -> str:
    """Which statistics: the ones asked for, or the only ones. Raises WeightsError that lists them."""
    listed = f"{', '.join(names[:40])}{' ...' if len(names) > 40 else ''}"
    if not names:
        raise WeightsError(f"{ask.folder} has no statistics, so what it says means nothing; fetch the whole checkpoint")
    if not ask.stats and len(names) > 1:
        raise WeightsError(f"{ask.folder} has statistics of {len(names)} data sets; choose one, --stats NAME: {listed}")
    if ask.stats and ask.stats not in names:
        hint = near(ask.stats, names)
        raise WeightsError(f"{ask.folder} has no statistics of {ask.stats!r}{hint}; it has: {listed}")
    return ask.stats or names[0]


def _codec(ask: Ask, *, state: int | None, oft: bool, extremes: bool) -> tuple[Codec, str]:
    """state: numbers that are told, 0 or None for none."""
    name = one_of(ask, openvla_stats_names(ask.folder))
    stats = load_openvla_stats(ask.folder, name, oft=oft, extremes=extremes)
    if "action" not in stats or (state and "proprio" not in stats):
        raise WeightsError(f"{ask.folder}: the statistics of {name!r} lack {'action' if state is None else 'proprio'}")
    ask.fits(state or None, stats["action"].size)
    told = Normalize(form="quantile", stats=stats["proprio"]) if state else untouched(len(ask.robot.state))
    steps = (Normalize(form="quantile", stats=stats["action"]),)
    return Codec(spec=ask.robot, state=told, steps=steps), name


def _words(ask: Ask) -> tuple[WordsConfig, Any]:
    vocabulary = own_tokenizer(ask, "", LLAMA)
    return WordsConfig(kind="ids", prompt="openvla", begin=ids_of(vocabulary, "<s>"), length=_LONGEST), vocabulary
