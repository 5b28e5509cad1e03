"""The action head of GR00T N1.5 and N1.7: flow matching by a diffusion transformer, for many embodiments at once.

What the VLM read is normalised and read once more by itself. The sequence that is denoised is the state, in N1.5 some
learned tokens that stand for the future, and the actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from premotor.models.fusion.dit import Block, DiT
from premotor.models.heads.by_embodiment import ActionEncoder, EmbodimentMlp
from premotor.models.heads.flow import Flow
from premotor.models.heads.realtime import Continuation

__all__ = ["Context", "GrootFlow", "GrootFlowConfig"]

_STEPS = 1000  # that time is told in


class Context(NamedTuple):
    """What the VLM read (B, S, C), and who of it may be read: masks (B, 1, 1, S) that blocks take in turns."""

    features: Tensor
    masks: Sequence[Tensor | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class GrootFlowConfig:
    """Sizes. context: width of what the VLM read; digest_layers, digest_heads: of what reads it once more.

    state_room, action_room: numbers that the weights take. hidden: of the encoders and the decoder, and what the
    transformer hands the latter. future: learned tokens between state and actions. length: places that actions may
    have. text_every: of the blocks that read the VLM, every so many reads words and the others pictures; 0 where all
    read both. state_dropout: share of the rows whose state is hidden in training. reads_padding: see `GrootFlow`.
    steps: of denoising.
    """

    context: int
    embodiments: int
    state_room: int
    action_room: int
    horizon: int
    width: int
    layers: int
    heads: int
    hidden: int
    digest_layers: int
    digest_heads: int
    future: int
    length: int
    text_every: int
    dropout: float
    state_dropout: float
    reads_padding: bool
    steps: int

    def build(self) -> "GrootFlow":
        """Make the head with fresh weights."""
        return GrootFlow(self)


class GrootFlow(nn.Module):
    """`read` once, then `loss` or `sample`.

    Padding of the VLM's sentence is hidden, so that a row is the same whatever else is in the batch. As published it
    is not, except where words and pictures are read in turns (`reads_padding`).
    """

    def __init__(self, config: GrootFlowConfig) -> None:
        super().__init__()
        self.config = c = config
        self.flow = Flow(noise_at=0, steps=c.steps)
        self.norm = nn.LayerNorm(c.context)
        self.digest = nn.ModuleList(Block(c.context, c.digest_heads, dropout=c.dropout) for _ in range(c.digest_layers))
        self.state = EmbodimentMlp(c.embodiments, c.state_room, c.hidden, c.width)
        self.action = ActionEncoder(c.embodiments, c.action_room, c.width)
        self.places = nn.Parameter(torch.randn(c.length, c.width) * 0.02)
        self.future = nn.Parameter(torch.randn(c.future, c.width) * 0.02) if c.future else None
        self.dit = DiT(c.width, c.layers, c.heads, c.context, c.hidden, dropout=c.dropout)
        self.decode = EmbodimentMlp(c.embodiments, c.hidden, c.hidden, c.action_room)

    def read(self, features: Tensor, real: Tensor, pictured: Tensor) -> Context:
        """What blocks read of features (B, S, C) of which these (B, S) are real, and these (B, S) of pictures."""
        c, real = self.config, real[:, None, None]
        pictured = pictured[:, None, None]
        visible = None if c.reads_padding else real
        x = self.norm(features)
        for block in self.digest:
            x = block(x, mask=visible)
        if not c.text_every:
            return Context(x, [visible])
        return Context(x, [real & ~pictured, *[real & pictured] * (c.text_every - 1)])

    def velocity(self, context: Context, felt: Tensor, actions: Tensor, time: Tensor, embodiment: Tensor) -> Tensor:
        """(B, H, R) which way the actions (B, H, R) move at times (B,). felt: (B, 1, D) the state, encoded."""
        steps = (time * _STEPS).long()
        tokens = self.action(actions.to(felt.dtype), steps, embodiment) + self.places[: actions.shape[1]]
        before = [felt] if self.future is None else [felt, self.future.expand(len(felt), -1, -1)]
        found = self.dit(torch.cat([*before, tokens], 1), steps, *context)
        return self.decode(found[:, -actions.shape[1] :], embodiment).to(actions.dtype)

    def loss(self, context: Context, state: Tensor, actions: Tensor, weight: Tensor, embodiment: Tensor) -> Tensor:
        """Mean squared error of velocities. state (B, S), actions and weight (B, H, R), padded to the rooms there are.

        In training, the state of some rows is hidden.
        """
        felt = self.feel(state, embodiment)
        noise, time = torch.randn_like(actions), self.flow.draw_time(len(actions), actions.device)
        if self.training and self.config.state_dropout:
            felt = felt * (torch.rand(len(felt), device=felt.device) >= self.config.state_dropout)[:, None, None]
        x, wanted = self.flow.between(actions, noise, time)
        error = (self.velocity(context, felt, x, time, embodiment) - wanted).square() * weight
        return error.sum() / weight.sum().clamp(min=1.0)

    def sample(self, context: Context, state: Tensor, embodiment: Tensor, after: Continuation | None = None) -> Tensor:
        """(B, H, R) actions. state: (B, S), padded. after: the last chunk, which they go on."""
        felt = self.feel(state, embodiment)
        noise = torch.randn(len(state), self.config.horizon, self.config.action_room, device=state.device)

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            return self.velocity(context, felt, x, time, embodiment)

        return self.flow.walk(noise, velocity if after is None else after.guided(self.flow, velocity))

    def feel(self, state: Tensor, embodiment: Tensor) -> Tensor:
        """(B, 1, D) the state (B, S), encoded."""
        return self.state(state.to(self.places.dtype)[:, None], embodiment)
