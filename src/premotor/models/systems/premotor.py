"""The native policy: point first, then act.

Words and both cameras meet in a few slots; two of the slots point, in each camera, at the object and at the
target that the instruction names; the action head sees where they point, what is found there, the slots and the
joints, and gives a chunk of actions. What is believed is carried from plan to plan: once a thing was moved or hidden,
"the cup left of the bowl" is no longer found by reading the sentence again. Pointing, and naming every thing that is in
a picture, are taught by labels that simulation gives for free, and they are what makes so small an encoder enough.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, SceneTargets
from premotor.models.contract import Plan, Robots, System, SystemConfig
from premotor.models.fusion.slots import SlotFusion
from premotor.models.heads.pointing import Pointer, Pointing, heat_target
from premotor.models.heads.regression import RegressionHead
from premotor.models.vision.cnn import PyramidEncoder
from premotor.models.vision.glimpse import Glimpse

__all__ = ["REFERENCES", "Output", "Premotor", "PremotorConfig"]

REFERENCES = 2  # the object and the target
_OCTAVES = 4
_WAVES = 1 + 2 * _OCTAVES


class Output(NamedTuple):
    """What one forward pass says. actions (B, H, A); pointing per camera; places (B, R, 3) metres, base frame.

    features: what the action head sees. fine: each camera's map (B, C, G, G). slots: (B, K, D).
    """

    actions: Tensor
    pointing: dict[str, Pointing]
    places: Tensor
    features: Tensor
    fine: dict[str, Tensor]
    slots: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class PremotorConfig(SystemConfig):
    """Sizes. `state_dims` and `action_dims` are per embodiment, in the order of `embodiments`.

    image_size: pixels a side that are looked at; a robot's pictures have `shrink` times as many, of which so many are
    averaged each way. names: how many kinds, colours and sizes there are to be named. close: cameras that see things so
    large that the slots read the coarse map. stem: channels at a quarter of the image's size, a multiple of 3. glimpse:
    how many numbers a closer look gives.
    """

    embodiments: tuple[str, ...]
    state_dims: tuple[int, ...]
    action_dims: tuple[int, ...]
    cameras: tuple[str, ...] = ("front", "wrist")
    image_size: int = 128
    shrink: int = 1
    horizon: int = 12
    names: tuple[int, ...] = (9, 8, 2)
    close: tuple[str, ...] = ("wrist",)
    text_width: int = 384
    word_dropout: float = 0.1
    stem: int = 48
    fine: int = 64
    coarse: int = 128
    glimpse: int = 48
    width: int = 128
    heads: int = 4
    slots: int = 8
    blocks: int = 3
    head_width: int = 512
    head_blocks: int = 3
    grounding: float = 1.0
    naming: float = 1.0

    @classmethod
    def nano(cls) -> Self:
        """The size of the shipped policy, 6.8 million numbers."""
        return cls(embodiments=("panda", "so101"), state_dims=(17, 6), action_dims=(7, 6))

    @classmethod
    def toy(cls) -> Self:
        """A size for tests: everything is there, nothing is learned."""
        return cls(
            embodiments=("panda", "so101"), state_dims=(17, 6), action_dims=(7, 6), image_size=64, horizon=4,
            stem=9, fine=16, coarse=16, glimpse=8, width=32, head_width=32,
        )  # fmt: skip

    @property
    def grounded(self) -> bool:
        """It points, and is taught to by what only a simulator can tell."""
        return True

    def for_robots(self, robots: Robots) -> Self:
        """The same, for these robots. Raises SpecMismatch unless pictures are squares of one size, fit to be shrunk."""
        sizes = {side for size in robots.cameras.values() for side in size}
        if len(sizes) != 1:
            raise SpecMismatch(f"cameras {dict(robots.cameras)}; this policy needs squares of one size")
        (side,) = sizes
        if side % (16 * self.shrink):
            raise SpecMismatch(
                f"pictures of {side} pixels a side cannot be shrunk by {self.shrink} to a multiple of 16; "
                f"shrink can be {', '.join(str(n) for n in range(1, side + 1) if side % (16 * n) == 0) or 'nothing'}"
            )
        return replace(
            self,
            embodiments=robots.names,
            state_dims=robots.state_dims,
            action_dims=robots.action_dims,
            cameras=tuple(robots.cameras),
            image_size=side // self.shrink,
            text_width=robots.text_width,
        )

    def index_of(self, robot: str) -> int:
        """Its place among the embodiments."""
        return self.embodiments.index(robot)

    def build(self) -> "Premotor":
        """Make the policy with fresh weights."""
        return Premotor(self)

    def fake_inputs(self, batch: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        inputs = Inputs.fake(
            batch,
            cameras=dict.fromkeys(self.cameras, (self.image_size, self.image_size)),
            words=(12, self.text_width),
            state=max(self.state_dims),
            embodiments=len(self.embodiments),
        )
        return replace(inputs, believed=torch.randn(batch, REFERENCES, 3) / 3, recalls=torch.rand(batch) < 0.8)

    def fake_targets(self, batch: int) -> SceneTargets:
        """Random targets of the right shapes."""
        cams = len(self.cameras)
        action = (batch, self.horizon, max(self.action_dims))
        return SceneTargets(
            actions=torch.randn(action),
            weight=torch.ones(action),
            points=torch.rand(batch, cams, REFERENCES, 2),
            seen=torch.rand(batch, cams, REFERENCES) < 0.5,
            places=torch.randn(batch, REFERENCES, 3),
            named=torch.rand(batch, REFERENCES) < 0.8,
            asked=torch.zeros(batch, REFERENCES, len(self.names), dtype=torch.long),
            crowd=torch.zeros(batch, 8, len(self.names), dtype=torch.long),
            crowd_points=torch.rand(batch, cams, 8, 2),
            crowd_seen=torch.rand(batch, cams, 8) < 0.5,
        )


class Premotor(System):
    """See the module. `loss` trains, `sample` acts."""

    def __init__(self, config: PremotorConfig) -> None:
        super().__init__()
        self.config = config
        c, kinds = config, len(config.embodiments)
        self.eyes = nn.ModuleDict({name: PyramidEncoder(c.stem, c.fine, c.coarse) for name in c.cameras})
        # The slots read maps of `fine` channels, each with a learned mark of which cell it is.
        self.cells = nn.ModuleDict({n: nn.Linear(c.coarse if n in c.close else c.fine, c.fine) for n in c.cameras})
        sides = {n: c.image_size // (16 if n in c.close else 8) for n in c.cameras}
        self.where = nn.ParameterDict({n: nn.Parameter(torch.randn(s * s, c.fine) * 0.3) for n, s in sides.items()})
        self.words = nn.Sequential(nn.Dropout(c.word_dropout), nn.Linear(c.text_width, c.width), nn.LayerNorm(c.width))
        # One input and one output layer per robot; everything between is shared.
        self.state = nn.Embedding(kinds, c.width * max(c.state_dims))
        nn.init.normal_(self.state.weight, std=max(c.state_dims) ** -0.5)
        self.robot = nn.Embedding(kinds, c.width)
        self.context = nn.Sequential(nn.GELU(), nn.Linear(c.width, c.width))
        self.recall = nn.Sequential(nn.Linear(3 * _WAVES, c.width), nn.GELU(), nn.Linear(c.width, c.width))
        self.fusion = SlotFusion(c.width, c.heads, c.blocks, c.slots, c.fine)
        self.pointers = nn.ModuleDict({name: Pointer(c.width, c.fine, c.image_size // 8) for name in c.cameras})
        self.glimpses = nn.ModuleDict({name: Glimpse(c.stem, c.fine, c.glimpse) for name in c.cameras})
        self.namers = nn.ModuleDict({name: nn.Linear(c.fine, sum(c.names)) for name in c.cameras})
        self.asked = nn.Linear(c.width, sum(c.names))
        # Set while training where convolutions are faster in bfloat16.
        self.mixed = False
        seen = len(c.cameras) * REFERENCES * (c.fine + 1 + 2 * _WAVES + c.glimpse)
        recalled = REFERENCES * 3 * _WAVES
        self.places = nn.Sequential(
            nn.Linear(seen + c.width + recalled, 256), nn.GELU(), nn.Linear(256, REFERENCES * 3)
        )
        located = (REFERENCES + 1) * 3 * _WAVES
        features = seen + c.width + c.slots * c.width + located + kinds * max(c.state_dims) * _WAVES
        # Image points, metres and slots have very different spreads; the head must not have to find that out.
        self.level = nn.BatchNorm1d(features)
        self.head = RegressionHead(features, c.head_width, c.head_blocks, c.horizon, kinds * max(c.action_dims))

    def forward(self, inputs: Inputs) -> Output:
        """Everything the policy can say about a batch."""
        c = self.config
        state = self._state(inputs)
        recalled, belief = self._belief(inputs)
        with torch.autocast(inputs.words.device.type, torch.bfloat16, enabled=self.mixed):
            near, fine, cells = self._look(inputs)
            slots = self.fusion(self.words(inputs.words), inputs.words_mask, cells, state[:, None] + belief)
        slots, fine = slots.float(), {name: seen.float() for name, seen in fine.items()}
        pointing = {name: self.pointers[name](slots[:, :REFERENCES], fine[name]) for name in c.cameras}
        found = [state]
        for said in pointing.values():
            found += [_waves(said.uv * 2 - 1).flatten(1), said.seen.sigmoid(), said.features.flatten(1)]
        for name, said in pointing.items():
            found.append(self.glimpses[name](near[name], said.uv.detach()).flatten(1))
        seen = torch.cat(found, -1)
        places = self.places(torch.cat([seen, recalled], -1))
        own = F.one_hot(inputs.embodiment, len(c.embodiments))[..., None] * _waves(inputs.state).flatten(1)[:, None]
        places = places.view(-1, REFERENCES, 3)
        features = self.level(torch.cat([seen, slots.flatten(1), _located(places.detach()), own.flatten(1)], -1))
        # The head predicts for every robot; the row's own robot is picked.
        every = self.head(features).unflatten(-1, (len(c.embodiments), -1))
        actions = every[torch.arange(len(every)), :, inputs.embodiment]
        return Output(actions, pointing, places, features, fine, slots)

    def loss(self, inputs: Inputs, targets: SceneTargets) -> tuple[Tensor, dict[str, float]]:
        """Training loss and its parts."""
        targets.must_be(len(self.config.taught))
        out = self(inputs)
        act = ((out.actions - targets.actions).abs() * targets.weight).sum() / targets.weight.sum().clamp(min=1.0)
        heat, seen = self._grounding(out, targets)
        named = targets.named.float()
        place = ((out.places - targets.places).abs().mean(-1) * named).sum() / named.sum().clamp(min=1.0)
        name, asked = self._naming(out, targets)
        total = act + self.config.grounding * (0.05 * heat + 0.02 * seen + 2.0 * place)
        total = total + self.config.naming * (0.1 * name + 0.03 * asked)
        parts = {"loss": total, "action": act, "heat": heat, "seen": seen, "place_m": place}
        parts |= {"name": name, "asked": asked}
        return total, {k: float(v.detach()) for k, v in parts.items()}

    @torch.inference_mode()
    def sample(self, inputs: Inputs) -> Tensor:
        """(B, H, A) normalised actions."""
        return self(inputs).actions

    def plan(self, inputs: Inputs) -> Plan:
        """Actions, and what was pointed at meanwhile."""
        out = self(inputs)
        return Plan(out.actions, out.pointing, out.places)

    def mix(self) -> bool:
        """Look and read words in bfloat16."""
        self.mixed = True
        return True

    def _look(self, inputs: Inputs) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Each camera's finest map (B, C, G, G) and its fine one, and the cells (B, M, C) that the slots read."""
        near, fine, cells = {}, {}, []
        for name, eye in self.eyes.items():
            # uint8 HWC permuted is already channels_last, the layout that convolutions on a CPU want.
            image = self._shrunk(inputs.images[name].permute(0, 3, 1, 2)) * (1 / 127.5) - 1.0
            stem, fine[name], coarse = eye(image)
            near[name] = stem.float()
            read = coarse if name in self.config.close else fine[name]
            cells.append(self.cells[name](read.flatten(2).transpose(1, 2)) + self.where[name])
        return near, fine, torch.cat(cells, 1)

    def _shrunk(self, image: Tensor) -> Tensor:
        """(B, 3, S, S) of a robot's size or shrunk already -> (B, 3, image_size, image_size), 0..255."""
        small, shrink = self.config.image_size, self.config.shrink
        if image.shape[-2:] == (small, small):
            return image
        if image.shape[-2:] != (small * shrink, small * shrink):
            raise SpecMismatch(
                f"pictures of {tuple(image.shape[-2:])} pixels; this policy takes {small * shrink} a side"
            )
        return F.avg_pool2d(image.float(), shrink).round()

    def _state(self, inputs: Inputs) -> Tensor:
        weights = self.state(inputs.embodiment).view(len(inputs.state), -1, self.config.width)
        state = torch.einsum("bs,bsw->bw", inputs.state, weights) + self.robot(inputs.embodiment)
        return state + self.context(state)

    def _belief(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """What was believed at the last plan, as the places (B, R * 3 * 9) and as context of the slots (B, K, D)."""
        if inputs.believed is None or inputs.recalls is None:
            raise SpecMismatch("no earlier belief in the inputs; recalls is False where there is none")
        there = inputs.recalls[:, None, None].float()
        waves = _waves(inputs.believed * 2).flatten(2)
        context = F.pad(self.recall(waves) * there, (0, 0, 0, self.config.slots - REFERENCES))
        return (waves * there).flatten(1), context

    def _grounding(self, out: Output, targets: SceneTargets) -> tuple[Tensor, Tensor]:
        heat, seen = out.places.new_zeros(()), out.places.new_zeros(())
        for index, said in enumerate(out.pointing.values()):
            visible = (targets.seen[:, index] & targets.named).float()
            goal = heat_target(targets.points[:, index].clamp(0, 1), said.logits.shape[-1])
            miss = -(goal * said.logits.flatten(2).log_softmax(-1)).sum(-1)
            near = (said.uv - targets.points[:, index]).abs().sum(-1) * 20.0
            heat = heat + ((miss + near) * visible).sum() / visible.sum().clamp(min=1.0)
            named = targets.named.float()
            wrong = F.binary_cross_entropy_with_logits(said.seen, visible, reduction="none")
            seen = seen + (wrong * named).sum() / named.sum().clamp(min=1.0)
        return heat, seen

    def _naming(self, out: Output, targets: SceneTargets) -> tuple[Tensor, Tensor]:
        """How wrong kinds, colours and sizes are: of all that is in the pictures, and of object and target."""
        wrong = out.places.new_zeros(())
        for index, (name, fine) in enumerate(out.fine.items()):
            where = targets.crowd_points[:, index].clamp(0, 1)[:, :, None] * 2 - 1
            found = F.grid_sample(fine, where, padding_mode="border", align_corners=False)
            said = self.namers[name](found.squeeze(-1).transpose(1, 2))
            wrong = wrong + _misnamed(said, targets.crowd, targets.crowd_seen[:, index], self.config.names)
        said = self.asked(out.slots[:, :REFERENCES])
        return wrong, _misnamed(said, targets.asked, targets.named, self.config.names)


def _waves(x: Tensor) -> Tensor:
    """(..., N) values of about -1..1 -> (..., N, 9): themselves, and sines and cosines of 1 to 8 half turns.

    A network follows small differences of such values far more closely (Fourier features, arXiv 2006.10739).
    """
    turned = x[..., None] * (torch.pi * 2.0 ** torch.arange(_OCTAVES, device=x.device))
    return torch.cat([x[..., None], turned.sin(), turned.cos()], -1)


def _located(places: Tensor) -> Tensor:
    """(B, R, 3) metres -> (B, (R + 1) * 27): the places, and how far the object is from the target, finely resolved."""
    return torch.cat([_waves(places * 2), _waves((places[:, :1] - places[:, 1:]) * 4)], 1).flatten(1)


def _misnamed(said: Tensor, truth: Tensor, real: Tensor, names: tuple[int, ...]) -> Tensor:
    """Cross-entropies, summed over attributes: said (B, N, sum(names)), truth (B, N, len(names)), real (B, N)."""
    wrong = said.new_zeros(())
    for index, logits in enumerate(torch.split(said, list(names), -1)):
        label = truth[..., index].masked_fill(~real, -1)
        each = F.cross_entropy(logits.flatten(0, 1), label.flatten(), ignore_index=-1, reduction="sum")
        wrong = wrong + each / (label >= 0).sum().clamp(min=1)
    return wrong
