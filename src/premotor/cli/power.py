"""`premotor power`: how many episodes are needed, before any is run."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from premotor.cli.app import EXIT_OK
from premotor.core.errors import EvaluationError

__all__ = ["Power"]


@dataclass(frozen=True, kw_only=True)
class Power:
    """Say how many episodes tell two success rates apart, and how many measure one.

    Example: premotor power --rates 0.80 0.85

    With one rate: episodes until its 95 % interval reaches no further than --width to either side. With two: episodes
    that both policies must run, in the same scenes, for the exact paired test to find the difference.
    """

    rates: Annotated[tuple[float, ...], tyro.conf.arg(metavar="RATE")]
    """One or two success rates that are expected, such as 0.8 0.85."""
    both: Annotated[float | None, tyro.conf.arg(metavar="RATE", help_behavior_hint="")] = None
    """Share of scenes that both solve; as if they knew nothing of each other when left out, which is careful."""
    wanted: Annotated[float, tyro.conf.arg(metavar="P")] = 0.8
    """Probability of finding the difference."""
    pairs: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Pairs of policies that will be compared: each has to be clear at 5 % of that."""
    width: Annotated[float, tyro.conf.arg(metavar="RATE")] = 0.02
    """Half width of one rate's interval."""

    def main(self) -> int:
        """Plan; returns the exit code."""
        from premotor.cli.terminal import console
        from premotor.evaluation.power import episodes_for_difference, episodes_for_width

        if len(self.rates) not in (1, 2) or self.pairs < 1 or not 0 < self.wanted < 1:
            raise EvaluationError(
                f"--rates {self.rates}, --pairs {self.pairs}, --wanted {self.wanted}: give one or two rates, "
                "at least one pair, and a probability between 0 and 1"
            )
        try:
            if len(self.rates) == 1:
                n = episodes_for_width(self.rates[0], self.width)
                said = f"{n:,} episodes measure {self.rates[0]:.1%} to within {100 * self.width:g} points."
            else:
                a, b = self.rates
                n = episodes_for_difference(a, b, both=self.both, level=0.05 / self.pairs, wanted=self.wanted)
                said = f"{n:,} common episodes tell {a:.1%} from {b:.1%} with probability {self.wanted:.0%}."
        except ValueError as bad:
            raise EvaluationError(str(bad)) from bad
        console().print(said, markup=False)
        return EXIT_OK
