"""ACT, Action Chunking with Transformers (arXiv 2304.13705).

Each camera's feature map, the joints and a latent style become tokens; a transformer encoder mixes them, and a
decoder reads them once for each row of the chunk. The style is inferred from the demonstration while training, and is
zero while acting. There is no language: one policy, one task.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System, SystemConfig
from premotor.models.fusion.detr import Activation, DetrTransformer
from premotor.models.fusion.positions import picture_positions
from premotor.models.heads.style import StyleEncoder, divergence
from premotor.models.vision.pixels import IMAGENET_MEAN, IMAGENET_STD, Pixels
from premotor.models.vision.resnet import Norm, ResNet

__all__ = ["Act", "ActConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ActConfig(SystemConfig):
    """Sizes; the defaults are the published ones (ALOHA).

    state_dim, environment_dim: 0 where there is none. image_size: (height, width), of fake inputs only: any will do.
    pixel_mean, pixel_std: of 0..255, three numbers, or three for each camera. stem, stages, blocks, bottleneck,
    dilated, norm: the image network. style: size of the latent; variational: whether it is learned, else it is always
    zero. style_weight: of its divergence. decoder_layers: the published code makes seven and uses the first.
    """

    state_dim: int = 14
    action_dim: int = 14
    environment_dim: int = 0
    cameras: tuple[str, ...] = ("top", "low", "left_wrist", "right_wrist")
    image_size: tuple[int, ...] = (480, 640)
    horizon: int = 100
    pixel_mean: tuple[float, ...] = IMAGENET_MEAN
    pixel_std: tuple[float, ...] = IMAGENET_STD
    stem: int = 64
    stages: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    bottleneck: bool = False
    dilated: bool = False
    norm: Norm = "frozen"
    width: int = 512
    heads: int = 8
    hidden: int = 3200
    activation: Activation = "relu"
    pre_norm: bool = False
    dropout: float = 0.1
    encoder_layers: int = 4
    decoder_layers: int = 1
    style: int = 32
    variational: bool = True
    style_layers: int = 4
    style_weight: float = 10.0

    @classmethod
    def published(cls) -> Self:
        """The size of the paper: four cameras, two arms, 52 million numbers."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, 2.5 million numbers: its norms learn, as nothing is pretrained."""
        return cls(
            state_dim=17, action_dim=7, cameras=("front", "wrist"), image_size=(128, 128), horizon=12,
            stem=32, stages=(32, 64, 128, 256), blocks=(1, 1, 1, 1), norm="batch",
            width=128, heads=4, hidden=512, encoder_layers=3, style_layers=2, style=16,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            state_dim=7, action_dim=7, cameras=("front", "wrist"), image_size=(64, 48), horizon=6,
            stem=16, stages=(16, 16, 32, 48), blocks=(1, 1, 1, 1), dropout=0.0,
            width=32, heads=4, hidden=64, encoder_layers=2, style_layers=2, style=8,
        )  # fmt: skip

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        return replace(
            self,
            state_dim=robots.state_dim,
            action_dim=robots.action_dim,
            cameras=tuple(robots.cameras),
            image_size=next(iter(robots.cameras.values())),
        )

    def build(self) -> "Act":
        """Make the policy with fresh weights."""
        return Act(self)

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        cameras = dict.fromkeys(self.cameras, self.image_size)
        return Inputs.fake(batch, cameras=cameras, state=self.state_dim, environment=self.environment_dim)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.horizon, self.action_dim)
        return Targets(actions=torch.randn(action), weight=torch.ones(action))


class Act(System):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: ActConfig) -> None:
        super().__init__()
        self.config = c = config
        if c.cameras:
            self.pixels = Pixels(c.pixel_mean, c.pixel_std, len(c.cameras))
            self.eye = ResNet(c.stem, c.stages, c.blocks, norm=c.norm, bottleneck=c.bottleneck, dilated=c.dilated)
            self.cells = nn.Conv2d(self.eye.channels, c.width, 1)
        told = {"style": c.style, "state": c.state_dim, "environment": c.environment_dim}
        self.tokens = nn.ModuleDict({name: nn.Linear(size, c.width) for name, size in told.items() if size})
        self.token_places = nn.Embedding(len(self.tokens), c.width)
        self.encoder = self._transformer(c.encoder_layers, end_norm=c.pre_norm)
        self.decoder = self._transformer(c.decoder_layers, end_norm=True, cross=True)
        for weight in (*self.encoder.parameters(), *self.decoder.parameters()):
            if weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
        self.rows = nn.Embedding(c.horizon, c.width)
        self.out = nn.Linear(c.width, c.action_dim)
        if c.variational:
            body = self._transformer(c.style_layers, end_norm=c.pre_norm)
            self.style = StyleEncoder(body, c.width, c.style, c.state_dim, c.horizon, c.action_dim)

    def forward(self, inputs: Inputs, style: Tensor) -> Tensor:
        """Actions (B, H, A) in a style (B, Z)."""
        told = {"style": style, "state": inputs.state, "environment": inputs.environment}
        tokens = [token(told[name])[:, None] for name, token in self.tokens.items()]
        places = [self.token_places.weight]
        for camera, name in enumerate(self.config.cameras):
            seen = self.cells(self.eye(self.pixels(inputs.images[name], camera)))
            tokens.append(seen.flatten(2).transpose(1, 2))
            height, width = seen.shape[-2:]
            places.append(picture_positions(height, width, self.config.width, seen.device))
        place = torch.cat(places)
        memory = self.encoder(torch.cat(tokens, 1), place)
        rows = memory.new_zeros(len(memory), *self.rows.weight.shape)
        return self.out(self.decoder(rows, self.rows.weight, memory=memory, memory_place=place))

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts: mean absolute error, and how much the style says."""
        targets.must_be(len(self.config.taught))
        style, told = self._no_style(inputs), targets.actions.new_zeros(())
        if self.config.variational:
            past_end = (targets.weight == 0).all(-1)
            mean, log_variance = self.style(inputs.state, targets.actions, past_end)
            style = mean + (log_variance / 2).exp() * torch.randn_like(mean)
            told = divergence(mean, log_variance)
        error = (self(inputs, style) - targets.actions).abs() * targets.weight
        action = error.sum() / targets.weight.sum().clamp(min=1.0)
        total = action + self.config.style_weight * told
        parts = {"loss": total, "action": action, "style": told}
        return total, {name: float(value.detach()) for name, value in parts.items()}

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions."""
        return self(inputs, self._no_style(inputs))

    def _no_style(self, inputs: Inputs) -> Tensor:
        return self.rows.weight.new_zeros(len(inputs.embodiment), self.config.style)

    def _transformer(self, layers: int, *, end_norm: bool, cross: bool = False) -> DetrTransformer:
        c = self.config
        return DetrTransformer(
            layers, c.width, c.heads, c.hidden, c.dropout,
            cross=cross, pre_norm=c.pre_norm, end_norm=end_norm, activation=c.activation,
        )  # fmt: skip
