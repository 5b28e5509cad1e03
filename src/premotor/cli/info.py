"""`premotor info`: what a bundle or a dataset is, checked while looking."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from premotor.cli.terminal import console, duration, facts, megabytes, shown_path, table
from premotor.core.errors import PremotorError
from premotor.core.spec import EmbodimentSpec

if TYPE_CHECKING:
    from premotor.data import Dataset
    from premotor.models.contract import SystemConfig

__all__ = ["Info"]

_SHOWN_TASKS = 12


@dataclass(frozen=True, kw_only=True)
class Info:
    """Say what is in a bundle or a dataset, and whether it is whole.

    Example: premotor info outputs/demos

    A bundle's digests are verified and it is loaded; every file of a dataset is read. Exit code 1 when something
    is wrong with the dataset, 2 when the folder is neither.
    """

    folder: Annotated[Path | None, tyro.conf.arg(metavar="[FOLDER]", help_behavior_hint=""), tyro.conf.Positional] = (
        None
    )
    """Folder of a bundle or a dataset; the bundled policy when left out."""
    quick: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    """Do not decode the videos of a dataset."""

    def main(self) -> int:
        """Print what is there; returns the exit code."""
        if self.folder is None:
            from premotor.models.bundle import DEFAULT

            return _bundle(DEFAULT)
        if (self.folder / "manifest.json").exists():
            return _bundle(self.folder)
        if (self.folder / "meta").is_dir():
            return _dataset(self.folder, not self.quick)
        what = "does not exist" if not self.folder.exists() else "is neither a bundle nor a dataset"
        raise PremotorError(
            f"{self.folder} {what}. A bundle is a folder with manifest.json (`premotor train` makes one), "
            "a dataset one with meta/info.json (`premotor record` makes one)."
        )


def _bundle(folder: Path) -> int:
    from premotor.models import bundle

    loaded = bundle.load(folder)
    manifest = bundle.verify(folder)
    files = {name: (folder / name).stat().st_size for name in (*manifest["sha256"], "manifest.json")}
    count = sum(p.numel() for p in loaded.system.parameters())
    out = console()
    out.print(f"[bold]bundle[/] {shown_path(folder)}")
    out.print(
        facts(
            [
                ("system", f"{manifest['system']}, {count / 1e6:.2f} M parameters"),
                *([("weights", f"{loaded.bits} bits in linear layers")] if loaded.bits else []),
                ("robots", ", ".join(loaded.codecs)),
                ("plans", _plans(loaded.config)),
                ("words", _words(manifest)),
                ("digest", f"{loaded.digest[:16]}, every file verified"),
                ("size", megabytes(sum(files.values()))),
                *((name, megabytes(size)) for name, size in files.items()),
            ]
        )
    )
    for name, codec in loaded.codecs.items():
        out.print(f"\n[bold]{name}[/]")
        out.print(_spec(codec.spec))
    out.print("\n[bold]configuration[/]")
    out.print(facts((name, _brief(value)) for name, value in manifest["config"].items()))
    out.print("\n[bold]how it was made[/]")
    # Which files an imported policy was made of is for machines to compare.
    told = {name: value for name, value in loaded.lineage.items() if name != "sha256"}
    if len(told) < len(loaded.lineage):
        told["files"] = f"{len(loaded.lineage['sha256'])}, their sha256 are in manifest.json"
    out.print(facts(_flat(told)) if told else "unknown")
    return 0


def _plans(config: "SystemConfig") -> str:
    """How far it looks, back and ahead, and whether it tells."""
    back = "" if len(config.ages) == 1 else f"from {len(config.ages)} moments of the last {config.ages[0]:g} s, "
    told = "says what it believes it was asked about" if config.grounded else "does not say what it believes"
    return f"{back}{config.horizon} actions at a time, {told}"


def _words(manifest: Mapping[str, Any]) -> str:
    """How it is told what to do."""
    told = manifest["words"]
    kinds = {
        "minilm": "features of the frozen text encoder",
        "ids": f"up to {told.get('length')} ids of its own tokenizer, prompted as {told.get('prompt')}",
        "t5": f"{told.get('length')} features of its own T5",
        "none": "none: one policy, one task",
    }
    return kinds[told["kind"]]


def _dataset(folder: Path, videos: bool) -> int:
    from premotor.data import Dataset, check

    findings = check(folder, videos=videos)
    out = console()
    if not any(f.problem == "unreadable" for f in findings):
        _describe(Dataset(folder, check_files=False))
    if not findings:
        out.print(f"\n[green]healthy[/]: every file was read{'' if videos else ', but no video'}")
        return 0
    out.print(f"\n[red]{len(findings)} thing{'s' if len(findings) > 1 else ''} wrong[/]")
    for finding in findings:
        where = "dataset" if finding.episode is None else f"episode {finding.episode}"
        out.print(f"  {where}: {finding.problem}: {finding.message}", markup=False)
    return 1


def _describe(dataset: "Dataset") -> None:
    out = console()
    size = sum(path.stat().st_size for path in dataset.root.rglob("*") if path.is_file())
    cameras = ", ".join(f"{name} {f.shape[1]}x{f.shape[0]}" for name, f in dataset.cameras.items())
    out.print(f"[bold]dataset[/] {shown_path(dataset.root)}, LeRobot v3")
    out.print(
        facts(
            [
                ("robot", dataset.robot),
                ("episodes", str(len(dataset.episodes))),
                ("frames", f"{len(dataset)} at {dataset.fps:g} Hz, {duration(len(dataset) / dataset.fps)}"),
                ("cameras", cameras or "none"),
                ("size", megabytes(size)),
            ]
        )
    )
    if dataset.spec is not None:
        out.print(_spec(dataset.spec))
    counts: dict[str, int] = {}
    for row in dataset.episodes:
        counts[row.tasks[0]] = counts.get(row.tasks[0], 0) + 1
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if common:
        out.print(f"\n[bold]tasks[/] {len(counts)} different")
        out.print(table(("episodes", "task"), ((str(n), t) for t, n in common[:_SHOWN_TASKS]), right=("episodes",)))
        if len(common) > _SHOWN_TASKS:
            out.print(f"  and {len(common) - _SHOWN_TASKS} more", style="dim")
        _statistics(dataset)


def _statistics(dataset: "Dataset") -> None:
    out, found = console(), dataset.statistics
    for name in ("observation.state", "action"):
        feature, numbers = dataset.features[name], found.get(name)
        if numbers is None:
            continue
        labels = feature.names or tuple(f"[{i}]" for i in range(feature.shape[0]))
        columns = [k for k in ("min", "q01", "mean", "q99", "max", "std") if k in numbers]
        rows = [(label, *(f"{numbers[k].reshape(-1)[i]:.4g}" for k in columns)) for i, label in enumerate(labels)]
        out.print(f"\n[bold]{name}[/]")
        out.print(table(("", *columns), rows, right=columns))


def _spec(spec: EmbodimentSpec) -> Any:
    cameras = ", ".join(f"{c.name} {c.width}x{c.height}" for c in spec.cameras)
    action = spec.action
    rotation = f", rotation as {action.rotation}" if action.rotation != "none" else ""
    return facts(
        [
            ("sees", f"{cameras}; {len(spec.state)} numbers of its own state"),
            ("does", f"{len(action.dims)} numbers at {spec.rate_hz:g} Hz in the {action.frame} frame{rotation}"),
            ("action", ", ".join(f"{d.name} ({d.kind}, {d.unit})" for d in action.dims)),
            ("hold", action.hold.replace("_", " ")),
        ]
    )


def _flat(facts_: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as one list with dotted names."""
    for name, value in facts_.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", _brief(value)


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) < 400 else f"{text[:400]} ..."
