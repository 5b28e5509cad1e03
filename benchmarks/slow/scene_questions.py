"""How many questions about unseen scenes a policy answers rightly, by kind of question.

    python benchmarks/slow/scene_questions.py [--policy runs/nano-rt2/bundle] [--out results/scene_questions.json]

The policy must be of a system that speaks and have been taught answers: `premotor train --system rt2`. Scenes are of a
split that nothing is trained with. Beside it stand what always giving the commonest answer of a kind would reach, and
the same policy shown black pictures: what it knows without looking.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from premotor.core.types import Observation
from premotor.evaluation.machine import machine, revision
from premotor.evaluation.statistics import wilson
from premotor.models import bundle
from premotor.models.policy import BundlePolicy
from premotor.robots.embodiment import embodiment
from premotor.robots.kinematics import Kinematics
from premotor.sim.tabletop.episode import FAMILIES, Split
from premotor.sim.tabletop.world import TabletopWorld
from premotor.training.grounding import ask_about
from premotor.training.questions import Question

_BATCH = 32

Asked = tuple[Observation, Question]


def asked(arm: str, split: Split, scenes: int) -> Iterator[Asked]:
    """Questions about `scenes` scenes of each family, the picture in the observation and the question its words."""
    world, kinematics = TabletopWorld(arm, segmentation=True), Kinematics(embodiment(arm))
    for family in FAMILIES:
        for seed in range(scenes):
            for seen, questions in ask_about(world, kinematics, (family, seed), split, looks=1):
                yield from ((replace(seen, instruction=question.text), question) for question in questions)
    world.close()


def answers(policy: BundlePolicy, found: list[Asked], *, blind: bool) -> list[str]:
    """What the policy says. blind: of black pictures."""
    said = list[str]()
    for start in range(0, len(found), _BATCH):
        seen = [observation for observation, _ in found[start : start + _BATCH]]
        if blind:
            seen = [replace(o, images={c: np.zeros_like(i) for c, i in o.images.items()}) for o in seen]
        said += policy.answer(seen)
    return said


def rows(found: list[Asked], said: list[str], blind: list[str], split: Split) -> list[dict[str, Any]]:
    """One for each kind of question, and one for all."""
    kinds = [question.kind for _, question in found]
    right = [answer == question.answer for (_, question), answer in zip(found, said, strict=True)]
    unseen = [answer == question.answer for (_, question), answer in zip(found, blind, strict=True)]
    made = []
    for kind in ["all", *sorted(set(kinds))]:
        at = [i for i, k in enumerate(kinds) if kind in ("all", k)]
        common = sum(
            Counter(found[i][1].answer for i in at if kinds[i] == k).most_common(1)[0][1]
            for k in {kinds[i] for i in at}
        )
        rate = wilson(sum(right[i] for i in at), len(at))
        floor = f"{common / len(at):.1%} by the commonest answers, {sum(unseen[i] for i in at) / len(at):.1%} blind"
        made.append(
            {
                "figure": f"scene questions answered rightly, `{split}`, {kind}",
                "value": rate.rate,
                "unit": "%",
                "low": rate.low,
                "high": rate.high,
                "n": rate.n,
                "target": f"above {floor}",
            }
        )
    return made


def main() -> None:
    """Ask, count and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, default=Path("runs/nano-rt2/bundle"))
    parser.add_argument("--split", default="layout")
    parser.add_argument("--scenes", type=int, default=10, help="of each family and arm")
    parser.add_argument("--out", type=Path, default=Path("results/scene_questions.json"))
    args = parser.parse_args()
    if not (args.policy / "manifest.json").is_file():
        parser.error(f"{args.policy} is no bundle; `premotor train --system rt2` makes one")
    loaded = bundle.load(args.policy)
    found, said, blind = list[Asked](), list[str](), list[str]()
    for arm in loaded.codecs:
        policy, mine = BundlePolicy(loaded, arm), list(asked(arm, args.split, args.scenes))
        found += mine
        said += answers(policy, mine, blind=False)
        blind += answers(policy, mine, blind=True)
    report = {
        "command": "python benchmarks/slow/scene_questions.py",
        "revision": revision(),
        "machine": machine(),
        "policy": loaded.digest,
        "split": args.split,
        "scenes": args.scenes,
        "summary": rows(found, said, blind, args.split),
        "wrong": [
            {"question": question.text, "answer": question.answer, "said": answer}
            for (_, question), answer in zip(found, said, strict=True)
            if answer != question.answer
        ][:50],
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["summary"], indent=1))


if __name__ == "__main__":
    main()
