"""pi0 and pi0.5 with LeRobot's and openpi's weights say what these say; what does not fit is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.batch import Inputs, Targets
from premotor.models.systems import system_config
from premotor.models.systems.pi0 import Pi0
from premotor.models.weights.pi0 import load_lerobot, load_openpi, pi0_table

from ..replay import replayed
from .checkpoint import make

GOLDEN = Path(__file__).parents[2] / "golden"
OPENPI = ["openpi_pi0", "openpi_pi05"]
CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
HEAD = "paligemma_with_expert.paligemma.lm_head.weight"
WORDS = "paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"

Golden = dict[str, Tensor]


def recorded(name: str) -> Golden:
    with np.load(GOLDEN / name / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file if file[key].dtype.kind != "U"}


def gap(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).detach().abs().max())


def drawn(time: Tensor) -> Tensor:
    """The uniform number that this time follows from."""
    return ((time.double() - 0.001) / 0.999) ** 1.5


def lerobot(name: str, folder: Path) -> Pi0:
    return load_lerobot(make(GOLDEN / name, folder), vision_heads=4)


def lerobot_inputs(golden: Golden, part: str) -> Inputs:
    start = f"{part}/observation.images."
    return Inputs(
        images={k.removeprefix(start): v.movedim(1, 3) * 255 for k, v in golden.items() if k.startswith(start)},
        words=golden[f"{part}/observation.language.tokens"],
        words_mask=golden[f"{part}/observation.language.attention_mask"],
        state=golden[f"{part}/observation.state"],
        embodiment=torch.zeros(len(golden[f"{part}/observation.state"]), dtype=torch.long),
    )


def openpi(name: str, *, antialias: bool) -> Pi0:
    return load_openpi(GOLDEN / name, vision_heads=4, horizon=6, antialias=antialias)


def openpi_inputs(golden: Golden) -> Inputs:
    return Inputs(
        images={c: (golden[f"in/image/{c}"].movedim(1, 3) + 1) * 127.5 for c in CAMERAS},
        present={c: golden[f"in/image_mask/{c}"] for c in CAMERAS},
        words=golden["in/tokens"],
        words_mask=golden["in/token_mask"],
        state=golden["in/state"],
        embodiment=torch.zeros(2, dtype=torch.long),
    )


def learns_the_same(policy: Pi0, inputs: Inputs, actions: Tensor, time: Tensor, noise: Tensor, golden: Golden) -> None:
    """Loss and gradients are the recorded ones. The references learn from every row, labelled or not."""
    with replayed([drawn(time), noise]):
        loss, _ = policy.loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(golden["train/loss"]), rel=1e-5)
    table = pi0_table(policy.config)
    grads = {table[key].theirs: p.grad for key, p in policy.named_parameters() if p.grad is not None}
    norm = sum(float(g.double().square().sum()) for g in grads.values()) ** 0.5
    assert norm == pytest.approx(float(golden["train/grad_norm"]), rel=1e-5)
    wanted = {key.removeprefix("train/grads/"): value for key, value in golden.items() if "grads/" in key}
    assert len(wanted) >= 3
    for name, value in wanted.items():
        assert gap(grads[name.removeprefix("model.")], value) < 1e-5, name


@pytest.mark.parametrize("name", ["pi0", "pi05", "pi0_uneven"])
def test_lerobot_s_weights_act_and_learn_as_there(name: str, tmp_path: Path) -> None:
    golden, policy = recorded(name), lerobot(name, tmp_path)
    with replayed([golden["infer/draw_00_normal"]]):
        actions = policy.sample(lerobot_inputs(golden, "obs"))
    assert gap(actions, golden["infer/actions"]) < 1e-5
    time = golden["train/draw_01_Beta.sample"] * 0.999 + 0.001
    noise = golden["train/draw_00_normal"]
    learns_the_same(policy, lerobot_inputs(golden, "batch"), golden["batch/action"], time, noise, golden)


@pytest.mark.parametrize("name", OPENPI)
def test_openpi_s_weights_act_and_learn_as_there(name: str) -> None:
    golden, policy = recorded(name), openpi(name, antialias=False)
    inputs = openpi_inputs(golden)
    for camera in CAMERAS:
        assert gap(policy.vlm.picture(inputs.images[camera]), golden[f"out/image/{camera}"]) < 1e-6
    tokens, real = policy.vlm.tokens(inputs)
    assert torch.equal(real, golden["out/prefix_pad_mask"])
    assert gap(tokens[real], golden["out/prefix_embs"][real]) < 1e-5
    prefix = policy.vlm(inputs)
    for index, layer in enumerate(prefix.past):
        for kind, ours in zip("kv", layer, strict=True):
            theirs = golden[f"out/prefix_cache/{kind}_{index}"]
            assert gap(ours.transpose(1, 2)[real], theirs.transpose(1, 2)[real]) < 1e-5
    steps = (golden[f"out/denoise/{part}"] for part in "xtv")
    for x, time, velocity in zip(*steps, strict=True):
        assert gap(policy.velocity(prefix, inputs.state, x, time), velocity) < 1e-5
    with replayed([golden["in/noise"]]):
        assert gap(policy.sample(inputs), golden["out/actions"]) < 1e-5
    time, noise = golden["in/train_time"], golden["in/train_noise"]
    learns_the_same(policy, inputs, golden["in/actions"], time, noise, golden)


@pytest.mark.parametrize("name", OPENPI)
def test_pictures_are_smoothed_as_in_training_unless_told_otherwise(name: str) -> None:
    golden, policy = recorded(name), load_openpi(GOLDEN / name, vision_heads=4, horizon=6)
    inputs = openpi_inputs(golden)
    for camera in CAMERAS:
        assert gap(policy.vlm.picture(inputs.images[camera]), golden[f"jax/image/{camera}"]) < 1e-6
    with replayed([golden["in/noise"]]):
        actions = policy.sample(inputs)
    # JAX and PyTorch themselves are 3e-5 apart; without smoothing it would be 1e-2 at least.
    assert gap(actions, golden["jax/actions_jax_resize"]) < 8e-5
    assert gap(actions, golden["out/actions"]) > 1e-2


@pytest.mark.parametrize("name", OPENPI)
def test_a_camera_that_is_missing_is_as_one_that_shows_nothing(name: str) -> None:
    golden, policy = recorded(name), openpi(name, antialias=False)
    inputs = openpi_inputs(golden)
    masked = replace(inputs, present={"left_wrist_0_rgb": torch.zeros(2, dtype=torch.bool)})
    images = {c: picture for c, picture in inputs.images.items() if c != "left_wrist_0_rgb"}
    found = []
    for case in (masked, replace(inputs, images=images, present={})):
        with replayed([golden["in/noise"]]):
            found.append(policy.sample(case))
    assert gap(*found) < 1e-5


@pytest.mark.parametrize("name", ["pi0", "pi05"])
def test_published_names_and_shapes_are_ours(name: str) -> None:
    layers = {"encoder.layers.#": 27, "language_model.layers.#": 18, "gemma_expert.model.layers.#": 18}
    published: dict[str, tuple[int, ...]] = {}
    for key, shape in json.loads((GOLDEN / "pi0_published" / "shapes.json").read_text())[name].items():
        count = next((n for part, n in layers.items() if part in key), 1)
        published |= {key.replace("#", str(index)): tuple(shape) for index in range(count)}
    for unread in (HEAD, "paligemma_with_expert.gemma_expert.lm_head.weight"):
        del published[unread]
    config = system_config(name).published()
    with torch.device("meta"):
        ours = config.build().state_dict()
    assert {entry.theirs: tuple(ours[key].shape) for key, entry in pi0_table(config).items()} == published


def old_names(key: str) -> str:
    """As before transformers 4.52."""
    start = "paligemma_with_expert.paligemma."
    if key == HEAD:
        return f"{start}language_model.lm_head.weight"
    key = key.replace(f"{start}model.language_model.", f"{start}language_model.model.")
    return key.replace(f"{start}model.", start)


@pytest.mark.parametrize("rename", [old_names, lambda key: key.replace(HEAD, WORDS)])
def test_other_names_of_the_same_weights_are_read(rename: Callable[[str], str], tmp_path: Path) -> None:
    weights = load_file(GOLDEN / "openpi_pi0" / "model.safetensors")
    renamed = {rename(key): value for key, value in weights.items()}
    assert renamed.keys() != weights.keys()
    save_file(renamed, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"action_horizon": 6}')
    again = load_openpi(tmp_path, vision_heads=4).state_dict()
    for key, value in openpi("openpi_pi0", antialias=True).state_dict().items():
        assert torch.equal(value, again[key])


def test_sizes_are_those_of_the_weights(tmp_path: Path) -> None:
    config = lerobot("pi05", tmp_path).config
    assert (config.image_size, config.patch, config.vision_width, config.vision_layers) == (32, 8, 32, 2)
    assert (config.width, config.mlp, config.expert_width, config.expert_mlp) == (32, 64, 16, 32)
    assert (config.layers, config.heads, config.kv_heads, config.head_width) == (2, 8, 1, 8)
    assert (config.state_dim, config.action_dim, config.action_room, config.horizon, config.steps) == (7, 7, 12, 10, 4)
    assert config.adaptive
    assert config.cameras == ("front", "wrist")


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    folder = make(GOLDEN / "pi0", tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["odd.one"] = weights.pop("model.state_proj.bias")
    weights["model.action_out_proj.bias"] = torch.zeros(3)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(WeightsError) as refused:
        load_lerobot(folder, vision_heads=4)
    for part in (
        "3 weights",
        "missing: state_proj.bias",
        "unknown: odd.one",
        "action_out_proj.bias is (3,), not (12,)",
    ):
        assert part in str(refused.value)


def test_other_folders_and_settings_are_refused(tmp_path: Path) -> None:
    folder = make(GOLDEN / "pi0", tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"time_sampling_beta_alpha": 2.0}))
    with pytest.raises(WeightsError, match=r"time_sampling_beta_alpha is 2\.0; known: 1\.5"):
        load_lerobot(folder)
    (folder / "config.json").write_text(json.dumps(settings | {"type": "act"}))
    with pytest.raises(WeightsError, match=r"'act', not 'pi0'"):
        load_lerobot(folder)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        load_lerobot(folder)
    with pytest.raises(WeightsError, match="give horizon="):
        load_openpi(GOLDEN / "openpi_pi0")
    shutil.copyfile(GOLDEN / "octo" / "params.safetensors", folder / "model.safetensors")
    with pytest.raises(WeightsError, match="another system"):
        load_openpi(folder, horizon=6)
    (folder / "model.safetensors").write_bytes(b"half")
    with pytest.raises(WeightsError, match="can be read"):
        load_openpi(folder, horizon=6)
