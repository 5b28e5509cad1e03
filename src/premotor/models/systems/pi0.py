"""pi0 (arXiv 2410.24164): a VLM reads, a small expert beside it moves by flow matching.

Pictures (SigLIP) and words go through Gemma once. The expert, a narrower Gemma with heads alike, turns noise into a
chunk of actions; its tokens read what the VLM's left behind in each layer, and the VLM never reads them. The state is
a token of the expert's, and the time is mixed into the actions. pi0.5, made of the same parts, is in pi05.py.

Faithful: every number, with openpi's or LeRobot's weights (models/weights/pi0.py). Not so: what has no label, such as
rows past the end of an episode, is not learned here. Not here: augmentation. With `text_width`, features of a frozen
text encoder stand in for words of the VLM's own: that is ours, to train without a pretrained VLM.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import FlowSystem, Robots
from premotor.models.fusion.decoder import DecoderConfig
from premotor.models.fusion.masks import Group, block_mask
from premotor.models.heads.flow import Flow, padded, time_features
from premotor.models.heads.realtime import Continuation
from premotor.models.language.paligemma import PaliGemma, PaliGemmaConfig, Prefix

__all__ = ["Pi0", "Pi0Config"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pi0Config(PaliGemmaConfig):
    """Sizes; the defaults are the published ones. See PaliGemmaConfig for the others.

    adaptive: as in pi0.5, time sets the expert's norms and the state is among the words. state_room, action_room:
    numbers that the weights take; a robot's fewer are padded with zeros. padded_loss: padding counts in the loss, as in
    openpi, so that denoising keeps it as training had it; LeRobot leaves it out. shortest, longest: periods that time
    is told in. summed_time: see Flow. given_rows: of a chunk, up to so many first rows are given in training, so that
    in acting the end of the last chunk can be; see models/heads/realtime.py.
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
    given_rows: int = 0

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


class Pi0(FlowSystem):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: Pi0Config) -> None:
        super().__init__()
        self.config = c = config
        if c.action_dim > c.action_room or (c.state_dim > c.state_room and not c.adaptive):
            raise SpecMismatch(
                f"state {c.state_dim} and action {c.action_dim} do not fit into {c.state_room} and {c.action_room}"
            )
        if not 0 <= c.given_rows < c.horizon:
            raise SpecMismatch(f"given_rows {c.given_rows} of chunks of {c.horizon}; give 0 <= given_rows < horizon")
        self.flow = Flow(noise_at=1, steps=c.steps, summed=c.summed_time)
        # pi0.5 tells the state in words, by id as part of the instruction where that comes as ids.
        self.vlm = PaliGemma(c, numbers=c.adaptive and c.text_width > 0)
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
        """(B, H, R) which way the actions (B, H, R), padded, move at times (B,), or (B, H) of each."""
        c = self.config
        # Only what is denoised stays precise, whatever the type of the weights.
        kind = self.action_in.weight.dtype
        tokens, told = self.action_in(actions.to(kind)), None
        when = time_features(time, c.expert_width, shortest=c.shortest, longest=c.longest).to(kind)
        when = when if time.ndim == 2 else when[:, None]
        if c.adaptive:
            told = F.silu(self.time_out(F.silu(self.time_in(when))))
        else:
            mixed = self.time_in(torch.cat([tokens, when.expand_as(tokens)], -1))
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
        targets.must_be(len(self.config.taught))
        total = self.missed(self.vlm(inputs), inputs.state, targets)
        return total, {"loss": float(total.detach())}

    def missed(self, prefix: Prefix, state: Tensor, targets: Targets) -> Tensor:
        """Mean squared error of the expert's velocities."""
        # What a robot lacks is padding, too.
        has = targets.weight.amax(1, keepdim=True) > 0
        c, device = self.config, prefix.real.device
        actions = padded(torch.where(has, targets.actions, 0.0), c.action_room)
        weight = padded(targets.weight, c.action_room)
        if c.padded_loss:
            weight = targets.weight.amax(-1, keepdim=True).expand_as(actions)
        given = None
        if c.given_rows:
            count = torch.randint(c.given_rows + 1, (len(actions), 1), device=device)
            given = torch.arange(c.horizon, device=device) < count
            weight = weight * ~given[..., None]
        error = self.flow.error(actions, lambda x, time: self.velocity(prefix, state, x, time), given) * weight
        return error.sum() / weight.sum().clamp(min=1.0)

    @torch.no_grad()
    def sample(self, inputs: Inputs, after: Continuation | None = None) -> Tensor:
        """(B, H, A) normalised actions. after: the last chunk, which they go on."""
        return self.move(self.vlm(inputs), inputs.state, after)

    def move(self, prefix: Prefix, state: Tensor, after: Continuation | None = None) -> Tensor:
        """(B, H, A) normalised actions of who has read this.

        Raises SpecMismatch when more rows are certain than were ever given in training, if any were.
        """
        c = self.config
        noise = torch.randn(len(prefix.real), c.horizon, c.action_room, device=prefix.real.device)

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            return self.velocity(prefix, state, x, time)

        if after is None:
            chunk = self.flow.walk(noise, velocity)
        elif c.given_rows:
            if bool(after.certain(c.horizon)[:, c.given_rows :].any()):
                raise SpecMismatch(
                    f"it was taught to go on from up to {c.given_rows} rows, and more will be carried out before the "
                    "next chunk; plan faster, or train it with more given_rows"
                )
            chunk = after.pinned(self.flow.walk(noise, after.given(self.flow, velocity)))
        else:
            chunk = self.flow.walk(noise, after.guided(self.flow, velocity))
        return chunk[..., : c.action_dim]

    def _reads(self, before: int, states: int) -> Tensor:
        """Who may read whom: the state the prefix, the actions all."""
        groups = [
            Group(name="prefix", tokens=before, reads=("prefix",), every_step=False),
            Group(name="state", tokens=states, reads=("prefix", "state"), every_step=False),
            Group(name="action", tokens=self.config.horizon, reads=("",), every_step=False),
        ]
        return block_mask(groups, 0)
