"""Named systems. SYSTEMS is the whole registry: name -> "module:ConfigClass"."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from premotor.core.errors import BundleError

__all__ = ["SYSTEMS", "restored_config", "system_config"]

SYSTEMS = {
    "act": "premotor.models.systems.act:ActConfig",
    "diffusion_policy": "premotor.models.systems.diffusion_policy:DiffusionPolicyConfig",
    "octo": "premotor.models.systems.octo:OctoConfig",
    "openvla": "premotor.models.systems.openvla:OpenVlaConfig",
    "openvla_oft": "premotor.models.systems.openvla_oft:OpenVlaOftConfig",
    "pi0": "premotor.models.systems.pi0:Pi0Config",
    "pi05": "premotor.models.systems.pi0:Pi05Config",
    "pi0_fast": "premotor.models.systems.pi0_fast:Pi0FastConfig",
    "premotor": "premotor.models.systems.premotor:PremotorConfig",
}


def system_config(name: str) -> type:
    """The config class of a system; imports only that system's file."""
    if name not in SYSTEMS:
        raise BundleError(f"unknown system {name!r}; known systems: {', '.join(SYSTEMS)}")
    module, _, attribute = SYSTEMS[name].partition(":")
    return getattr(import_module(module), attribute)


def restored_config(name: str, values: Mapping[str, Any]) -> Any:
    """The configuration of a system from what JSON made of it: lists are tuples again."""
    return system_config(name)(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
