"""Linear layers in 8 or 4 bits, by torchao (the extra `quant`): a smaller file and less memory for a little accuracy.

8 bits: whole numbers with one scale a row. 4 bits: one scale for every 32 inputs; a layer whose inputs do not come in
such groups keeps 8. Everything else, and all that is computed, stays floating point: weights are widened when they are
used. On a CPU torchao holds numbers of 4 bits in 8, so there they are smaller in the file only, and slower.

In a file, NAME.weight is NAME.weight.q, of which 4-bit numbers lie two in a byte, the even one low, plus 8; and
NAME.weight.scale.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from premotor.core.errors import BundleError
from premotor.models.extras import extra

__all__ = ["BITS", "fill", "packed", "plain", "quantise"]

BITS = (8, 4)
"""What weights can be quantised to."""
_GROUP = 32


def quantise(system: nn.Module, bits: int) -> dict[str, int]:
    """Quantise the linear layers in place; the layers' names with the bits that each has now.

    Left alone are weights that two layers share, rows so short that their scales would outweigh them, and kinds of
    linear layer that compute in their own way.
    Raises BundleError for other bits, without a linear layer, and for weights that are not finite; PremotorError
    without torchao.
    """
    if bits not in BITS:
        raise BundleError(f"weights of {bits} bits; choose one of {', '.join(map(str, BITS))}")
    layers = _layers(system, bits)
    if not layers:
        raise BundleError(f"{type(system).__name__} has no linear layer of {_GROUP} inputs or more to quantise")
    if any(hasattr(_weight(system, name), "qdata") for name in layers):
        raise BundleError(f"{type(system).__name__} is quantised already; quantise the bundle that it was made of")
    wrong = [name for name in layers if not _weight(system, name).isfinite().all()]
    if wrong:
        raise BundleError(f"weights of {', '.join(wrong[:5])} are not finite; there is nothing to quantise them to")
    ao = extra("torchao.quantization", "quant")
    kinds = {
        8: ao.Int8WeightOnlyConfig(),
        4: ao.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=ao.PerGroup(_GROUP)),  # type: ignore[attr-defined]
    }
    for kind in sorted(set(layers.values())):
        ao.quantize_(system, kinds[kind], filter_fn=lambda _, name, kind=kind: layers.get(name) == kind)
    with torch.no_grad():
        for name, kind in layers.items():
            if kind == 4:
                # As in the file, so that a policy is the same before and after it was saved.
                scale = _weight(system, name).scale
                scale.copy_(scale.half())
    return layers


def packed(system: nn.Module, bits: int) -> dict[str, Tensor]:
    """What a file holds of a system's quantised weights. Raises BundleError when it has none of so many bits."""
    found = {}
    for name, kind in _layers(system, bits).items():
        weight = _weight(system, name)
        if not hasattr(weight, "qdata"):
            raise BundleError(f"{name} is not quantised; quantise the system before it is saved in {bits} bits")
        if weight.zero_point.any():
            raise BundleError(f"{name} is quantised around something else than 0, which no bundle holds")
        found[f"{name}.weight.q"] = _two_in_one(weight.qdata) if kind == 4 else weight.qdata
        found[f"{name}.weight.scale"] = weight.scale.half() if kind == 4 else weight.scale
    return found


def plain(system: nn.Module) -> dict[str, Tensor]:
    """The state of a system but for its quantised weights."""
    return {name: value for name, value in system.state_dict().items() if not hasattr(value, "qdata")}


def fill(system: nn.Module, bits: int, tensors: Mapping[str, Tensor]) -> None:
    """Make a new system the quantised one of a file. Raises ValueError unless names and shapes are all as expected."""
    layers = quantise(system, bits)
    places = plain(system)
    for name in layers:
        weight = _weight(system, name)
        places |= {f"{name}.weight.q": weight.qdata, f"{name}.weight.scale": weight.scale}
    missing, unexpected = sorted(places.keys() - tensors.keys()), sorted(tensors.keys() - places.keys())
    if missing or unexpected:
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    with torch.no_grad():
        for name, place in places.items():
            layer = name.removesuffix(".weight.q")
            value = tensors[name]
            value = _one_each(value) if layer != name and layers[layer] == 4 else value
            if value.shape != place.shape:
                raise ValueError(f"{name} has the shape {tuple(value.shape)}, wanted {tuple(place.shape)}")
            place.copy_(value)


def _layers(system: nn.Module, bits: int) -> dict[str, int]:
    """Name -> bits of every layer that is quantised."""
    uses: dict[int, int] = {}
    for _, weight in system.named_parameters(remove_duplicate=False):
        uses[id(weight)] = uses.get(id(weight), 0) + 1
    return {
        name: 8 if layer.in_features % _GROUP else bits
        for name, layer in system.named_modules()
        if type(layer) is nn.Linear and layer.in_features >= _GROUP and uses[id(layer.weight)] == 1
    }


def _weight(system: nn.Module, layer: str) -> Any:
    """A tensor, of torchao's own kind where it is quantised: then with qdata, scale and zero_point."""
    return system.get_submodule(layer).weight


def _two_in_one(numbers: Tensor) -> Tensor:
    """(..., N) of -8..7 -> (..., N / 2) bytes."""
    raised = (numbers + 8).to(torch.uint8)
    return raised[..., ::2] | (raised[..., 1::2] << 4)


def _one_each(pairs: Tensor) -> Tensor:
    """What `_two_in_one` took."""
    both = torch.stack([pairs & 15, pairs >> 4], -1).flatten(-2)
    return both.to(torch.int8) - 8
