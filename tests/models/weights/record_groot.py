"""Record what GR00T is and does, as LeRobot and transformers build it, for tests to compare with. In their environment:

    python tests/models/weights/record_groot.py

Writes tests/golden/groot_uneven (N1.7 of other sizes), groot_eagle (the VLM of N1.5) and groot_published (names and
shapes of the published sizes, `#` for each layer). Weights are a function of their name and shape (`checkpoint.py`).
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Run as a script, beside this file and without our own packages.
from checkpoint import made_weight, nature  # type: ignore[import-not-found]
from lerobot.policies.groot import groot_n1_7 as reference
from transformers import (
    Qwen2VLImageProcessor,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.feature_extraction_utils import BatchFeature

GOLDEN = Path(__file__).parents[2] / "golden"
EAGLE = {"vision": "vision_model.", "llm": "language_model.", "seen": "mlp1.0."}


def filled(model: Any, start: str = "") -> dict[str, list[int]]:
    """Overwrite the weights by name; gives back names and shapes, tied ones once."""
    shapes, state = dict[str, list[int]](), model.state_dict()
    for name, value in state.items():
        if name.endswith("lm_head.weight"):
            continue
        assert nature(start + name, tuple(value.shape)) is not None
        value.copy_(torch.from_numpy(made_weight(start + name, tuple(value.shape))))
        shapes[start + name] = list(value.shape)
    return shapes


def save(name: str, arrays: dict[str, Any], shapes: dict[str, Any]) -> None:
    (GOLDEN / name).mkdir(exist_ok=True)
    (GOLDEN / name / "shapes.json").write_text(json.dumps(shapes))
    made: dict[str, Any] = {k: np.asarray(v) for k, v in arrays.items()}
    np.savez_compressed(GOLDEN / name / "golden.npz", **made)


def uneven() -> None:
    """Two pictures a row with words between, padding before, layers of all kinds in odd numbers."""
    rng, folder = np.random.default_rng(0), GOLDEN / "groot_uneven"
    settings = json.loads((folder / "config.json").read_text()) | {"model_name": str(folder / "vlm")}
    model = reference.GR00TN17(reference.GR00TN17Config(**settings), load_backbone_weights=False).float().eval()
    shapes = filled(model)
    pictures = rng.integers(0, 256, (2, 2, 32, 32, 3), dtype=np.uint8)
    wide = rng.integers(0, 256, (1, 32, 48, 3), dtype=np.uint8)
    processor = Qwen2VLImageProcessor(
        patch_size=8, merge_size=2, do_resize=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    shown, shown_wide = (
        processor(images=list(p.reshape(-1, *p.shape[-3:])), return_tensors="pt") for p in (pictures, wide)
    )
    words = rng.integers(0, 60, (2, 7))
    ids = [[61, *[60] * 4, 62, w[0], w[1], 61, *[60] * 4, 62, *w[2:]] for w in words]
    ids[0] = [5, 5, 5, *ids[0][:-3]]
    mask = np.ones((2, len(ids[0])), dtype=np.int64)
    mask[0, :3] = 0
    batch = {
        "input_ids": torch.tensor(ids), "attention_mask": torch.from_numpy(mask), **shown,
        "state": torch.from_numpy(rng.normal(size=(2, 1, 9)).astype(np.float32)),
        "embodiment_id": torch.tensor([3, 1]),
    }  # fmt: skip
    out = {"pictures": pictures, "wide": wide, "wide_patches": shown_wide["pixel_values"]}
    out |= {k: v for k, v in batch.items() if k != "pixel_values"} | {"patches": shown["pixel_values"]}
    with torch.no_grad():
        eye = model.backbone.visual(shown_wide["pixel_values"], grid_thw=shown_wide["image_grid_thw"])
        out |= {"wide_tokens": eye.pooler_output}
        out |= {f"wide_deep_{i}": deep for i, deep in enumerate(eye.deepstack_features)}
        out["features"] = model.backbone(BatchFeature(data=dict(batch)))["backbone_features"]
        for alternate in (True, False):
            model.config.use_alternate_vl_dit = alternate
            if not alternate:
                model.action_head.model.__class__ = reference.DiT
            torch.manual_seed(0)
            out["noise"] = torch.randn(2, settings["action_horizon"], settings["max_action_dim"])
            torch.manual_seed(0)
            name = "actions" if alternate else "actions_plain"
            out[name] = model.action_head.get_action(
                model.backbone(BatchFeature(data=dict(batch))), BatchFeature(data=dict(batch))
            )["action_pred"]
    save("groot_uneven", out, shapes)


def eagle_parts(vision: dict[str, Any], text: dict[str, Any], device: str) -> dict[str, Any]:
    with torch.device(device):
        return {
            "vision": SiglipVisionModel(SiglipVisionConfig(**vision)).eval(),
            "llm": Qwen3ForCausalLM(Qwen3Config(**text)).eval(),
            "seen": torch.nn.Linear(vision["hidden_size"], text["hidden_size"]),
        }


def eagle() -> None:
    """SigLIP before its last norm, a linear layer, Qwen3 after its last norm; padding before."""
    rng = np.random.default_rng(1)
    settings = json.loads((GOLDEN / "groot_eagle" / "config.json").read_text())
    parts = eagle_parts(settings["vision_config"], settings["text_config"], "cpu")
    shapes = dict[str, list[int]]()
    for part, start in EAGLE.items():
        shapes |= filled(parts[part], f"backbone.eagle_model.{start}")
    pictures = rng.integers(0, 256, (2, 28, 28, 3), dtype=np.uint8)
    ids = torch.tensor([[9, *[50] * 4, 3, 4, 5, 6], [9, 9, 9, *[50] * 4, 7, 8]])
    mask = torch.tensor([[1] * 9, [0, 0, *[1] * 7]])
    with torch.no_grad():
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        seen = parts["seen"](parts["vision"](pixel_values=pixels, output_hidden_states=True).hidden_states[-1])
        words = parts["llm"].get_input_embeddings()(ids)
        words[ids == 50] = seen.flatten(0, 1)
        features = parts["llm"].model(inputs_embeds=words, attention_mask=mask).last_hidden_state
    out = {"pictures": pictures, "ids": ids, "mask": mask, "features": features, "seen": seen}
    save("groot_eagle", out, shapes)


def published() -> None:
    found: dict[str, dict[str, Any]] = {}
    with torch.device("meta"):
        config = reference.GR00TN17Config()
        head = reference.GR00TN17ActionHead(config)
        qwen = reference._cosmos_reason2_qwen3_vl_config()
        vlm = reference.Qwen3VLForConditionalGeneration(Qwen3VLConfig(**qwen.to_dict()))
    del vlm.model.language_model.layers[config.select_layer :]
    found["groot"] = {f"action_head.{k}": v.shape for k, v in head.state_dict().items()}
    found["groot"] |= {f"backbone.model.{k}": v.shape for k, v in vlm.state_dict().items()}
    # The head of N1.5: NVIDIA's published settings.
    old = reference.GR00TN17Config(max_state_dim=64, max_action_dim=32, use_alternate_vl_dit=False)
    old.diffusion_model_cfg["num_layers"] = 16
    text = {
        "hidden_size": 2048, "intermediate_size": 6144, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "num_hidden_layers": 12, "vocab_size": 151680,
    }  # fmt: skip
    vision = {
        "hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27,
        "image_size": 224, "patch_size": 14,
    }  # fmt: skip
    with torch.device("meta"):
        head = reference.GR00TN17ActionHead(old)
    found["groot_n15"] = {f"action_head.{k}": v.shape for k, v in head.state_dict().items()}
    found["groot_n15"]["action_head.future_tokens.weight"] = (32, 1536)
    for part, model in eagle_parts(vision, text, "meta").items():
        start = f"backbone.eagle_model.{EAGLE[part]}"
        found["groot_n15"] |= {start + k: v.shape for k, v in model.state_dict().items()}
    short = {
        name: {re.sub(r"(blocks|layers|deepstack_merger_list)\.\d+", r"\1.#", k): list(v) for k, v in shapes.items()}
        for name, shapes in found.items()
    }
    # Blocks that read the VLM are not shaped as those that read themselves.
    for name, shapes in found.items():
        for key, shape in shapes.items():
            if "action_head.model.transformer_blocks." in key and re.search(r"to_[kv]\.", key):
                index = int(key.split("transformer_blocks.")[1].split(".")[0])
                turn = "even" if index % 2 == 0 else "odd"
                short[name][re.sub(r"transformer_blocks\.\d+", f"transformer_blocks.#{turn}", key)] = list(shape)
        short[name] = {
            k: v for k, v in short[name].items() if not re.search(r"model.transformer_blocks\.#\..*to_[kv]\.", k)
        }
    (GOLDEN / "groot_published").mkdir(exist_ok=True)
    (GOLDEN / "groot_published" / "shapes.json").write_text(json.dumps(short))


if __name__ == "__main__":
    torch.set_num_threads(1)
    published()
    uneven()
    eagle()
