"""What a VLM's chat template puts around pictures and an instruction, as ids of its tokenizer."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from premotor.core.errors import WeightsError

__all__ = ["around"]

_TEMPLATE = "chat_template"
_PLACES = (f"{_TEMPLATE}.jinja", f"{_TEMPLATE}.json", "tokenizer_config.json")
_HERE = "INSTRUCTION"


def around(vocabulary: Path, pictures: Sequence[int], *, begun: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids before and after an instruction, in a message of a user that shows pictures first.

    vocabulary: the tokenizer's file, beside which the template is. pictures: tokens of each. begun: whether an answer
    is. Raises WeightsError with the next step where there is no template, or the words around an instruction would
    change its own.
    """
    content = [*({"type": "image", "image": ""} for _ in pictures), {"type": "text", "text": _HERE}]
    text = _rendered(vocabulary.parent, [{"role": "user", "content": content}], begun)
    before, mark, after = text.partition(_HERE)
    shown = _with_pictures(before, pictures)
    if not mark or _HERE in after or shown is None:
        raise WeightsError(f"{vocabulary.parent}: its chat template shows no pictures before words: {text[:200]!r}")
    tokenizer = Tokenizer.from_file(str(vocabulary))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def ids(said: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(said, add_special_tokens=False).ids)

    parts = ids(shown), ids(after)
    if ids(f"{shown}{_HERE}{after}") != (*parts[0], *ids(_HERE), *parts[1]):
        raise WeightsError(f"{vocabulary}: the words around an instruction run into it: {text[:200]!r}")
    return parts


def _with_pictures(text: str, counts: Sequence[int]) -> str | None:
    """The text with as many words for each picture as it has tokens: as Qwen writes them, or as Eagle does."""
    left = list(counts)
    text, found = re.subn(r"<\|image_pad\|>", lambda m: m[0] * (left.pop(0) if left else 0), text)
    if not found:
        left = list(counts)
        text, found = re.subn(
            r"<image-(\d+)>",
            lambda m: f"<image {m[1]}><img>{'<IMG_CONTEXT>' * (left.pop(0) if left else 0)}</img>",
            text,
        )
    return text if found == len(counts) else None


def _rendered(folder: Path, messages: list[dict[str, object]], begun: bool) -> str:
    template = _found(folder)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    try:
        return environment.from_string(template).render(messages=messages, add_generation_prompt=begun)
    except TemplateError as damage:
        raise WeightsError(f"{folder}: its chat template cannot be read: {damage!r}; fetch it again") from damage


def _found(folder: Path) -> str:
    for name in _PLACES:
        file = folder / name
        if not file.is_file():
            continue
        if file.suffix == ".jinja":
            return file.read_text()
        try:
            told = json.loads(file.read_text()).get(_TEMPLATE)
        except (ValueError, AttributeError) as damage:
            raise WeightsError(f"{file} is damaged: {damage}; fetch it again") from damage
        if isinstance(told, str):
            return told
    raise WeightsError(
        f"{folder} has no chat template, so what stands around an instruction is not known. Fetch all small files of "
        "the checkpoint's VLM into one folder, and give that: --tokenizer FOLDER"
    )
