"""Train a tiny policy from nothing in a minute or two, to see every stage run. It will not be good at anything.

python examples/03_train_small.py runs/example
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from premotor.models import bundle
from premotor.recipes import tiny
from premotor.training.train import train


def report(stage: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
    """Hear of progress: "collect 0", "learn", ... with the latest numbers."""
    if done == total or done % 20 == 0:
        print(f"{stage:<10} {done:>4} of {total}", {name: round(value, 4) for name, value in numbers.items()})


if __name__ == "__main__":  # the collecting processes import this file again
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example")
    made = train(tiny(), folder, report, workers=2)
    loaded = bundle.load(made)
    print(f"{made}: {sum(p.numel() for p in loaded.system.parameters()):,} parameters for {', '.join(loaded.codecs)}")
