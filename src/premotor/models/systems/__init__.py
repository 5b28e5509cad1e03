"""Named systems. SYSTEMS is the whole registry: name -> "module:ConfigClass"."""

from importlib import import_module

from premotor.core.errors import BundleError

__all__ = ["SYSTEMS", "system_config"]

SYSTEMS = {
    "octo": "premotor.models.systems.octo:OctoConfig",
    "premotor": "premotor.models.systems.premotor:PremotorConfig",
}


def system_config(name: str) -> type:
    """The config class of a system; imports only that system's file."""
    if name not in SYSTEMS:
        raise BundleError(f"unknown system {name!r}; known systems: {', '.join(SYSTEMS)}")
    module, _, attribute = SYSTEMS[name].partition(":")
    return getattr(import_module(module), attribute)
