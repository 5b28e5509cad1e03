"""From a checkpoint to a bundle that has acted once."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from premotor import __version__
from premotor.core.errors import BundleError, WeightsError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Observation
from premotor.models import bundle
from premotor.models.importing.ask import Ask
from premotor.models.importing.hub import folder_of
from premotor.models.importing.recognise import reader, recognise
from premotor.models.importing.robot import robot_spec
from premotor.models.language.minilm import VOCABULARY, WEIGHTS
from premotor.models.policy import BundlePolicy

__all__ = ["Imported", "import_checkpoint"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """layout: what the checkpoint was. shape: (H, A) of the chunk that it said, in `seconds`."""

    layout: str
    shape: tuple[int, ...]
    seconds: float


def import_checkpoint(
    source: str,
    out: Path,
    *,
    robot: str,
    stats: str = "",
    cameras: Mapping[str, str] | None = None,
    tell: Mapping[str, str] | None = None,
    tokenizer: Path | None = None,
) -> Imported:
    """Write the bundle of a checkpoint, and let it act once on black pictures.

    source: a folder, or OWNER/NAME on the Hugging Face hub. For the others see Ask and robot_spec. Nothing is left
    behind when anything is missing, unknown or does not fit: WeightsError, SpecMismatch or BundleError says what.
    """
    if out.exists():
        raise BundleError(f"{out} exists already; choose another folder, or delete it")
    spec = robot_spec(robot)
    folder, revision = folder_of(source)
    layout = recognise(folder)
    ask = Ask(
        folder=folder, robot=spec, stats=stats, cameras=cameras or {}, tell=tell or {}, tokenizer=tokenizer,
        online=bool(revision),
    )  # fmt: skip
    try:
        reading = reader(layout)(ask)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as misfit:
        # Another version's description: an entry is missing, or means something else.
        raise WeightsError(
            f"{folder} looks like {layout}, but its description cannot be read: {misfit!r}; it may be of another "
            "version than those that are known here"
        ) from misfit
    facts = {
        "imported from": source if revision else str(folder.resolve()),
        "revision": revision or "a folder, without one",
        "layout": layout,
        "by": f"premotor {__version__}",
        "robot": robot,
        **reading.facts,
        **({"cameras": dict(ask.cameras)} if ask.cameras else {}),
        **({"told": dict(ask.tell)} if ask.tell else {}),
        "sha256": _digests(folder),
    }
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch)
        if reading.vocabulary is not None:
            shutil.copyfile(reading.vocabulary, text / VOCABULARY)
        if reading.encoder:
            save_file({key: value.contiguous() for key, value in reading.encoder.items()}, text / WEIGHTS)
        bundle.save(
            out, reading.system, reading.config, {spec.name: reading.codec}, text, facts,
            words=reading.words, exact=True,
        )  # fmt: skip
    # Two of them may not fit into memory.
    del reading
    try:
        return _tried(out, spec, layout)
    except BaseException:
        shutil.rmtree(out)
        raise


def _tried(out: Path, spec: EmbodimentSpec, layout: str) -> Imported:
    policy = BundlePolicy(bundle.load(out), spec.name)
    middle = [(d.low + d.high) / 2 for d in spec.state]
    seen = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in spec.cameras}
    began = time.perf_counter()
    chunk = policy.act(
        Observation(stamp_ns=0, images=seen, state=np.array(middle), instruction="pick up the red block")
    )
    if not np.isfinite(chunk.actions).all():
        raise WeightsError(f"{layout}: what it says is not finite, so the checkpoint is damaged; fetch it again")
    return Imported(layout=layout, shape=chunk.actions.shape, seconds=time.perf_counter() - began)


def _digests(folder: Path) -> dict[str, Any]:
    """Of everything that was read from the folder."""
    files = [p for pattern in ("*.json", "*.safetensors", "*.pt", "assets/**/*.json") for p in folder.glob(pattern)]
    files += folder.glob("*/default/checkpoint")
    found = {}
    for path in sorted(set(files)):
        with path.open("rb") as file:
            found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
