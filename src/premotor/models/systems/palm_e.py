"""PaLM-E (arXiv 2303.03378): a language model in whose sentences pictures, states and objects are words.

It says in words what to do next, and a small policy that was taught these words does it; asked a question about what is
seen it answers. Inputs.spots tells where in a sentence each picture, the state and each object stand, so that one may
ask "is <object 3> in the bowl"; without it all stand before the first word. With `frozen` the language model stays as
it is, and what turns pictures, states and objects into its words is all of it that learns.

Faithful: the sentences, text alone as what is said, the loss on it, the frozen language model, object slots and the
policy that is told what to do. Not faithful: PaLM (PaliGemma stands in for it; `published` is its size, where the paper
has 12 to 562 billion numbers, so there is nothing to agree with to the digit) and its ViT; objects are found by slot
attention instead of OSRT; the policy that carries out what was said is ours, as the paper's come from elsewhere. With
`text_width`, features of a frozen text encoder stand in for the words that are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System
from premotor.models.fusion.slots import SlotFusion
from premotor.models.heads.regression import RegressionHead
from premotor.models.language.lexicon import ANSWER, PLAN, STOP
from premotor.models.language.paligemma import Prefix
from premotor.models.language.sentence import Sentence, SentenceConfig, Span
from premotor.models.language.talk import lesson, spell

__all__ = ["PalmE", "PalmEConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PalmEConfig(SentenceConfig):
    """See SentenceConfig. hand_*: sizes of the policy that does what is said; hand_slots: what it reads them with."""

    feels: bool = True
    objects: int = 8
    bins: int = 0
    horizon: int = 12
    hand_width: int = 512
    hand_heads: int = 8
    hand_blocks: int = 4
    hand_slots: int = 8

    @classmethod
    def published(cls) -> Self:
        """A public language model of 2.9 billion numbers, one camera, and a small policy."""
        return cls(cameras=("primary",), numbers=257152)

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, reading a frozen text encoder; a recipe adds what to say."""
        return cls(
            cameras=("front", "wrist"), state_dim=17, action_dim=7, words=16, text_width=384,
            vocabulary=256, numbers=256, image_size=128, patch=16,
            vision_width=128, vision_layers=4, vision_heads=4, vision_mlp=384,
            width=192, mlp=512, layers=4, heads=4, kv_heads=1, head_width=48,
            hand_width=128, hand_heads=4, hand_blocks=2,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            cameras=("front", "wrist"), state_dim=7, action_dim=7, words=6, text_width=384, objects=3, horizon=4,
            said=("red", "blue", "left", "two"), vocabulary=84, numbers=84, image_size=32, patch=8,
            vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64,
            width=32, mlp=64, layers=2, heads=4, kv_heads=1, head_width=8,
            hand_width=16, hand_heads=2, hand_blocks=1, hand_slots=2,
        )  # fmt: skip

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        return replace(self, **self.made_for(robots))

    def build(self) -> "PalmE":
        """Make the policy with fresh weights."""
        return PalmE(self)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes; the last of several rows is a question."""
        action = (batch, self.horizon, self.action_dim)
        weight = torch.ones(action)
        weight[1:][-1:] = 0
        return Targets(actions=torch.randn(action), weight=weight, said=self.fake_said(batch))


class PalmE(System):
    """See the module. `loss` trains, `sample` acts, `answer` answers."""

    def __init__(self, config: PalmEConfig) -> None:
        super().__init__()
        self.config = c = config
        self.model = Sentence(c)
        self.told = nn.Linear(c.width, c.hand_width)
        self.felt = nn.Linear(c.state_dim, c.hand_width)
        self.hand = SlotFusion(c.hand_width, c.hand_heads, c.hand_blocks, c.hand_slots, c.width)
        self.head = RegressionHead(c.hand_slots * c.hand_width, 2 * c.hand_width, 2, c.horizon, c.action_dim)

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts: the cross entropy of a word and the error of an action.

        Raises SpecMismatch for targets without words.
        """
        targets.must_be(len(self.config.taught))
        if targets.said is None:
            raise SpecMismatch("PaLM-E says what to do, so targets need `said`: give its configuration words, `said`")
        acts = targets.weight.flatten(1).any(1)
        read, _, ids, known = lesson(targets.said, torch.where(acts, PLAN, ANSWER), STOP)
        said, real = targets.said.clamp(min=0), targets.said >= 0
        seen = self.model.look(inputs)
        features, _ = self.model.follow(read, self.model(inputs, seen))
        errors = F.cross_entropy(self.model.score(features[known]).float(), ids[known], reduction="none")
        words = errors.sum() / max(len(errors), 1)
        actions = torch.where(targets.weight > 0, targets.actions, 0.0)
        action = self.head.loss(self.grasp(inputs, seen, said, real), actions, targets.weight)
        return words + action, {
            "loss": float((words + action).detach()),
            "action": float(action.detach()),
            "words": float(words.detach()),
        }

    def grasp(self, inputs: Inputs, seen: Mapping[str, Span], said: Tensor, real: Tensor) -> Tensor:
        """(B, F) features of the policy that is told to do what was said (B, L), and sees and feels for itself."""
        kind = self.told.weight.dtype
        # The mark stays, so that there always is something to read.
        ids, real = F.pad(said, (1, 0), value=PLAN), F.pad(real, (1, 0), value=True)
        words = self.told(self.model.vlm.embed(ids).detach())
        cells = [tokens * has[..., None] for tokens, has in seen.values()]
        return self.hand(words, real, torch.cat(cells, 1), self.felt(inputs.state.to(kind))[:, None]).flatten(1)

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions: it says what to do, and does it."""
        seen = self.model.look(inputs)
        ids = self._say(self.model(inputs, seen), PLAN)
        return self.head(self.grasp(inputs, seen, ids, ids != STOP)).float()

    @torch.inference_mode()
    def answer(self, inputs: Inputs) -> list[str]:
        """What it says when asked a question; raises SpecMismatch where its words are another tokenizer's."""
        return self._text(self.say(inputs, ANSWER))

    @torch.inference_mode()
    def steps(self, inputs: Inputs) -> list[str]:
        """What it says is to be done next; raises SpecMismatch where its words are another tokenizer's."""
        return self._text(self.say(inputs, PLAN))

    @torch.inference_mode()
    def say(self, inputs: Inputs, mark: int) -> Tensor:
        """(B, L) ids of what it says after a mark, PLAN or ANSWER of models/language/lexicon.py."""
        return self._say(self.model(inputs), mark)

    def _say(self, prefix: Prefix, mark: int) -> Tensor:
        sayable = self.config.sayable().to(prefix.real.device)
        return spell(self.model, prefix, mark, sayable, STOP, self.config.longest)

    def _text(self, ids: Tensor) -> list[str]:
        if self.config.speech is None:
            raise SpecMismatch("this PaLM-E was given no words to say; `say` gives ids, for its tokenizer to decode")
        return [self.config.speech.text(row) for row in ids.tolist()]
