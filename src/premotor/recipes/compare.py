"""Named systems side by side: the same demonstrations, the same time to learn, the same scenes to act in.

<out>/<system>/plan.json      steps that fit into the budget, from the speed of the first ones
<out>/<system>/run/           the training run (see training.train)
<out>/<system>/row.json       what is said of it; a system that has one is done
<out>/evaluations/            every episode
"""

import json
import multiprocessing
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from premotor.core.types import Observation
from premotor.evaluation.evaluate import Evaluation, evaluate
from premotor.evaluation.protocol import Protocol
from premotor.evaluation.statistics import Interval, wilson
from premotor.evaluation.summary import Summary
from premotor.models import bundle
from premotor.models.policy import BundlePolicy
from premotor.recipes import nano
from premotor.sim.tabletop.episode import FAMILIES
from premotor.training.train import Recipe, Round, describe, train

__all__ = ["Report", "Row", "fair", "side_by_side"]

Report = Callable[[str, str, int, int], None]
"""Hears progress: system, stage, done, total."""

_TRIAL, _SETTLED = 24, 8  # steps that are timed, without those in which the machine still warms up


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One system. success: mean over its families; controls: the same of it blindfolded and deaf, on all of these.

    clear: families in which its interval lies above those of both controls; a system without any does not work.
    step_ms: of one plan, one core, median. memory_mb: at the most, of a process that only acts.
    """

    system: str
    families: tuple[str, ...]
    parameters: int
    steps: int
    learned_s: float
    success: Interval
    controls: Mapping[str, Interval]
    clear: tuple[str, ...]
    step_ms: float
    memory_mb: float
    digest: str


def fair(system: str, data: Path, steps: int) -> Recipe:
    """The system's nano recipe on the demonstrations in `data`, to be learned in so many steps."""
    recipe = nano(system, str(data.resolve()))
    learn = replace(recipe.learn, steps=steps, warmup=min(recipe.learn.warmup, max(1, steps // 10)))
    return replace(recipe, learn=learn, rounds=(Round(episodes=0, learner=False, until=steps),))


def side_by_side(
    systems: Sequence[str], data: Path, out: Path, budget_s: float, protocol: Protocol, report: Report
) -> list[Row]:
    """Train and evaluate each system that has no row in `out` yet; returns all rows, in the order of `systems`.

    data: folder of a run whose demonstrations are learned from. budget_s: seconds of learning; loading is not counted.
    Ctrl-C loses at most what was learned since the last checkpoint; the same call goes on.
    """
    return [_row(system, data, out, budget_s, protocol, report) for system in systems]


def _row(system: str, data: Path, out: Path, budget_s: float, protocol: Protocol, report: Report) -> Row:
    folder = out / system
    wanted = {"budget_s": budget_s, "protocol": protocol.hash, "data": str(data.resolve())}
    done = folder / "row.json"
    if done.is_file():
        kept = json.loads(done.read_text())
        if kept.pop("asked") == wanted:
            return _restored(kept)
    folder.mkdir(parents=True, exist_ok=True)
    steps = _steps_in(system, data, folder, budget_s)
    recipe, clock = fair(system, data, steps), _Clock()

    def told(stage: str, at: int, total: int, numbers: Mapping[str, float]) -> None:
        if stage == "learn":
            clock.tick()
            report(system, "learn", at, total)

    try:
        made = train(recipe, folder / "run", told, workers=1)
    finally:
        learned_s = _add_seconds(folder / "plan.json", clock.seconds)
    hears = bool(recipe.config().fake_inputs(1).words.numel())
    mine = replace(protocol, families=tuple(family for family in FAMILIES if family in recipe.families))
    found = evaluate(
        str(made),
        mine,
        out / "evaluations",
        baselines=("blind", "deaf") if hears else ("blind",),
        baseline_splits=mine.splits,
        films=(0, 0),
        name=system,
        command=f"premotor compare --systems {system} --budget {budget_s / 60:g}",
        progress=lambda news: report(system, news.label, news.done, news.total),
    )
    step_ms, memory_mb = _cost(made)
    row = Row(
        system=system,
        families=tuple(recipe.families),
        parameters=describe(recipe)["trainable parameters"],
        steps=steps,
        learned_s=round(learned_s, 1),
        success=found.summary.mean(),
        controls={summary.label: summary.mean() for summary in found.baselines},
        clear=_clear(found),
        step_ms=step_ms,
        memory_mb=memory_mb,
        digest=bundle.load(made).digest,
    )
    done.write_text(json.dumps(asdict(row) | {"asked": wanted}, indent=1))
    return row


class _Clock:
    """Seconds between the first tick and the last."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0

    @property
    def seconds(self) -> float:
        return 0.0 if self._first is None else self._last - self._first

    def tick(self) -> None:
        self._last = time.monotonic()
        self._first = self._last if self._first is None else self._first


def _add_seconds(plan: Path, seconds: float) -> float:
    """Add those of one stretch to what was learned before; all of them."""
    kept = json.loads(plan.read_text())
    kept["learned_s"] = kept.get("learned_s", 0.0) + seconds
    plan.write_text(json.dumps(kept))
    return float(kept["learned_s"])


def _steps_in(system: str, data: Path, folder: Path, budget_s: float) -> int:
    """How many steps fit into the budget here; found once, so that a run that was stopped goes on as it was."""
    plan = folder / "plan.json"
    if plan.is_file():
        kept = json.loads(plan.read_text())
        if kept["budget_s"] == budget_s:
            return int(kept["steps"])
    shutil.rmtree(folder / "run", ignore_errors=True)
    times: list[float] = []

    def told(stage: str, at: int, total: int, numbers: Mapping[str, float]) -> None:
        if stage == "learn":
            times.append(time.monotonic())

    train(fair(system, data, _TRIAL), folder / "trial", told, workers=1)
    shutil.rmtree(folder / "trial")
    step_s = statistics.median(np.diff(times)[_SETTLED:].tolist())
    steps = max(1, int(budget_s / step_s))
    plan.write_text(json.dumps({"budget_s": budget_s, "step_s": step_s, "steps": steps}))
    return steps


def _clear(found: Evaluation) -> tuple[str, ...]:
    """Families, both arms together, in which even the low end is above the high end of every control."""

    def of(summary: Summary, family: Any) -> Interval:
        cells = summary.choose(family=family)
        return wilson(sum(c.successes for c in cells), sum(c.n for c in cells))

    return tuple(
        family
        for family in found.summary.protocol.families
        if of(found.summary, family).low > max(of(control, family).high for control in found.baselines)
    )


def _cost(made: Path) -> tuple[float, float]:
    """Median milliseconds of a plan on one core, and the peak of memory in MB, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_acting, made).result()


def _acting(made: Path) -> tuple[float, float]:
    torch.set_num_threads(1)
    loaded = bundle.load(made)
    policy = BundlePolicy(loaded, next(iter(loaded.codecs)))
    rng = np.random.default_rng(0)
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in policy.spec.cameras}
    state = np.array([(d.low + d.high) / 2 for d in policy.spec.state])
    times = []
    for call in range(25):
        seen = Observation(stamp_ns=call, images=images, state=state, instruction="open the drawer")
        began = time.process_time()
        policy.act(seen)
        times.append((time.process_time() - began) * 1e3)
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return round(statistics.median(times[5:]), 2), round(peak, 1)


def _restored(kept: dict[str, Any]) -> Row:
    for name in ("families", "clear"):
        kept[name] = tuple(kept[name])
    kept["success"] = Interval(**kept["success"])
    kept["controls"] = {name: Interval(**values) for name, values in kept["controls"].items()}
    return Row(**kept)
