"""Named systems. SYSTEMS is the whole registry: name -> "module:ConfigClass"."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from premotor.core.errors import BundleError, SpecMismatch
from premotor.core.spec import EmbodimentSpec

if TYPE_CHECKING:
    from premotor.models.contract import SystemConfig

__all__ = ["SYSTEMS", "config_for", "did_you_mean", "name_of", "restored_config", "system_config"]

SYSTEMS = {
    "act": "premotor.models.systems.act:ActConfig",
    "diffusion_policy": "premotor.models.systems.diffusion_policy:DiffusionPolicyConfig",
    "groot": "premotor.models.systems.groot:GrootConfig",
    "groot_n15": "premotor.models.systems.groot:GrootN15Config",
    "octo": "premotor.models.systems.octo:OctoConfig",
    "openvla": "premotor.models.systems.openvla:OpenVlaConfig",
    "openvla_oft": "premotor.models.systems.openvla_oft:OpenVlaOftConfig",
    "palm_e": "premotor.models.systems.palm_e:PalmEConfig",
    "pi0": "premotor.models.systems.pi0:Pi0Config",
    "pi05": "premotor.models.systems.pi05:Pi05Config",
    "pi0_fast": "premotor.models.systems.pi0_fast:Pi0FastConfig",
    "premotor": "premotor.models.systems.premotor:PremotorConfig",
    "robovlms": "premotor.models.systems.robovlms:RoboVlmsConfig",
    "rt2": "premotor.models.systems.rt2:Rt2Config",
    "smolvla": "premotor.models.systems.smolvla:SmolVlaConfig",
}


def system_config(name: str) -> Any:
    """The config class of a system; imports only that system's file."""
    if name not in SYSTEMS:
        raise BundleError(f"unknown system {name!r}; {did_you_mean(name, SYSTEMS)}known systems: {', '.join(SYSTEMS)}")
    module, _, attribute = SYSTEMS[name].partition(":")
    return getattr(import_module(module), attribute)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A question that names the nearest of what is known; empty when nothing is near."""
    near = get_close_matches(given, list(known), 1)
    return f"did you mean {near[0]!r}? " if near else ""


def config_for(name: str, robots: Sequence[EmbodimentSpec], preset: str = "nano", **changes: Any) -> "SystemConfig":
    """The configuration of a system for these robots, from a preset with some of its sizes changed.

    Raises SpecMismatch for a preset that there is not, and for a system that reads what a recipe cannot give it.
    """
    from premotor.models.contract import Robots

    kind = system_config(name)
    presets = [p for p in dir(kind) if p in ("toy", "nano") or p.startswith("published")]
    if preset not in presets:
        raise SpecMismatch(f"{name} has no preset {preset!r}; choose one of {', '.join(presets)}")
    told = Robots.of(robots)
    config: SystemConfig = replace(getattr(kind, preset)(), **changes).for_robots(told)
    eaten = config.fake_inputs(1)
    words = eaten.words
    if eaten.senses:
        raise SpecMismatch(
            f"{name} feels {', '.join(eaten.senses)}, which demonstrations here do not hold; leave `senses` out, or "
            "train it with inputs of your own (System.loss)"
        )
    if words.numel() and not words.is_floating_point():
        raise SpecMismatch(
            f"{name} at {preset!r} reads ids of its own tokenizer's words, which a recipe cannot give it; a size with "
            f"text_width={told.text_width} reads the bundle's text features, as 'nano' does. `premotor import` makes a "
            "bundle of a published checkpoint, with its tokenizer"
        )
    if words.numel() and words.shape[-1] != told.text_width:
        raise SpecMismatch(f"{name} reads text features {words.shape[-1]} wide; a recipe's are {told.text_width}")
    return config


def name_of(config: "SystemConfig") -> str:
    """The system that a configuration is of; raises BundleError when it is of none in SYSTEMS."""
    where = f"{type(config).__module__}:{type(config).__qualname__}"
    for name, known in SYSTEMS.items():
        if known == where:
            return name
    raise BundleError(f"{where} is not the configuration of a system; known systems: {', '.join(SYSTEMS)}")


def restored_config(name: str, values: Mapping[str, Any]) -> Any:
    """The configuration of a system from what JSON made of it: lists are tuples again."""
    return system_config(name)(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
