"""A policy in one folder: weights, config, specs, statistics, codecs, tokenizer, text encoder and their digests.

    manifest.json       format, system, its config, words, lineage, sha256 of every other file and of itself
    model.safetensors   weights of the policy: float16, or with every bit where they were not made here; it runs in
                        float32. In a bundle of few bits those of linear layers are whole numbers (quantised.py)
    codecs.json         embodiment -> codec, which holds spec and statistics
    tokenizer.json, text.safetensors   what the system's words need (language/words.py): both, the first, or none

`load` checks every digest and raises BundleError; there is no partial load.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from premotor.core.codec import Codec
from premotor.core.errors import BundleError
from premotor.models import quantised
from premotor.models.contract import System, SystemConfig
from premotor.models.digest import file_digest, manifest_digest
from premotor.models.language.words import Words, WordsConfig
from premotor.models.systems import name_of, restored_config

__all__ = ["DEFAULT", "FORMAT", "Bundle", "derive", "load", "save", "verify"]

FORMAT = 2
DEFAULT = Path(__file__).parent.parent / "bundles" / "tabletop"
_QUANTISED = 3  # the format of a bundle of few bits, which an older premotor must refuse
_FILES = ("model.safetensors", "codecs.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A loaded policy. lineage: how it was made (recipe, code revision, data, steps).

    bits: of the weights of its linear layers, 0 where they are as they were learned.
    """

    system: System
    config: SystemConfig
    codecs: Mapping[str, Codec]
    words: Words
    lineage: Mapping[str, Any]
    digest: str
    bits: int = 0

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
    *,
    words: WordsConfig | None = None,
    exact: bool = False,
    bits: int = 0,
) -> None:
    """Write a bundle; the folder appears whole or not at all.

    words: how the system is told the instruction, by the frozen text encoder when left out; text: folder with the files
    of that. exact: keep every bit of the weights, in 16 bits where these hold them. bits: of a quantised system.
    """
    words = words or WordsConfig()
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    whole = quantised.packed(system, bits) if bits else {}
    weights = whole | {k: _packed(v, exact) for k, v in quantised.plain(system).items()}
    save_file({k: v.contiguous() for k, v in weights.items()}, temporary / "model.safetensors")
    (temporary / "codecs.json").write_text(json.dumps({n: c.to_json() for n, c in codecs.items()}, indent=1))
    for name in words.files:
        shutil.copyfile(text / name, temporary / name)
    manifest = {
        "format": _QUANTISED if bits else FORMAT,
        **({"bits": bits} if bits else {}),
        "system": name_of(config),
        "config": dataclasses.asdict(config),  # type: ignore[call-overload]
        "words": dataclasses.asdict(words),
        "lineage": dict(lineage),
        "sha256": {name: file_digest(temporary / name) for name in (*_FILES, *words.files)},
    }
    manifest["digest"] = manifest_digest(manifest)
    (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def derive(base: Path, folder: Path, system: System, lineage: Mapping[str, Any], *, bits: int = 0) -> None:
    """Write a bundle that is `base` in everything but the weights and what lineage says. Arguments: as of `save`.

    Every bit of the weights is kept if the base may hold more than float16 does.
    """
    manifest = verify(base)
    kinds = {weight.dtype for weight in load_file(base / "model.safetensors").values() if weight.is_floating_point()}
    save(
        folder,
        system,
        restored_config(manifest["system"], manifest["config"]),
        _codecs(base),
        base,
        {**lineage, "base": {"digest": manifest["digest"], "lineage": manifest["lineage"]}},
        words=_words(manifest),
        exact=kinds != {torch.float16},
        bits=bits,
    )


def verify(folder: Path) -> dict[str, Any]:
    """The manifest, after every digest was checked. Raises BundleError naming what is missing or altered."""
    path = folder / "manifest.json"
    if not path.is_file():
        made = "`premotor train` makes one"
        if (folder / "adapter.json").is_file():
            made = "it is an adapter, which `premotor merge` and the bundle it was learned for make into one"
        raise BundleError(f"{folder} is not a bundle: manifest.json is missing; {made}")
    try:
        manifest = cast(dict[str, Any], json.loads(path.read_text()))
        digests, number, own = manifest["sha256"], manifest["format"], manifest["digest"]
    except (ValueError, KeyError, TypeError) as damage:
        raise BundleError(f"{path} is damaged ({damage!r}); restore the bundle") from damage
    if number not in (FORMAT, _QUANTISED):
        raise BundleError(f"{path}: format {number}; this premotor reads the formats {FORMAT} and {_QUANTISED}")
    if own != manifest_digest(manifest):
        raise BundleError(f"bundle {folder}: manifest.json was altered; restore the bundle")
    if set(digests) != {*_FILES, *_words(manifest).files}:
        raise BundleError(f"{path}: files {sorted(digests)} are not those of its words; restore the bundle")
    for name, expected in digests.items():
        if not (folder / name).is_file():
            raise BundleError(f"bundle {folder}: {name} is missing; restore the bundle")
        found = file_digest(folder / name)
        if found != expected:
            raise BundleError(f"bundle {folder}: {name} was altered (sha256 {found[:12]}, expected {expected[:12]})")
    return manifest


def load(folder: Path) -> Bundle:
    """Load strictly; raises BundleError on anything missing, altered or not fitting."""
    manifest = verify(folder)
    try:
        config: SystemConfig = restored_config(manifest["system"], manifest["config"])
        system, bits = config.build(), manifest.get("bits", 0)
        weights = load_file(folder / "model.safetensors")
        _check_finite(folder, weights)
        if bits:
            quantised.fill(system, bits, weights)
        else:
            system.load_state_dict(weights, strict=True)
        codecs = _codecs(folder)
        words = _words(manifest).build(folder)
    except (TypeError, RuntimeError, ValueError, KeyError) as misfit:
        raise BundleError(f"bundle {folder} does not fit this premotor: {misfit}") from misfit
    return Bundle(
        system=system.eval(),
        config=config,
        codecs=codecs,
        words=words,
        lineage=manifest["lineage"],
        digest=manifest["digest"],
        bits=bits,
    )


def _check_finite(folder: Path, weights: Mapping[str, Tensor]) -> None:
    broken = [name for name, weight in weights.items() if not weight.isfinite().all()]
    if broken:
        listed = f"{', '.join(broken[:8])}{' ...' if len(broken) > 8 else ''}"
        raise BundleError(
            f"bundle {folder}: {len(broken)} of its weights are not finite, so it could only say nonsense: {listed}; "
            "train or import it again"
        )


def _codecs(folder: Path) -> dict[str, Codec]:
    return {n: Codec.from_json(c) for n, c in json.loads((folder / "codecs.json").read_text()).items()}


def _words(manifest: Mapping[str, Any]) -> WordsConfig:
    try:
        return WordsConfig.from_json(manifest["words"])
    except (KeyError, TypeError) as misfit:
        raise BundleError(f"the words of this bundle are none of this premotor's: {misfit}") from misfit


def _packed(weight: Tensor, exact: bool) -> Tensor:
    if not weight.is_floating_point():
        return weight
    if not exact:
        return weight.half()
    for kind in (torch.bfloat16, torch.float16):
        if torch.equal(weight.to(kind).to(weight.dtype), weight):
            return weight.to(kind)
    return weight
