"""Which words may come next where an action is asked for, so that what is said is always one (RT-2, arXiv 2307.15818).

An action is `terminate`, then each of its numbers, all of them words for integers; where it is planned first, any words
come before it, and a mark between the two.
"""

import torch
from torch import Tensor

from premotor.core.errors import ActionTokenError

__all__ = ["ActionWords"]

_PLANNING = -1


class ActionWords:
    """Rows of actions of `dims` numbers, said word by word.

    numbers: id of the word for 0; the `bins` integers follow each other. act: id of the mark before an action. plan:
    (V,) True for what a plan may consist of; None where nothing is planned, and only the numbers are still to be said.
    limit: words of a plan at most.
    """

    def __init__(
        self, rows: int, dims: int, *, numbers: int, bins: int, act: int, plan: Tensor | None = None, limit: int = 1
    ) -> None:
        """Raises ActionTokenError for a plan that may have no word."""
        if limit < 1:
            raise ActionTokenError(f"a plan of at most {limit} words; allow at least 1, or leave `plan` out")
        self._dims, self._numbers, self._bins, self._act = dims, numbers, bins, act
        self._plan, self._limit = plan, limit
        # How many words of the action were said.
        self._at = torch.full((rows,), 0 if plan is None else _PLANNING)
        self._said: list[Tensor] = []

    @property
    def done(self) -> bool:
        """Every row is a whole action."""
        return bool((self._at == 1 + self._dims).all())

    def choose(self, scores: Tensor) -> Tensor:
        """(B,) the best word of each row that may come next, by scores (B, V). Whole rows get any number."""
        # A score may be anything, even no number; the best of what is allowed is still allowed.
        low = torch.finfo(scores.dtype).min
        allowed = self._allowed(scores.shape[-1]).to(scores.device)
        finite = scores.nan_to_num(nan=low, neginf=low)
        best = finite.masked_fill(~allowed, -torch.inf).argmax(1).cpu()
        self._said.append(best)
        planning = self._at == _PLANNING
        moved = torch.where(planning, torch.where(best == self._act, 0, _PLANNING), self._at + 1)
        self._at = moved.clamp(max=1 + self._dims)
        return best.to(scores.device)

    def actions(self) -> tuple[Tensor, Tensor]:
        """(B,) whether the robot shall stop for good, and (B, D) the integers of each row's action."""
        rows = [said[start : start + 1 + self._dims] for said, start in self._starts()]
        integers = torch.stack(rows) - self._numbers
        return integers[:, 0] == 1, integers[:, 1:]

    def plans(self) -> list[list[int]]:
        """Ids of the words that were said before each row's action."""
        return [said[: max(0, start - 1)].tolist() for said, start in self._starts()]

    def _starts(self) -> list[tuple[Tensor, int]]:
        """What each row said, and where its action begins."""
        said = torch.stack(self._said, 1)
        if self._plan is None:
            return [(row, 0) for row in said]
        return [(row, row.tolist().index(self._act) + 1) for row in said]

    def _allowed(self, vocabulary: int) -> Tensor:
        """(B, V) what may come next."""
        allowed = torch.zeros(len(self._at), vocabulary, dtype=torch.bool)
        first, after = self._at == 0, self._at > 0
        allowed[first, self._numbers : self._numbers + 2] = True
        allowed[after, self._numbers : self._numbers + self._bins] = True
        if self._plan is not None:
            planning, count = self._at == _PLANNING, len(self._said)
            if count < self._limit:
                allowed[planning] = self._plan.cpu()
            # A plan of no words is none.
            allowed[planning, self._act] = count > 0
        return allowed
