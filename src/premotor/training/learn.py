"""The training loop: batches from a store, AdamW on a cosine, a running average of the weights, exact resume.

Batch k is a function of (seed, k) alone and checkpoints hold weights, average and optimiser, so a run that was
stopped goes on bit-identically to one that was not.
"""

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from premotor.models.batch import Inputs, SceneTargets, window
from premotor.models.contract import System, SystemConfig
from premotor.models.language.lexicon import Lexicon
from premotor.sim.tabletop.episode import Family
from premotor.training.questions import skill
from premotor.training.store import Store, Table

__all__ = ["CHECKPOINT", "Batches", "LearnConfig", "Learner", "bfloat16_is_faster"]

CHECKPOINT = "checkpoint.safetensors"
"""What a learner leaves in its folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnConfig:
    """How to learn. Steps are optimiser steps; the cosine runs over all of them, whatever the rounds.

    forgotten, mistaken, belief_noise: how often there is no earlier belief, how often it is about another thing, and
    the median over rows of its standard deviation in metres. One in fifty is ten times as far off: what is believed
    must not be believed for ever.
    """

    batch: int = 128
    steps: int = 6000
    warmup: int = 200
    rate: float = 1.2e-3
    decay: float = 0.02
    average: float = 0.998
    clip: float = 1.0
    colour: float = 0.15
    state_noise: float = 0.02
    stills: float = 0.4
    forgotten: float = 0.25
    mistaken: float = 0.03
    belief_noise: float = 0.005
    seed: int = 0


class Batches:
    """Draws batches from a store's table; robots and families are drawn by the square root of their share.

    `stills` of the draws are frames without an action label, where there are any. pixels: the type they come in.
    speech: spells what is to be said, for a system that speaks.
    """

    def __init__(
        self,
        store: Store,
        table: Table,
        words: list[list[Tensor]],
        config: LearnConfig,
        pixels: torch.dtype = torch.float32,
        speech: Lexicon | None = None,
    ) -> None:
        self._speech = speech
        self._store, self._table, self._words, self._config = store, table, words, config
        self._pixels = pixels
        still = ~table.weight[:, :, 0].any(1)
        group = (table.embodiment * len(store.families) + table.family) * 2 + still
        chance = 1.0 / np.sqrt(np.bincount(group)[group])
        if still.any() and not still.all():
            chance[still] *= config.stills / chance[still].sum()
            chance[~still] *= (1 - config.stills) / chance[~still].sum()
        self._cumulative = np.cumsum(chance)

    def __getitem__(self, step: int) -> tuple[Inputs, SceneTargets]:
        """The batch of one step."""
        rng = np.random.default_rng([self._config.seed, step])
        draws = rng.uniform(0, self._cumulative[-1], self._config.batch)
        pick = np.sort(np.searchsorted(self._cumulative, draws, side="right"))  # sorted: kinder to the page cache
        t = self._table
        rows = np.concatenate([t.earlier_row[pick], t.row[pick, None]], 1)
        state = np.concatenate([t.earlier_state[pick], t.state[pick, None]], 1)
        seen = self._store.frames(np.repeat(t.shard[pick], rows.shape[1]), rows.ravel())
        wordings = [int(rng.integers(len(self._words[i]))) for i in t.text[pick]]
        read = [self._words[i][wording] for i, wording in zip(t.text[pick], wordings, strict=True)]
        words = torch.nn.utils.rnn.pad_sequence(read, batch_first=True).float()
        lengths = torch.tensor([len(r) for r in read])
        noise = rng.normal(0, self._config.state_noise, state.shape).astype(np.float32)
        now = [torch.ones(len(pick), 1, dtype=torch.bool)]
        inputs = window(
            {c: self._coloured(torch.from_numpy(p).view(*rows.shape, *p.shape[1:]), rng) for c, p in seen.items()},
            torch.from_numpy(state + noise),
            torch.cat([torch.from_numpy(t.earlier[pick]), *now], 1),
            words=words,
            words_mask=torch.arange(words.shape[1])[None] < lengths[:, None],
            embodiment=torch.from_numpy(t.embodiment[pick]),
        )
        believed, recalls = self._believed(pick, rng)
        inputs = replace(inputs, believed=believed, recalls=recalls)
        targets = SceneTargets(
            actions=torch.from_numpy(t.actions[pick]),
            weight=torch.from_numpy(t.weight[pick]).float(),
            points=torch.from_numpy(t.points[pick]),
            seen=torch.from_numpy(t.seen[pick]),
            places=torch.from_numpy(t.places[pick]),
            named=torch.from_numpy(t.named[pick]),
            asked=torch.from_numpy(t.asked[pick]),
            crowd=torch.from_numpy(t.crowd[pick]),
            crowd_points=torch.from_numpy(t.crowd_points[pick]),
            crowd_seen=torch.from_numpy(t.crowd_seen[pick]),
            said=None if self._speech is None else self._said(self._speech, pick, wordings),
        )
        return inputs, targets

    def _believed(self, pick: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """(B, R, 3) where a policy at work might have believed object and target to be when it planned last, and (B,)
        whether there was such a plan. Where the words name nothing, it believes anything.
        """
        t, config = self._table, self._config
        count, references = t.named[pick].shape
        there = t.crowd[pick][:, :, 0] >= 0
        other = rng.integers(np.maximum(there.sum(1), 1)[:, None], size=(count, references))
        elsewhere = np.take_along_axis(t.crowd_places[pick], other[:, :, None], 1)
        wrong = (rng.random((count, references)) < config.mistaken) | ~t.named[pick]
        spread = rng.lognormal(np.log(config.belief_noise), 1.1, (count, references, 1))
        believed = np.where(wrong[:, :, None], elsewhere, t.before[pick]) + spread * rng.normal(size=elsewhere.shape)
        # Who does not know where anything is has nothing to remember.
        knows = np.concatenate([there, t.named[pick]], 1).any(1)
        recalls = (rng.random(count) >= config.forgotten) & knows
        return torch.from_numpy(believed.astype(np.float32)), torch.from_numpy(recalls)

    def _said(self, speech: Lexicon, pick: NDArray[np.int64], wordings: list[int]) -> Tensor:
        """(B, L) ids of the answers, or of what is being done; -1 after the last."""
        t, rows = self._table, list[Tensor]()
        for row, wording in zip(pick, wordings, strict=True):
            answers = self._store.answers[t.text[row]]
            family = cast(Family, self._store.families[t.family[row]])
            text = answers[wording] if answers else skill(family, t.asked[row].tolist())
            rows.append(torch.tensor(speech.ids(text)))
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)

    def _coloured(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        """(B, K, H, W, 3) in other colours, the same in all moments of a window."""
        whole = pictures.to(self._pixels).flatten(1, 2)
        return _recolour(whole, rng, self._config.colour).view(pictures.shape)

    def ahead(self, start: int, stop: int) -> Iterator[tuple[Inputs, SceneTargets]]:
        """Batches start..stop, each prepared in a thread while the one before is learned from."""
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.__getitem__, start)
            for step in range(start + 1, stop + 1):
                batch = waiting.result()
                if step < stop:
                    waiting = pool.submit(self.__getitem__, step)
                yield batch


class Learner:
    """A policy being trained: weights, their running average, the optimiser and the step it is at.

    tuned: makes the policy to begin with; what is frozen in it then stays as it is, to the last bit, and is not kept in
    checkpoints.
    """

    def __init__(self, model: SystemConfig, config: LearnConfig, tuned: Callable[[], System] | None = None) -> None:
        torch.manual_seed(config.seed)
        self.model, self.config, self.step = model, config, 0
        make = tuned or model.build
        self.system: System = make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average: System = make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average.load_state_dict(self.system.state_dict())
        self._tuned = tuned is not None
        self.average.eval().requires_grad_(False)
        self.mixed = bfloat16_is_faster() and self.system.mix()
        learned = [p for p in self.system.parameters() if p.requires_grad]
        heavy = [p for p in learned if p.ndim > 1]
        light = [p for p in learned if p.ndim <= 1]
        groups = [{"params": heavy, "weight_decay": config.decay}, {"params": light, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=config.rate, fused=True)

    def rate(self, step: int) -> float:
        """Learning rate at a step: linear warm-up, then half a cosine to zero."""
        c = self.config
        if step < c.warmup:
            return c.rate * (step + 1) / c.warmup
        return 0.5 * c.rate * (1 + math.cos(math.pi * min(1.0, (step - c.warmup) / max(1, c.steps - c.warmup))))

    def learn(self, batches: Batches, until: int, on_step: Callable[[int, dict[str, float]], None]) -> None:
        """Train to optimiser step `until`; on_step(step, losses) hears each step and may save or raise."""
        self.system.train()
        if self._tuned:
            for part in self.system.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()  # its statistics are part of what stays as it is
        for inputs, targets in batches.ahead(self.step, until):
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate(self.step)
            torch.manual_seed((self.config.seed << 32) + self.step)  # what is drawn inside, a resumed run draws too
            loss, parts = self.system.loss(inputs, targets)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.system.parameters(), self.config.clip)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            self._follow()
            self.step += 1
            on_step(self.step, parts | {"grad_norm": float(norm), "rate": self.rate(self.step)})

    def _follow(self) -> None:
        weight = 1.0 - min(self.config.average, (1 + self.step) / (10 + self.step))
        now, slow = self._learned(self.system), self._learned(self.average)
        floats = [k for k, v in now.items() if v.is_floating_point()]
        torch._foreach_lerp_([slow[k] for k in floats], [now[k] for k in floats], weight)
        for name in now.keys() - set(floats):
            slow[name].copy_(now[name])

    def _learned(self, system: System) -> dict[str, Tensor]:
        """The state of a system, or as much of it as learns."""
        state = system.state_dict()
        if not self._tuned:
            return state
        return {name: state[name] for name, weight in self.system.named_parameters() if weight.requires_grad}

    def save(self, folder: Path) -> None:
        """Write a checkpoint; the previous one stays until this one is complete."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"system.{k}": v.contiguous() for k, v in self._learned(self.system).items()}
        tensors |= {f"average.{k}": v.contiguous() for k, v in self._learned(self.average).items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v.contiguous() for k, v in state.items()}
        temporary = folder / "checkpoint.partial"
        save_file(tensors, temporary, metadata={"step": json.dumps(self.step)})
        temporary.rename(folder / CHECKPOINT)

    def resume(self, folder: Path) -> bool:
        """Go on from the checkpoint in `folder`; False when there is none."""
        path = folder / CHECKPOINT
        if not path.is_file():
            return False
        parts: dict[str, dict[str, Tensor]] = {"system": {}, "average": {}, "optimiser": {}}
        for name, value in load_file(path).items():
            head, _, rest = name.partition(".")
            parts[head][rest] = value
        for system, saved in ((self.system, parts["system"]), (self.average, parts["average"])):
            whole, learned = system.state_dict(), self._learned(system)
            frozen = {name: value for name, value in whole.items() if name not in learned}
            system.load_state_dict(frozen | saved, strict=True)
        weights = [p for group in self.optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, Any]] = {}
        for name, value in parts["optimiser"].items():
            index, _, key = name.partition(".")
            like = weights[int(index)]
            # The fused optimiser walks raw memory: its state must be laid out as the weight is (channels_last).
            laid_out = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            state.setdefault(int(index), {})[key] = laid_out.detach()
        whole = self.optimiser.state_dict()
        whole["state"] = state
        self.optimiser.load_state_dict(whole)
        self.step = _step_of(path)
        return True


def bfloat16_is_faster() -> bool:
    """Whether this processor multiplies bfloat16 itself: convolutions are then twice as fast, otherwise slower.

    Read from what the processor says and never from a stopwatch: two runs of one recipe must agree.
    """
    can = torch.cpu.get_capabilities()
    return any(can.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _step_of(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return cast(int, json.loads(file.metadata()["step"]))


def _recolour(pixels: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    """(B, H, W, 3), 0..255, in place: a random gain per channel and a random brightness, per image."""
    count, _, width, _ = pixels.shape
    common = rng.normal(1, strength, (count, 1, 1, 1))
    gain: NDArray[np.floating] = common + rng.normal(0, strength / 3, (count, 1, 1, 3))
    shift = rng.normal(0, strength * 60, (count, 1, 1, 1))
    # One long row of channels at a time: a loop over three is an order slower.
    gains = torch.from_numpy(gain).to(pixels.dtype).view(count, 1, 3).repeat(1, 1, width)
    shifts = torch.from_numpy(shift).to(pixels.dtype).view(count, 1, 1)
    rows = pixels.view(count, -1, width * 3)
    torch.addcmul(shifts, rows, gains, out=rows).clamp_(0, 255)
    return pixels
