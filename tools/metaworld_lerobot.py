"""Meta-World here and in LeRobot's own environment class and loop: the same worlds, and the same number for a policy?

    python tools/metaworld_lerobot.py --lerobot .venv-lerobot/bin/python --policy outputs/train/bundle

Two questions, with the same tasks and seeds on both sides:

worlds   Are pictures, states and what happens equal? LeRobot's first picture and state are compared with ours, then
         our expert's actions are carried out there, and all 39 numbers of each step compared.
policy   Does a bundle solve as much? It plays under the protocol `metaworld-lerobot` here, and there in LeRobot's
         vector environment and `eval_policy`. Paired by seed, with an exact test and intervals. Left out without
         --policy.

Exit code 1 when worlds differ, or when the interval of the difference does not hold 0.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_peer import Guest, Peer
from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.machine import machine, revision
from premotor.evaluation.metaworld import METAWORLD, MetaWorldProtocol
from premotor.evaluation.results import read_journal
from premotor.evaluation.statistics import clopper_pearson, paired, paired_difference
from premotor.sim.metaworld.robot import to_native
from premotor.sim.metaworld.world import LIMIT, MetaWorld


def worlds(peer: Peer, protocol: MetaWorldProtocol, seeds: int, steps: int) -> list[dict[str, Any]]:
    """What differs in each of the first seeds of every task."""
    found = []
    for name in protocol.families:
        world = MetaWorld(protocol.view)
        for seed in protocol.seeds[:seeds]:
            world.reset(name, seed)
            first = world.observe()
            actions, told = [], []
            while not world.success and world.steps < min(steps, LIMIT):
                action = world.expert_action()
                actions.append(to_native(action))
                world.step(action)
                told.append(world.seen)
            theirs = peer.ask("look", task=name, seed=seed, actions=np.array(actions))
            picture = np.abs(first.images[protocol.view.camera].astype(int) - theirs["picture"].astype(int))
            apart = np.abs(np.array(told) - theirs["told"]).max(1)
            row = {
                "task": name,
                "seed": seed,
                "picture_max": int(picture.max()),
                "picture_mean": float(picture.mean()),
                "state_max": float(np.abs(first.state - theirs["state"]).max()),
                "steps": len(actions),
                "steps_equal": int((apart == 0).sum()),
                "told_max": float(apart.max()),
                "solved": [world.success, theirs["success"]],
            }
            print(json.dumps(row), flush=True)
            found.append(row)
        world.close()
    return found


def played(peer: Peer, protocol: MetaWorldProtocol, policy: str, workers: int, envs: int) -> dict[str, Any]:
    """Success of a policy here and there, episode by episode."""
    with tempfile.TemporaryDirectory() as folder:
        here = evaluate(policy, protocol, Path(folder), workers=workers, films=(0, 0)).summary
        (journal,) = (Path(folder) / "episodes").iterdir()
        ours = {(one.job.cell.family, one.job.seed): one.success for one in read_journal(journal)[1]}
    if here.errors:
        sys.exit(f"{here.errors} episodes could not be finished here; nothing is compared")
    guest, theirs = Guest(policy, protocol), dict[tuple[str, int], bool]()
    asked = {"episodes": protocol.episodes, "first": protocol.first_seed, "every": protocol.replan_every}
    for name in protocol.families:
        found = peer.ask("play", guest, task=name, envs=min(envs, protocol.episodes), processes=envs > 1, **asked)
        theirs |= {(name, seed): solved for seed, solved in zip(found["seeds"], found["successes"], strict=True)}
        print(name, [(ours[name, seed], theirs[name, seed]) for seed in protocol.seeds], flush=True)
    result = paired([(ours[episode], theirs[episode]) for episode in ours])
    return {
        "policy_digest": here.policy_digest,
        "ours": dataclasses.asdict(clopper_pearson(sum(ours.values()), len(ours))),
        "lerobot": dataclasses.asdict(clopper_pearson(sum(theirs.values()), len(theirs))),
        "difference": dataclasses.asdict(paired_difference(result)),
        "paired": dataclasses.asdict(result),
    }


def summary(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines of the README's table."""
    looked = found["worlds"]
    lines: list[dict[str, Any]] = [
        {
            "figure": "Meta-World episodes of an expert that are the same to the last bit in LeRobot's environment",
            "value": sum(row["told_max"] == row["picture_max"] == row["state_max"] == 0 for row in looked),
            "unit": f"of {len(looked)}",
            "n": len(looked),
        }
    ]
    if (policy := found["policy"]) is not None:
        apart = policy["difference"]
        shown = {key: round(apart[value], 4) for key, value in (("value", "rate"), ("low", "low"), ("high", "high"))}
        lines.append({"figure": "MT50 success here less that in LeRobot's loop", "unit": "%", "n": apart["n"], **shown})
    return lines


def main() -> int:
    """Ask both questions, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lerobot", required=True, help="python of an environment with lerobot[metaworld]")
    parser.add_argument("--policy", help="folder of a bundle")
    parser.add_argument("--families", nargs="+", help="only these tasks")
    parser.add_argument("--episodes", type=int, help="of the policy, a task; those of the protocol when left out")
    parser.add_argument("--seeds", type=int, default=2, help="episodes of the experts, a task")
    parser.add_argument("--steps", type=int, default=LIMIT, help="of the experts, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--envs", type=int, default=1, help="worlds that LeRobot runs side by side")
    parser.add_argument("--out", type=Path, default=Path("results/metaworld_lerobot.json"))
    args = parser.parse_args()
    given = {"families": args.families and tuple(args.families), "episodes": args.episodes}
    protocol = dataclasses.replace(METAWORLD["metaworld-lerobot"], **{k: v for k, v in given.items() if v})
    with Peer(args.lerobot) as peer:
        found: dict[str, Any] = {
            "command": "python tools/metaworld_lerobot.py " + " ".join(sys.argv[1:]),
            "revision": revision(),
            "machine": machine(),
            "lerobot": dict(peer.versions),
            "protocol": protocol.to_json(),
            "protocol_hash": protocol.hash,
            "worlds": worlds(peer, protocol, args.seeds, args.steps),
            "policy": args.policy and played(peer, protocol, args.policy, args.workers, args.envs),
        }
    found["summary"] = summary(found)
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found["summary"], indent=1))
    same = all(row["told_max"] == row["picture_max"] == row["state_max"] == 0 for row in found["worlds"])
    agrees = (
        found["policy"] is None or found["policy"]["difference"]["low"] <= 0 <= found["policy"]["difference"]["high"]
    )
    return 0 if same and agrees else 1


if __name__ == "__main__":
    raise SystemExit(main())
