"""GR00T N1.7 and N1.5 (N1: arXiv 2503.14734): a VLM understands, a diffusion transformer moves, whatever the body.

The VLM reads pictures and words once; features of an early layer of it are what the transformer's blocks read while
it turns noise into a chunk of actions by flow matching. State and actions have encoders and a decoder of their own
for each embodiment. N1.7 reads by Qwen3-VL (Cosmos-Reason2), and its blocks read words and pictures in turns; N1.5
reads by Eagle 2.5 (SigLIP 2 and Qwen3), with learned tokens that stand for the future.

Faithful: every number, with LeRobot's or NVIDIA's weights (models/weights/groot.py): of N1.7 as a whole, of N1.5's
action head, and of its VLM part by part. Not so: padding is hidden everywhere (`reads_padding`); a time of N1.5 is
drawn as in N1.7, up to a thousandth apart, which keeps it in 0..1; N1.5's pictures are resized by Pillow's bicubic
filter; from the last chunk it goes on by guidance (heads/realtime.py), N1.7 in a way of its own. Not here:
augmentation. The wording of prompts and statistics come with a checkpoint (models/importing/groot.py). With
`text_width`, features of a frozen text encoder stand in for words of the VLM's own: that is ours, to train without a
pretrained VLM.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import FlowSystem, Robots
from premotor.models.heads.groot_flow import Context, GrootFlowConfig
from premotor.models.heads.realtime import Continuation
from premotor.models.language.qwen import QwenVlm, QwenVlmConfig

__all__ = ["Groot", "GrootConfig", "GrootN15Config"]

# What both have in common at the sizes that are ours.
_NANO: dict[str, Any] = {
    "cameras": ("front", "wrist"), "robots": ("panda", "so101"), "embodiments": 2,
    "horizon": 12, "row_room": 12, "length": 32,
    "state_dim": 17, "action_dim": 7, "state_room": 17, "action_room": 7,
    "words": 16, "vocabulary": 0, "text_width": 384, "image_size": 128, "crop": 1.0,
    "vlm_width": 192, "vlm_layers": 3, "vlm_heads": 4, "vlm_kv_heads": 2, "vlm_head_width": 48, "vlm_mlp": 512,
    "width": 192, "layers": 4, "heads": 4, "hidden": 128, "digest_layers": 1, "digest_heads": 4,
    "dropout": 0.0, "state_dropout": 0.0, "tune_eye": True, "tune_llm": True,
}  # fmt: skip
_TOY: dict[str, Any] = {
    "cameras": ("front", "wrist"), "robots": ("panda", "so101"), "embodiments": 3,
    "horizon": 5, "row_room": 6, "length": 8,
    "state_dim": 7, "action_dim": 7, "state_room": 9, "action_room": 8,
    "words": 12, "vocabulary": 64, "image_word": 63, "image_size": 32, "crop": 1.0, "patch": 8,
    "vision_width": 32, "vision_layers": 2, "vision_heads": 4, "vision_mlp": 64,
    "vlm_width": 32, "vlm_layers": 2, "vlm_heads": 4, "vlm_kv_heads": 2, "vlm_head_width": 8, "vlm_mlp": 64,
    "width": 32, "layers": 4, "heads": 4, "hidden": 16, "digest_layers": 1, "digest_heads": 4,
    "dropout": 0.0, "state_dropout": 0.0, "tune_eye": True, "tune_llm": True,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class GrootConfig(QwenVlmConfig):
    """Sizes; the defaults are N1.7's as published. See QwenVlmConfig and GrootFlowConfig for the others.

    robots: whose weights these are, the first has those of embodiment 0; ids: of which embodiment each has them, where
    that is otherwise. state_dim, action_dim, horizon: of the robots; state_room, action_room, row_room: what the
    weights were made for, a robot's fewer are padded with zeros. clips: states and actions are held within -1..1.
    """

    robots: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    clips: bool = False
    state_dim: int = 132
    action_dim: int = 132
    state_room: int = 132
    action_room: int = 132
    horizon: int = 40
    row_room: int = 40
    embodiments: int = 32
    width: int = 1536
    layers: int = 32
    heads: int = 32
    hidden: int = 1024
    digest_layers: int = 4
    digest_heads: int = 32
    future: int = 0
    length: int = 1024
    text_every: int = 2
    dropout: float = 0.2
    state_dropout: float = 0.2
    reads_padding: bool = False
    steps: int = 4

    @classmethod
    def published(cls) -> Self:
        """The published size, less what is not used of the VLM."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder."""
        return cls(
            **_NANO, patch=8, side=16, deep=(0,), sections=(8, 8, 8), vision_width=96, vision_layers=3,
            vision_heads=4, vision_mlp=288,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(**_TOY, side=4, deep=(0,), sections=(2, 1, 1))

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots."""
        return replace(
            self,
            cameras=tuple(robots.cameras),
            robots=robots.names,
            ids=(),
            embodiments=max(self.embodiments, len(robots.names)),
            state_dim=robots.state_dim,
            action_dim=robots.action_dim,
            state_room=max(self.state_room, robots.state_dim),
            action_room=max(self.action_room, robots.action_dim),
        )

    def index_of(self, robot: str) -> int:
        """Its place among the robots; raises SpecMismatch when it is none of them."""
        if robot not in self.robots:
            raise SpecMismatch(f"no weights are {robot!r}'s; known robots: {', '.join(self.robots) or 'none is named'}")
        at = self.robots.index(robot)
        return self.ids[at] if self.ids else at

    def build(self) -> "Groot":
        """Make the policy with fresh weights."""
        return Groot(self)

    def head(self) -> GrootFlowConfig:
        """The sizes of the action head."""
        return GrootFlowConfig(
            context=self.vlm_width,
            embodiments=self.embodiments,
            state_room=self.state_room,
            action_room=self.action_room,
            horizon=self.row_room,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            digest_layers=self.digest_layers,
            digest_heads=self.digest_heads,
            future=self.future,
            length=self.length,
            text_every=self.text_every,
            dropout=self.dropout,
            state_dropout=self.state_dropout,
            reads_padding=self.reads_padding,
            steps=self.steps,
        )

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        return self.inputs(batch, state=self.state_dim, embodiments=len(self.robots) or self.embodiments)

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.horizon, self.action_dim)
        return Targets(actions=torch.randn(action), weight=torch.ones(action))


@dataclass(frozen=True, kw_only=True, slots=True)
class GrootN15Config(GrootConfig):
    """N1.5's; see GrootConfig."""

    eye: Literal["qwen3_vl", "siglip"] = "siglip"
    vocabulary: int = 151680
    image_word: int = 151669
    image_size: int = 224
    crop: float = 0.95
    patch: int = 14
    merge: int = 1
    deep: tuple[int, ...] = ()
    vision_width: int = 1152
    vision_layers: int = 27
    vision_heads: int = 16
    vision_mlp: int = 4304
    vlm_layers: int = 12
    base: float = 1e6
    sections: tuple[int, ...] = ()
    tune_eye: bool = True
    state_dim: int = 64
    action_dim: int = 32
    state_room: int = 64
    action_room: int = 32
    horizon: int = 16
    row_room: int = 16
    layers: int = 16
    future: int = 32
    text_every: int = 0
    state_dropout: float = 0.0

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder."""
        return cls(
            **_NANO, patch=16, vision_width=128, vision_layers=4, vision_heads=4, vision_mlp=384, future=8,
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(**_TOY, future=2)


class Groot(FlowSystem):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: GrootConfig) -> None:
        super().__init__()
        self.config = c = config
        for what, size, room in (
            ("numbers of state", c.state_dim, c.state_room),
            ("numbers of action", c.action_dim, c.action_room),
            ("rows of a chunk", c.horizon, min(c.row_room, c.length)),
        ):
            if size > room:
                raise SpecMismatch(f"{size} {what} are asked for; these weights have room for {room}, so ask for fewer")
        if c.ids and (len(c.ids) != len(c.robots) or not all(0 <= index < c.embodiments for index in c.ids)):
            raise SpecMismatch(f"{c.robots} are the embodiments {c.ids}; there are {c.embodiments}, and one for each")
        self.vlm = QwenVlm(c)
        self.head = c.head().build()

    def read(self, inputs: Inputs) -> Context:
        """What the action head reads, once."""
        return self.head.read(*self.vlm(inputs))

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts."""
        targets.must_be(len(self.config.taught))
        c = self.config
        # What a robot lacks is padding, too.
        has = targets.weight.amax(1, keepdim=True) > 0
        actions = _padded(self._held(torch.where(has, targets.actions, 0.0)), c.action_room, c.row_room)
        weight = _padded(targets.weight, c.action_room, c.row_room)
        state = _padded(self._held(inputs.state), c.state_room)
        total = self.head.loss(self.read(inputs), state, actions, weight, inputs.embodiment)
        return total, {"loss": float(total.detach())}

    @torch.no_grad()
    def sample(self, inputs: Inputs, after: Continuation | None = None) -> Tensor:
        """(B, H, A) normalised actions. after: the last chunk, which they go on."""
        c, state = self.config, _padded(self._held(inputs.state), self.config.state_room)
        actions = self.head.sample(self.read(inputs), state, inputs.embodiment, after)
        return self._held(actions[:, : c.horizon, : c.action_dim])

    def _held(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1) if self.config.clips else x


def _padded(x: Tensor, room: int, rows: int | None = None) -> Tensor:
    return F.pad(x, (0, room - x.shape[-1], 0, rows - x.shape[-2] if rows else 0))
