"""pi0.5 (arXiv 2504.16054): pi0 that tells itself in words what to do next, and learns from words, too.

Time sets the norms of the expert, and the state is among the words. With `said`, the VLM first says the next sub-task,
word by word, and the expert reads that as it reads the instruction. In training the VLM then also says the same chunk
in FAST tokens (`tokens`), which the expert does not read. Asked a question it answers. `insulated`, the VLM learns from
words and tokens alone: no gradient goes from the expert to what it reads (knowledge insulation, arXiv 2505.23705).

Faithful: every number of acting and of flow matching, with openpi's or LeRobot's weights (models/weights/pi0.py), which
are given without words to say, so `published` acts at once and its expert teaches the VLM, as there. From the papers
alone, as no code was published: who reads what, the weight of flow matching, the insulation, the sub-task before
the actions. Not so: the low-level policy reads the instruction, too, and not the sub-task instead; a sub-task is said
for each chunk; one word each stands for "Subtask:", "A:" and "Action:". Not here: boxes and web data, augmentation.
With `text_width`, features of a frozen text encoder stand in for the words that are read, and the state is told in 256
words made for it: that is ours.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.heads.fast_words import LIMIT, FastWords, codec_for, restored, stored
from premotor.models.heads.realtime import Continuation
from premotor.models.language.lexicon import ACT, ANSWER, FIRST, PLAN, STOP, Lexicon
from premotor.models.language.paligemma import Prefix
from premotor.models.language.talk import lesson, spell
from premotor.models.systems.pi0 import Pi0, Pi0Config

__all__ = ["Pi05", "Pi05Config"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pi05Config(Pi0Config):
    """See Pi0Config for the other sizes; as they are here, it only moves.

    said: the words that it can say, () for none; it then says a sub-task of at most `wordy` words before it acts.
    tokens: how many FAST tokens a chunk is taught in, 0 for none; kept: ids at the end of the vocabulary that they
    leave alone; fast, scale, lowest: their codec, see `prepared`. insulated: the expert does not teach the VLM.
    moving: what the error of the expert weighs beside those of words and tokens.
    """

    adaptive: bool = True
    words: int = 200
    said: tuple[str, ...] = ()
    wordy: int = 16
    tokens: int = 0
    kept: int = 128
    fast: str = ""
    scale: float = 10.0
    lowest: int = 0
    insulated: bool = False
    moving: float = 10.0

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, reading a frozen text encoder; a recipe adds what to say."""
        return replace(super(Pi05Config, cls).nano(), vocabulary=1152, tokens=1024, kept=0, insulated=True)

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        said = ("red", "blue", "left", "two")
        config = replace(super(Pi05Config, cls).toy(), said=said, vocabulary=340, tokens=300, kept=16, insulated=True)
        return config.prepared(np.zeros((1, config.horizon, config.action_dim)))

    @property
    def speech(self) -> Lexicon | None:
        """Spells what it is taught to say."""
        return Lexicon(self.said) if self.said else None

    @property
    def learns_words(self) -> bool:
        """Whether the VLM is taught anything by itself."""
        return bool(self.said or self.tokens)

    def prepared(self, chunks: NDArray[np.floating]) -> Self:
        """The same with a codec for such chunks, if it is taught them in tokens."""
        return replace(self, **stored(codec_for(chunks, self.tokens, self.scale))) if self.tokens else self

    def fast_words(self) -> FastWords:
        """Chunks as words. Raises ActionTokenError when there is no codec for them yet."""
        codec = restored(self.fast, self.scale, self.lowest, self.tokens)
        return FastWords(codec, self.vocabulary - 1 - self.kept, (ACT,), (STOP,))

    def checked(self) -> Self:
        """The same; raises SpecMismatch when words have no room, or the VLM would learn nothing."""
        room = self.vocabulary - self.kept - self.tokens
        if self.learns_words and FIRST + len(self.said) > room:
            raise SpecMismatch(
                f"{len(self.said)} words from {FIRST} on and {self.tokens} tokens before the last {self.kept} do not "
                f"fit into a vocabulary of {self.vocabulary}; raise `vocabulary`"
            )
        if self.insulated and not self.learns_words:
            raise SpecMismatch("an insulated VLM learns from words alone; give it some, `said` or `tokens`")
        return self

    def build(self) -> "Pi05":
        """Make the policy with fresh weights."""
        return Pi05(self)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes; where it speaks, the last of several rows is a question."""
        action = (batch, self.horizon, self.action_dim)
        actions, weight = torch.randn(action).clamp(-LIMIT, LIMIT), torch.ones(action)
        if not self.said:
            return Targets(actions=actions, weight=weight)
        weight[1:][-1:] = 0
        return Targets(actions=actions, weight=weight, said=torch.randint(FIRST, FIRST + len(self.said), (batch, 3)))


class Pi05(Pi0):
    """See the module. `loss` trains, `sample` acts, `answer` answers."""

    def __init__(self, config: Pi05Config) -> None:
        super().__init__(config.checked())
        self.config: Pi05Config = config
        self.fast = config.fast_words() if config.fast else None
        if config.learns_words:
            # Who speaks needs all of the VLM, also what the expert does not read.
            self.vlm.decoder.requires_grad_(True)
            if self.vlm.word is not None:
                # Words are as wide as all else that is read, and none is likelier, before anything is learned.
                nn.init.normal_(self.vlm.word.weight, std=config.width**-0.5)

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts: of moving, of words and of tokens.

        Raises SpecMismatch for targets without words where there are words to be learned.
        """
        targets.must_be(len(self.config.taught))
        c, parts = self.config, self.parts(inputs, targets)
        moving = parts["moving"]
        total = c.moving * moving + sum(parts.values()) - moving if c.learns_words else moving
        return total, {"loss": float(total.detach())} | {name: float(part.detach()) for name, part in parts.items()}

    def parts(self, inputs: Inputs, targets: Targets) -> dict[str, Tensor]:
        """The errors that the loss is made of: "moving" squared, "words" and "tokens" in nats each."""
        c, prefix, found = self.config, self.vlm(inputs), dict[str, Tensor]()
        if c.said:
            prefix, found["words"] = self._words(prefix, targets)
        if c.tokens:
            found["tokens"] = self._tokens(prefix, targets)
        return found | {"moving": self.missed(prefix.detached() if c.insulated else prefix, inputs.state, targets)}

    @torch.no_grad()
    def sample(self, inputs: Inputs, after: Continuation | None = None) -> Tensor:
        """(B, H, A) normalised actions: it says what to do next, and does it. after: the chunk that they go on."""
        prefix = self.vlm(inputs)
        if self.config.said:
            prefix = self._with(prefix, self._say(prefix, PLAN))
        return self.move(prefix, inputs.state, after)

    @torch.inference_mode()
    def answer(self, inputs: Inputs) -> list[str]:
        """What it says when asked a question; raises SpecMismatch where it was given no words."""
        return self._told(inputs, ANSWER)

    @torch.inference_mode()
    def steps(self, inputs: Inputs) -> list[str]:
        """What it says is to be done next; raises SpecMismatch where it was given no words."""
        return self._told(inputs, PLAN)

    def _words(self, prefix: Prefix, targets: Targets) -> tuple[Prefix, Tensor]:
        """What has been read with what was said, and the cross entropy of that."""
        if targets.said is None:
            raise SpecMismatch("this pi0.5 says what to do, so targets need `said`; or give it no words, said=()")
        mark = torch.where(targets.weight.flatten(1).any(1), PLAN, ANSWER)
        read, real, follows, known = lesson(targets.said, mark, STOP)
        features, past = self.vlm.follow(read, prefix)
        return Prefix(past, torch.cat([prefix.real, real], 1)), self._entropy(features, follows, known)

    def _tokens(self, prefix: Prefix, targets: Targets) -> Tensor:
        """The cross entropy of the chunk's tokens, after what has been read."""
        fast = self.config.fast_words() if self.fast is None else self.fast
        ids, real = fast.sentences(targets)
        features, _ = self.vlm.follow(ids[:, :-1], prefix)
        return self._entropy(features, ids[:, 1:], real[:, 1:])

    def _entropy(self, features: Tensor, follows: Tensor, known: Tensor) -> Tensor:
        errors = F.cross_entropy(self.vlm.score(features[known]).float(), follows[known], reduction="none")
        return errors.sum() / max(len(errors), 1)

    def _say(self, prefix: Prefix, mark: int) -> Tensor:
        """(B, L) ids of what it says after a mark, STOP after the last word."""
        c, ids = self.config, torch.arange(self.config.vocabulary, device=prefix.real.device)
        return spell(self.vlm, prefix, mark, (ids >= FIRST) & (ids < FIRST + len(c.said)), STOP, c.wordy)

    def _with(self, prefix: Prefix, said: Tensor) -> Prefix:
        """What has been read, with the sub-task that was said (B, L)."""
        read, real, _, _ = lesson(said.masked_fill(said == STOP, -1), torch.full_like(said[:, 0], PLAN), STOP)
        _, past = self.vlm.follow(read, prefix)
        return Prefix(past, torch.cat([prefix.real, real], 1))

    def _told(self, inputs: Inputs, mark: int) -> list[str]:
        speech = self.config.speech
        if speech is None:
            raise SpecMismatch("this pi0.5 was given no words to say; make it with some, said=(...), and train it")
        return [speech.text(row) for row in self._say(self.vlm(inputs), mark).tolist()]
