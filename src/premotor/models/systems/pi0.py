"""pi0 (arXiv 2410.24164) and pi0.5 (arXiv 2504.16054): a VLM reads, a small expert beside it moves by flow matching.

Pictures (SigLIP) and words go through Gemma once. The expert, a narrower Gemma with heads alike, turns noise into a
chunk of actions; its tokens read what the VLM's left behind in each layer, and the VLM never reads them. pi0 gives
the state to the expert as a token and mixes the time into the actions; pi0.5 has the state among the words and lets
the time set the expert's norms.

Faithful: every number, with openpi's or LeRobot's weights (models/weights/pi0.py). Not so: what has no label, such as
rows past the end of an episode, is not learned here. Not here: augmentation, and of pi0.5's recipe the subtask in words
and the FAST tokens that came first; the weights that only these need are held and not taught. With `text_width`,
features of a frozen text encoder stand in for words of the VLM's own, and pi0.5's state is told in 256 words made for
it: that is ours, to train without a pretrained VLM.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System
from premotor.models.fusion.decoder import DecoderConfig
from premotor.models.fusion.masks import Group, block_mask
from premotor.models.heads.flow import Flow, padded, time_features
from premotor.models.heads.realtime import Continuation
from premotor.models.language.paligemma import PaliGemma, PaliGemmaConfig, Prefix

__all__ = ["Pi0", "Pi0Config", "Pi05Config"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pi0Config(PaliGemmaConfig):
    """Sizes; the defaults are the published ones. See PaliGemmaConfig for the others.

    adaptive: pi0.5. state_room, action_room: numbers that the weights take; a robot's fewer are padded with zeros.
    padded_loss: padding counts in the loss, as in openpi, so that denoising keeps it as training had it; LeRobot
    leaves it out. shortest, longest: periods that time is told in. summed_time: see Flow.
    """

    adaptive: bool = False
    action_dim: int = 32
    state_room: int = 32
    action_room: int = 32
    horizon: int = 50
    expert_width: int = 1024
    expert_mlp: int = 4096
    steps: int = 10
    shortest: float = 4e-3
    longest: float = 4.0
    padded_loss: bool = True
    summed_time: bool = False

    @classmethod
    def published(cls) -> Self:
        """The published size: three cameras, 3.2 billion numbers."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder."""
        return cls(
            cameras=("front", "wrist"), state_dim=17, action_dim=7, state_room=17, action_room=7, horizon=12, words=16,
            vocabulary=0, text_width=384,
            image_size=128, patch=16, vision_width=128, vision_layers=4, vision_heads=4, vision_mlp=384,
            width=192, mlp=512, expert_width=128, expert_mlp=384, layers=4, heads=4, kv_heads=1, head_width=48,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            cameras=("front", "wrist"), state_dim=7, action_dim=7, state_room=9, action_room=8, horizon=6,
            words=12, vocabulary=64,
            image_size=32, patch=8, vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64,
            width=32, mlp=64, expert_width=24, expert_mlp=48, layers=2, heads=4, kv_heads=1, head_width=8, steps=4,
        )  # fmt: skip

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        return replace(
            self,
            **self.told(robots),
            state_room=max(self.state_room, robots.state_dim),
            action_room=max(self.action_room, robots.action_dim),
            action_dim=robots.action_dim,
        )

    def build(self) -> "Pi0":
        """Make the policy with fresh weights."""
        return Pi0(self)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.horizon, self.action_dim)
        return Targets(actions=torch.randn(action), weight=torch.ones(action))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pi05Config(Pi0Config):
    """pi0.5's; see Pi0Config."""

    adaptive: bool = True
    words: int = 200


class Pi0(System):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: Pi0Config) -> None:
        super().__init__()
        self.config = c = config
        if c.action_dim > c.action_room or (c.state_dim > c.state_room and not c.adaptive):
            raise SpecMismatch(
                f"state {c.state_dim} and action {c.action_dim} do not fit into {c.state_room} and {c.action_room}"
            )
        self.flow = Flow(noise_at=1, steps=c.steps, summed=c.summed_time)
        # pi0.5 tells the state in words, by id as part of the instruction where the VLM has words of its own.
        self.vlm = PaliGemma(c, numbers=c.adaptive and not c.vocabulary)
        for weight in self.vlm.decoder.unread():
            weight.requires_grad_(False)
        self.expert = DecoderConfig(
            width=c.expert_width,
            layers=c.layers,
            mlp=c.expert_mlp,
            heads=c.heads,
            kv_heads=c.kv_heads,
            head_width=c.head_width,
            told=c.expert_width if c.adaptive else 0,
        ).build()
        self.action_in = nn.Linear(c.action_room, c.expert_width)
        self.action_out = nn.Linear(c.expert_width, c.action_room)
        # pi0 mixes time into each action, pi0.5 prepares it for the norms.
        self.time_in = nn.Linear(c.expert_width if c.adaptive else 2 * c.expert_width, c.expert_width)
        self.time_out = nn.Linear(c.expert_width, c.expert_width)
        if not c.adaptive:
            self.state = nn.Linear(c.state_room, c.expert_width)

    def velocity(self, prefix: Prefix, state: Tensor, actions: Tensor, time: Tensor) -> Tensor:
        """(B, H, R) which way the actions (B, H, R), padded, move at times (B,)."""
        c = self.config
        # Only what is denoised stays precise, whatever the type of the weights.
        kind = self.action_in.weight.dtype
        tokens, told = self.action_in(actions.to(kind)), None
        when = time_features(time, c.expert_width, shortest=c.shortest, longest=c.longest).to(kind)
        if c.adaptive:
            told = F.silu(self.time_out(F.silu(self.time_in(when))))[:, None]
        else:
            mixed = self.time_in(torch.cat([tokens, when[:, None].expand_as(tokens)], -1))
            first = self.state(padded(state, c.state_room).to(kind))
            tokens = torch.cat([first[:, None], self.time_out(F.silu(mixed))], 1)
        count, before = tokens.shape[1], prefix.real.shape[1]
        mask = self._reads(before, count - c.horizon).to(tokens.device)[-count:]
        real = F.pad(prefix.real, (0, count), value=True)
        places = prefix.places + torch.arange(count, device=tokens.device)
        read, _ = self.expert(tokens, mask & real[:, None, None], places, told=told, past=prefix.past)
        return self.action_out(read[:, -c.horizon :]).to(actions.dtype)

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts."""
        # What a robot lacks is padding, too.
        has = targets.weight.amax(1, keepdim=True) > 0
        actions = padded(torch.where(has, targets.actions, 0.0), self.config.action_room)
        weight = padded(targets.weight, self.config.action_room)
        if self.config.padded_loss:
            weight = targets.weight.amax(-1, keepdim=True).expand_as(actions)
        prefix = self.vlm(inputs)
        error = self.flow.error(actions, lambda x, time: self.velocity(prefix, inputs.state, x, time)) * weight
        total = error.sum() / weight.sum().clamp(min=1.0)
        return total, {"loss": float(total.detach())}

    @torch.no_grad()
    def sample(self, inputs: Inputs, after: Continuation | None = None) -> Tensor:
        """(B, H, A) normalised actions. after: the last chunk, which they go on."""
        prefix, c = self.vlm(inputs), self.config
        noise = torch.randn(len(prefix.real), c.horizon, c.action_room, device=prefix.real.device)

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            return self.velocity(prefix, inputs.state, x, time)

        chunk = self.flow.walk(noise, velocity if after is None else after.guided(self.flow, velocity))
        return chunk[..., : c.action_dim]

    def _reads(self, before: int, states: int) -> Tensor:
        """Who may read whom: the state the prefix, the actions all."""
        groups = [
            Group(name="prefix", tokens=before, reads=("prefix",), every_step=False),
            Group(name="state", tokens=states, reads=("prefix", "state"), every_step=False),
            Group(name="action", tokens=self.config.horizon, reads=("",), every_step=False),
        ]
        return block_mask(groups, 0)
