"""How a bundle's system is told the instruction: the tokenizer and text encoder it carries, and how they are asked.

minilm   features of the frozen text encoder that recipes train with
ids      ids of the system's own tokenizer, of a prompt that may tell the state too
t5       features of a T5 encoder that came with the system
none     nothing: one policy, one task
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from premotor.core.errors import BundleError, InstructionError
from premotor.models.language.minilm import VOCABULARY, WEIGHTS, TextEncoder
from premotor.models.language.prompts import PROMPTS
from premotor.models.language.t5 import T5Config, T5Encoder
from premotor.models.language.thesaurus import THESAURUS, RestatedWords, Thesaurus

__all__ = ["NoWords", "PromptWords", "T5Words", "Words", "WordsConfig"]

_FILES = {"minilm": (WEIGHTS, VOCABULARY), "ids": (VOCABULARY,), "t5": (WEIGHTS, VOCABULARY), "none": ()}
_ROUND = 16  # prompts are padded to a multiple, so that most of them have one length


class Words(Protocol):
    """Instructions and states -> what the system reads."""

    def batch(self, instructions: list[str], states: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs.words and Inputs.words_mask. states: (B, S), normalised. Raises InstructionError for a text too long.

        What one instruction gives does not depend on the others.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class WordsConfig:
    """Which words a system reads; see the module.

    prompt: a name in PROMPTS. begin, end: ids around it. length: most ids, those included; a t5 always gets so many.
    encoder: sizes of the t5, see T5Config. restated: nouns that it has not learned are restated first (minilm only).
    """

    kind: Literal["minilm", "ids", "t5", "none"] = "minilm"
    prompt: str = "plain"
    begin: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    length: int = 0
    encoder: Mapping[str, int] = field(default_factory=dict)
    restated: bool = False

    def __post_init__(self) -> None:
        """Raises BundleError for a kind or a prompt that there is not, or one that is not restated."""
        if self.kind not in _FILES or self.prompt not in PROMPTS:
            raise BundleError(
                f"words of kind {self.kind!r} with the prompt {self.prompt!r}; there are the kinds "
                f"{', '.join(_FILES)} and the prompts {', '.join(PROMPTS)}"
            )
        if self.restated and self.kind != "minilm":
            raise BundleError(f"words of kind {self.kind!r} cannot be restated; only those of minilm can")

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "WordsConfig":
        """Read back what dataclasses.asdict and JSON made of it."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
        return cls(**values)

    @property
    def files(self) -> tuple[str, ...]:
        """What it needs in a bundle's folder."""
        return (*_FILES[self.kind], *((THESAURUS,) if self.restated else ()))

    def build(self, folder: Path) -> Words:
        """Read those files; raises BundleError when they are damaged or do not fit."""
        if self.kind == "minilm":
            encoder = TextEncoder(folder)
            return RestatedWords(Thesaurus.load(folder / THESAURUS), encoder) if self.restated else encoder
        if self.kind == "none":
            return NoWords()
        try:
            words = PromptWords(self, Tokenizer.from_file(str(folder / VOCABULARY)))
        except Exception as damage:
            # The tokenizer's own errors are bare Exceptions.
            raise BundleError(f"{folder / VOCABULARY} is no tokenizer ({damage}); restore the bundle") from damage
        if self.kind == "ids":
            return words
        t5 = T5Config(**self.encoder).build()
        t5.load_state_dict(load_file(folder / WEIGHTS), strict=True)
        return T5Words(words, t5.eval().requires_grad_(False))


class NoWords:
    """Of a system that is not told what to do."""

    def batch(self, instructions: list[str], states: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 0, 0) and (B, 0)."""
        count = len(instructions)
        return torch.zeros(count, 0, 0), torch.zeros(count, 0, dtype=torch.bool)


class PromptWords:
    """Ids of a prompt."""

    def __init__(self, config: WordsConfig, tokenizer: Tokenizer) -> None:
        self._config, self._tokenizer, self.length = config, tokenizer, config.length
        tokenizer.no_padding()
        tokenizer.no_truncation()

    def ids(self, instruction: str, state: Tensor) -> list[int]:
        """Of one instruction; state: (S,), normalised."""
        c = self._config
        # What stands around a text is told here and not left to the tokenizer's file, which may differ.
        said: list[int] = self._tokenizer.encode(PROMPTS[c.prompt](instruction, state), add_special_tokens=False).ids
        ids = [*c.begin, *said, *c.end]
        if len(ids) > c.length:
            raise InstructionError(
                f"the instruction has {len(ids)} tokens with what is told around it, this policy reads {c.length}; "
                f"say it in fewer words: {instruction[:80]!r}"
            )
        return ids

    def batch(self, instructions: list[str], states: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) ids and (B, L) True where real."""
        rows = [torch.tensor(self.ids(text, state)) for text, state in zip(instructions, states, strict=True)]
        longest = max(map(len, rows))
        words = torch.zeros(len(rows), min(-(-longest // _ROUND) * _ROUND, self.length), dtype=torch.long)
        mask = torch.zeros_like(words, dtype=torch.bool)
        for row, ids in enumerate(rows):
            words[row, : len(ids)], mask[row, : len(ids)] = ids, True
        return words, mask


class T5Words:
    """Features that a T5 makes of a prompt; as Octo was trained, each of its places is read, words or not."""

    def __init__(self, words: PromptWords, encoder: T5Encoder) -> None:
        self._words, self._encoder, self._length = words, encoder, words.length
        self._cache: dict[str, Tensor] = {}

    @torch.no_grad()
    def batch(self, instructions: list[str], states: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, D) features and (B, L) True."""
        for text, state in zip(instructions, states, strict=True):
            if text not in self._cache:
                said = self._words.ids(text, state)
                ids = torch.tensor([said + [0] * (self._length - len(said))])
                real = torch.arange(self._length)[None] < len(said)
                self._cache[text] = self._encoder(ids, real)[0]
        words = torch.stack([self._cache[text] for text in instructions])
        return words, torch.ones(words.shape[:2], dtype=torch.bool)
