"""Small checkpoint folders in the public layouts, and the robots that they are for."""

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from premotor.core.agree import spec_to_json
from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec

from ..weights.checkpoint import make
from ..weights.openvla_checkpoint import make_openvla

__all__ = [
    "GOLDEN",
    "PROCESSORS",
    "lerobot",
    "octo",
    "openpi",
    "openvla",
    "packed",
    "rewritten",
    "robot",
    "smolvlm",
    "words",
]

GOLDEN = Path(__file__).parents[2] / "golden"
PROCESSORS = GOLDEN / "lerobot_processors"


def robot(
    folder: Path, *, state: int = 7, action: int = 7, cameras: Mapping[str, tuple[int, int]] | None = None
) -> EmbodimentSpec:
    """A robot of so many numbers, whose spec is folder/robot.json too."""
    sizes = cameras or {"front": (40, 56), "wrist": (40, 56)}
    spec = EmbodimentSpec(
        name="small",
        cameras=tuple(CameraSpec(name=n, height=h, width=w) for n, (h, w) in sizes.items()),
        state=_dims(state),
        action=ActionSpec(dims=_dims(action), frame="joint", rotation="none", hold="measured_position"),
        rate_hz=10.0,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "robot.json").write_text(json.dumps(spec_to_json(spec)))
    return spec


def _dims(count: int) -> tuple[DimSpec, ...]:
    return tuple(DimSpec(name=f"j{i}", unit="rad", kind="absolute", low=-2.0, high=2.0) for i in range(count))


def lerobot(name: str, folder: Path) -> Path:
    """A LeRobot folder with weights as in tests/golden/NAME, and what LeRobot puts before and after the policy."""
    make(GOLDEN / name, folder)
    settings = json.loads((folder / "config.json").read_text())
    kind = settings["type"]
    if kind.startswith("pi0"):
        shutil.copyfile(PROCESSORS / "tokenizer" / "tokenizer.json", folder / "tokenizer.json")
        settings["tokenizer_max_length"] = 200
    if kind == "smolvla":
        smolvlm().save(str(folder / "tokenizer.json"))
    if kind == "pi0_fast":
        shutil.copytree(GOLDEN / "pi0_fast" / "fast", folder / "fast")
        settings["action_tokenizer_name"] = "fast"
    (folder / "config.json").write_text(json.dumps(settings))
    for file in (PROCESSORS / (kind if kind in ("pi05", "pi0_fast", "smolvla") else "act")).glob("policy_*"):
        shutil.copyfile(file, folder / file.name)
    return folder


def openvla(name: str, folder: Path) -> Path:
    """An OpenVLA folder with weights as in tests/golden/NAME and a tokenizer."""
    make_openvla(GOLDEN / name, folder)
    words({"<unk>": 0, "<s>": 1, "</s>": 2}).save(str(folder / "tokenizer.json"))
    return folder


def openpi(name: str, folder: Path, sets: tuple[str, ...] = ("toy",)) -> Path:
    """A folder as openpi's converter leaves it."""
    folder.mkdir(parents=True)
    shutil.copyfile(GOLDEN / name / "model.safetensors", folder / "model.safetensors")
    told = {"action_dim": 12, "action_horizon": 6, "paligemma_variant": "dummy", "action_expert_variant": "dummy"}
    (folder / "config.json").write_text(json.dumps(told))
    shutil.copyfile(PROCESSORS / "tokenizer" / "tokenizer.json", folder / "tokenizer.json")
    rng = np.random.default_rng(0)
    for each in sets:
        stats = {}
        for part in ("state", "actions"):
            low = rng.normal(0, 1, 12)
            stats[part] = {"mean": low, "std": rng.random(12) + 0.1, "q01": low - 1, "q99": low + rng.random(12)}
        lists = {part: {k: v.tolist() for k, v in told.items()} for part, told in stats.items()}
        (folder / "assets" / each).mkdir(parents=True)
        (folder / "assets" / each / "norm_stats.json").write_text(json.dumps({"norm_stats": lists}))
    return folder


def octo(folder: Path) -> Path:
    """A folder as Octo publishes it."""
    (folder / "300" / "default").mkdir(parents=True)
    told = {
        "model": json.loads((GOLDEN / "octo" / "config.json").read_text())["octo_spec"],
        "window_size": 2,
        "text_processor": {"kwargs": {"tokenizer_name": "t5-base", "tokenizer_kwargs": {"max_length": 16}}},
    }
    (folder / "config.json").write_text(json.dumps(told))
    numbers = {"mean": [0.1 * i for i in range(7)], "std": [0.5] * 7, "mask": [True] * 6 + [False]}
    (folder / "dataset_statistics.json").write_text(json.dumps({"bridge": {"action": numbers}, "kuka": {}}))
    tokens = {"<pad>": 0, "</s>": 1} | {word: 2 + i for i, word in enumerate("pick up the red block blue".split())}
    t5 = Tokenizer(models.WordLevel(tokens | {"<unk>": 8}, unk_token="<unk>"))
    t5.pre_tokenizer = pre_tokenizers.Whitespace()
    t5.save(str(folder / "tokenizer.json"))
    tree: dict[str, Any] = {}
    for name, value in load_file(GOLDEN / "octo" / "params.safetensors").items():
        *path, leaf = name.split("/")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[leaf] = value
    (folder / "300" / "default" / "checkpoint").write_bytes(packed(tree))
    return folder


def words(marks: Mapping[str, int]) -> Tokenizer:
    """A tokenizer that spells: one id for each byte, after these."""
    alphabet = {c: len(marks) + i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab={**marks, **alphabet}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def smolvlm() -> Tokenizer:
    """As the one that lerobot_processors/smolvla was recorded with."""
    marks = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<fake_token_around_image>", "<global-img>")
    return words({mark: i for i, mark in enumerate((*marks, "<end_of_utterance>"))})


def packed(value: Any) -> bytes:
    """As Flax writes it: MessagePack, arrays as its own kind of value."""
    if isinstance(value, Mapping):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(packed(k) + packed(v) for k, v in value.items())
    if isinstance(value, str):
        raw = value.encode()
        return b"\xd9" + struct.pack(">B", len(raw)) + raw
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, tuple):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(packed, value))
    return b"\xce" + struct.pack(">I", value)


def _array(value: NDArray[Any]) -> bytes:
    inside = packed((tuple(value.shape), value.dtype.name, value.tobytes()))
    return b"\xc9" + struct.pack(">I", len(inside)) + b"\x01" + inside


def rewritten(folder: Path, change: Any, file: str = "model.safetensors") -> Path:
    """The folder with its weights changed."""
    weights = load_file(folder / file)
    change(weights)
    save_file(weights, folder / file)
    return folder
