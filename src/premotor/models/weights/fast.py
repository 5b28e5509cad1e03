"""A FAST codec in a folder, in the layout of the public one: tokenizer.json and processor_config.json."""

import json
from pathlib import Path

from tokenizers import Tokenizer

from premotor.core.errors import WeightsError
from premotor.models.heads.fast import FastCodec

__all__ = ["load_fast", "save_fast"]

_TOKENIZER, _PROCESSOR = "tokenizer.json", "processor_config.json"


def load_fast(folder: Path) -> FastCodec:
    """The codec in `folder`; raises WeightsError when a file or an entry is missing or damaged."""
    # Newer versions of transformers keep the tokenizer in a folder of its own.
    inner = folder / "bpe_tokenizer" / _TOKENIZER
    tokenizer = inner if inner.is_file() else folder / _TOKENIZER
    for file in (tokenizer, folder / _PROCESSOR):
        if not file.is_file():
            raise WeightsError(f"FAST codec {folder}: {file.name} is missing; restore the folder")
    try:
        numbers = json.loads((folder / _PROCESSOR).read_text())
        codec = FastCodec(
            tokenizer=Tokenizer.from_file(str(tokenizer)),
            scale=float(numbers["scale"]),
            lowest=int(numbers["min_token"]),
            horizon=_optional(numbers.get("time_horizon")),
            dims=_optional(numbers.get("action_dim")),
        )
    except Exception as damage:
        # The tokenizer's own errors are bare Exceptions.
        raise WeightsError(f"FAST codec {folder} is damaged ({damage!r}); restore the folder") from damage
    if codec.scale <= 0 or codec.size == 0:
        raise WeightsError(f"FAST codec {folder}: scale {codec.scale}, {codec.size} tokens; both must be above 0")
    return codec


def save_fast(folder: Path, codec: FastCodec) -> None:
    """Write the codec so that `load_fast` and others that read the public layout find it."""
    folder.mkdir(parents=True, exist_ok=True)
    codec.tokenizer.save(str(folder / _TOKENIZER))
    numbers = {
        "processor_class": "UniversalActionProcessor",
        "scale": codec.scale,
        "vocab_size": codec.size,
        "min_token": codec.lowest,
        "action_dim": codec.dims,
        "time_horizon": codec.horizon,
    }
    (folder / _PROCESSOR).write_text(json.dumps(numbers, indent=1))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind, indent=1))


def _optional(number: object) -> int | None:
    return None if number is None else int(str(number))
