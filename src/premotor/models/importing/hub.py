"""What lies elsewhere: checkpoints and tokenizers on the Hugging Face hub. A folder that is whole needs no network."""

import re
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from premotor.core.errors import WeightsError
from premotor.models.importing.ask import Ask

__all__ = ["folder_of", "named_file"]

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
# Not what training left behind, nor the same weights in other forms.
_WANTED = [
    "*.json",
    "*.safetensors",
    "*.pt",
    "*.msgpack",
    "*/default/checkpoint",
    "*/checkpoint",
    "tokenizer.model",
    "*.jinja",
]
_UNWANTED = ["optimizer.pt", "training_state/*", "*.bin"]


def folder_of(source: str) -> tuple[Path, str]:
    """The folder of a checkpoint, and its revision on the hub, empty for a folder that was given.

    Raises WeightsError with the next step when there is no such folder and the hub does not give it.
    """
    if Path(source).is_dir():
        return Path(source), ""
    if not _ID.fullmatch(source):
        raise WeightsError(f"{source} is no folder, and no id on the Hugging Face hub (OWNER/NAME) either")
    try:
        folder = Path(snapshot_download(source, allow_patterns=_WANTED, ignore_patterns=_UNWANTED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as refused:
        raise WeightsError(
            f"{source} is no folder here, and the hub does not give it ({_brief(refused)}). Fetch it where there is a "
            f"network, then import the folder:\n  hf download {source} --local-dir {source.split('/')[1]}"
        ) from refused
    return folder, folder.name


def named_file(ask: Ask, name: str, file: str, option: str) -> Path:
    """A file of something that a checkpoint names: in its folder, in the hub's cache, or fetched if that may be.

    option: how to give it by hand. Raises WeightsError with the next step.
    """
    if (ask.folder / name / file).is_file():
        return ask.folder / name / file
    try:
        return Path(hf_hub_download(name, file, local_files_only=not ask.online))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as refused:
        place = name.rsplit("/", 1)[-1]
        raise WeightsError(
            f"{ask.folder} needs {file} of {name!r}, which is not here ({_brief(refused)}). Fetch it and say where it "
            f"is, with {option}:\n  hf download {name} --include '*.json' --local-dir {place}"
        ) from refused


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
