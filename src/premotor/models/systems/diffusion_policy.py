"""Diffusion Policy with a FiLM U-Net (arXiv 2303.04137).

The last few observations, each camera seen as keypoints, condition a network that denoises a chunk of actions. Noise
lets it hold several ways of doing a task at once. There is no language: one policy, one task.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System, SystemConfig
from premotor.models.heads.diffusion import Betas, Diffusion, Prediction, Sampler
from premotor.models.heads.unet import ChunkUNet
from premotor.models.vision.keypoints import KeypointEncoder
from premotor.models.vision.pixels import IMAGENET_MEAN, IMAGENET_STD, Fit, Pixels
from premotor.models.vision.resnet import Norm, ResNet

__all__ = ["DiffusionPolicy", "DiffusionPolicyConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionPolicyConfig(SystemConfig):
    """Sizes; the defaults are the published ones (PushT from images).

    history: observations looked at, `apart` seconds from one to the next. predicted: rows denoised, one less of
    them before now than observations. horizon: rows given out, the first now. environment_dim: 0 where there is none.
    image_size: (height, width) of the camera, resize and crop of what is seen of it, () for none. pixel_mean,
    pixel_std: of 0..255, three numbers, or three for each camera.
    stem, stages, blocks, bottleneck, norm: the image network, one for each camera unless shared_eye. widths, kernel,
    groups, step_code, film_scale: the U-Net. noise_steps, betas, first_beta, last_beta, prediction, sampler,
    sampling_steps: the diffusion; clip: bound on clean actions while sampling, 0 for none, so they must be normalised
    into it. masked: count only rows inside the episode; unmasked, as published, rows past its end count too.
    """

    state_dim: int = 2
    action_dim: int = 2
    environment_dim: int = 0
    cameras: tuple[str, ...] = ("image",)
    image_size: tuple[int, ...] = (96, 96)
    resize: tuple[int, ...] = ()
    crop: tuple[int, ...] = (84, 84)
    random_crop: bool = True
    pixel_mean: tuple[float, ...] = IMAGENET_MEAN
    pixel_std: tuple[float, ...] = IMAGENET_STD
    history: int = 2
    apart: float = 0.4
    predicted: int = 16
    horizon: int = 8
    shared_eye: bool = False
    stem: int = 64
    stages: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    bottleneck: bool = False
    norm: Norm = "group"
    keypoints: int = 32
    widths: tuple[int, ...] = (512, 1024, 2048)
    kernel: int = 5
    groups: int = 8
    step_code: int = 128
    film_scale: bool = True
    noise_steps: int = 100
    betas: Betas = "cosine"
    first_beta: float = 1e-4
    last_beta: float = 0.02
    prediction: Prediction = "noise"
    clip: float = 1.0
    sampler: Sampler = "ddpm"
    sampling_steps: int = 100
    masked: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a chunk that the U-Net cannot halve, or that ends before what is given out."""
        halvings = 2 ** (len(self.widths) - 1)
        if self.predicted % halvings:
            raise ValueError(f"predicted={self.predicted} must divide by {halvings}, for {len(self.widths)} widths")
        if self.history - 1 + self.horizon > self.predicted:
            fits = self.predicted - self.history + 1
            raise ValueError(f"horizon={self.horizon} ends after the predicted rows; at most {fits} fit")

    @classmethod
    def published(cls) -> Self:
        """The size of the paper: one camera, 263 million numbers."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, 7.6 million numbers, and that acts in ten steps."""
        return cls(
            state_dim=17, action_dim=7, cameras=("front", "wrist"), image_size=(128, 128), crop=(112, 112),
            horizon=12, stem=32, stages=(32, 64, 128, 256), blocks=(1, 1, 1, 1),
            widths=(64, 128, 256), step_code=64, sampler="ddim", sampling_steps=10, masked=True,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            state_dim=7, action_dim=7, cameras=("front", "wrist"), image_size=(64, 48), crop=(56, 40),
            predicted=8, horizon=6, stem=16, stages=(16, 16, 32, 48), blocks=(1, 1, 1, 1), keypoints=8,
            widths=(32, 64), step_code=32, noise_steps=20, sampling_steps=5,
        )  # fmt: skip

    @property
    def taught(self) -> range:
        """Rows from where the oldest observation would be, if they were one row apart."""
        return range(1 - self.history, self.predicted - self.history + 1)

    @property
    def ages(self) -> tuple[float, ...]:
        """Of the observations."""
        return tuple(self.apart * back for back in range(self.history - 1, -1, -1))

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots; it does not tell them apart."""
        return replace(
            self,
            state_dim=robots.state_dim,
            action_dim=robots.action_dim,
            cameras=tuple(robots.cameras),
            image_size=next(iter(robots.cameras.values())),
        )

    def build(self) -> "DiffusionPolicy":
        """Make the policy with fresh weights."""
        return DiffusionPolicy(self)

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        return Inputs.fake(
            batch,
            cameras=dict.fromkeys(self.cameras, self.image_size),
            state=self.state_dim,
            window=self.history,
            environment=self.environment_dim,
        )

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.predicted, self.action_dim)
        return Targets(actions=torch.rand(action) * 2 - 1, weight=torch.ones(action))


class DiffusionPolicy(System):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: DiffusionPolicyConfig) -> None:
        super().__init__()
        self.config = c = config
        condition = c.state_dim + c.environment_dim + 2 * c.keypoints * len(c.cameras)
        self.pixels = Pixels(c.pixel_mean, c.pixel_std, len(c.cameras))
        eyes = min(1, len(c.cameras)) if c.shared_eye else len(c.cameras)
        self.eyes = nn.ModuleList(self._eye() for _ in range(eyes))
        self.unet = ChunkUNet(
            c.action_dim, c.history * condition, c.widths, c.kernel, c.groups, c.step_code, c.film_scale
        )
        self.diffusion = Diffusion(
            c.noise_steps, sampler=c.sampler, prediction=c.prediction,
            betas=c.betas, first=c.first_beta, last=c.last_beta, clip=c.clip,
        )  # fmt: skip

    def forward(self, inputs: Inputs) -> Tensor:
        """(B, E): everything that was observed, as the U-Net is told it."""
        inputs = self._looked_back(inputs)
        pictures = [self.pixels(inputs.images[name], camera) for camera, name in enumerate(self.config.cameras)]
        if self.config.shared_eye and pictures:
            # All at once, so that they share the place of a random crop and the statistics of a batch.
            seen = self.eyes[0](torch.cat(pictures)).chunk(len(pictures))
        else:
            seen = [eye(picture) for eye, picture in zip(self.eyes, pictures, strict=True)]
        observed = [inputs.state, *(s.view(*inputs.state.shape[:2], -1) for s in seen)]
        if inputs.environment is not None:
            observed.append(inputs.environment)
        return torch.cat(observed, -1).flatten(1)

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss: how wrong the network is about a chunk at a random amount of noise."""
        targets.must_be(len(self.config.taught))
        condition = self(inputs)
        noisy, step, target = self.diffusion.corrupt(targets.actions)
        # What a robot lacks is zero, and is learned to be: while sampling, the other rows see it.
        weight = targets.weight.amax(-1, keepdim=True).expand_as(targets.weight)
        if not self.config.masked:
            weight = weight.amax(1, keepdim=True).expand_as(weight)
        error = (self.unet(noisy, step, condition) - target).square() * weight
        total = error.sum() / weight.sum().clamp(min=1.0)
        return total, {"loss": float(total.detach())}

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions, drawn anew at every call."""
        c, condition = self.config, self(inputs)
        noise = torch.randn((len(condition), c.predicted, c.action_dim), device=condition.device)
        rows = self.diffusion.sample(lambda noisy, step: self.unet(noisy, step, condition), noise, c.sampling_steps)
        return rows[:, c.history - 1 : c.history - 1 + c.horizon]

    def _looked_back(self, inputs: Inputs) -> Inputs:
        """The whole window: before an episode began, everything was as at its first moment."""
        inputs, moments = inputs.windowed()
        count, window = moments.shape
        if window != self.config.history:
            raise SpecMismatch(f"{window} moments, this policy looks at {self.config.history}; see Inputs.moments")
        first = moments.int().argmax(1, keepdim=True)
        row = torch.arange(count, device=first.device)[:, None]
        when = torch.arange(window, device=first.device).maximum(first)
        told = inputs.environment
        return replace(
            inputs,
            images={name: picture[row, when] for name, picture in inputs.images.items()},
            state=inputs.state[row, when],
            environment=None if told is None else told[row, when],
        )

    def _eye(self) -> KeypointEncoder:
        c = self.config
        height, width = c.crop or c.resize or c.image_size
        backbone = ResNet(c.stem, c.stages, c.blocks, norm=c.norm, bottleneck=c.bottleneck)
        return KeypointEncoder(Fit(c.resize, c.crop, c.random_crop), backbone, (height, width), c.keypoints)
