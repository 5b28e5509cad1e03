"""Whether 50 demonstrations of a task that a policy never saw teach it that task, in an adapter of a few MB.

    python benchmarks/slow/lora_finetune.py --run runs/tabletop [--family stack] [--out results/lora_finetune.json]

A policy learns from the run's demonstrations of the nine other families (with its corrections, where it has some). The
expert then shows the tenth, half of the demonstrations with each arm, and LoRA learns from those alone. Both policies
act in the same scenes of that family, and in some of the others: what was learned before must not be lost.

Everything is kept in --work, so that the same command goes on after Ctrl-C. Needs the extra premotor[lora].
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from premotor.core.errors import EvaluationError
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.machine import machine, revision
from premotor.evaluation.protocol import Protocol
from premotor.evaluation.statistics import Interval
from premotor.evaluation.summary import Summary, compare
from premotor.models import bundle
from premotor.recipes import fine_tuned, nano
from premotor.sim.tabletop.episode import FAMILIES, Family
from premotor.training.train import Recipe, Round, train

ARMS = 2


def base_recipe(run: Path, family: Family, system: str, steps: int, changes: Mapping[str, Any]) -> Recipe:
    """A system at its nano size, from the run's demonstrations of every other family."""
    recipe = nano(system, str(run.resolve()), changes)
    return replace(
        recipe,
        name=f"without-{family}",
        families=tuple(other for other in FAMILIES if other != family),
        rounds=(Round(episodes=0, learner=False, until=steps),),
        scenes=0,
        learn=replace(recipe.learn, steps=steps, warmup=min(200, steps // 10)),
    )


def tune_recipe(base: Path, family: Family, rank: int, demonstrations: int, steps: int) -> Recipe:
    """LoRA on that bundle, from new demonstrations of the family alone."""
    recipe = fine_tuned(base, base, rank)
    return replace(
        recipe,
        families=(family,),
        data="",
        rounds=(Round(episodes=demonstrations // ARMS, learner=False, until=steps),),
        learn=replace(recipe.learn, steps=steps, warmup=min(100, steps // 10)),
    )


def measured(policy: Path, families: tuple[Family, ...], episodes: int, out: Path, workers: int, name: str) -> Summary:
    """Success in unseen scenes."""
    protocol = Protocol(families=families, splits=("layout",), episodes=episodes)
    summary = evaluate(str(policy), protocol, out, workers=workers, films=(0, 0), name=name).summary
    if summary.errors:
        raise EvaluationError(f"{summary.errors} episodes of {policy} could not be finished; see {out / name}.html")
    return summary


def figure(name: str, rate: Interval, target: str) -> dict[str, Any]:
    """One line of the README's table."""
    return {
        "figure": name, "value": rate.rate, "unit": "%", "low": rate.low, "high": rate.high, "n": rate.n,
        "target": target,
    }  # fmt: skip


def main() -> None:
    """Learn, learn the tenth family, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/tabletop"), help="folder of a run of `make train`")
    parser.add_argument("--family", choices=FAMILIES, default="stack", help="the one that is held out")
    parser.add_argument("--system", default="premotor")
    parser.add_argument("--model", type=json.loads, default={}, help="settings of the system, as JSON; for trying out")
    parser.add_argument("--steps", type=int, default=6000, help="of learning the other nine")
    parser.add_argument("--demonstrations", type=int, default=50, help="of the held-out family")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--tune-steps", type=int, default=1500)
    parser.add_argument("--episodes", type=int, default=50, help="of the held-out family for each arm")
    parser.add_argument("--others", type=int, default=5, help="of each other family for each arm")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("outputs/lora_finetune"))
    parser.add_argument("--out", type=Path, default=Path("results/lora_finetune.json"))
    args = parser.parse_args()
    if not (args.run / "data").is_dir():
        parser.error(f"{args.run} is no run: it has no data/; `premotor train` makes one")

    def told(stage: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        if done % 100 == 0 or done == total:
            shown = ", ".join(f"{k} {numbers[k]:.4g}" for k in ("loss", "action", "kept") if k in numbers)
            print(f"{stage}: {done} of {total}, {shown}", flush=True)

    family: Family = args.family
    begin = base_recipe(args.run, family, args.system, args.steps, args.model)
    before = train(begin, args.work / "base", told, workers=args.workers)
    after_recipe = tune_recipe(before, family, args.rank, args.demonstrations, args.tune_steps)
    after = train(after_recipe, args.work / "tuned", told, workers=args.workers)
    episodes = args.work / "episodes"
    found: dict[str, Any] = {}
    others = tuple(known for known in FAMILIES if known != family)
    for what, families, many in (("new", (family,), args.episodes), ("old", others, args.others)):
        first = measured(before, families, many, episodes, args.workers, f"{what}-before")
        second = measured(after, families, many, episodes, args.workers, f"{what}-after")
        found[what] = (first.mean(), second.mean(), compare(second, first).sentence)
        print(found[what][2], flush=True)
    adapter = args.work / "tuned" / "adapter" / "adapter.safetensors"
    about = f"{args.demonstrations} demonstrations of `{family}`, which it had never seen"
    report = {
        "command": " ".join(["python benchmarks/slow/lora_finetune.py", *sys.argv[1:]]),
        "revision": revision(),
        "machine": machine(),
        "base": bundle.verify(before)["digest"],
        "rank": args.rank,
        "adapter_bytes": adapter.stat().st_size,
        "new": {"sentence": found["new"][2]},
        "old": {"sentence": found["old"][2]},
        "summary": [
            figure(f"before LoRA on {about}: success on it, `layout`", found["new"][0], "about 0"),
            figure(f"after LoRA on {about}: success on it, `layout`", found["new"][1], "clearly above before"),
            figure("before that, on the nine other families", found["old"][0], ""),
            figure("after that, on the nine other families", found["old"][1], "as before"),
            {
                "figure": f"adapter of rank {args.rank}", "value": adapter.stat().st_size / 1e6, "unit": "MB",
                "n": 1, "target": "a few",
            },
        ],
    }  # fmt: skip
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["summary"], indent=1))


if __name__ == "__main__":
    main()
