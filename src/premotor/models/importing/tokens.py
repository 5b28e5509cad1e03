"""The tokenizer that a checkpoint was trained with."""

from pathlib import Path

from tokenizers import Tokenizer

from premotor.core.errors import WeightsError
from premotor.models.importing.ask import Ask
from premotor.models.importing.hub import named_file

__all__ = ["LLAMA", "PALIGEMMA", "SMOLVLM", "T5", "ids_of", "own_tokenizer"]

# Words that tell a tokenizer, with the ids that they have in each of its versions.
PALIGEMMA = {"<pad>": 0, "<eos>": 1, "<bos>": 2}
LLAMA = {"<unk>": 0, "<s>": 1, "</s>": 2}
SMOLVLM = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
T5 = {"<pad>": 0, "</s>": 1}


def own_tokenizer(ask: Ask, name: str, marks: dict[str, int]) -> Path:
    """tokenizer.json: what was given, else the folder's, else that of the checkpoint's `name` (none, if empty).

    marks: word -> id, which must be there. Raises WeightsError with the next step.
    """
    if ask.tokenizer is not None:
        file = ask.tokenizer / "tokenizer.json" if ask.tokenizer.is_dir() else ask.tokenizer
        if not file.is_file():
            raise WeightsError(f"--tokenizer {ask.tokenizer}: there is no tokenizer.json")
    elif (ask.folder / "tokenizer.json").is_file():
        file = ask.folder / "tokenizer.json"
    elif name:
        file = named_file(ask, name, "tokenizer.json", "--tokenizer FILE")
    else:
        raise WeightsError(f"{ask.folder} has no tokenizer.json; give that of its model: --tokenizer FILE")
    tokenizer = _read(file)
    found = {word: tokenizer.token_to_id(word) for word in marks}
    if found != marks:
        raise WeightsError(f"{file} is another model's tokenizer: it has the ids {found}, this model's are {marks}")
    return file


def ids_of(file: Path, word: str = "", *, text: str = "") -> tuple[int, ...]:
    """The id of one word of the vocabulary, or those of a text without anything around it."""
    tokenizer = _read(file)
    if word:
        return (int(tokenizer.token_to_id(word)),)
    return tuple(int(i) for i in tokenizer.encode(text, add_special_tokens=False).ids)


def _read(file: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(file))
    except Exception as damage:
        # The tokenizer's own errors are bare Exceptions.
        raise WeightsError(f"{file} is no tokenizer: {damage}; fetch it again") from damage
