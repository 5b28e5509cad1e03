"""pi0-FAST as LeRobot publishes it -> the system, strictly."""

from pathlib import Path
from typing import Any

import torch

from premotor.models.heads.fast import FastCodec
from premotor.models.systems.pi0_fast import Pi0Fast, Pi0FastConfig
from premotor.models.weights.paligemma import SPOKEN, WORDS, lerobot_folder, vlm_name, vlm_sizes
from premotor.models.weights.table import Entry, fill

__all__ = ["load_lerobot", "pi0_fast_table"]


def load_lerobot(folder: Path, codec: FastCodec, **sizes: Any) -> Pi0Fast:
    """The system in a LeRobot folder with the codec that its config.json names (models/weights/fast.py).

    sizes: what the weights do not tell (vision_heads, heads, opening, closing) where it is not as published. As
    LeRobot runs it, pictures that shrink are not smoothed. Raises WeightsError with the list of what does not fit.
    """
    checkpoint, weights, told = lerobot_folder(folder, ("pi0_fast",))
    told |= {"kept": checkpoint.settings["fast_skip_tokens"]}
    found = vlm_sizes(weights, sizes.get("heads", Pi0FastConfig().heads))
    if SPOKEN in weights and torch.equal(weights[SPOKEN], weights[WORDS]):
        del weights[SPOKEN]
    found["tied"] = SPOKEN not in weights
    config = Pi0FastConfig(**found | told | sizes).with_codec(codec)
    return fill(config.build(), weights, pi0_fast_table(config), str(folder))


def pi0_fast_table(config: Pi0FastConfig) -> dict[str, Entry]:
    """Where each of our weights is in what was published, without LeRobot's "model."."""
    with torch.device("meta"):
        ours = config.build().state_dict()
    return {key: Entry(SPOKEN if key.startswith("spoken.") else vlm_name(key.removeprefix("vlm."))) for key in ours}
