"""Which of two policies is better, asked after every episode and answered as soon as it is clear.

Looking again and again at a test that was made for one look finds differences where there are none. The evidence here
may be looked at after every pair of episodes: it is the capital of somebody who bets, at fair odds, against the claim
that is tested. If the claim is true nobody grows rich, however long he plays and whenever he stops: capital above
1 / level comes up with probability at most `level` (Ville's inequality; Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting", JRSS B 2024).

Pairs are episodes that both policies ran; each counts 1 when only A solved it, -1 when only B did, 0 otherwise. The
claim "no difference" asks that in each pair 1 and -1 are equally likely, whatever came before, so pairs may come in any
order that does not look at their outcomes. The claim "at least `margin` apart" is about the mean of all pairs, so for
it they come in random order.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from premotor.evaluation.statistics import Paired

__all__ = ["Race", "Verdict", "log_evidence", "log_evidence_of_sameness", "race_sentence"]

Verdict = Literal["a", "b", "same", "open"]
_BETS = (np.arange(64) + 0.5) / 64  # of the most that may be bet; less than all, so that one pair never ruins


def log_evidence(only_a: int, only_b: int) -> float:
    """Logarithm of the evidence that A and B differ, after so many pairs that only one of them solved.

    Bets on every rate in proportion to Jeffreys' prior (Krichevsky and Trofimov 1981), so none needs to be chosen.
    """
    n = only_a + only_b
    return _log_beta(only_a + 0.5, only_b + 0.5) - _log_beta(0.5, 0.5) + n * math.log(2)


def log_evidence_of_sameness(only_a: int, only_b: int, n: int, margin: float) -> float:
    """Logarithm of the evidence that success of A and of B is less than `margin` apart, after n pairs.

    The lesser of the evidence against "A is `margin` better" and "B is `margin` better", which must both be refuted.
    """
    return min(_log_against(only_a, only_b, n, margin), _log_against(only_b, only_a, n, margin))


def _log_against(more: int, less: int, n: int, margin: float) -> float:
    """Evidence against a mean of at least `margin`: bets b on x < margin pay 1 - b (x - margin) a pair."""
    bets = _BETS / (1 - margin)
    lost, won = more * np.log1p(-bets * (1 - margin)), less * np.log1p(bets * (1 + margin))
    logs = lost + won + (n - more - less) * np.log1p(bets * margin)
    return float(np.logaddexp.reduce(logs) - math.log(len(bets)))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


@dataclass(kw_only=True, slots=True)
class Race:
    """Two policies on common episodes, told pair by pair; the first verdict stands.

    level: probability at most, over the whole race, of a wrong verdict of each kind. margin: success (0..1) within
    which they are "same"; None never says so. Raises ValueError for a level or margin outside 0..1.
    """

    level: float = 0.05
    margin: float | None = None
    n: int = 0
    successes_a: int = 0
    successes_b: int = 0
    only_a: int = 0
    only_b: int = 0
    verdict: Verdict = field(default="open", init=False)
    _best: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        for name, value in (("level", self.level), ("margin", self.margin)):
            if value is not None and not 0 < value < 1:
                raise ValueError(f"{name} = {value} must lie between 0 and 1, such as 0.05")

    @property
    def p(self) -> float:
        """A p value that holds however often it was looked at: of the most evidence there ever was for a difference."""
        return math.exp(-self._best)

    @property
    def result(self) -> Paired:
        """What was counted."""
        return Paired(
            n=self.n,
            successes_a=self.successes_a,
            successes_b=self.successes_b,
            only_a=self.only_a,
            only_b=self.only_b,
            p=self.p,
        )

    def add(self, a: bool, b: bool) -> Verdict:
        """Hear of one more pair. After a verdict nothing is counted any more."""
        if self.verdict != "open":
            return self.verdict
        self.n += 1
        self.successes_a += a
        self.successes_b += b
        self.only_a += a and not b
        self.only_b += b and not a
        self._best = max(self._best, log_evidence(self.only_a, self.only_b))
        bar = -math.log(self.level)
        if self._best >= bar:
            self.verdict = "a" if self.only_a > self.only_b else "b"
        elif self.margin is not None:
            sameness = log_evidence_of_sameness(self.only_a, self.only_b, self.n, self.margin)
            self.verdict = "same" if sameness >= bar else "open"
        return self.verdict

    def run(self, pairs: Iterable[tuple[bool, bool]]) -> Verdict:
        """Hear pairs until the answer is clear or there are no more."""
        for a, b in pairs:
            if self.add(a, b) != "open":
                break
        return self.verdict


def race_sentence(a: str, b: str, race: Race, saved: int) -> str:
    """Say who is better, after how many pairs that was clear, and how many episodes were `saved`."""
    counts = (a, race.successes_a), (b, race.successes_b)
    (better, more), (worse, fewer) = counts if race.only_a >= race.only_b else counts[::-1]
    told = f"{more} of {race.n} against {fewer} of {race.n}"
    p = "p < 0.001" if race.p < 0.001 else f"p = {race.p:.2g}"
    if race.verdict == "open":
        return f"No difference between {a} and {b} can be told: {told}, {p}, after every episode of the protocol."
    if race.verdict == "same" and race.margin is not None:
        said = f"{a} and {b} are less than {100 * race.margin:g} points apart: {told}."
    else:
        said = f"{better} is better than {worse}: {told}, {p}."
    return f"{said} This was clear after {race.n} episodes of each, and saved {saved}."
