"""Sentences whose words may be pictures, states, objects and what else is felt, read by one language model.

As in PaLM-E (arXiv 2303.03378).

What is no word is turned into tokens as wide as words, and stands wherever in the sentence it is referred to. RT-2 and
PaLM-E are both made of this. Their own language models (PaLM, PaLI-X) are not public; PaliGemma stands in for them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs
from premotor.models.contract import Robots
from premotor.models.fusion.decoder import Past
from premotor.models.language.lexicon import FIRST, Lexicon
from premotor.models.language.paligemma import PaliGemma, PaliGemmaConfig, Prefix
from premotor.models.senses import sense
from premotor.models.vision.objects import ObjectSlots

__all__ = ["Sentence", "SentenceConfig", "Span", "composed", "injected"]

# Tokens (B, T, D), and which of them (B, T) are real.
Span = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class SentenceConfig(PaliGemmaConfig):
    """Sizes and habits of the language model; see PaliGemmaConfig for the others.

    said: the words that it can say, () where its own tokenizer spells. numbers: id of the word for 0, which the `bins`
    integers of actions begin with; words end before it. causal: each token reads those before it only, as PaLM does;
    else all that was asked is read by all of it. feels: the state is a word, too. objects: how many things in the
    pictures are words of their own. senses: what else is felt, as (name, kind) with a kind of models/senses/; their
    tokens are words, too. frozen: the language model stays as it is, and only what is fed to it learns. longest: words
    that it says at most.
    """

    action_dim: int = 7
    said: tuple[str, ...] = ()
    numbers: int = 256000
    bins: int = 256
    causal: bool = True
    feels: bool = False
    objects: int = 0
    senses: tuple[tuple[str, str], ...] = ()
    frozen: bool = False
    longest: int = 16

    @property
    def speech(self) -> Lexicon | None:
        """Spells what it is taught to say."""
        return Lexicon(self.said) if self.said else None

    def checked(self) -> Self:
        """The same; raises SpecMismatch when words or numbers have no room, or two things have one name."""
        names = [
            *self.cameras,
            "state",
            *(f"object {k}" for k in range(self.objects)),
            *(name for name, _ in self.senses),
        ]
        if len(set(names)) != len(names):
            raise SpecMismatch(f"a sentence has one name for each thing; these are {', '.join(names)}")
        if self.numbers + self.bins > self.vocabulary or FIRST + len(self.said) > self.numbers:
            raise SpecMismatch(
                f"{len(self.said)} words from {FIRST} on and {self.bins} numbers from {self.numbers} on do not fit "
                f"into a vocabulary of {self.vocabulary}; raise `numbers` and `vocabulary`"
            )
        return self

    def sayable(self) -> Tensor:
        """(V,) True for the words that a text may consist of."""
        ids = torch.arange(self.vocabulary)
        return (ids >= FIRST) & (ids < (FIRST + len(self.said) if self.said else self.numbers))

    def made_for(self, robots: Robots) -> dict[str, Any]:
        """Sizes that robots decide."""
        return {**self.told(robots), "action_dim": robots.action_dim}

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        # A dataclass with slots is a new class, which super() without its name does not know.
        inputs = PaliGemmaConfig.fake_inputs(self, batch)
        return replace(inputs, senses={name: sense(kind).fake(batch) for name, kind in self.senses})

    def fake_said(self, batch: int, words: int = 3) -> Tensor:
        """(B, L) random words, as they are taught."""
        last = FIRST + len(self.said) if self.said else self.numbers
        return torch.randint(FIRST, last, (batch, words))


class Sentence(nn.Module):
    """Reads a sentence, and goes on with it; a Backbone of models/language/talk.py."""

    def __init__(self, config: SentenceConfig) -> None:
        super().__init__()
        self.config = c = config.checked()
        self.vlm = PaliGemma(c, numbers=False)
        if self.vlm.word is not None:
            # Read as wide as everything else, and said without a preference, before anything is learned.
            nn.init.normal_(self.vlm.word.weight, std=c.width**-0.5)
        self.senses = nn.ModuleDict({name: sense(kind)(c.width) for name, kind in c.senses})
        self.objects = ObjectSlots(c.width, c.objects) if c.objects else None
        self.state = (
            nn.Sequential(nn.Linear(c.state_dim, c.width), nn.GELU(), nn.Linear(c.width, c.width)) if c.feels else None
        )
        if c.frozen:
            for part in (self.vlm.word, self.vlm.text, self.vlm.decoder):
                if part is not None:
                    part.requires_grad_(False)

    def forward(self, inputs: Inputs, seen: Mapping[str, Span] | None = None) -> Prefix:
        """Read it, once. seen: what each camera shows, if that is known already."""
        tokens, real = self.tokens(inputs, seen)
        mask = real[:, None, None]
        if self.config.causal:
            count = real.shape[1]
            order = torch.ones(count, count, dtype=torch.bool, device=real.device).tril()
            # Padding at the start would have nothing to read but itself.
            mask = (mask & order) | torch.eye(count, dtype=torch.bool, device=real.device)
        return Prefix(self.vlm.decoder.remember(tokens, mask, (real.cumsum(1) - 1).clamp(min=0)), real)

    def tokens(self, inputs: Inputs, seen: Mapping[str, Span] | None = None) -> Span:
        """(B, T, D) the sentence, and which of its tokens (B, T) are real."""
        parts = self.encoded(inputs, self.look(inputs) if seen is None else seen)
        return injected((self.vlm.read(inputs.words), inputs.words_mask), parts, inputs.spots)

    def look(self, inputs: Inputs) -> dict[str, Span]:
        """What each camera shows, and each other sense feels; nothing of one that is missing."""
        cameras = [camera for camera in self.config.cameras if camera in inputs.images]
        found = dict(zip(cameras, self.vlm.look(inputs), strict=True))
        for name, encode in self.senses.items():
            if name in inputs.senses:
                tokens = encode(inputs.senses[name])
                found[name] = tokens, torch.ones_like(tokens[..., 0], dtype=torch.bool)
        return found

    def encoded(self, inputs: Inputs, seen: Mapping[str, Span]) -> dict[str, Span]:
        """What is no word, as a sentence calls it: cameras, other senses, "state", "object 0" and so on."""
        found = dict(seen)
        if self.state is not None:
            token = self.state(inputs.state.to(self.vlm.seen.weight.dtype))[:, None]
            found["state"] = token, torch.ones_like(token[..., 0], dtype=torch.bool)
        if self.objects is not None:
            shown = [seen[camera] for camera in self.config.cameras if camera in seen]
            cells, real = (torch.cat(parts, 1) for parts in zip(*shown, strict=True))
            slots = self.objects(cells, real)
            there = real.any(1, keepdim=True)
            found |= {f"object {k}": (slots[:, k : k + 1], there) for k in range(slots.shape[1])}
        return found

    def follow(self, ids: Tensor, prefix: Prefix) -> tuple[Tensor, Past]:
        """Features (B, L, D) of words that follow a prefix, each reading those before, and the past with them."""
        return self.vlm.follow(ids, prefix)

    def score(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., V) how likely each word comes next."""
        return self.vlm.score(features)


def injected(words: Span, parts: Mapping[str, Span], spots: Mapping[str, Tensor]) -> Span:
    """One sentence of words (B, L, D) and parts (B, N, D). spots: name -> (B,) the word that a part stands before.

    L is after the last word, and 0, also of whoever is not named, before the first; parts on one spot keep their order.
    Raises SpecMismatch for a spot outside the sentence, or of a part that there is not.
    """
    if unknown := spots.keys() - parts.keys():
        raise SpecMismatch(f"the sentence names {sorted(unknown)}; what is no word here is {', '.join(parts)}")
    (batch, count), device = words[1].shape, words[0].device
    keys = list[Tensor]()
    for name, (tokens, _) in parts.items():
        spot = spots.get(name, torch.zeros(batch, dtype=torch.long, device=device))
        if bool(((spot < 0) | (spot > count)).any()):
            raise SpecMismatch(f"{name!r} stands before word {spot.tolist()}; a sentence here has words 0 to {count}")
        keys.append((2 * spot)[:, None].expand(-1, tokens.shape[1]))
    keys.append((2 * torch.arange(count, device=device) + 1).expand(batch, -1))
    tokens, real = (torch.cat(both, 1) for both in zip(*parts.values(), words, strict=True))
    order = torch.cat(keys, 1).argsort(dim=1, stable=True)
    return tokens.gather(1, order[..., None].expand_as(tokens)), real.gather(1, order)


def composed(sentence: str, encode: Callable[[str], Tensor]) -> tuple[Tensor, dict[str, int]]:
    """Words of a sentence such as "Given <front>, what is <object 1>?", and before which of them each part stands.

    encode: a text -> its words, as features (L, T) or ids (L,). What stands in brackets is a part; see Inputs.spots.
    Raises SpecMismatch for a part that is named twice, or a sentence without words.
    """
    words, spots, count = list[Tensor](), dict[str, int](), 0
    for index, piece in enumerate(re.split(r"<([^<>]+)>", sentence)):
        if index % 2:
            if piece in spots:
                raise SpecMismatch(f"{sentence!r} names <{piece}> twice; a part stands in one place")
            spots[piece] = count
        elif piece.strip():
            words.append(encode(piece.strip()))
            count += len(words[-1])
    if not words:
        raise SpecMismatch(f"{sentence!r} has no words besides its parts; ask something")
    return torch.cat(words), spots
