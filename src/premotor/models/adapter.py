"""LoRA (arXiv 2106.09685): what a policy learns later, as a small addition to some of its linear layers, by peft.

A layer W x becomes W x + 2 B A x with A (rank, inputs) and B (outputs, rank), B zero at first. Only A and B learn; the
policy itself stays as it is, bit for bit. A folder holds them (the extra `lora` is needed to learn or merge them):

    adapter.json           format, digest of the bundle it belongs to, rank, layers, lineage, sha256, digest of itself
    adapter.safetensors    LAYER.lora_A.weight and LAYER.lora_B.weight, float32, named as peft's own files name them

`merge` and `merge_into` make an ordinary policy of it, which needs peft no more and is as fast as before.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from premotor.core.errors import BundleError, SpecMismatch
from premotor.models import bundle
from premotor.models.digest import file_digest, manifest_digest
from premotor.models.extras import extra

__all__ = [
    "FORMAT",
    "LoraConfig",
    "attach",
    "learned",
    "linear_layers",
    "merge",
    "merge_into",
    "restore",
    "save",
    "verify",
]

FORMAT = 1
_MANIFEST, _WEIGHTS = "adapter.json", "adapter.safetensors"
_SCALE = 2
_NAME = "default"  # by which peft knows the only adapter that there is


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """rank: of the addition to each layer. layers: a regular expression that a layer's whole name must match."""

    rank: int = 16
    layers: str = ".*"

    def __post_init__(self) -> None:
        """Raises SpecMismatch for a rank below 1, and for what is no regular expression."""
        if self.rank < 1:
            raise SpecMismatch(f"LoRA of rank {self.rank}; it must be at least 1, and 8 to 32 are usual")
        try:
            re.compile(self.layers)
        except re.error as wrong:
            raise SpecMismatch(f"layers {self.layers!r} are no regular expression ({wrong}); .* takes all") from wrong


def linear_layers(system: nn.Module, pattern: str = ".*") -> list[str]:
    """Names of the linear layers that match; layers of kinds that compute in their own way are none.

    Raises SpecMismatch when there is none, with the names of some that there are.
    """
    names = [name for name, layer in system.named_modules() if type(layer) is nn.Linear]
    found = [name for name in names if re.fullmatch(pattern, name)]
    if not found:
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        raise SpecMismatch(f"no linear layer of {type(system).__name__} is called {pattern!r}; there are {shown}")
    return found


def attach(system: nn.Module, config: LoraConfig) -> list[str]:
    """Give a system an adapter that does nothing yet, in place; all else is frozen. The names of its layers.

    A is random, so seed before. Raises SpecMismatch, see `linear_layers`; PremotorError without peft.
    """
    if learned(system):
        raise SpecMismatch(f"{type(system).__name__} has an adapter already; merge that one before another is attached")
    names = linear_layers(system, config.layers)
    if any(hasattr(system.get_submodule(name).weight, "qdata") for name in names):
        raise SpecMismatch("the system is quantised; fine-tune it before, and quantise what was learned with it")
    peft = extra("peft", "lora")
    exactly = "|".join(map(re.escape, names))
    wanted = peft.LoraConfig(r=config.rank, lora_alpha=_SCALE * config.rank, target_modules=exactly)
    peft.inject_adapter_in_model(wanted, system, adapter_name=_NAME)
    # peft freezes only what it looks at.
    for name, weight in system.named_parameters():
        weight.requires_grad_(".lora_" in name)
    return names


def learned(system: nn.Module) -> dict[str, Tensor]:
    """A and B of every layer with an adapter, by the names that they have in a file."""
    state = system.state_dict()
    return {name.replace(f".{_NAME}.", "."): value for name, value in state.items() if ".lora_" in name}


def merge(system: nn.Module) -> None:
    """Add what was learned to the weights and take the adapter off, in place."""
    peft = extra("peft.tuners.lora", "lora")
    for name, layer in list(system.named_modules()):
        if isinstance(layer, peft.LoraLayer):
            layer.merge(safe_merge=True)
            system.set_submodule(name, layer.get_base_layer())


def save(
    folder: Path, system: nn.Module, config: LoraConfig, base: Mapping[str, Any], lineage: Mapping[str, Any]
) -> None:
    """Write the adapter of a system; the folder appears whole or not at all. base: the manifest of its bundle."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file({k: v.float().contiguous() for k, v in learned(system).items()}, temporary / _WEIGHTS)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "base": base["digest"],
        "system": base["system"],
        "lora": asdict(config),
        "scale": _SCALE,
        "lineage": dict(lineage),
        "sha256": {_WEIGHTS: file_digest(temporary / _WEIGHTS)},
    }
    manifest["digest"] = manifest_digest(manifest)
    (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def verify(folder: Path, base: Path) -> dict[str, Any]:
    """The adapter's manifest, after every digest was checked.

    Raises BundleError naming what is missing or altered, and for an adapter that was learned for another bundle.
    """
    path = folder / _MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is no adapter: {_MANIFEST} is missing; `premotor train --from BUNDLE` makes one")
    try:
        manifest = cast(dict[str, Any], json.loads(path.read_text()))
        number, own, digest = manifest["format"], manifest["digest"], manifest["sha256"][_WEIGHTS]
        belongs, scale = manifest["base"], manifest["scale"]
    except (ValueError, KeyError, TypeError) as damage:
        raise BundleError(f"{path} is damaged ({damage!r}); restore the adapter") from damage
    if (number, scale) != (FORMAT, _SCALE):
        raise BundleError(
            f"{path}: format {number}, scale {scale}; this premotor reads format {FORMAT}, scale {_SCALE}"
        )
    if own != manifest_digest(manifest):
        raise BundleError(f"adapter {folder}: {_MANIFEST} was altered; restore the adapter")
    if not (folder / _WEIGHTS).is_file() or file_digest(folder / _WEIGHTS) != digest:
        raise BundleError(f"adapter {folder}: {_WEIGHTS} is missing or was altered; restore the adapter")
    given = bundle.verify(base)["digest"]
    if belongs != given:
        raise BundleError(
            f"adapter {folder} was learned for the bundle {belongs[:16]}, and {base} is {given[:16]}; give the bundle "
            "that it was learned for, or learn one for this"
        )
    return manifest


def restore(system: nn.Module, folder: Path, base: Path) -> None:
    """Attach the adapter in `folder` to the system of the bundle `base`, in place. Raises as `verify`, BundleError."""
    try:
        config = LoraConfig(**verify(folder, base)["lora"])
        attach(system, config)
    except (TypeError, SpecMismatch) as misfit:
        raise BundleError(f"adapter {folder} does not fit this premotor: {misfit}") from misfit
    places, found = learned(system), load_file(folder / _WEIGHTS)
    wrong = sorted(places.keys() ^ found.keys())
    wrong += [name for name, place in places.items() if name in found and place.shape != found[name].shape]
    if wrong:
        raise BundleError(
            f"adapter {folder} does not fit {base}: {', '.join(wrong[:8])} are not of the same shape in both"
        )
    broken = [name for name, value in found.items() if not value.isfinite().all()]
    if broken:
        raise BundleError(f"adapter {folder} is not finite in {', '.join(broken[:8])}; learn it again")
    for name, place in places.items():
        place.copy_(found[name])


def merge_into(base: Path, folder: Path, out: Path) -> None:
    """Make an ordinary bundle of a bundle and an adapter that was learned for it. Raises as `restore`."""
    loaded = bundle.load(base)
    restore(loaded.system, folder, base)
    merge(loaded.system)
    lineage = {"adapter": verify(folder, base)["lineage"]}
    bundle.derive(base, out, loaded.system, lineage)
