"""One recipe, start to finish: collect, learn, let the learner drive, correct it, learn on; then a bundle.

Everything lies in one run folder and everything that is complete is kept, so a stopped run goes on where it was:

    data/round-<k>/<shard>/   demonstrations      learner-<k>/   the bundle that drove in round k
    codecs.json, config.json  fitted after round 0, then fixed
    checkpoint.safetensors    weights, average, optimiser, step
    curves/                   TensorBoard         bundle/        the result; of fine-tuning adapter/, too
"""

import ctypes
import dataclasses
import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from premotor.core.codec import Codec, build_codec
from premotor.core.errors import DatasetError
from premotor.models import bundle
from premotor.models.adapter import attach
from premotor.models.contract import SystemConfig
from premotor.models.language import minilm
from premotor.models.language.thesaurus import THESAURUS
from premotor.models.language.words import WordsConfig
from premotor.models.policy import BundlePolicy
from premotor.models.systems import config_for, restored_config
from premotor.sim.tabletop.episode import FAMILIES
from premotor.training.collect import CollectConfig
from premotor.training.drive import Collector
from premotor.training.learn import CHECKPOINT, Batches, LearnConfig, Learner
from premotor.training.recorded import is_recorded, write_recorded
from premotor.training.store import Store, Table
from premotor.training.tune import Tune

__all__ = ["Recipe", "Report", "Round", "describe", "keep_memory", "text_files", "train"]

Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Hears progress: stage, done, total, latest numbers."""

_CHECKPOINT_EVERY = 250
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of glibc's malloc.h
_SHARD, _SCENE_SHARD = 10, 100
_CHUNKS = 4000  # are enough to prepare for
_SCENE_SEEDS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """`episodes` demonstrations per family and arm, with or without the learner driving; then learn to step `until`.

    families: only of these; of all, where none is named.
    """

    episodes: int
    learner: bool
    until: int
    families: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that decides a training run. Seeds count up from `first_seed`, all of the train split.

    collect: the world, and how its demonstrations are made; arms and families are of that world.
    system, preset, model: which named system, of which size, and what is changed of that. scenes: per family and arm,
    seen in `looks` still pictures each, for grounding alone, or for questions and answers if the system speaks; seeds
    from a million on. data: folder of another run; its demonstrations of these arms and families (all, where none is
    named) are learned from, too; of a fine-tuning recorded ones in a LeRobot dataset as well. tune: fine-tune this
    bundle, whose robots `arms` are, in place of a named system.
    """

    name: str
    arms: tuple[str, ...] = ("panda", "so101")
    families: tuple[str, ...] = FAMILIES
    rounds: tuple[Round, ...] = ()
    scenes: int = 0
    looks: int = 2
    data: str = ""
    system: str = "premotor"
    preset: str = "nano"
    model: Mapping[str, Any] = field(default_factory=dict)
    learn: LearnConfig = field(default_factory=LearnConfig)
    collect: Collector = field(default_factory=CollectConfig)
    first_seed: int = 0
    tune: Tune | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps in all. The cosine of `learn` may reach further, so that the last of them still teach."""
        return self.rounds[-1].until if self.rounds else 0

    def config(self) -> SystemConfig:
        """The policy's sizes, with the arms' own dimensions."""
        if self.tune is not None:
            return self.tune.config()
        return config_for(self.system, [self.collect.spec(arm) for arm in self.arms], self.preset, **self.model)


def describe(recipe: Recipe) -> dict[str, Any]:
    """The plan in numbers, for --dry-run: parameters, episodes, steps, samples."""
    with torch.device("meta"):
        system = recipe.config().build()
        if recipe.tune is not None:
            attach(system, recipe.tune.lora)
        weights = sum(p.numel() for p in system.parameters() if p.requires_grad)
    episodes = sum(r.episodes * len(r.families or recipe.families) for r in recipe.rounds) * len(recipe.arms)
    return {
        "recipe": recipe.name,
        **(
            {"system": f"{recipe.system}, {recipe.preset}"} if recipe.tune is None else {"fine-tuned": recipe.tune.base}
        ),
        "arms": recipe.arms,
        "families": recipe.families or "all that there are",
        "trainable parameters": weights,
        "demonstrations": episodes,
        **({"and those in": recipe.data} if recipe.data else {}),
        "stills": recipe.scenes * recipe.looks * len(recipe.arms) * len(recipe.families),
        "rounds": [dataclasses.asdict(r) for r in recipe.rounds],
        "optimiser steps": recipe.steps,
        "samples": recipe.steps * recipe.learn.batch,
    }


def train(
    recipe: Recipe, out: Path, report: Report, workers: int = 2, lineage: Mapping[str, Any] | None = None
) -> Path:
    """Run or resume the recipe in `out`; returns the bundle's folder.

    Raises DatasetError when `out` holds a run of another recipe. Ctrl-C leaves a checkpoint and complete shards.
    """
    began = time.time()
    keep_memory()
    _claim(recipe, out)
    text = (recipe.tune.text if recipe.tune is not None else None) or text_files(out / "text", recipe.collect.thesaurus)
    encoder = minilm.TextEncoder(text)
    # What there is no checkpoint of may still depend on demonstrations that are not there.
    learner = _learner(recipe, out) if (out / CHECKPOINT).is_file() else None
    with SummaryWriter(str(out / "curves")) as curves:
        for index, round_ in enumerate(recipe.rounds):
            if learner is not None and learner.step >= round_.until:
                continue
            if learner is not None and round_.learner and not (out / f"learner-{index}").exists():
                _save(recipe, learner, out, out / f"learner-{index}", text, {})
            _collect(recipe, index, out, workers, report)
            store = _store(recipe, index, out)
            table = _table(recipe, store, out)
            learner = learner or _learner(recipe, out, table)
            encoder.prepare(wording for wordings in store.texts for wording in wordings)
            words = [[encoder.features(wording) for wording in wordings] for wordings in store.texts]
            pixels = torch.bfloat16 if learner.mixed else torch.float32
            batches = Batches(store, table, words, recipe.learn, pixels, learner.model.speech)
            try:
                learner.learn(batches, round_.until, partial(_on_step, learner, out, curves, report, round_.until))
            finally:
                learner.save(out)
    if learner is None:
        raise DatasetError(f"recipe {recipe.name!r} has no rounds; nothing was learned")
    facts = {"recipe": json.loads(_fingerprint(recipe)), "seconds": round(time.time() - began)} | dict(lineage or {})
    _save(recipe, learner, out, out / "bundle", text, facts)
    return out / "bundle"


def keep_memory() -> None:
    """Ask glibc not to give large blocks back to the system, to be fetched anew page by page in every step.

    On two cores training is a fifth faster for it. Other C libraries have no such knob and are left alone.
    """
    if (tune := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        tune(_MMAP_MAX, 0)
        tune(_TRIM_THRESHOLD, 2**31 - 1)


def text_files(folder: Path, thesaurus: Path | None) -> Path:
    """A folder with the packed text encoder: the shipped bundle's, or packed now from the public checkpoint.

    thesaurus: goes with it, if there is one.
    """
    if thesaurus is not None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(thesaurus, folder / THESAURUS)
    if all((folder / name).is_file() for name in (minilm.WEIGHTS, minilm.VOCABULARY)):
        return folder
    if (bundle.DEFAULT / "manifest.json").is_file():
        bundle.verify(bundle.DEFAULT)
        folder.mkdir(parents=True, exist_ok=True)
        for name in (minilm.WEIGHTS, minilm.VOCABULARY):
            shutil.copyfile(bundle.DEFAULT / name, folder / name)
    else:
        minilm.pack(minilm.source_folder(), folder)
    return folder


def _claim(recipe: Recipe, out: Path) -> None:
    path = out / "recipe.json"
    if path.is_file() and path.read_text() != _fingerprint(recipe):
        raise DatasetError(f"{out} holds a run of another recipe; choose another --out, or delete it to start anew")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(_fingerprint(recipe))


def _fingerprint(recipe: Recipe) -> str:
    return json.dumps(dataclasses.asdict(recipe), sort_keys=True, indent=1)


def _save(recipe: Recipe, learner: Learner, out: Path, folder: Path, text: Path, facts: Mapping[str, Any]) -> None:
    if recipe.tune is not None:
        recipe.tune.save(learner.average, out / "adapter", folder, facts)
    else:
        words = WordsConfig(restated=recipe.collect.thesaurus is not None)
        bundle.save(folder, learner.average, learner.model, _load_codecs(out), text, facts, words=words)


def _collect(recipe: Recipe, index: int, out: Path, workers: int, report: Report) -> None:
    round_ = recipe.rounds[index]
    first = recipe.first_seed + sum(r.episodes for r in recipe.rounds[:index])
    driver = out / f"learner-{index}" if round_.learner else None
    jobs = [
        partial(_drive, out / "data" / f"round-{index}", *job, recipe.collect, driver)
        for job in _jobs(recipe, first, round_.episodes, _SHARD, round_.families or recipe.families)
    ]
    jobs += [
        partial(
            recipe.collect.stills, out / "data" / "scenes", *job, recipe.looks, asked=recipe.config().speech is not None
        )
        for job in _jobs(recipe, _SCENE_SEEDS + recipe.first_seed, recipe.scenes, _SCENE_SHARD, recipe.families)
    ]
    context = multiprocessing.get_context("spawn")
    kept = tried = 0
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                good, cells = future.result()
                kept, tried = kept + good, tried + cells
                report(f"collect {index}", done, len(jobs), {"kept": kept, "tried": tried})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _jobs(
    recipe: Recipe, first: int, count: int, size: int, families: Sequence[str]
) -> Iterator[tuple[str, str, list[tuple[str, int]]]]:
    for start in range(first, first + count, size):
        seeds = range(start, min(start + size, first + count))
        for arm in recipe.arms:
            for family in families:
                yield f"{arm}-{family}-{start:07d}", arm, [(family, seed) for seed in seeds]


def _drive(
    folder: Path, name: str, arm: str, cells: list[tuple[str, int]], collect: Collector, driver: Path | None
) -> tuple[int, int]:
    learner = None if driver is None else BundlePolicy(bundle.load(driver), arm)
    return collect.shard(folder, name, arm, cells, learner)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _on_step(
    learner: Learner, out: Path, curves: SummaryWriter, report: Report, until: int, step: int, parts: dict[str, float]
) -> None:
    report("learn", step, until, parts)
    if step % 10 == 0:
        for name, value in parts.items():
            curves.add_scalar(name, value, step)
    if step % _CHECKPOINT_EVERY == 0:
        learner.save(out)


def _store(recipe: Recipe, index: int, out: Path) -> Store:
    """All demonstrations up to this round."""
    folders = [out / "data" / f"round-{i}" for i in range(index + 1)]
    folders += [out / "data" / "scenes"] if recipe.scenes else []
    if not recipe.data:
        return Store(folders, recipe.collect.cameras, recipe.arms)
    if recipe.tune is not None and is_recorded(Path(recipe.data)):
        robots = {name: codec.spec for name, codec in recipe.tune.codecs().items()}
        write_recorded(Path(recipe.data), out / "data" / "recorded", robots)
        return Store([*folders, out / "data" / "recorded"], recipe.collect.cameras, recipe.arms)
    folders += sorted((Path(recipe.data) / "data").glob("round-*"))
    config = recipe.config()
    folders += [Path(recipe.data) / "data" / "scenes"] if config.grounded or config.speech else []
    return Store(folders, recipe.collect.cameras, recipe.arms, recipe.families)


def _table(recipe: Recipe, store: Store, out: Path) -> Table:
    config = recipe.config()
    if (out / "codecs.json").is_file():
        codecs = _load_codecs(out)
    else:
        fitted = recipe.tune.codecs() if recipe.tune is not None else None
        codecs = fitted or {arm: _fitted(recipe, store, arm, config.taught.stop) for arm in recipe.arms}
        (out / "codecs.json").write_text(json.dumps({n: c.to_json() for n, c in codecs.items()}))
    speaks = config.speech is not None
    return store.table(codecs, config.taught, config.ages, grounded=config.grounded, speaks=speaks)


def _fitted(recipe: Recipe, store: Store, arm: str, horizon: int) -> Codec:
    actions, states, valid = store.chunks(arm, horizon)
    return build_codec(recipe.collect.spec(arm), actions, states, valid=valid)


def _learner(recipe: Recipe, out: Path, table: Table | None = None) -> Learner:
    """The learner where it was; a new one has what it needs prepared for the table's chunks."""
    path, config = out / "config.json", recipe.config()
    if recipe.tune is not None:
        learner = Learner(config, recipe.learn, recipe.tune.start)
        learner.resume(out)
        return learner
    if path.is_file():
        config = restored_config(recipe.system, json.loads(path.read_text()))
    elif table is not None:
        chunks = table.actions[table.weight.any((1, 2))]
        config = config.prepared(chunks[:: 1 + len(chunks) // _CHUNKS])
        path.write_text(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]
    learner = Learner(config, recipe.learn)
    learner.resume(out)
    return learner


def _load_codecs(out: Path) -> dict[str, Codec]:
    return {n: Codec.from_json(c) for n, c in json.loads((out / "codecs.json").read_text()).items()}
