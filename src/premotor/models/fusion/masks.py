"""Who may read whom in a sequence of token groups, from one description.

    [task groups] [groups of step 0] [groups of step 1] ...

A group names the groups that it reads; of those it reads its own step and earlier ones, never later ones. Groups that
are not repeated every step come before all steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Group", "additive", "block_mask"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Tokens of one kind. reads: beginnings of the names of the groups that it may read."""

    name: str
    tokens: int
    reads: tuple[str, ...]
    every_step: bool = True


def block_mask(groups: Sequence[Group], steps: int, *, first_release: bool = False) -> Tensor:
    """(T, T) bool, True where the row's token may read the column's.

    first_release: count the groups as Octo 1.0's weights were trained, one token late, so that the first token of
    each group passes for the last of the group before.
    """
    once, each = ([g for g in groups if g.every_step is kind] for kind in (False, True))
    before, step = _owners(once, 0, first_release), _owners(each, len(once), first_release)
    owner = torch.cat([before, step.repeat(steps)])
    time = torch.cat([torch.full_like(before, -1), torch.arange(steps).repeat_interleave(len(step))])
    ordered = [*once, *each]
    reads = torch.tensor([[other.name.startswith(group.reads) for other in ordered] for group in ordered])
    return reads[owner][:, owner] & (time[None, :] <= time[:, None])


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where True, the lowest finite number elsewhere: a row that may read nothing reads all alike, not NaN."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)


def _owners(groups: Sequence[Group], first: int, late: bool) -> Tensor:
    sizes = torch.tensor([g.tokens for g in groups], dtype=torch.long)
    owner = torch.arange(first, first + len(groups)).repeat_interleave(sizes)
    return torch.cat([owner[:1], owner[:-1]]) if late else owner
