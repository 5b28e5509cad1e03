"""Published weights under our names: all of them, each where it belongs, or none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from premotor.core.errors import WeightsError

__all__ = ["Entry", "fill"]

_Model = TypeVar("_Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Entry:
    """One of our weights: its name in what was published, and how to turn the layout there into ours."""

    theirs: str
    turn: Callable[[Tensor], Tensor] = lambda x: x


def fill(model: _Model, found: Mapping[str, Tensor], table: Mapping[str, Entry], source: str) -> _Model:
    """The model with these weights, ready to act. table: our name -> entry, for every weight of the model.

    Raises WeightsError with the list of all that is missing, unknown, of another shape or not finite.
    """
    names, ours = {entry.theirs for entry in table.values()}, model.state_dict()
    wrong = [f"missing: {name}" for name in sorted(names - found.keys())]
    wrong += [f"unknown: {name}" for name in sorted(found.keys() - names)]
    weights = {}
    for key, entry in table.items():
        if entry.theirs in found:
            weights[key], shape = _turned(entry, found[entry.theirs]), tuple(ours[key].shape)
            if weights[key].shape != shape:
                wrong.append(f"{entry.theirs} is {tuple(weights[key].shape)}, not {shape}")
            elif not bool(torch.isfinite(weights[key]).all()):
                wrong.append(f"not finite: {entry.theirs}")
    if wrong:
        listed = "\n  ".join(wrong)
        raise WeightsError(f"{source}: {len(wrong)} weights do not fit the configuration:\n  {listed}")
    model.load_state_dict(weights, strict=True)
    return model.eval()


def _turned(entry: Entry, value: Tensor) -> Tensor:
    try:
        return entry.turn(value)
    except (RuntimeError, IndexError):
        return value  # It has too few axes to be turned, so its shape is wrong, and is told.
