"""Record what LeRobot does to numbers and pictures before and after GR00T N1.7, to compare with. In its environment:

    python tests/models/importing/record_groot.py

Writes tests/golden/groot_processors: `nvidia` as NVIDIA's trainer leaves it, the same as LeRobot saves it, and what
comes out of both.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.groot import processor_groot as reference
from lerobot.policies.groot.configuration_groot import GrootConfig

FOLDER = Path(__file__).parents[2] / "golden" / "groot_processors"
TAG, ROWS = "golden_arm", 4
STATE, ACTION = {"arm": 5, "hand": 2}, {"arm": 5, "hand": 2}


def numbers(rng: np.random.Generator, *shape: int) -> dict[str, Any]:
    low = rng.normal(0, 1, shape)
    high = low + rng.random(shape) + 0.5
    low[..., 1], high[..., 1] = 0.25, 0.25  # It never changes.
    told = {"min": low - 0.5, "max": high + 0.5, "q01": low, "q99": high, "mean": low, "std": high - low}
    told["min"][..., 1], told["max"][..., 1] = 0.25, 0.25
    return {name: value.tolist() for name, value in told.items()}


def nvidia() -> Path:
    rng, folder = np.random.default_rng(0), FOLDER / "nvidia"
    folder.mkdir(parents=True, exist_ok=True)
    form = {"type": "NON_EEF", "format": "DEFAULT", "state_key": None}
    modalities = {
        "video": {"delta_indices": [0], "modality_keys": ["front"]},
        "state": {"delta_indices": [0], "modality_keys": list(STATE)},
        "action": {
            "delta_indices": list(range(ROWS)),
            "modality_keys": list(ACTION),
            "action_configs": [{"rep": "RELATIVE", **form}, {"rep": "ABSOLUTE", **form}],
        },
        "language": {"delta_indices": [0], "modality_keys": ["annotation.human.task_description"]},
    }
    files: dict[str, Any] = {
        "config.json": {"model_type": "Gr00tN1d7", "model_name": "nvidia/Cosmos-Reason2-2B"},
        "processor_config.json": {
            "processor_class": "Gr00tN1d7Processor",
            "processor_kwargs": {
                "modality_configs": {TAG: modalities},
                "image_crop_size": None,
                "image_target_size": [32, 32],
                "use_albumentations": True,
                "shortest_image_edge": 32,
                "crop_fraction": 0.95,
                "letter_box_transform": False,
                "formalize_language": True,
                "use_percentiles": True,
                "clip_outliers": True,
                "use_relative_action": True,
                "max_action_horizon": 5,
                "max_state_dim": 9,
                "max_action_dim": 8,
            },
        },
        "statistics.json": {
            TAG: {
                "state": {name: numbers(rng, size) for name, size in STATE.items()},
                "action": {name: numbers(rng, size) for name, size in ACTION.items()},
                "relative_action": {"arm": numbers(rng, ROWS, ACTION["arm"])},
            }
        },
        "embodiment_id.json": {TAG: 2},
    }
    for name, told in files.items():
        (folder / name).write_text(json.dumps(told))
    return folder


def main() -> None:
    """Build LeRobot's steps of that folder, save them, and let them work."""
    config = GrootConfig(
        base_model_path=str(nvidia()),
        embodiment_tag=TAG,
        input_features={
            "observation.images.front": PolicyFeature(type=FeatureType.VISUAL, shape=(3, 48, 64)),
            "observation.state": PolicyFeature(type=FeatureType.STATE, shape=(7,)),
        },
        output_features={"action": PolicyFeature(type=FeatureType.ACTION, shape=(7,))},
        max_state_dim=9,
        max_action_dim=8,
        device="cpu",
    )
    before, after = reference.make_groot_pre_post_processors(config)
    before.save_pretrained(FOLDER, config_filename="policy_preprocessor.json")
    after.save_pretrained(FOLDER, config_filename="policy_postprocessor.json")
    pack = next(step for step in before.steps if isinstance(step, reference.GrootN17PackInputsStep))
    rng = np.random.default_rng(1)
    state = torch.from_numpy(rng.normal(0, 2, (3, 7))).float()
    said = torch.from_numpy(rng.normal(0, 0.8, (3, 5, 8))).float()
    packed = pack({"observation": {"observation.state": state.clone()}, "complementary_data": {"task": ["Go!"] * 3}})
    decoded = after.steps[0]({"action": said})
    found: dict[str, Any] = {
        "state": state,
        "state_normalised": packed["observation"]["state"][:, 0, :7],
        "said": said,
        "actions": decoded["action"],
        "embodiment": packed["complementary_data"]["embodiment_id"],
        **pictures(),
    }
    np.savez_compressed(FOLDER / "golden.npz", **found)
    print(packed["complementary_data"]["language"])


def pictures() -> dict[str, Any]:
    """Resized by area, with and without its proportions, letterboxed and cropped."""
    rng, found = np.random.default_rng(2), {}
    for name, size, rest in (
        ("edge", (24, 32), {"crop_fraction": 0.95}),
        ("boxed", (24, 32), {"crop_fraction": 1.0, "letter_box_transform": True}),
        ("square", (40, 40), {"crop_fraction": 0.9}),
    ):
        found[f"{name}/in"] = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        found[f"{name}/out"] = reference._transform_n1_7_image_for_vlm_albumentations(
            found[f"{name}/in"], image_crop_size=None, image_target_size=[20, 20], shortest_image_edge=20, **rest
        )
    return found


if __name__ == "__main__":
    main()
