"""SmolVLA with LeRobot's weights acts and learns as there; what does not fit is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.batch import Inputs, Targets
from premotor.models.systems.smolvla import SmolVla, SmolVlaConfig
from premotor.models.weights.smolvla import load_lerobot, smolvla_table

from ..replay import replayed
from .checkpoint import make

GOLDEN = Path(__file__).parents[2] / "golden"
# What the weights do not tell.
HEADS = {"smolvla": 4, "smolvla_uneven": 6, "smolvla_joint": 6}


def recorded(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / name / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


def loaded(name: str, folder: Path) -> SmolVla:
    return load_lerobot(make(GOLDEN / name, folder), heads=HEADS[name], vision_heads=HEADS[name])


def inputs_of(golden: dict[str, Tensor], part: str) -> Inputs:
    start, masked = f"{part}/observation.images.", "_padding_mask"
    seen = {k.removeprefix(start): v for k, v in golden.items() if k.startswith(start)}
    images = {k: v.movedim(1, 3) for k, v in seen.items() if not k.endswith(masked)}
    return Inputs(
        images={k: v if v.dtype == torch.uint8 else v * 255 for k, v in images.items()},
        present={k.removesuffix(masked): v for k, v in seen.items() if k.endswith(masked)},
        words=golden[f"{part}/observation.language.tokens"],
        words_mask=golden[f"{part}/observation.language.attention_mask"],
        state=golden[f"{part}/observation.state"],
        embodiment=torch.zeros(len(golden[f"{part}/observation.state"]), dtype=torch.long),
    )


@pytest.mark.parametrize("name", HEADS)
def test_weights_act_as_there(name: str, tmp_path: Path) -> None:
    golden, policy = recorded(name), loaded(name, tmp_path)
    with replayed([golden["infer/draw_00_normal"]]):
        actions = policy.sample(inputs_of(golden, "obs"))
    assert float((actions - golden["infer/actions"]).abs().max()) < 1e-5


@pytest.mark.parametrize("name", HEADS)
def test_weights_learn_as_there(name: str, tmp_path: Path) -> None:
    golden, policy = recorded(name), loaded(name, tmp_path)
    actions = golden["batch/action"]
    weight = (~golden["batch/action_is_pad"])[..., None].expand_as(actions).float()
    # The uniform number that the time follows from, which was rounded there.
    time = golden["train/draw_01_Beta.sample"] * 0.999 + 0.001
    drawn = ((time.double() - 0.001) / 0.999) ** 1.5
    with replayed([drawn, golden["train/draw_00_normal"]]):
        loss, _ = policy.loss(inputs_of(golden, "batch"), Targets(actions=actions, weight=weight))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(golden["train/loss"]), rel=1e-5)
    table = smolvla_table(policy.config)
    grads = {table[key].theirs: p.grad for key, p in policy.named_parameters() if p.grad is not None}
    # LeRobot holds all of the VLM's last layer.
    held = f"text_model.layers.{policy.config.layers - 1}."
    norm = sum(float(g.double().square().sum()) for key, g in grads.items() if held not in key) ** 0.5
    assert norm == pytest.approx(float(golden["train/grad_norm"]), rel=1e-5)
    wanted = {k.removeprefix("train/grads/"): v for k, v in golden.items() if k.startswith("train/grads/")}
    assert len(wanted) >= 3
    for key, value in wanted.items():
        assert float((grads[key] - value).abs().max()) < 1e-5, key


def test_published_names_and_shapes_are_ours() -> None:
    # In every second layer, the expert's keys and values are made of what has another width.
    marks = {"#even": range(0, 16, 2), "#odd": range(1, 16, 2), "#eye": range(12), "#": range(16), "": range(1)}
    published: dict[str, tuple[int, ...]] = {}
    for key, shape in json.loads((GOLDEN / "smolvla_published" / "shapes.json").read_text()).items():
        mark, numbers = next((mark, numbers) for mark, numbers in marks.items() if mark in key)
        published |= {key.replace(mark, str(index)) if mark else key: tuple(shape) for index in numbers}
    del published["model.vlm_with_expert.vlm.lm_head.weight"]
    config = SmolVlaConfig.published()
    with torch.device("meta"):
        ours = config.build().state_dict()
    assert {entry.theirs: tuple(ours[key].shape) for key, entry in smolvla_table(config).items()} == published


def test_sizes_are_those_of_the_weights(tmp_path: Path) -> None:
    config = loaded("smolvla_uneven", tmp_path).config
    assert (config.image_size, config.patch, config.vision_width, config.vision_layers) == (48, 8, 48, 4)
    assert (config.width, config.mlp, config.expert_width, config.expert_mlp) == (48, 80, 36, 256)
    assert (config.layers, config.heads, config.kv_heads, config.head_width, config.shuffle) == (4, 6, 3, 12, 2)
    assert (config.state_dim, config.state_room, config.action_dim, config.action_room) == (5, 9, 6, 11)
    assert (config.horizon, config.steps, config.joint_every, config.frozen) == (7, 10, 3, "vlm")
    assert config.cameras == ("top", "left", "right")


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    folder = make(GOLDEN / "smolvla", tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["odd.one"] = weights.pop("model.state_proj.bias")
    weights["model.action_out_proj.bias"] = torch.zeros(3)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(WeightsError) as refused:
        load_lerobot(folder, heads=4, vision_heads=4)
    for told in ("missing: model.state_proj.bias", "unknown: odd.one", r"bias is (3,), not (12,)"):
        assert told in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"add_image_special_tokens": True}, "add_image_special_tokens is True; known: False"),
        ({"adapt_to_pi_aloha": True}, "adapt_to_pi_aloha is True; known: False"),
        ({"attention_mode": "other"}, "known: 'self_attn', 'cross_attn'"),
        ({"resize_imgs_with_padding": [64, 32]}, r"resized to \[64, 32\]; the vision tower sees 32 x 32"),
        ({"type": "pi0"}, "type 'pi0', not 'smolvla'"),
    ],
)
def test_settings_that_are_not_here_are_refused(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    folder = make(GOLDEN / "smolvla", tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | changed))
    with pytest.raises(WeightsError, match=told):
        load_lerobot(folder, heads=4, vision_heads=4)


def test_an_expert_of_fewer_layers_is_refused(tmp_path: Path) -> None:
    folder = make(GOLDEN / "smolvla", tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file({k: w for k, w in weights.items() if "lm_expert.layers.1." not in k}, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="the expert has 1 layers beside 2"):
        load_lerobot(folder, heads=4, vision_heads=4)
