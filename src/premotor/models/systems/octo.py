"""Octo (arXiv 2405.12213): one transformer reads the task and what was seen; a readout token tells a diffusion head.

The task is an instruction, a goal picture or both. Pictures go through a small stem, the goal beside them on the
channels. Groups of tokens read each other as `groups` says, so a robot that lacks a camera, a word or a moment has
those tokens masked, and the rest is as before; robots with fewer action dimensions ignore the others.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System, SystemConfig
from premotor.models.fusion.encoder import Encoder
from premotor.models.fusion.masks import Group, block_mask
from premotor.models.heads.octo_diffusion import DiffusionHead
from premotor.models.vision.stem import SmallStem

__all__ = ["Octo", "OctoConfig", "Read"]

_TASK, _AGAIN, _STATE, _READOUT = "task_language", "obs_task_language", "obs_state", "readout_action"


class Read(NamedTuple):
    """What the transformer made of each group, name -> (B, [K,] N, D), and who could read whom, (B, T, T)."""

    tokens: dict[str, Tensor]
    mask: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class OctoConfig(SystemConfig):
    """Sizes; the defaults are those of Octo-Small 1.5 as published. `state_dims` and `action_dims` are per embodiment.

    image_sizes: per camera. views: the cameras that each embodiment has (all, when empty). words: text tokens, each
    `text_width` wide. window: moments looked at, `apart` seconds from one to the next; up to `moments` work. goals:
    goal pictures are read.
    proprioception: the state is read, a token a number. repeat_task: the task stands again beside each moment.
    first_release: for the weights of Octo 1.0, see block_mask. draws: noises that each chunk is trained with at once.
    """

    embodiments: tuple[str, ...] = ("any",)
    state_dims: tuple[int, ...] = (1,)
    action_dims: tuple[int, ...] = (7,)
    cameras: tuple[str, ...] = ("primary", "wrist")
    image_sizes: tuple[int, ...] = (256, 128)
    views: tuple[tuple[str, ...], ...] = ()
    window: int = 2
    apart: float = 0.4
    moments: int = 10
    horizon: int = 4
    words: int = 16
    text_width: int = 768
    goals: bool = True
    proprioception: bool = False
    repeat_task: bool = True
    first_release: bool = False
    stem: tuple[int, ...] = (32, 96, 192, 384)
    features: int = 512
    patch: int = 16
    width: int = 384
    layers: int = 12
    heads: int = 6
    mlp: int = 1536
    readouts: int = 1
    head_width: int = 256
    head_blocks: int = 3
    steps: int = 20
    time: int = 32
    limit: float = 5.0
    draws: int = 1

    @classmethod
    def published(cls) -> Self:
        """Octo-Small: 27 million numbers."""
        return cls()

    @classmethod
    def published_base(cls) -> Self:
        """Octo-Base: 93 million numbers."""
        return cls(width=768, heads=12, mlp=3072)

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, 4 million numbers: one moment, both arms' joints are read."""
        return cls(
            embodiments=("panda", "so101"), state_dims=(17, 6), action_dims=(7, 6),
            cameras=("front", "wrist"), image_sizes=(128, 128), window=1, words=48, text_width=384, proprioception=True,
            stem=(32, 64, 96, 128), features=128, width=192, layers=4, heads=3, mlp=768,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            embodiments=("panda", "so101"), state_dims=(17, 6), action_dims=(7, 6), image_sizes=(64, 32),
            views=(("primary", "wrist"), ("primary",)), window=3, text_width=32, proprioception=True,
            stem=(32, 32, 64, 64), features=48, width=48, layers=2, heads=3, mlp=96, head_width=64,
        )  # fmt: skip

    @property
    def ages(self) -> tuple[float, ...]:
        """Of the moments."""
        return tuple(self.apart * back for back in range(self.window - 1, -1, -1))

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots. Raises SpecMismatch unless pictures are squares."""
        if any(height != width for height, width in robots.cameras.values()):
            raise SpecMismatch(f"cameras {dict(robots.cameras)}; Octo needs squares")
        return replace(
            self,
            embodiments=robots.names,
            state_dims=robots.state_dims,
            action_dims=robots.action_dims,
            cameras=tuple(robots.cameras),
            image_sizes=tuple(size for size, _ in robots.cameras.values()),
            views=(),
            words=robots.words,
            text_width=robots.text_width,
        )

    def index_of(self, robot: str) -> int:
        """Its place among the embodiments."""
        return self.embodiments.index(robot)

    def build(self) -> "Octo":
        """Make the policy with fresh weights."""
        return Octo(self)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of tokens, and which of the others each may read."""
        seen = ("task_", "obs_")
        pictures = [(f"obs_{c}", (s // self.patch) ** 2) for c, s in zip(self.cameras, self.image_sizes, strict=True)]
        state = [(_STATE, max(self.state_dims))] if self.proprioception else []
        again = [(_AGAIN, self.words)] if self.repeat_task else []
        return (
            Group(name=_TASK, tokens=self.words, reads=("task_",), every_step=False),
            *(Group(name=name, tokens=tokens, reads=seen) for name, tokens in [*pictures, *state, *again]),
            Group(name=_READOUT, tokens=self.readouts, reads=(*seen, _READOUT)),
        )

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        return Inputs.fake(
            batch,
            cameras={c: (s, s) for c, s in zip(self.cameras, self.image_sizes, strict=True)},
            words=(self.words, self.text_width),
            state=max(self.state_dims),
            embodiments=len(self.embodiments),
            window=self.window,
            goals=self.goals,
        )

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        shape = (batch, self.horizon, max(self.action_dims))
        return Targets(actions=torch.randn(shape), weight=torch.ones(shape))


class Octo(System):
    """See the module. `loss` trains, `sample` acts."""

    views: Tensor
    has_state: Tensor
    has_action: Tensor

    def __init__(self, config: OctoConfig) -> None:
        super().__init__()
        self.config = c = config
        channels = 6 if c.goals else 3
        self.stems = nn.ModuleDict({n: SmallStem(channels, c.stem, c.features, c.patch) for n in c.cameras})
        inside = {_TASK: c.text_width} | {f"obs_{n}": c.features for n in c.cameras}
        if c.proprioception:
            inside[_STATE] = 1
        self.project = nn.ModuleDict({group: nn.Linear(width, c.width) for group, width in inside.items()})
        # The repeated task has the places of the task itself.
        self.places = nn.ParameterDict({
            g.name: nn.Parameter(torch.randn(*([c.moments] if g.every_step else []), g.tokens, c.width) * 0.02)
            for g in c.groups if g.name != _AGAIN
        })  # fmt: skip
        self.encoder = Encoder(c.width, c.layers, c.heads, c.mlp)
        self.head = DiffusionHead(
            c.width, c.horizon, max(c.action_dims),
            width=c.head_width, blocks=c.head_blocks, steps=c.steps, time=c.time, limit=c.limit,
        )  # fmt: skip
        views = c.views or (c.cameras,) * len(c.embodiments)
        self.register_buffer("views", torch.tensor([[n in has for n in c.cameras] for has in views]), persistent=False)
        self.register_buffer("has_state", _first(c.state_dims), persistent=False)
        self.register_buffer("has_action", _first(c.action_dims), persistent=False)

    def forward(self, inputs: Inputs) -> Read:
        """Run the transformer once."""
        groups = self.config.groups
        task = self._task(inputs)
        found = {_TASK: task} | self._seen(inputs, task)
        tokens, real = [found[g.name][0] for g in groups], [found[g.name][1] for g in groups]
        count, steps = tokens[-1].shape[:2]
        after = torch.cat(tokens[1:], 2).flatten(1, 2)
        known = torch.cat([real[0], torch.cat(real[1:], 2).flatten(1)], 1)
        mask = block_mask(groups, steps, first_release=self.config.first_release).to(known.device)
        mask = mask & known[:, None, :]
        read = self.encoder(torch.cat([tokens[0], after], 1), mask)
        sizes = [g.tokens for g in groups]
        parts = read[:, sizes[0] :].view(count, steps, sum(sizes[1:]), -1).split(sizes[1:], 2)
        names = [g.name for g in groups]
        return Read(dict(zip(names, (read[:, : sizes[0]], *parts), strict=True)), mask)

    def features(self, inputs: Inputs) -> Tensor:
        """(B, K, D), what is read out at each moment."""
        return self(inputs).tokens[_READOUT].mean(2)

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts. Targets (B, H, A) teach the last moment, (B, K, H, A) every one."""
        targets.must_be(len(self.config.taught))
        features, weight = self.features(inputs), targets.weight
        if targets.actions.ndim == 3:
            features = features[:, -1]
        elif inputs.moments is not None:
            weight = weight * inputs.moments[:, :, None, None]
        own = self.has_action[inputs.embodiment]
        own = own.view(len(own), *[1] * (weight.ndim - 2), -1)
        # What a robot lacks is 0 and noise, here as in `sample`.
        actions = torch.where(own, targets.actions, 0.0)
        step, noise = self.head.draw(features, self.config.draws)
        total = self.head.loss(features, actions, weight * own, step, noise)
        return total, {"loss": float(total.detach())}

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions, drawn anew at every call; 0 in the dimensions that a robot lacks."""
        features, c = self.features(inputs)[:, -1], self.config
        own = self.has_action[inputs.embodiment][:, None]
        noise = torch.randn(c.steps + 1, len(features), c.horizon * own.shape[-1], device=features.device)
        chunk = self.head.sample(features, noise, own.expand(-1, c.horizon, -1))[-1]
        return chunk.view(len(chunk), c.horizon, -1) * own

    def _task(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Tokens of the instruction, and which are real."""
        missing = self.config.words - inputs.words.shape[1]
        if missing < 0:
            raise SpecMismatch(
                f"{inputs.words.shape[1]} text tokens, this Octo reads {self.config.words}; cut the text"
            )
        words = F.pad(inputs.words, (0, 0, 0, missing))
        return self.project[_TASK](words) + self.places[_TASK], F.pad(inputs.words_mask, (0, missing))

    def _seen(self, inputs: Inputs, task: tuple[Tensor, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """Tokens of every moment, and which are real; a camera without pictures has tokens that nobody reads."""
        c, found = self.config, dict[str, tuple[Tensor, Tensor]]()
        inputs, moments = inputs.windowed()
        count, steps = moments.shape
        for index, (camera, size) in enumerate(zip(c.cameras, c.image_sizes, strict=True)):
            present = self.views[inputs.embodiment, index, None]
            if camera in inputs.images:
                pictures = self._stack(inputs.images[camera], inputs.goals.get(camera))
                tokens = self.stems[camera](pictures).unflatten(0, (count, steps))
            else:
                tokens = torch.zeros(count, steps, (size // c.patch) ** 2, c.features, device=moments.device)
                present = torch.zeros_like(present)
            if camera in inputs.present:
                present = present & inputs.present[camera].view(count, -1)
            found[f"obs_{camera}"] = (tokens, present[:, :, None].expand(tokens.shape[:3]))
        if c.proprioception:
            tokens = inputs.state[..., None]
            found[_STATE] = (tokens, self.has_state[inputs.embodiment][:, None].expand(tokens.shape[:3]))
        for name, (tokens, real) in found.items():
            found[name] = (self.project[name](tokens) + self.places[name][:steps], real & moments[:, :, None])
        if c.repeat_task:
            found[_AGAIN] = (task[0][:, None].expand(-1, steps, -1, -1), task[1][:, None].expand(-1, steps, -1))
        readout = self.places[_READOUT][:steps].expand(count, -1, -1, -1)
        return found | {_READOUT: (readout, torch.ones_like(readout[..., 0], dtype=torch.bool))}

    def _stack(self, images: Tensor, goal: Tensor | None) -> Tensor:
        """Pictures (B, K, S, S, 3), the goal beside them -> (B * K, C, S, S) in -1..1. No goal is a black one."""
        if self.config.goals:
            goal = torch.zeros_like(images[:, 0]) if goal is None else goal
            images = torch.cat([images, goal[:, None].expand_as(images)], -1)
        return images.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1


def _first(dims: tuple[int, ...]) -> Tensor:
    """(E, max) True in the first dims[e] places of row e."""
    return torch.arange(max(dims)) < torch.tensor(dims)[:, None]
