"""OpenVLA (arXiv 2406.09246): a VLM that says what to do, one number of the action a word.

A picture (DINOv2 and SigLIP), then the prompt, go through Llama 2; then it says the action, each number as one of 256
words, the most likely one each time. One action at a time, no state.

Faithful: every number, with the published weights (models/weights/openvla.py). Ours: it can only say words that stand
for numbers, where the published code would make some number of any word; a batch may hold prompts of different
lengths, and robots whose actions have fewer numbers, which they stop after. Not here: augmentation. With `text_width`,
features of a frozen text encoder stand in for the words of the prompt, to train without a pretrained VLM.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System
from premotor.models.heads.bins import Bins, mirrored
from premotor.models.language.prismatic import STOP, Prismatic, PrismaticConfig, Span, before, joined

__all__ = ["OpenVla", "OpenVlaConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenVlaConfig(PrismaticConfig):
    """See PrismaticConfig."""

    @property
    def horizon(self) -> int:
        """Actions that are predicted at once."""
        return 1

    @classmethod
    def published(cls) -> Self:
        """The published size: one camera, 7.5 billion numbers."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder."""
        return cls(
            cameras=("front", "wrist"), words=16, vocabulary=259, spoken=259, text_width=384, image_size=128, patch=16,
            dino_width=96, dino_layers=4, dino_heads=4, dino_mlp=288,
            siglip_width=96, siglip_layers=4, siglip_heads=4, siglip_mlp=288,
            width=192, mlp=512, layers=4, heads=4, kv_heads=4,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            cameras=("front", "wrist"), words=6, vocabulary=320, spoken=300, empty=40, image_size=28,
            dino_width=24, dino_layers=3, dino_heads=3, dino_mlp=48,
            siglip_width=32, siglip_layers=3, siglip_heads=4, siglip_mlp=48,
            width=32, mlp=48, layers=2, heads=4, kv_heads=4,
        )  # fmt: skip

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        return replace(self, cameras=tuple(robots.cameras), action_dim=robots.action_dim)

    def build(self) -> "OpenVla":
        """Make the policy with fresh weights."""
        return OpenVla(self)

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        return self.inputs(batch, state=0)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, 1, self.action_dim)
        return Targets(actions=torch.randn(action), weight=torch.ones(action))


class OpenVla(System):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: OpenVlaConfig) -> None:
        super().__init__()
        self.config = config
        self.vlm = Prismatic(config, film=False)
        # Of as many edges as there are words, since the last edge has one of its own.
        self.bins = Bins.uniform(config.bins - 1, top=True)

    def asked(self, inputs: Inputs) -> Span:
        """What is seen and asked, as one sentence."""
        first, rest = self.vlm.read(inputs)
        return joined([first, *self.vlm.look(inputs), rest])

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts."""
        targets.must_be(len(self.config.taught))
        known = targets.weight.flatten(1) > 0
        numbers = torch.where(known, targets.actions.flatten(1), 0.0)
        ids = F.pad(mirrored(self.bins.encode(numbers), self.config.spoken - 1), (0, 1), value=STOP)
        known = torch.cat([known, known.any(1, keepdim=True)], 1)
        tokens, real = joined([self.asked(inputs), (self.vlm.word(ids), known)])
        features, _ = self.vlm.think(tokens, real, causal=True)
        return self.vlm.scored(before(features, real, ids.shape[1]), ids, known)

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, 1, A) normalised actions."""
        bins = mirrored(self.say(inputs), self.config.spoken - 1)
        return self.bins.decode(bins, nearest=True).float()[:, None]

    def say(self, inputs: Inputs) -> Tensor:
        """(B, A) ids of the words that are said."""
        tokens, real = self.asked(inputs)
        features, past = self.vlm.think(tokens, real, causal=True)
        end = real.cumsum(1).argmax(1)  # The first place with the most before it is the last that is real.
        latest, said = features[torch.arange(len(end), device=end.device), end], list[Tensor]()
        for _ in range(self.config.action_dim - 1):
            said.append(self.vlm.number(latest))
            real = F.pad(real, (0, 1), value=True)
            token, place = self.vlm.word(said[-1][:, None]), real.sum(1, keepdim=True) - 1
            latest, past = self.vlm.decoder(token, real[:, None, None], place, past=past)
            latest = latest[:, 0]
        return torch.stack([*said, self.vlm.number(latest)], 1)
