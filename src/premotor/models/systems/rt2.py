"""RT-2 (arXiv 2307.15818): a VLM that answers questions about pictures, and for which an action is an answer, too.

An action is said as integers, "terminate" and then each number as one of 256 words, and learned together with questions
and answers by the same loss. Asked for an action it can only say one (heads/action_words.py); asked a question it says
words. With `plans` it first says in words what it is about to do.

Faithful: the action string, the bins, the loss, the mixture of the two kinds of data, the constraint and the plan.
Not faithful: the language model. PaLI-X and PaLM-E are not public, nor are the weights of RT-2, so there is nothing to
agree with to the digit; `published` is PaliGemma's size, kin of the PaLI-3B of the paper, whose words for places are
the integers, and whose weights there are to begin from (models/weights/backbone.py). One word each stands for "A:",
"Plan:" and "Action:". What is no label, such as when to terminate on the tabletop, is taught as 0. With `text_width`,
features of a frozen text encoder stand in for the words that are read.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System
from premotor.models.heads.action_words import ActionWords
from premotor.models.heads.bins import Bins
from premotor.models.language.lexicon import ACT, ANSWER, PLAN, STOP
from premotor.models.language.sentence import Sentence, SentenceConfig
from premotor.models.language.talk import hear, spell, talk

__all__ = ["Decision", "Rt2", "Rt2Config"]


class Decision(NamedTuple):
    """actions (B, 1, A), normalised; terminate (B,); plans: ids of the words before each, none without `plans`."""

    actions: Tensor
    terminate: Tensor
    plans: list[list[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rt2Config(SentenceConfig):
    """See SentenceConfig. plans: it says what it is about to do before it does it."""

    causal: bool = False
    plans: bool = False

    @property
    def horizon(self) -> int:
        """Actions that are predicted at once."""
        return 1

    @classmethod
    def published(cls) -> Self:
        """One camera and a public language model of 2.9 billion numbers; those of the paper have 3 to 55."""
        return cls(cameras=("primary",))

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, reading a frozen text encoder; a recipe adds what to say."""
        return cls(
            cameras=("front", "wrist"), state_dim=17, action_dim=7, words=16, text_width=384,
            vocabulary=512, numbers=256, image_size=128, patch=16,
            vision_width=128, vision_layers=4, vision_heads=4, vision_mlp=384,
            width=192, mlp=512, layers=4, heads=4, kv_heads=1, head_width=48,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            cameras=("front", "wrist"), state_dim=7, action_dim=7, words=6, text_width=384, plans=True,
            said=("red", "blue", "left", "two"), vocabulary=340, numbers=84, image_size=32, patch=8,
            vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64,
            width=32, mlp=64, layers=2, heads=4, kv_heads=1, head_width=8,
        )  # fmt: skip

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        return replace(self, **self.made_for(robots))

    def build(self) -> "Rt2":
        """Make the policy with fresh weights."""
        return Rt2(self)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes; the last of several rows is a question."""
        action = (batch, 1, self.action_dim)
        weight = torch.ones(action)
        weight[1:][-1:] = 0
        return Targets(actions=torch.randn(action), weight=weight, said=self.fake_said(batch))


class Rt2(System):
    """See the module. `loss` trains, `sample` acts, `answer` answers."""

    def __init__(self, config: Rt2Config) -> None:
        super().__init__()
        self.config = config
        self.model = Sentence(config)
        self.bins = Bins.uniform(config.bins)

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss, the cross entropy of a word, and its parts: of numbers (action) and of words."""
        targets.must_be(len(self.config.taught))
        ids, known = self.sentences(targets)
        features, _ = self.model.follow(ids[:, :-1], self.model(inputs))
        known, right = known[:, 1:], ids[:, 1:]
        errors = F.cross_entropy(self.model.score(features[known]).float(), right[known], reduction="none")
        number = right[known] >= self.config.numbers
        mean = {"loss": errors, "action": errors[number], "words": errors[~number]}
        return errors.sum() / max(len(errors), 1), {
            name: float(part.detach().sum()) / max(len(part), 1) for name, part in mean.items()
        }

    def sentences(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """(B, L) ids of what shall be said after the prompt, and which (B, L) are learned; the first is given."""
        c, device = self.config, targets.actions.device
        known = targets.weight.flatten(1) > 0
        integers = self.bins.encode(torch.where(known, targets.actions.flatten(1), 0.0)) + c.numbers
        rows, learned = list[Tensor](), list[Tensor]()
        for index, number in enumerate(integers.cpu()):
            acts, has = known[index].cpu(), bool(known[index].any())
            words = _words(targets.said, index)
            if not has:
                rows.append(torch.tensor([ANSWER, *words, STOP]))
                learned.append(torch.full((2 + len(words),), bool(words)))
                continue
            before = [PLAN, *words, ACT] if c.plans and words else [ACT]
            rows.append(torch.cat([torch.tensor([*before, c.numbers]), number]))
            learned.append(torch.cat([torch.ones(1 + len(before), dtype=torch.bool), acts]))
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return ids.to(device), torch.nn.utils.rnn.pad_sequence(learned, batch_first=True).to(device)

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, 1, A) normalised actions."""
        return self.decide(inputs).actions

    @torch.inference_mode()
    def decide(self, inputs: Inputs) -> Decision:
        """What to do: the best words again and again, of those that are part of a plan and an action."""
        c, prefix = self.config, self.model(inputs)
        words = ActionWords(
            len(inputs.embodiment),
            c.action_dim,
            numbers=c.numbers,
            bins=c.bins,
            act=ACT,
            plan=c.sayable() if c.plans else None,
            limit=c.longest,
        )

        def choose(scores: Tensor) -> Tensor | None:
            best = words.choose(scores)
            return None if words.done else best

        first = torch.full_like(prefix.places, PLAN if c.plans else ACT)
        talk(self.model, *hear(self.model, first, prefix), self.model.score, choose)
        terminate, integers = words.actions()
        actions = self.bins.decode(integers).float()[:, None].to(inputs.embodiment.device)
        return Decision(actions, terminate, words.plans())

    @torch.inference_mode()
    def answer(self, inputs: Inputs) -> list[str]:
        """What it says when asked a question; raises SpecMismatch where its words are another tokenizer's."""
        if self.config.speech is None:
            raise SpecMismatch("this RT-2 was given no words to say; `say` gives ids, for its tokenizer to decode")
        return [self.config.speech.text(row) for row in self.say(inputs).tolist()]

    @torch.inference_mode()
    def say(self, inputs: Inputs) -> Tensor:
        """(B, L) ids of the answers, STOP after the last word."""
        prefix = self.model(inputs)
        sayable = self.config.sayable().to(prefix.real.device)
        return spell(self.model, prefix, ANSWER, sayable, STOP, self.config.longest)


def _words(said: Tensor | None, row: int) -> list[int]:
    return [] if said is None else [i for i in said[row].tolist() if i >= 0]
