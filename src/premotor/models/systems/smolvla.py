"""SmolVLA (arXiv 2506.01844): the first half of a small VLM reads, an expert of three quarters its width moves.

Pictures, words and then the state go through SmolVLM2's first layers once. The expert turns noise into a chunk of
actions by flow matching. In every second layer its tokens read the VLM's and, of their own, the earlier ones; in the
layers between they read the VLM's alone, through keys and values made anew (fusion/interleaved.py).

Faithful: every number, with LeRobot's weights (models/weights/smolvla.py). As published, the VLM is not taught unless
`frozen` says so; where all is, LeRobot also holds the keys and values of the VLM's last layer, which the expert reads,
and here they learn. Not here: the ids that may stand around a picture, which the published policy does without, and
an expert of fewer layers than the VLM. With `text_width`, features of a frozen text encoder stand in for words of the
VLM's own: that is ours, to train without a pretrained VLM.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import FlowSystem, Robots
from premotor.models.fusion.decoder import DecoderConfig
from premotor.models.fusion.interleaved import InterleavedDecoder
from premotor.models.heads.flow import Flow, padded, time_features
from premotor.models.heads.realtime import Continuation
from premotor.models.language.paligemma import Prefix
from premotor.models.language.smolvlm import SmolVlm, SmolVlmConfig

__all__ = ["SmolVla", "SmolVlaConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SmolVlaConfig(SmolVlmConfig):
    """Sizes; the defaults are the published ones. See SmolVlmConfig for the others.

    state_room, action_room: numbers that the weights take; a robot's fewer are padded with zeros, which do not count
    in the loss. joint_every: layers in which the expert reads the VLM and itself together; see InterleavedDecoder.
    shortest, longest: periods that time is told in. frozen: what is not taught.
    """

    cameras: tuple[str, ...] = ("camera1", "camera2", "camera3")
    state_dim: int = 6
    action_dim: int = 6
    state_room: int = 32
    action_room: int = 32
    horizon: int = 50
    expert_width: int = 720
    expert_mlp: int = 2048
    joint_every: int = 2
    steps: int = 10
    shortest: float = 4e-3
    longest: float = 4.0
    frozen: Literal["nothing", "eye", "vlm"] = "vlm"

    @classmethod
    def published(cls) -> Self:
        """The published size: 403 million numbers, and 47 million of a head for words that acting does not read."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder."""
        return cls(
            cameras=("front", "wrist"), state_dim=17, action_dim=7, state_room=17, action_room=7, horizon=12, words=16,
            vocabulary=0, text_width=384, frozen="nothing",
            image_size=128, patch=16, vision_width=128, vision_layers=4, vision_heads=4, vision_mlp=384, shuffle=2,
            width=192, mlp=512, expert_width=144, expert_mlp=384, layers=4, heads=4, kv_heads=2, head_width=48,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            cameras=("front", "wrist"), state_dim=7, action_dim=7, state_room=9, action_room=8, horizon=6,
            words=12, vocabulary=64, frozen="nothing",
            image_size=32, patch=8, vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64, shuffle=2,
            width=32, mlp=64, expert_width=24, expert_mlp=48, layers=3, heads=4, kv_heads=2, head_width=8, steps=4,
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

    def build(self) -> "SmolVla":
        """Make the policy with fresh weights."""
        return SmolVla(self)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.horizon, self.action_dim)
        return Targets(actions=torch.randn(action), weight=torch.ones(action))


class SmolVla(FlowSystem):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: SmolVlaConfig) -> None:
        super().__init__()
        self.config = c = config
        if c.action_dim > c.action_room or c.state_dim > c.state_room:
            raise SpecMismatch(
                f"state {c.state_dim} and action {c.action_dim} do not fit into {c.state_room} and {c.action_room}"
            )
        self.flow = Flow(noise_at=1, steps=c.steps)
        self.vlm = SmolVlm(c)
        held: dict[str, list[nn.Module]] = {"nothing": [], "eye": [self.vlm.eye], "vlm": [self.vlm]}
        for part in held[c.frozen]:
            part.requires_grad_(False)
        for weight in self.vlm.decoder.unread():
            weight.requires_grad_(False)
        sizes: DecoderConfig = replace(c.reader(), width=c.expert_width, mlp=c.expert_mlp)
        self.expert = InterleavedDecoder(sizes, c.joint_every)
        self.state = nn.Linear(c.state_room, c.width)
        self.action_in = nn.Linear(c.action_room, c.expert_width)
        self.action_out = nn.Linear(c.expert_width, c.action_room)
        self.time_in = nn.Linear(2 * c.expert_width, c.expert_width)
        self.time_out = nn.Linear(c.expert_width, c.expert_width)

    def read(self, inputs: Inputs) -> Prefix:
        """Pictures, words and the state, once, as the expert reads them."""
        state = self.state(padded(inputs.state, self.config.state_room).to(self.state.weight.dtype))[:, None]
        if self.config.frozen == "vlm" and torch.is_grad_enabled():
            # Only the state has been taught to come in, so nothing before it is kept for the way back.
            with torch.no_grad():
                seen = self.vlm(inputs)
            real = F.pad(seen.real, (0, 1), value=True)
            _, past = self.vlm.decoder(state, real[:, None, None], seen.places, past=seen.past)
            return Prefix(self.expert.adopt(past), real)
        tokens, real = self.vlm.tokens(inputs)
        real = F.pad(real, (0, 1), value=True)
        # The state reads all, and nobody but the expert reads the state.
        mask = real[:, None, None].repeat(1, 1, real.shape[1], 1)
        mask[:, :, :-1, -1] = False
        past = self.vlm.decoder.remember(torch.cat([tokens, state], 1), mask, real.cumsum(1) - 1)
        return Prefix(self.expert.adopt(past), real)

    def velocity(self, prefix: Prefix, actions: Tensor, time: Tensor) -> Tensor:
        """(B, H, R) which way the actions (B, H, R), padded, move at times (B,). prefix: from `read`."""
        c = self.config
        # Only what is denoised stays precise, whatever the type of the weights.
        tokens = self.action_in(actions.to(self.action_in.weight.dtype))
        when = time_features(time, c.expert_width, shortest=c.shortest, longest=c.longest).to(tokens.dtype)
        mixed = self.time_in(torch.cat([tokens, when[:, None].expand_as(tokens)], -1))
        tokens, order = self.time_out(F.silu(mixed)), torch.arange(c.horizon, device=tokens.device)
        # An action reads the earlier ones.
        own = (order[:, None] >= order).expand(len(tokens), 1, -1, -1)
        seen = prefix.real[:, None, None].expand(-1, -1, c.horizon, -1)
        read = self.expert(tokens, torch.cat([seen, own], -1), prefix.places + order, prefix.past)
        return self.action_out(read).to(actions.dtype)

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts."""
        targets.must_be(len(self.config.taught))
        # What a robot lacks is padding, too.
        has = targets.weight.amax(1, keepdim=True) > 0
        actions = padded(torch.where(has, targets.actions, 0.0), self.config.action_room)
        prefix = self.read(inputs)
        error = self.flow.error(actions, lambda x, time: self.velocity(prefix, x, time))
        error = error[..., : targets.weight.shape[-1]] * targets.weight
        total = error.sum() / targets.weight.sum().clamp(min=1.0)
        return total, {"loss": float(total.detach())}

    @torch.no_grad()
    def sample(self, inputs: Inputs, after: Continuation | None = None) -> Tensor:
        """(B, H, A) normalised actions. after: the last chunk, which they go on."""
        prefix, c = self.read(inputs), self.config
        noise = torch.randn(len(prefix.real), c.horizon, c.action_room, device=prefix.real.device)

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            return self.velocity(prefix, x, time)

        chunk = self.flow.walk(noise, velocity if after is None else after.guided(self.flow, velocity))
        return chunk[..., : c.action_dim]
