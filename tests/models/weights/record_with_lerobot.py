"""Record what LeRobot's policies compute, for tests to compare with. In its own environment:

    python tests/models/weights/record_with_lerobot.py FOLDER ...

Each folder holds a config.json; golden.npz and shapes.json are written beside it.

Weights are a function of their name and shape (`checkpoint.py`), so only tables and outputs are stored. A backbone
named `resnet_tiny` or `resnet_tiny_bottleneck` has one or two blocks a stage and few channels.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

# Run as a script, beside this file and without our own packages.
from checkpoint import made_weight, nature  # type: ignore[import-not-found]
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.factory import get_policy_class
from torchvision.models import resnet


class Draws:
    """Keeps every random draw, in order."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self._real = {name: getattr(torch, name) for name in ("randn", "randn_like", "randint")}

    def __enter__(self) -> "Draws":
        for name, real in self._real.items():
            setattr(torch, name, self._kept(real))
        return self

    def __exit__(self, *_: object) -> None:
        for name, real in self._real.items():
            setattr(torch, name, real)

    def _kept(self, real: Any) -> Any:
        def draw(*args: Any, **kwargs: Any) -> Any:
            self.log.append(real(*args, **kwargs))
            return self.log[-1].clone()

        return draw


def tiny(bottleneck: bool) -> Any:
    def build(**options: Any) -> Any:
        options.pop("weights", None)
        block, depths = (resnet.Bottleneck, [1, 1, 1, 2]) if bottleneck else (resnet.BasicBlock, [1, 2, 1, 1])
        make = resnet.ResNet._make_layer

        def narrow(self: Any, block: Any, planes: int, *args: Any, **kwargs: Any) -> Any:
            return make(self, block, planes // 4, *args, **kwargs)

        resnet.ResNet._make_layer = narrow
        network = resnet.ResNet(block, depths, num_classes=2, **options)
        resnet.ResNet._make_layer = make
        network.fc.in_features = 512 // 4 * block.expansion
        return network

    return build


def randomise(policy: Any) -> dict[str, Any]:
    """Overwrite the weights by name; gives back the fixed tables, which stay."""
    tables, state = {}, policy.state_dict()
    for name, value in state.items():
        kind = nature(name, tuple(value.shape))
        if kind is None:
            tables[name] = value.clone()
        else:
            value.copy_(torch.from_numpy(made_weight(name, tuple(value.shape))))
    policy.load_state_dict(state)
    return tables


def observation(config: Any, rng: Any, batch: int, steps: int | None) -> dict[str, Any]:
    made = {}
    for key, feature in config.input_features.items():
        shape = (batch, *(() if steps is None else (steps,)), *feature.shape)
        if "image" in key:
            made[key] = rng.integers(0, 256, shape, dtype=np.uint8)
        else:
            made[key] = rng.normal(size=shape).astype(np.float32)
    return made


def tensors(arrays: dict[str, Any]) -> dict[str, Any]:
    made = {k: torch.from_numpy(v) for k, v in arrays.items()}
    return {k: v.float() / 255 if v.dtype == torch.uint8 else v for k, v in made.items()}


def record(folder: Path) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = PreTrainedConfig.from_pretrained(folder)
    policy = get_policy_class(config.type)(config)
    tables = randomise(policy)
    shapes = {name: list(value.shape) for name, value in policy.state_dict().items()}
    (folder / "shapes.json").write_text(json.dumps(shapes))
    rows = config.chunk_size if config.type == "act" else config.horizon
    looks_back = config.type == "diffusion"
    batch = observation(config, rng, 2, config.n_obs_steps if looks_back else None)
    batch["action"] = rng.uniform(-1, 1, (2, rows, *config.output_features["action"].shape)).astype(np.float32)
    batch["action_is_pad"] = np.arange(rows)[None] >= np.array([[rows], [rows - 2]])
    out = {f"table/{k}": v.numpy() for k, v in tables.items()} | {f"batch/{k}": v for k, v in batch.items()}
    policy.train()
    with Draws() as draws:
        loss = policy.forward(tensors(batch))[0]
    loss.backward()
    grads = {n: p.grad for n, p in policy.named_parameters() if p.grad is not None}
    out |= {f"train/draw_{i:02}": d.numpy() for i, d in enumerate(draws.log)}
    out["train/loss"] = np.float64(loss.item())
    out["train/grad_norm"] = np.float64(sum(float(g.double().square().sum()) for g in grads.values()) ** 0.5)
    out |= {f"train/grads/{n}": g.numpy() for n, g in grads.items() if g.ndim == 1 and g.numel() <= 32}
    # Training moved the statistics of batch normalisation.
    randomise(policy)
    seen = observation(config, rng, 2, None)
    out |= {f"obs/{k}": v for k, v in seen.items()}
    policy.eval()
    policy.reset()
    with Draws() as draws:
        if looks_back:
            actions = torch.stack([policy.select_action(tensors(seen)) for _ in range(config.n_action_steps)], 1)
        else:
            actions = policy.predict_action_chunk(tensors(seen))
    out |= {f"infer/draw_{i:02}": d.numpy() for i, d in enumerate(draws.log)}
    out["infer/actions"] = actions.numpy()
    np.savez_compressed(folder / "golden.npz", **out)
    print(folder.name, loss.item(), actions.abs().max().item())


if __name__ == "__main__":
    torch.set_num_threads(1)
    torchvision.models.resnet_tiny = tiny(bottleneck=False)
    torchvision.models.resnet_tiny_bottleneck = tiny(bottleneck=True)
    for path in sys.argv[1:]:
        record(Path(path))
