"""RoboVLMs (arXiv 2412.14058): what a policy makes of any VLM: how it looks back, and how it says what to do.

A cell of the grid is a backbone, a history and a kind of action:

    history      one_step     it sees this moment alone
                 interleaved  the moments are one sentence, each with its pictures and the instruction
                 policy_head  each moment is a sentence of its own, and a head, LSTM or GPT, remembers what came of it
    action       continuous   a learned token ends each moment; what it became is made into the chunk
                 discrete     the chunk is said in words that stand for numbers; of a policy head, it is read off

Faithful: heads, losses and the order of the sentence, with the published weights (models/weights/robovlms.py). Ours: a
window is looked at anew each time, which gives what the published heads give when they are fed moment by moment; places
are counted without padding; robots may have fewer numbers; a gripper may be told to stand half open, which is rounded
there; the action token begins near zero, not at it, where the first norm's gradient is a thousand. Not in the published
grid: discrete actions of a policy head, which scores each bin of each number. Not here: words of earlier moments'
actions, which the published interleaved discrete cell learns with and acts without; dropout of the GPT head;
augmentation. With `text_width`, features of a frozen text encoder stand in for the words of the prompt.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.contract import Robots, System, SystemConfig
from premotor.models.heads.bins import Bins, mirrored
from premotor.models.heads.policy import ArmAndGripper, Memorised, Numbers
from premotor.models.language.backbones import backbone, sizes
from premotor.models.language.prismatic import Span, agreement, before, joined
from premotor.models.systems import did_you_mean

__all__ = ["RoboVlms", "RoboVlmsConfig"]

_History = Literal["one_step", "interleaved", "policy_head"]
_Action = Literal["continuous", "discrete"]
_Backbone = Literal["paligemma", "prismatic", "small"]
_Head = Literal["", "fc", "lstm", "gpt"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RoboVlmsConfig(SystemConfig):
    """The cell and the sizes; the defaults are those published for CALVIN with PaliGemma.

    size: that the backbone comes in. head: the one that fits when empty, which is LSTM for a policy head and fc for
    continuous actions otherwise. window: moments looked at, `apart` seconds from one to the next, unless one_step.
    text_width: see the module. kept: words at the end of the vocabulary that no number has. latent: action tokens.
    layers: of the head; head_mlp: widths of what makes actions of it. gripper_share: of the loss.
    """

    backbone: _Backbone = "paligemma"
    size: Literal["published", "nano", "toy"] = "published"
    history: _History = "policy_head"
    action: _Action = "continuous"
    head: _Head = ""
    embodiments: tuple[str, ...] = ("any",)
    action_dims: tuple[int, ...] = (7,)
    cameras: tuple[str, ...] = ("static",)
    window: int = 8
    apart: float = 0.4
    horizon: int = 10
    text_width: int = 0
    kept: int = 15
    bins: int = 256
    latent: int = 1
    head_width: int = 1024
    layers: int = 4
    head_mlp: tuple[int, ...] = (1024, 512, 256)
    gripper_share: float = 0.01

    def __post_init__(self) -> None:
        known = {"backbone": _Backbone, "history": _History, "action": _Action, "head": _Head}
        for name, options in known.items():
            _one_of(name, getattr(self, name), get_args(options))
        if self.history != "one_step" and self.window < 2:
            raise SpecMismatch(
                f"history={self.history!r} with window={self.window}; look at 2 or more, or take one_step"
            )
        fits = ("lstm", "gpt") if self.history == "policy_head" else () if self.says else ("fc",)
        if self.head and self.head not in fits:
            why = (
                f"choose {' or '.join(fits)}, or leave it out" if fits else "actions are said in words, so leave it out"
            )
            raise SpecMismatch(
                f"head={self.head!r} does not go with history={self.history!r} and action={self.action!r}; {why}"
            )
        sizes(self.backbone, self.size)

    @classmethod
    def published(cls) -> Self:
        """The size published with PaliGemma: one camera, 3 billion numbers."""
        return cls()

    @classmethod
    def nano(cls) -> Self:
        """A size that a laptop trains from nothing, with words from a frozen text encoder."""
        return cls(
            backbone="small", size="nano", cameras=("front", "wrist"), window=3, horizon=12, text_width=384, kept=0,
            head_width=192, layers=2, head_mlp=(256, 256, 256),
        )  # fmt: skip

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            backbone="small", size="toy", cameras=("front", "wrist"), window=3, horizon=3, kept=4,
            head_width=24, layers=2, head_mlp=(32, 24),
        )  # fmt: skip

    @property
    def says(self) -> bool:
        """Whether actions are said in words."""
        return self.action == "discrete" and self.history != "policy_head"

    @property
    def ages(self) -> tuple[float, ...]:
        """Of the moments."""
        count = 1 if self.history == "one_step" else self.window
        return tuple(self.apart * back for back in range(count - 1, -1, -1))

    @property
    def action_dim(self) -> int:
        """Of the widest action."""
        return max(self.action_dims)

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots. Of each action the last number is the gripper's."""
        return replace(self, embodiments=robots.names, action_dims=robots.action_dims, cameras=tuple(robots.cameras))

    def index_of(self, robot: str) -> int:
        """Its place among the embodiments."""
        return self.embodiments.index(robot)

    def build(self) -> "RoboVlms":
        """Make the policy with fresh weights."""
        return RoboVlms(self)

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        c, window = sizes(self.backbone, self.size), len(self.ages)
        inputs = Inputs.fake(
            batch, cameras=dict.fromkeys(self.cameras, (c.image_size, c.image_size)), state=0,
            words=(c.words, self.text_width), embodiments=len(self.embodiments), window=window if window > 1 else 0,
        )  # fmt: skip
        if self.text_width:
            return inputs
        return replace(inputs, words=torch.randint(c.vocabulary, (batch, c.words)))

    def fake_targets(self, batch: int) -> Targets:
        """Random targets of the right shapes."""
        action = (batch, self.horizon, self.action_dim)
        return Targets(actions=torch.randn(action), weight=torch.ones(action))


class RoboVlms(System):
    """See the module. `loss` trains, `sample` acts."""

    has_action: Tensor
    gripper: Tensor

    def __init__(self, config: RoboVlmsConfig) -> None:
        super().__init__()
        self.config = c = config
        told = sizes(c.backbone, c.size, cameras=c.cameras, text_width=c.text_width)
        self.vlm = backbone(told, speaks=c.says)
        if c.says and self.vlm.spoken < c.bins + c.kept:
            raise SpecMismatch(f"{c.bins} words for numbers and {c.kept} kept: the VLM has {self.vlm.spoken} in all")
        # Of as many edges as there are words, since the last edge has one of its own.
        self.bins = Bins.uniform(c.bins - 1, top=True)
        if not c.says:
            self.action = nn.Parameter(torch.randn(self.vlm.width) * 0.02)
            kind = c.head or ("lstm" if c.history == "policy_head" else "fc")
            self.memory = Memorised(
                kind, self.vlm.width, c.head_width, layers=c.layers, window=len(c.ages), latent=c.latent
            )
            inside = c.head_width * c.latent
            if c.action == "discrete":
                self.numbers = Numbers(inside, c.head_mlp, c.horizon, c.action_dim, c.bins)
            else:
                self.head = ArmAndGripper(inside, c.head_mlp, c.horizon, c.action_dim)
        dims = torch.tensor(c.action_dims)
        self.register_buffer("has_action", torch.arange(c.action_dim) < dims[:, None], persistent=False)
        self.register_buffer("gripper", dims - 1, persistent=False)

    def sentence(self, inputs: Inputs) -> tuple[Span, Tensor]:
        """What is seen and asked at each moment, (B * K, T, D) of the moments (B, K)."""
        inputs, moments = inputs.windowed()
        count = moments.shape[1]
        flat = replace(
            inputs,
            images={name: picture.flatten(0, 1) for name, picture in inputs.images.items()},
            present={
                name: has[:, None].expand(-1, count).flatten() if has.ndim == 1 else has.flatten()
                for name, has in inputs.present.items()
            },
            words=inputs.words.repeat_interleave(count, 0),
            words_mask=inputs.words_mask.repeat_interleave(count, 0),
            embodiment=inputs.embodiment.repeat_interleave(count, 0),
            moments=None,
        )
        first, rest = self.vlm.read(flat)
        return joined([first, *self.vlm.look(flat), rest]), moments

    def features(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """(B, K, N, D) what the action tokens of each moment became, and the moments (B, K) that there were."""
        asked, moments = self.sentence(inputs)
        rows, latent = len(asked[0]), self.config.latent
        slots = self.action.expand(rows, latent, -1)
        spans = [asked, (slots, torch.ones(rows, latent, dtype=torch.bool, device=slots.device))]
        after = 0
        if self.config.history == "interleaved":
            end = self.vlm.end(rows)
            spans, after = [*spans, *end], len(end)
        tokens, real = joined(spans)
        if self.config.history == "interleaved":
            read, _ = self.vlm.think(*_chained(tokens, real, moments))
            read = read.view(rows, -1, read.shape[-1])
        else:
            read, _ = self.vlm.think(tokens, real)
        stop = read.shape[1] - after
        return read[:, stop - latent : stop].reshape(*moments.shape, latent, -1), moments

    def memorised(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """(B, K, W) what is remembered at each moment, and the moments (B, K) that there were."""
        features, moments = self.features(inputs)
        return self.memory(features, moments), moments

    def loss(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts. Targets (B, H, A) teach the last moment; a head's (B, K, H, A) every one."""
        targets.must_be(len(self.config.taught))
        if self.config.says:
            return self._loss_of_words(inputs, targets)
        x, moments = self.memorised(inputs)
        weight = targets.weight
        if targets.actions.ndim == 3:
            x = x[:, -1]
        else:
            weight = weight * moments[:, :, None, None]
        own = self.has_action[inputs.embodiment].view(len(x), *[1] * (weight.ndim - 2), -1)
        weight = weight * own
        actions = torch.where(weight > 0, targets.actions, 0.0).clamp(-1, 1)
        if self.config.action == "discrete":
            known = weight > 0
            return agreement(self.numbers(x)[known].float(), self.bins.encode(actions)[known])
        at = self._at(inputs, actions)
        arm_weight = weight.scatter(-1, at, 0.0)[..., :-1]
        # A gripper's number is how far open it is, from -1 to 1.
        opened = (actions.gather(-1, at) + 1) / 2
        arm, gripper, accuracy = self.head.loss(
            x, actions[..., :-1], opened[..., 0], arm_weight, weight.gather(-1, at)[..., 0]
        )
        total = arm + self.config.gripper_share * gripper
        parts = {"loss": total, "arm": arm, "gripper": gripper, "accuracy": accuracy}
        return total, {name: float(part.detach()) for name, part in parts.items()}

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions; 0 in the dimensions that a robot lacks."""
        own = self.has_action[inputs.embodiment][:, None]
        if self.config.says:
            said = mirrored(self.say(inputs), self._last)
            return self.bins.decode(said, nearest=True).float().view(len(own), self.config.horizon, -1) * own
        x = self.memorised(inputs)[0][:, -1]
        if self.config.action == "discrete":
            return self.bins.decode(self.numbers(x).argmax(-1), nearest=True).float() * own
        arm, gripper = self.head(x)
        chunk = F.pad(arm.float(), (0, 1))
        return chunk.scatter(-1, self._at(inputs, chunk), 2 * gripper.float().sigmoid()[..., None] - 1) * own

    def say(self, inputs: Inputs) -> Tensor:
        """(B, H * A) ids of the words that are said; any, for numbers that a robot lacks."""
        tokens, real = self._asked(inputs)
        own = self.has_action[inputs.embodiment].repeat(1, self.config.horizon)
        features, past = self.vlm.think(tokens, real)
        rows = torch.arange(len(real), device=real.device)
        latest, said = features[rows, real.cumsum(1).argmax(1)], list[Tensor]()
        for index in range(own.shape[1]):
            said.append(self._number(latest))
            if index < own.shape[1] - 1:
                real = torch.cat([real, own[:, index : index + 1]], 1)
                read, past = self.vlm.think(self.vlm.word(said[-1][:, None]), real, past)
                # What is not said is not heard.
                latest = torch.where(own[:, index : index + 1], read[:, 0], latest)
        return torch.stack(said, 1)

    def _loss_of_words(self, inputs: Inputs, targets: Targets) -> tuple[Tensor, dict[str, float]]:
        if targets.actions.ndim == 4:
            raise SpecMismatch("words are said of the last moment only; give targets (B, H, A)")
        known = (targets.weight.flatten(1) > 0) & self.has_action[inputs.embodiment].repeat(1, self.config.horizon)
        numbers = torch.where(known, targets.actions.flatten(1), 0.0)
        ids = F.pad(mirrored(self.bins.encode(numbers), self._last), (0, 1), value=self.vlm.stop)
        known = torch.cat([known, known.any(1, keepdim=True)], 1)
        tokens, real = joined([self._asked(inputs), (self.vlm.word(ids), known)])
        features, _ = self.vlm.think(tokens, real)
        return agreement(self.vlm.score(before(features, real, ids.shape[1])[known]).float(), ids[known])

    def _asked(self, inputs: Inputs) -> Span:
        """All that is seen and asked, (B, T, D), as one sentence."""
        asked, moments = self.sentence(inputs)
        return _chained(*asked, moments)

    def _number(self, features: Tensor) -> Tensor:
        """(...) ids of the words said after features (..., D), of those that stand for numbers."""
        first = self._last + 1 - self.config.bins
        return self.vlm.score(features)[..., first : self._last + 1].argmax(-1) + first

    def _at(self, inputs: Inputs, actions: Tensor) -> Tensor:
        """(..., H, 1) which of the numbers of actions (..., H, A) is the gripper's."""
        at = self.gripper[inputs.embodiment]
        return at.view(-1, *[1] * (actions.ndim - 1)).expand(*actions.shape[:-1], 1)

    @property
    def _last(self) -> int:
        """The id of the word for the lowest number; the others count down from there."""
        return self.vlm.spoken - 1 - self.config.kept


def _chained(tokens: Tensor, real: Tensor, moments: Tensor) -> Span:
    """Sentences (B * K, T, D) of the moments (B, K), one after the other: (B, K * T, D)."""
    rows, count = moments.shape
    real = real.view(rows, count, -1) & moments[..., None]
    return tokens.reshape(rows, count * tokens.shape[1], -1), real.flatten(1)


def _one_of(name: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        listed = ", ".join(option for option in options if option)
        raise SpecMismatch(f"{name}={value!r}; {did_you_mean(value, options)}choose one of {listed}")
