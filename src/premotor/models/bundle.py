"""A policy in one folder: weights, config, specs, statistics, codecs, text encoder and their digests.

    manifest.json       format, system, its config, lineage, sha256 of every other file and of itself
    model.safetensors   weights of the policy, float16 (it runs in float32)
    codecs.json         embodiment -> codec, which holds spec and statistics
    text.safetensors, tokenizer.json   the frozen text encoder

`load` checks every digest and raises BundleError; there is no partial load.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors.torch import load_file, save_file

from premotor.core.codec import Codec
from premotor.core.errors import BundleError
from premotor.models.contract import System, SystemConfig
from premotor.models.language.minilm import VOCABULARY, WEIGHTS, TextEncoder
from premotor.models.systems import name_of, restored_config

__all__ = ["DEFAULT", "FORMAT", "Bundle", "load", "save", "verify"]

FORMAT = 1
DEFAULT = Path(__file__).parent.parent / "bundles" / "tabletop"
_FILES = ("model.safetensors", "codecs.json", WEIGHTS, VOCABULARY)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A loaded policy. lineage: how it was made (recipe, code revision, data, steps)."""

    system: System
    config: SystemConfig
    codecs: Mapping[str, Codec]
    text: TextEncoder
    lineage: Mapping[str, Any]
    digest: str

    def codec(self, embodiment: str) -> Codec:
        """The codec of one robot; BundleError names the robots that this bundle knows."""
        if embodiment not in self.codecs:
            known = ", ".join(self.codecs)
            raise BundleError(f"this bundle was not trained for {embodiment!r}; it knows: {known}. Train one for it")
        return self.codecs[embodiment]


def save(
    folder: Path,
    system: System,
    config: SystemConfig,
    codecs: Mapping[str, Codec],
    text: Path,
    lineage: Mapping[str, Any],
) -> None:
    """Write a bundle; the folder appears whole or not at all. text: folder with the packed text encoder."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    weights = {k: v.half() if v.is_floating_point() else v for k, v in system.state_dict().items()}
    save_file({k: v.contiguous() for k, v in weights.items()}, temporary / "model.safetensors")
    (temporary / "codecs.json").write_text(json.dumps({n: c.to_json() for n, c in codecs.items()}, indent=1))
    for name in (WEIGHTS, VOCABULARY):
        shutil.copyfile(text / name, temporary / name)
    manifest = {
        "format": FORMAT,
        "system": name_of(config),
        "config": dataclasses.asdict(config),  # type: ignore[call-overload]
        "lineage": dict(lineage),
        "sha256": {name: _digest(temporary / name) for name in _FILES},
    }
    manifest["digest"] = _own_digest(manifest)
    (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def verify(folder: Path) -> dict[str, Any]:
    """The manifest, after every digest was checked. Raises BundleError naming what is missing or altered."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise BundleError(f"{folder} is not a bundle: manifest.json is missing; `premotor train` makes one")
    try:
        manifest = cast(dict[str, Any], json.loads(path.read_text()))
        digests, number, own = manifest["sha256"], manifest["format"], manifest["digest"]
    except (ValueError, KeyError, TypeError) as damage:
        raise BundleError(f"{path} is damaged ({damage!r}); restore the bundle") from damage
    if number != FORMAT or set(digests) != set(_FILES):
        raise BundleError(f"{path}: format {number} with files {sorted(digests)}; this premotor reads format {FORMAT}")
    if own != _own_digest(manifest):
        raise BundleError(f"bundle {folder}: manifest.json was altered; restore the bundle")
    for name, expected in digests.items():
        if not (folder / name).is_file():
            raise BundleError(f"bundle {folder}: {name} is missing; restore the bundle")
        found = _digest(folder / name)
        if found != expected:
            raise BundleError(f"bundle {folder}: {name} was altered (sha256 {found[:12]}, expected {expected[:12]})")
    return manifest


def load(folder: Path) -> Bundle:
    """Load strictly; raises BundleError on anything missing, altered or not fitting."""
    manifest = verify(folder)
    try:
        config: SystemConfig = restored_config(manifest["system"], manifest["config"])
        system = config.build()
        system.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
        codecs = {n: Codec.from_json(c) for n, c in json.loads((folder / "codecs.json").read_text()).items()}
    except (TypeError, RuntimeError, ValueError, KeyError) as misfit:
        raise BundleError(f"bundle {folder} does not fit this premotor: {misfit}") from misfit
    return Bundle(
        system=system.eval(),
        config=config,
        codecs=codecs,
        text=TextEncoder(folder),
        lineage=manifest["lineage"],
        digest=manifest["digest"],
    )


def _own_digest(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
