"""Qwen3 (arXiv 2505.09388) that sees: with Qwen3-VL's eye (arXiv 2511.21631), or with SigLIP's as Eagle 2.5 does.

In a prompt, one word stands wherever a token of a picture belongs, as many of them as there are tokens; pictures come
in the order of the cameras. Tokens read what is before them. Padding may stand anywhere and is not read.

Where there is no pretrained VLM, features of a frozen text encoder may stand in for its own words: what all cameras
show comes first, then these.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs
from premotor.models.contract import SystemConfig
from premotor.models.fusion.decoder import DecoderConfig
from premotor.models.vision.framing import Resize, boxed, fitted, middle
from premotor.models.vision.qwen3vl import Grid, QwenEye, patches
from premotor.models.vision.siglip import SigLip
from premotor.models.vision.squeeze import squeeze

__all__ = ["QwenVlm", "QwenVlmConfig", "Understood"]


class Understood(NamedTuple):
    """Features (B, S, D) of a sentence, which of its tokens (B, S) are real, and which show a picture."""

    features: Tensor
    real: Tensor
    pictured: Tensor


class _Shown(NamedTuple):
    """What all cameras show: tokens (B, P, D) and what later layers add to them; which of them (B, P) are real.

    offsets (2, P): rows and columns below the corner of their picture; strides (P,): places that a token moves those
    after it on by.
    """

    tokens: Tensor
    beside: list[Tensor]
    real: Tensor
    offsets: Tensor
    strides: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class QwenVlmConfig(SystemConfig):
    """Sizes of the VLM, and what a robot shows it; the defaults are those of Cosmos-Reason2-2B in GR00T N1.7.

    words: of the instruction in fake inputs, any number will do. vocabulary: 0 for a VLM without words of its own.
    image_word: stands for a token of a picture. text_width: of the features that instructions come as, 0 where they
    come as ids. crop: share of a picture's sides that is shown, its middle. resize: see Resize; boxed: pictures become
    squares by black beside them first. side, merge, deep: see QwenEye, for the eye of Qwen3-VL alone. layers: those
    that are used, of 28. sections: see DecoderConfig. tune_eye, tune_llm: what learns of the pretrained.
    """

    eye: Literal["qwen3_vl", "siglip"] = "qwen3_vl"
    cameras: tuple[str, ...] = ("ego_view",)
    words: int = 32
    vocabulary: int = 151936
    image_word: int = 151655
    text_width: int = 0
    image_size: int = 256
    crop: float = 230 / 256
    resize: Resize = "bicubic"
    boxed: bool = False
    patch: int = 16
    side: int = 48
    merge: int = 2
    deep: tuple[int, ...] = (5, 11, 17)
    vision_width: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    vision_mlp: int = 4096
    vlm_width: int = 2048
    vlm_layers: int = 16
    vlm_heads: int = 16
    vlm_kv_heads: int = 8
    vlm_head_width: int = 128
    vlm_mlp: int = 6144
    base: float = 5e6
    sections: tuple[int, ...] = (24, 20, 20)
    eps: float = 1e-6
    tune_eye: bool = False
    tune_llm: bool = False

    @property
    def picture_tokens(self) -> int:
        """Tokens of one picture."""
        return (self.image_size // (self.patch * self.merge)) ** 2

    def inputs(self, batch: int, *, state: int, embodiments: int) -> Inputs:
        """Random inputs of the right shapes, for tests and timing."""
        cameras = dict.fromkeys(self.cameras, (self.image_size, self.image_size))
        words = (self.words, self.text_width)
        inputs = Inputs.fake(batch, cameras=cameras, words=words, state=state, embodiments=embodiments)
        if self.text_width:
            return inputs
        shown = torch.full((batch, self.picture_tokens * len(self.cameras)), self.image_word)
        ids = torch.cat([shown, torch.randint(self.image_word, (batch, self.words))], 1)
        return replace(inputs, words=ids, words_mask=torch.ones_like(ids, dtype=torch.bool))


class QwenVlm(nn.Module):
    """Reads inputs."""

    def __init__(self, config: QwenVlmConfig) -> None:
        super().__init__()
        self.config = c = config
        eye = (c.vision_width, c.vision_layers, c.vision_heads, c.vision_mlp)
        self.eye: QwenEye | SigLip
        self.seen: nn.Module = nn.Identity()
        if c.eye == "qwen3_vl":
            self.eye = QwenEye(c.side, c.patch, c.merge, *eye, c.vlm_width, c.deep)
        else:
            self.eye = SigLip(c.image_size, c.patch, *eye, end_norm=False)
            self.seen = nn.Linear(c.vision_width, c.vlm_width)
        self.word = nn.Embedding(c.vocabulary, c.vlm_width) if c.vocabulary else None
        self.text = nn.Linear(c.text_width, c.vlm_width) if c.text_width else None
        self.decoder = DecoderConfig(
            width=c.vlm_width,
            layers=c.vlm_layers,
            mlp=c.vlm_mlp,
            heads=c.vlm_heads,
            kv_heads=c.vlm_kv_heads,
            head_width=c.vlm_head_width,
            near_one=False,
            head_norm=True,
            activation="silu",
            base=c.base,
            sections=c.sections,
            eps=c.eps,
            # Eagle's last features are normalised, those of Qwen3-VL are taken before that.
            end_norm=c.eye == "siglip",
        ).build()
        for part, learns in ((self.eye, c.tune_eye), (self.seen, c.tune_eye), (self.decoder, c.tune_llm)):
            part.requires_grad_(learns)
        if self.word is not None:
            self.word.requires_grad_(c.tune_llm)

    def forward(self, inputs: Inputs) -> Understood:
        """Read pictures and words; see the module."""
        shown = self.look(inputs)
        tokens, real, pictured = self._sentence(inputs, shown)
        beside = [_placed(torch.zeros_like(tokens), pictured, more, shown.real) for more in shown.beside]
        count = real.shape[1]
        # Padding before all that is real reads nothing, and comes out as zeros, as in the reference.
        mask = real[:, None, None] & torch.ones(count, count, dtype=torch.bool, device=real.device).tril()
        features, _ = self.decoder(tokens, mask, self._places(shown, real, pictured), added=beside)
        return Understood(features, real, pictured)

    def look(self, inputs: Inputs) -> _Shown:
        """What each camera shows; nothing of a camera that is missing. Raises SpecMismatch when all are."""
        cameras = [camera for camera in self.config.cameras if camera in inputs.images]
        if not cameras:
            raise SpecMismatch(f"pictures of {sorted(inputs.images)}; this policy looks at {self.config.cameras}")
        found = list[_Shown]()
        for camera in cameras:
            tokens, beside, (rows, columns) = self._see(self.picture(inputs.images[camera]))
            has = inputs.present.get(camera, torch.ones_like(inputs.embodiment, dtype=torch.bool))
            at = torch.arange(rows * columns, device=tokens.device)
            strides = torch.where(at == len(at) - 1, max(rows, columns), 0)
            offsets = torch.stack([at // columns, at % columns])
            found.append(_Shown(tokens, beside, has.view(-1, 1).expand(tokens.shape[:2]), offsets, strides))
        return _Shown(
            tokens=torch.cat([s.tokens for s in found], 1),
            beside=[torch.cat(layer, 1) for layer in zip(*(s.beside for s in found), strict=True)],
            real=torch.cat([s.real for s in found], 1),
            offsets=torch.cat([s.offsets for s in found], 1),
            strides=torch.cat([s.strides for s in found]),
        )

    def picture(self, image: Tensor) -> Tensor:
        """(B, H, W, 3) in 0..255 -> (B, 3, S, S) in -1..1; where proportions are kept, one side is longer."""
        c, pixels = self.config, image.permute(0, 3, 1, 2)
        pixels = boxed(pixels) if c.boxed else pixels
        if c.crop < 1:
            # N1.7 cuts after a first resize, N1.5 before the only one.
            pixels = fitted(pixels, c.image_size, c.resize) if c.eye == "qwen3_vl" else pixels
            pixels = middle(pixels, c.crop, c.resize)
        pixels = fitted(pixels, c.image_size, c.resize)
        # The eye takes whole tokens, so what keeps its proportions loses a little of them here.
        tile = c.patch * c.merge
        height, width = (max(1, round(side / tile)) * tile for side in pixels.shape[-2:])
        return (squeeze(pixels, (height, width)).float() / 127.5 - 1).to(self._kind)

    @property
    def _kind(self) -> torch.dtype:
        return next(self.eye.parameters()).dtype

    def _see(self, pixels: Tensor) -> tuple[Tensor, list[Tensor], Grid]:
        """Tokens of pictures, what later layers add to them, and how many rows and columns there are."""
        c = self.config
        if isinstance(self.eye, SigLip):
            tokens = self.seen(self.eye(pixels))
            return tokens, [], (c.image_size // c.patch, c.image_size // c.patch)
        flat, grid = patches(pixels, c.patch, c.merge)
        tokens, beside = self.eye(flat, grid)
        return tokens, beside, (grid[0] // c.merge, grid[1] // c.merge)

    def _sentence(self, inputs: Inputs, shown: _Shown) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (B, S, D), which of them (B, S) are real, and which show a picture."""
        if self.text is not None:
            words = self.text(inputs.words.to(self._kind))
            real = torch.cat([shown.real, inputs.words_mask], 1)
            pictured = torch.zeros_like(real)
            pictured[:, : shown.real.shape[1]] = shown.real
            return torch.cat([shown.tokens, words], 1), real, pictured
        if self.word is None or inputs.words.is_floating_point():
            raise SpecMismatch(f"words came as features {tuple(inputs.words.shape)}; without text_width, ids are read")
        real, pictured = inputs.words_mask, (inputs.words == self.config.image_word) & inputs.words_mask
        wanted, there = pictured.sum(1), shown.real.sum(1)
        if not torch.equal(wanted, there):
            raise SpecMismatch(
                f"prompts have room for {wanted.tolist()} tokens of pictures (word {self.config.image_word}), but the "
                f"pictures have {there.tolist()}: {self.config.picture_tokens} for each camera"
            )
        return _placed(self.word(inputs.words), pictured, shown.tokens, shown.real), real, pictured

    def _places(self, shown: _Shown, real: Tensor, pictured: Tensor) -> Tensor:
        """(B, S) where each token stands; (3, B, S) in time, row and column where the model tells these apart."""
        if not self.config.sections:
            return real.cumsum(1) - 1
        strides = _placed(real.long(), pictured, shown.strides.expand_as(shown.real), shown.real)
        first = strides.cumsum(1) - strides
        below = [_placed(torch.zeros_like(first), pictured, o.expand_as(shown.real), shown.real) for o in shown.offsets]
        return torch.stack([first, *(first + more for more in below)]) * real


def _placed(into: Tensor, here: Tensor, what: Tensor, real: Tensor) -> Tensor:
    """`into` (B, S, ...) with what is real of `what` (B, P, ...) where `here` (B, S) is True, row by row in order."""
    found = into.clone()
    found[here] = what[real].to(into.dtype)
    return found
