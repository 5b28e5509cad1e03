"""Names and shapes of published sizes are ours, on the meta device; pi0 and OpenVLA have tests of their own."""

import gzip
import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from premotor.models.language.t5 import T5Config
from premotor.models.systems.act import ActConfig
from premotor.models.systems.diffusion_policy import DiffusionPolicyConfig
from premotor.models.systems.octo import OctoConfig
from premotor.models.weights import lerobot_act, lerobot_diffusion
from premotor.models.weights.octo import octo_config, octo_table, octo_text_table

FOLDER = Path(__file__).parents[2] / "golden" / "published"
TEXT = "octo_transformer/task_tokenizers_language/hf_model/"


def published(name: str) -> dict[str, tuple[int, ...]]:
    told = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    return {key: tuple(shape) for key, shape in told.items()}


def ours(config: ActConfig | DiffusionPolicyConfig | OctoConfig | T5Config) -> dict[str, Tensor]:
    with torch.device("meta"):
        return config.build().state_dict()


def test_act() -> None:
    found = {lerobot_act.published_name(key): tuple(v.shape) for key, v in ours(ActConfig.published()).items()}
    assert found == published("act")


def test_diffusion_policy() -> None:
    config = DiffusionPolicyConfig.published()
    found = {lerobot_diffusion.published_name(key, config): tuple(v.shape) for key, v in ours(config).items()}
    assert found == published("diffusion_policy")


@pytest.mark.parametrize(
    ("name", "config", "millions"),
    [("octo_small", OctoConfig.published(), 27), ("octo_base", OctoConfig.published_base(), 93)],
)
def test_octo(name: str, config: OctoConfig, millions: int) -> None:
    flat = {key: torch.empty(shape, device="meta") for key, shape in published(name).items()}
    own = {key: value for key, value in flat.items() if not key.startswith(TEXT)}
    assert round(sum(math.prod(value.shape) for value in own.values()) / 1e6) == millions
    assert octo_config(flat, horizon=4, window=config.window) == config
    stems = {camera: f"octo_transformer/observation_tokenizers_{camera}/SmallStem16_0/" for camera in config.cameras}
    for table, weights, mine in (
        (octo_table(config, stems), own, ours(config)),
        (octo_text_table(T5Config()), {k: v for k, v in flat.items() if k.startswith(TEXT)}, ours(T5Config())),
    ):
        assert {entry.theirs for entry in table.values()} == weights.keys()
        assert {key: entry.turn(weights[entry.theirs]).shape for key, entry in table.items()} == {
            key: value.shape for key, value in mine.items()
        }
