"""What every system eats, as tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from premotor.core.errors import SpecMismatch

__all__ = ["Inputs", "SceneTargets", "Targets", "window"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """One batch of observations.

    images: camera -> (B, H, W, 3) in 0..255, uint8 (floating point when augmented).
    words: (B, L, T) text features, or (B, L) ids for systems that embed words themselves; words_mask: (B, L) True where
    real.
    state: (B, S) normalised, zero-padded to the widest embodiment. embodiment: (B,) index.

    For systems that read more; the others see nothing of it:
    a window of K moments, oldest first, is an axis after B in images, state and environment, and moments (B, K) is
    True where there was one (all, when None). environment: (B, E), what is told about the scene instead of seen.
    goals: camera -> (B, H, W, 3), how it shall look in the end; a missing camera has no goal. present: camera -> (B,)
    or (B, K), True where that robot has that picture (all, when missing). spots: name -> (B,), for a system whose
    sentences are not of words alone: before which word what is called so stands (the first, when missing). senses:
    name -> (B, ...), readings of depth, touch and the like, of the shape and unit that models/senses/ gives its kind.
    believed: (B, R, 3), where it believed object and target to be when it planned last, metres in the base frame;
    recalls: (B,) True where it did.
    """

    images: dict[str, Tensor]
    words: Tensor
    words_mask: Tensor
    state: Tensor
    embodiment: Tensor
    moments: Tensor | None = None
    environment: Tensor | None = None
    goals: dict[str, Tensor] = field(default_factory=dict)
    present: dict[str, Tensor] = field(default_factory=dict)
    spots: dict[str, Tensor] = field(default_factory=dict)
    senses: dict[str, Tensor] = field(default_factory=dict)
    believed: Tensor | None = None
    recalls: Tensor | None = None

    @classmethod
    def fake(
        cls,
        batch: int,
        *,
        cameras: Mapping[str, tuple[int, ...]],
        state: int,
        words: tuple[int, int] = (0, 0),
        embodiments: int = 1,
        window: int = 0,
        environment: int = 0,
        goals: bool = False,
    ) -> Self:
        """Random inputs. cameras: name -> (height, width); words: (L, T); window: 0 for inputs without that axis."""
        leading = (batch, window) if window else (batch,)

        def pictures(*leading: int) -> dict[str, Tensor]:
            sizes = {name: (*leading, *size, 3) for name, size in cameras.items()}
            return {name: torch.randint(0, 256, size, dtype=torch.uint8) for name, size in sizes.items()}

        return cls(
            images=pictures(*leading),
            words=torch.randn(batch, *words),
            words_mask=torch.ones(batch, words[0], dtype=torch.bool),
            state=torch.randn(*leading, state),
            embodiment=torch.randint(0, embodiments, (batch,)),
            environment=torch.randn(*leading, environment) if environment else None,
            goals=pictures(batch) if goals else {},
        )

    def windowed(self) -> tuple[Self, Tensor]:
        """The same with a window axis, of one moment where there was none; and moments (B, K)."""
        inputs = self
        if self.state.ndim == 2:
            told = self.environment
            inputs = replace(
                self,
                images={name: picture[:, None] for name, picture in self.images.items()},
                state=self.state[:, None],
                environment=None if told is None else told[:, None],
            )
        if inputs.moments is not None:
            return inputs, inputs.moments
        return inputs, torch.ones(inputs.state.shape[:2], dtype=torch.bool, device=inputs.state.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What the expert did.

    actions: (B, P, A) normalised, padded. weight: (B, P, A), 0 where there is no label: past the end of an episode, and
    dimensions that this row's robot lacks. P is the horizon, and the rows before now if a system predicts those too.
    said: (B, L) ids of words, -1 after the last, for a system that speaks: what is done where there is an action, else
    the answer.
    """

    actions: Tensor
    weight: Tensor
    said: Tensor | None = None

    def must_be(self, rows: int) -> None:
        """Raises SpecMismatch when a chunk has another number of rows than that."""
        if self.actions.shape[-2] != rows:
            raise SpecMismatch(
                f"chunks of {self.actions.shape[-2]} rows were given to learn from, the system is taught {rows}; "
                "cut them to `config.taught`"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneTargets(Targets):
    """What the expert did and meant, as only a simulator can tell.

    points: (B, C, R, 2) image points (u, v in 0..1) of object and target in each camera; seen: (B, C, R) is it in
    the picture; places: (B, R, 3) their positions in the base frame (m); named: (B, R) does the instruction name one.
    asked: (B, R, 3) kind, colour and size of object and target, -1 where there is none. crowd: (B, N, 3) the same of
    everything in the scene, crowd_points (B, C, N, 2) and crowd_seen (B, C, N) where it is.
    """

    points: Tensor
    seen: Tensor
    places: Tensor
    named: Tensor
    asked: Tensor
    crowd: Tensor
    crowd_points: Tensor
    crowd_seen: Tensor


def window(
    images: Mapping[str, Tensor],
    state: Tensor,
    moments: Tensor,
    *,
    words: Tensor,
    words_mask: Tensor,
    embodiment: Tensor,
) -> Inputs:
    """Inputs of K moments: images (B, K, H, W, 3), state (B, K, S), moments (B, K); of one moment without that axis."""
    alone = moments.shape[1] == 1
    return Inputs(
        images={name: picture[:, 0] if alone else picture for name, picture in images.items()},
        state=state[:, 0] if alone else state,
        moments=None if alone else moments,
        words=words,
        words_mask=words_mask,
        embodiment=embodiment,
    )
