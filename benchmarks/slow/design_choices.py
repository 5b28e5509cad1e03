"""What the parts of the native policy are worth: each is changed alone, learned, and measured on unseen scenes.

    python benchmarks/slow/design_choices.py heads --run runs/tabletop [--out results/design_heads.json]
    python benchmarks/slow/design_choices.py encoders --run runs/tabletop [--out results/design_encoders.json]

heads: on top of the shipped policy's encoder, which stays as it is, heads learn anew from the run's demonstrations: L1
and squared error, flow matching, chunks of other lengths. All then act in the same scenes. The encoder was once taught
through an L1 head of 12 rows, which favours that one.
encoders: small copies of the whole policy learn from nothing for the same number of steps, with other pictures, losses
and data, and are asked for actions and for where the object is.

Scenes for measuring: known words, seeds from 8,500,000 on, which nothing learns from and no test uses.
"""

import argparse
import copy
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from premotor.control.loop import EpisodeRunner, run_episode
from premotor.evaluation.machine import machine, revision
from premotor.evaluation.statistics import paired, wilson
from premotor.models import bundle
from premotor.models.batch import Inputs, SceneTargets
from premotor.models.heads.flow import Flow, time_features
from premotor.models.heads.regression import RegressionHead
from premotor.models.language.minilm import TextEncoder
from premotor.models.policy import BundlePolicy
from premotor.models.systems.premotor import Premotor, PremotorConfig
from premotor.recipes import RECIPES
from premotor.robots.embodiment import embodiment
from premotor.safety.guard import Guard
from premotor.sim.tabletop.episode import FAMILIES, Family
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.world import CAMERAS, TabletopWorld
from premotor.training.collect import CollectConfig, collect_shard
from premotor.training.learn import Batches, Learner
from premotor.training.store import Store
from premotor.training.train import keep_memory

FIRST_SEED = 8_500_000
COMMON = 8  # rows that every head has
LONGEST = 24
REPLAN = 8

Report = Callable[[str], None]


class FlowHead(nn.Module):
    """Features (B, F) -> (B, H, A) by ten steps of flow matching from noise."""

    def __init__(self, features: int, width: int, blocks: int, horizon: int, action: int) -> None:
        super().__init__()
        self.horizon, self.action, self.flow = horizon, action, Flow(noise_at=1, steps=10)
        self.body = RegressionHead(features + 64 + horizon * action, width, blocks, horizon, action)

    def velocity(self, features: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """(B, H, A) at x (B, H, A) and time (B,)."""
        when = time_features(time, 64, shortest=4e-3, longest=4.0)
        said: Tensor = self.body(torch.cat([features, when, x.flatten(1)], -1))
        return said

    def loss(self, features: Tensor, actions: Tensor, weight: Tensor) -> Tensor:
        """Squared error of the velocity over weight > 0."""
        noise, time = torch.randn_like(actions), self.flow.draw_time(len(actions), actions.device)
        x, velocity = self.flow.between(actions, noise, time)
        return ((self.velocity(features, x, time) - velocity).square() * weight).sum() / weight.sum()

    def forward(self, features: Tensor) -> Tensor:
        """Sample with one noise for all, so that an episode can be repeated."""
        noise = torch.randn(1, self.horizon, self.action, generator=torch.Generator().manual_seed(0))
        return self.flow.walk(noise.expand(len(features), -1, -1), partial(self.velocity, features))


class SquaredHead(RegressionHead):
    """The mean instead of the median."""

    def loss(self, features: Tensor, actions: Tensor, weight: Tensor) -> Tensor:
        """Mean squared error over weight > 0."""
        missed: Tensor = (self(features) - actions).square() * weight
        return missed.sum() / weight.sum()


HEADS: dict[str, tuple[type[RegressionHead] | type[FlowHead], int]] = {
    "L1, 12 rows (shipped)": (RegressionHead, 12),
    "L1, 4 rows": (RegressionHead, 4),
    "L1, 8 rows": (RegressionHead, 8),
    "L1, 24 rows": (RegressionHead, 24),
    "squared error, 12 rows": (SquaredHead, 12),
    "flow matching, 12 rows": (FlowHead, 12),
}

ENCODERS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "without naming": {"model": {"naming": 0.0}},
    "without naming and pointing": {"model": {"naming": 0.0, "grounding": 0.0}},
    "64 x 64 pictures": {"size": 64},
    "without colour changes": {"learn": {"colour": 0.0}},
    "without stills": {"learn": {"stills": 0.0}},
}


def heads(run: Path, budget: argparse.Namespace, say: Report) -> list[dict[str, Any]]:
    """Learn every head on the frozen encoder's features, then let it act."""
    shipped = bundle.load(bundle.DEFAULT)
    system = copy.deepcopy(shipped.system).eval()
    assert isinstance(system, Premotor)
    learn = dataclasses.replace(RECIPES["tabletop"]().learn, stills=0.0, colour=0.0, batch=256)
    kinds, width = len(system.config.embodiments), max(system.config.action_dims)

    def seen(folders: Sequence[Path], count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features (N, F), actions and weights (N, H, robots, A), zero for the robots that were not there."""
        batches = _batches(folders, shipped, LONGEST, learn)
        parts = []
        for step in range(-(-count // learn.batch)):
            inputs, targets = batches[step]
            with torch.inference_mode():
                features = system(inputs).features
            own = F.one_hot(inputs.embodiment, kinds).float()[:, None, :, None]
            parts.append((features, targets.actions[:, :, None] * own, targets.weight[:, :, None] * own))
        a, b, c = zip(*parts, strict=True)
        return torch.cat(a), torch.cat(b).flatten(2), torch.cat(c).flatten(2)

    with tempfile.TemporaryDirectory() as folder:
        learned = seen(sorted((run / "data").glob("round-*")), budget.frames)
        unseen = seen([_demonstrations(Path(folder))], budget.frames // 10)
    say(f"{len(learned[0])} frames to learn from, {len(unseen[0])} to measure on")
    rows, outcomes = [], {}
    for name, (kind, horizon) in HEADS.items():
        torch.manual_seed(0)
        c = system.config
        head = kind(learned[0].shape[1], c.head_width, c.head_blocks, horizon, kinds * width)
        optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.02)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, budget.steps)
        for _ in range(budget.steps):
            pick = torch.randint(len(learned[0]), (128,))
            loss = head.loss(learned[0][pick], learned[1][pick, :horizon], learned[2][pick, :horizon])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            cosine.step()
        rows_of = min(COMMON, horizon)
        with torch.inference_mode():
            error = (head.eval()(unseen[0])[:, :rows_of] - unseen[1][:, :rows_of]).abs() * unseen[2][:, :rows_of]
        outcomes[name] = _drive(head, horizon, budget.episodes)
        rate = wilson(sum(outcomes[name]), len(outcomes[name]))
        both = list(zip(outcomes[name], next(iter(outcomes.values())), strict=True))
        rows.append(
            {
                "head": name,
                "action_l1": round(float(error.sum() / unseen[2][:, :rows_of].sum()), 4),
                "success": rate.rate,
                "interval": [rate.low, rate.high],
                "episodes": len(outcomes[name]),
                "p_against_first": round(paired(both).p, 4),
            }
        )
        say(json.dumps(rows[-1]))
    return rows


def encoders(run: Path, budget: argparse.Namespace, say: Report) -> list[dict[str, Any]]:
    """Learn every variant from nothing; how well it acts and points is measured on demonstrations of unseen scenes."""
    shipped = bundle.load(bundle.DEFAULT)
    base = RECIPES["tabletop"]().learn
    folders = [*sorted((run / "data").glob("round-*")), run / "data" / "scenes"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        measured = _demonstrations(Path(folder))
        for name, change in ENCODERS.items():
            model = dataclasses.replace(shipped.config, **change.get("model", {}), image_size=change.get("size", 128))  # type: ignore[type-var]
            assert isinstance(model, PremotorConfig)
            learn = dataclasses.replace(base, steps=budget.steps, **change.get("learn", {}))
            plain = dataclasses.replace(learn, stills=0.0, colour=0.0, batch=250)
            learner = Learner(model, learn)
            learner.learn(
                _Smaller(_batches(folders, shipped, model.horizon, learn), model.image_size),  # type: ignore[arg-type]
                budget.steps,
                lambda step, parts: None,
            )
            unseen = _Smaller(_batches([measured], shipped, model.horizon, plain), model.image_size)
            said = [_asked(learner.average, *unseen[step]) for step in range(budget.frames // 2500)]
            rows.append(
                {
                    "encoder": name,
                    "steps": budget.steps,
                    "action_l1": round(float(torch.cat([a for a, _ in said]).mean()), 4),
                    "object_mm_median": round(float(torch.cat([b for _, b in said]).median()) * 1e3, 1),
                }
            )
            say(json.dumps(rows[-1]))
    return rows


class _Smaller:
    """Batches whose pictures are averaged down to a size."""

    def __init__(self, batches: Batches, size: int) -> None:
        self._batches, self._size = batches, size

    def __getitem__(self, step: int) -> tuple[Inputs, SceneTargets]:
        inputs, targets = self._batches[step]
        small = {n: _shrunk(p, self._size) if p.shape[1] != self._size else p for n, p in inputs.images.items()}
        return dataclasses.replace(inputs, images=small), targets

    def ahead(self, start: int, stop: int) -> Iterator[tuple[Inputs, SceneTargets]]:
        for step in range(start, stop):
            yield self[step]


def _shrunk(pictures: Tensor, size: int) -> Tensor:
    small = F.adaptive_avg_pool2d(pictures.permute(0, 3, 1, 2).float(), size)
    return small.permute(0, 2, 3, 1).to(pictures.dtype)


@torch.inference_mode()
def _asked(system: nn.Module, inputs: Inputs, targets: SceneTargets) -> tuple[Tensor, Tensor]:
    """Each frame's L1 on actions, and each named object's distance from where it is believed to be, metres."""
    out = system(inputs)
    wrong = (out.actions - targets.actions).abs() * targets.weight
    off = (out.places - targets.places)[:, 0].norm(dim=-1)
    return wrong.sum((1, 2)) / targets.weight.sum((1, 2)).clamp(min=1), off[targets.named[:, 0]]


def _batches(folders: Sequence[Path], made: bundle.Bundle, horizon: int, learn: Any) -> Batches:
    """One wording a demonstration: words are not what is compared here."""
    store = Store(folders, CAMERAS, tuple(made.codecs))
    table = store.table(made.codecs, range(horizon))
    assert isinstance(made.words, TextEncoder)
    made.words.prepare(wordings[0] for wordings in store.texts)
    return Batches(store, table, [[made.words.features(w[0])] for w in store.texts], learn)


def _demonstrations(folder: Path) -> Path:
    """The expert in new scenes, two a family and arm."""
    jobs = [(arm, family) for arm in ("panda", "so101") for family in FAMILIES]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(_record, folder), jobs))
    return folder


def _record(folder: Path, job: tuple[str, Family]) -> None:
    arm, family = job
    cells = [(family, FIRST_SEED + 900_000 + i) for i in range(2)]
    collect_shard(folder, f"{arm}-{family}", arm, cells, CollectConfig(disturbed=0.0))


def _drive(head: nn.Module, horizon: int, episodes: int) -> list[bool]:
    """Success in `episodes` new scenes of every family and arm, always in the same order."""
    jobs = [(arm, family) for arm in ("panda", "so101") for family in FAMILIES]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return [won for wins in pool.map(partial(_act, head, horizon, episodes), jobs) for won in wins]


def _act(head: nn.Module, horizon: int, episodes: int, job: tuple[str, Family]) -> list[bool]:
    torch.set_num_threads(1)
    arm, family = job
    made = bundle.load(bundle.DEFAULT)
    assert isinstance(made.system, Premotor)
    assert isinstance(made.config, PremotorConfig)
    made.system.config = dataclasses.replace(made.config, horizon=horizon)
    made.system.head = head  # type: ignore[assignment]
    policy, world, wins = BundlePolicy(made, arm), TabletopWorld(arm), []
    for seed in range(FIRST_SEED, FIRST_SEED + episodes):
        episode = sample(arm, family, "train", seed)
        world.reset(episode)
        runner = EpisodeRunner(
            world,
            Guard(embodiment(arm)),
            policy.spec,
            instruction=episode.instruction,
            replan_every=min(REPLAN, horizon),
            max_ticks=episode.max_steps,
            done=world.success,
        )
        run_episode(runner, policy)
        wins.append(runner.succeeded)
    world.close()
    return wins


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("heads", "encoders"))
    parser.add_argument("--run", type=Path, default=Path("runs/tabletop"), help="folder of a run of `make train`")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--frames", type=int, default=40_000)
    parser.add_argument("--steps", type=int, default=None, help="of learning; 1,500 for heads, 500 encoders")
    parser.add_argument("--episodes", type=int, default=6, help="of every family and arm, for heads")
    args = parser.parse_args()
    args.steps = args.steps or {"heads": 1500, "encoders": 500}[args.what]
    keep_memory()
    measure = {"heads": heads, "encoders": encoders}[args.what]
    rows = measure(args.run, args, lambda line: print(line, flush=True))
    report = {
        "command": " ".join(["python benchmarks/slow/design_choices.py", *sys.argv[1:]]),
        "revision": revision(),
        "machine": machine(),
        "policy_digest": bundle.load(bundle.DEFAULT).digest,
        "first_seed": FIRST_SEED,
        "rows": rows,
    }
    path = args.out or Path(f"results/design_{args.what}.json")
    path.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
