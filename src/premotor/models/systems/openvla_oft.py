"""OpenVLA-OFT (arXiv 2502.19645): OpenVLA that says a whole chunk at once, from several cameras and the state.

The chunk has a place for each number at the end of the sentence, and the sentence is read by all of itself; features
of the places become actions by regression or diffusion, or are said as words. FiLM tells the towers the mean word of
the prompt.

Faithful: every number, with the published weights (models/weights/openvla.py). Ours: a batch may hold prompts of
different lengths, and padding is no word of them; with `padded_film` it is, as in the published training. Not here:
augmentation. With `text_width`, features of a frozen text encoder stand in for the words of the prompt, to train
without a pretrained VLM.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System
from premotor.models.fusion.positions import step_code
from premotor.models.heads.bins import Bins, mirrored
from premotor.models.heads.diffusion import Diffusion
from premotor.models.heads.per_step import PerStepHead
from premotor.models.language.prismatic import STOP, Prismatic, PrismaticConfig, Span, before, joined

__all__ = ["Asked", "OpenVlaOft", "OpenVlaOftConfig"]


class Asked(NamedTuple):
    """The sentence before and after what changes while denoising: what is seen and felt; the prompt; the stop."""

    seen: Span
    words: Span
    stop: Span


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenVlaOftConfig(PrismaticConfig):
    """Sizes; the defaults are those of the published LIBERO policies. See PrismaticConfig for the others.

    state_dim: 0 where the state is not told. head: how actions are made. film, padded_film: see the module.
    steps: of diffusion in training; sample_steps: when acting.
    """

    cameras: tuple[str, ...] = ("primary", "wrist")
    state_dim: int = 8
    horizon: int = 8
    head: Literal["regression", "diffusion", "words"] = "regression"
    film: bool = False
    padded_film: bool = False
    steps: int = 50
    sample_steps: int = 50

    @classmethod
    def published(cls) -> Self:
        """The size published for LIBERO: two cameras, 7.5 billion numbers."""
        return cls()

    @classmethod
    def published_aloha(cls) -> Self:
        """The size published for two arms: three cameras, FiLM."""
        return cls(cameras=("primary", "left_wrist", "right_wrist"), state_dim=14, action_dim=14, horizon=25, film=True)

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder."""
        return cls(
            cameras=("front", "wrist"), state_dim=17, horizon=12, film=True,
            words=16, vocabulary=259, spoken=259, text_width=384, image_size=128, patch=16,
            dino_width=96, dino_layers=4, dino_heads=4, dino_mlp=288,
            siglip_width=96, siglip_layers=4, siglip_heads=4, siglip_mlp=288,
            width=192, mlp=512, layers=4, heads=4, kv_heads=4,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            cameras=("front", "wrist"), state_dim=7, horizon=3, film=True, steps=10, sample_steps=5,
            words=6, vocabulary=320, spoken=300, empty=40, image_size=28,
            dino_width=24, dino_layers=3, dino_heads=3, dino_mlp=48,
            siglip_width=32, siglip_layers=3, siglip_heads=4, siglip_mlp=48,
            width=32, mlp=48, layers=2, heads=4, kv_heads=4,
        )  # fmt: skip

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        told = robots.state_dim if self.state_dim else 0
        return replace(self, cameras=tuple(robots.cameras), state_dim=told, action_dim=robots.action_dim)

    def build(self) -> "OpenVlaOft":
        """Make the policy with fresh weights."""
        return OpenVlaOft(self)

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        return self.inputs(batch, state=self.state_dim)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.horizon, self.action_dim)
        return Targets(actions=torch.randn(action), weight=torch.ones(action))


class OpenVlaOft(System):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: OpenVlaOftConfig) -> None:
        super().__init__()
        self.config = c = config
        self.vlm = Prismatic(c, film=c.film, speaks=c.head == "words")
        if c.state_dim:
            self.state = _mlp(c.state_dim, c.width)
        if c.head == "words":
            self.bins = Bins.uniform(c.bins - 1, top=True)
        else:
            self.head = PerStepHead(c.action_dim * c.width, c.width, c.action_dim)
        if c.head == "diffusion":
            self.diffusion = Diffusion(c.steps, sampler="ddim")
            self.noisy = _mlp(1, c.width)

    def asked(self, inputs: Inputs) -> Asked:
        """All that does not change while denoising."""
        first, words = self.vlm.read(inputs)
        stop = self.vlm.spell(torch.full_like(inputs.embodiment, STOP)[:, None])
        seen = [first, *self.vlm.look(inputs, self._mean([first, words, stop]) if self.config.film else None)]
        if self.config.state_dim:
            # Statistics of the training data bound it, as they bound it then.
            felt = self.state(inputs.state.clamp(-1, 1).to(words[0].dtype))[:, None]
            seen.append((felt, torch.ones_like(felt[..., 0], dtype=torch.bool)))
        return Asked(joined(seen), words, stop)

    def places(self, asked: Asked, noisy: Tensor | None = None, step: Tensor | None = None) -> Tensor:
        """(B, H * A + 1, D) features of the place of each number, and of the stop.

        noisy (B, H, A) at steps (B,) stand in the places; else they are empty. The feature of a place is that of the
        token before it, since that is where the VLM has learned to say what comes next.
        """
        c, (tokens, _) = self.config, asked.seen
        slots = tokens.new_zeros(len(tokens), c.horizon * c.action_dim, c.width)
        between = list[Span]()
        if noisy is not None and step is not None:
            slots = self.noisy(noisy.flatten(1)[..., None].to(tokens.dtype))
            between.append(_real(step_code(step, c.width)[:, None].to(tokens.dtype)))
        tokens, real = joined([asked.seen, *between, asked.words, _real(slots), asked.stop])
        features, _ = self.vlm.think(tokens, real, causal=False)
        return before(features, real, slots.shape[1] + 1)

    def chunk(self, places: Tensor) -> Tensor:
        """(B, H, A) what the head says."""
        return self.head(places[:, :-1].reshape(len(places), self.config.horizon, -1)).float()

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts."""
        targets.must_be(len(self.config.taught))
        weight, asked = targets.weight, self.asked(inputs)
        actions = torch.where(weight > 0, targets.actions, 0.0).clamp(-1, 1)
        if self.config.head == "words":
            ids = mirrored(self.bins.encode(actions.flatten(1)), self.config.spoken - 1)
            known = weight.flatten(1) > 0
            known = torch.cat([known, known.any(1, keepdim=True)], 1)
            return self.vlm.scored(self.places(asked), F.pad(ids, (0, 1), value=STOP), known)
        if self.config.head == "diffusion":
            noisy, step, noise = self.diffusion.corrupt(actions)
            error = (self.chunk(self.places(asked, noisy, step)) - noise).square()
        else:
            error = (self.chunk(self.places(asked)) - actions).abs()
        total = (error * weight).sum() / weight.sum().clamp(min=1.0)
        return total, {"loss": float(total.detach())}

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions."""
        c, asked = self.config, self.asked(inputs)
        if c.head == "words":
            bins = mirrored(self.say(asked), c.spoken - 1)
            return self.bins.decode(bins, nearest=True).float().view(len(bins), c.horizon, -1)
        if c.head == "regression":
            return self.chunk(self.places(asked))
        noise = torch.randn(len(inputs.embodiment), c.horizon, c.action_dim, device=inputs.embodiment.device)
        return self.diffusion.sample(lambda x, step: self.chunk(self.places(asked, x, step)), noise, c.sample_steps)

    def say(self, asked: Asked) -> Tensor:
        """(B, H * A) ids of the words that are said in the places."""
        return self.vlm.number(self.places(asked)[:, :-1])

    def _mean(self, spans: list[Span]) -> Tensor:
        """(B, D) the mean word."""
        words, real = joined(spans)
        weight = (torch.ones_like(real) if self.config.padded_film else real).to(words.dtype)
        return (words * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)


def _mlp(inside: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inside, width), nn.GELU(), nn.Linear(width, width))


def _real(tokens: Tensor) -> Span:
    return tokens, torch.ones_like(tokens[..., 0], dtype=torch.bool)
