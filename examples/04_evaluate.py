"""Measure two policies on the same episodes and say whether one is better.

python examples/04_evaluate.py outputs/example-eval [BUNDLE]
"""

import sys
from pathlib import Path

from premotor.evaluation.evaluate import evaluate
from premotor.evaluation.protocol import Protocol
from premotor.evaluation.summary import compare

if __name__ == "__main__":  # the simulating processes import this file again
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/example-eval")
    policy = sys.argv[2] if len(sys.argv) > 2 else "expert"
    protocol = Protocol(embodiments=("so101",), families=("open_drawer", "pick_up"), splits=("layout",), episodes=3)
    ours = evaluate(policy, protocol, folder, workers=2, films=(0, 0), name="ours").summary
    still = evaluate("hold", protocol, folder, workers=2, films=(0, 0), name="still").summary
    for summary in (ours, still):
        mean = summary.mean(split="layout")
        print(f"{summary.label:<8} {mean.rate:.0%} of {mean.n} (95 % interval {mean.low:.0%} to {mean.high:.0%})")
    print(compare(ours, still).sentence)
