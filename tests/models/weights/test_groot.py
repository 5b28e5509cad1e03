"""GR00T N1.7 and N1.5 with LeRobot's and NVIDIA's weights say what these say; what does not fit is refused."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.batch import Inputs, Targets
from premotor.models.heads.groot_flow import GrootFlow, GrootFlowConfig
from premotor.models.language import qwen
from premotor.models.language.qwen import QwenVlm
from premotor.models.systems import system_config
from premotor.models.systems.groot import Groot, GrootN15Config
from premotor.models.vision.qwen3vl import patches
from premotor.models.weights.groot import groot_table, groot_unread, load_groot
from premotor.models.weights.qwen import vlm_entry, vlm_sizes, vlm_unread, with_words
from premotor.models.weights.table import fill

from ..replay import replayed
from .checkpoint import make

GOLDEN = Path(__file__).parents[2] / "golden"
BASE, VLM = GOLDEN / "groot" / "base", GOLDEN / "groot" / "vlm"

# The sizes of the recorded head, beside any VLM.
N15 = replace(GrootN15Config.toy(), layers=4, digest_layers=2, future=4)

Golden = dict[str, Tensor]


def recorded(name: str) -> Golden:
    with np.load(GOLDEN / name / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file if file[key].dtype.kind != "U"}


def gap(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).detach().abs().max())


def drawn(beta: Tensor) -> Tensor:
    """The uniform number that this one of Beta(1.5, 1) follows from."""
    return beta.double() ** 1.5


def drawn_n15(time: Tensor) -> Tensor:
    """The uniform number that this time follows from, which N1.5 draws a little otherwise."""
    return drawn((1 - time.double() - 0.001) / 0.999)


def lerobot(folder: Path, **sizes: Any) -> Groot:
    made = make(GOLDEN / "groot", folder)
    return load_groot(made, base=BASE, vlm=VLM, image_size=32, **sizes)


def lerobot_inputs(golden: Golden, part: str) -> Inputs:
    return Inputs(
        images={"front": torch.zeros(2, 32, 32, 3)},
        words=golden[f"{part}/input_ids"],
        words_mask=golden[f"{part}/attention_mask"].bool(),
        state=golden[f"{part}/state"][:, 0, :7],
        embodiment=golden[f"{part}/embodiment_id"],
    )


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded patches, whose two frames are no picture's."""
    found = recorded("groot")["batch/pixel_values"].view(2, 16, -1)
    monkeypatch.setattr(qwen, "patches", lambda *_: (found, (4, 4)))


def learns_the_same(named: dict[str, Tensor], loss: Tensor, golden: Golden) -> None:
    """Loss and gradients are the recorded ones."""
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(golden["train/loss"]), rel=1e-5)
    grads = {name: weight.grad for name, weight in named.items() if weight.grad is not None}
    norm = sum(float(g.double().square().sum()) for g in grads.values()) ** 0.5
    assert norm == pytest.approx(float(golden["train/grad_norm"]), rel=1e-5)
    wanted = {key.removeprefix("train/grads/"): value for key, value in golden.items() if "grads/" in key}
    assert len(wanted) >= 3
    for name, value in wanted.items():
        assert gap(grads[name.removeprefix("_groot_model.").removeprefix("action_head.")], value) < 1e-5, name


def theirs(policy: Groot) -> dict[str, Tensor]:
    table = groot_table(policy.config)
    return {table[key].theirs.removeprefix("action_head."): weight for key, weight in policy.named_parameters()}


@pytest.mark.usefixtures("seen")
def test_lerobot_s_weights_act_and_learn_as_there(tmp_path: Path) -> None:
    golden, policy = recorded("groot"), lerobot(tmp_path, reads_padding=True)
    with replayed([golden["infer/draw_00_randn"]]):
        actions = policy.sample(lerobot_inputs(golden, "obs"))
    assert gap(actions, golden["infer/actions"]) < 1e-5
    targets = Targets(actions=golden["batch/action"][..., :7], weight=golden["batch/action_mask"][..., :7])
    with replayed([golden["train/draw_00_randn"], drawn(golden["train/draw_01_Beta.sample"])]):
        loss, _ = policy.loss(lerobot_inputs(golden, "batch"), targets)
    learns_the_same(theirs(policy), loss, golden)


def n15_head() -> GrootFlow:
    config = GrootFlowConfig(
        context=24, embodiments=5, state_room=12, action_room=10, horizon=6, width=32, layers=4, heads=4, hidden=20,
        digest_layers=2, digest_heads=3, future=4, length=32, text_every=0, dropout=0.2, state_dropout=0.0,
        reads_padding=True, steps=4,
    )  # fmt: skip
    names = {key.removeprefix("head."): entry for key, entry in groot_table(N15).items() if key.startswith("head.")}
    return fill(config.build(), load_file(GOLDEN / "groot_n15" / "model.safetensors"), names, "groot_n15")


def test_n15_s_head_acts_and_learns_as_there() -> None:
    golden, head = recorded("groot_n15"), n15_head()
    real = golden["in/backbone_attention_mask"].bool()
    state, who = golden["in/state"][:, 0], golden["in/embodiment_id"]
    context = head.read(golden["in/backbone_features"], real, torch.zeros_like(real))
    assert gap(context.features, golden["out/processed_backbone"]) < 1e-5
    assert gap(head.feel(state, who), golden["out/state_encoder"]) < 1e-5
    for robot in range(5):
        here = torch.full_like(who, robot)
        assert gap(head.feel(state, here), golden[f"out/embodiment_{robot}/state_encoder"]) < 1e-5
    steps = golden["in/probe_timesteps"]
    assert gap(head.dit.code(steps), golden["out/timestep_encoder"]) < 1e-5
    assert gap(head.action.code(steps), golden["out/action_sinusoid"][0]) < 1e-5
    felt = head.feel(state, who)
    x = golden["in/noise"]
    for step in range(4):
        velocity = head.velocity(context, felt, x, torch.full((2,), step / 4), who)
        assert gap(velocity, golden["out/denoise/velocity"][step]) < 1e-5
        x = golden["out/denoise/x"][step]
    with replayed([golden["in/noise"]]):
        assert gap(head.sample(context, state, who), golden["out/action_pred"]) < 1e-5
    with replayed([golden["in/train_noise"], drawn_n15(golden["train/t"])]):
        context = head.read(golden["in/backbone_features"], real, torch.zeros_like(real))
        loss = head.loss(context, state, golden["in/action"], golden["in/action_mask"], who)
    names = {key.removeprefix("head."): entry.theirs for key, entry in groot_table(N15).items()}
    learns_the_same(
        {names[key].removeprefix("action_head."): weight for key, weight in head.named_parameters()}, loss, golden
    )


def uneven_inputs(golden: Golden) -> Inputs:
    return Inputs(
        images={"front": golden["pictures"][:, 0], "wrist": golden["pictures"][:, 1]},
        words=golden["input_ids"],
        words_mask=golden["attention_mask"].bool(),
        state=golden["state"][:, 0],
        embodiment=golden["embodiment_id"],
    )


def uneven(folder: Path, **sizes: Any) -> Groot:
    made = make(GOLDEN / "groot_uneven", folder)
    vlm = GOLDEN / "groot_uneven" / "vlm"
    return load_groot(made, vlm=vlm, cameras=("front", "wrist"), reads_padding=True, **sizes)


def test_nvidia_s_weights_see_and_act_as_there(tmp_path: Path) -> None:
    golden, policy = recorded("groot_uneven"), uneven(tmp_path)
    inputs = uneven_inputs(golden)
    shown = policy.vlm.picture(inputs.images["front"])
    flat, grid = patches(torch.stack([shown, policy.vlm.picture(inputs.images["wrist"])], 1).flatten(0, 1), 8, 2)
    assert gap(flat.flatten(0, 1), golden["patches"]) < 1e-6
    wide, grid = patches(golden["wide"].permute(0, 3, 1, 2).float() / 127.5 - 1, 8, 2)
    assert grid == (4, 6)
    assert gap(wide[0], golden["wide_patches"]) < 1e-6
    tokens, beside = policy.vlm.eye(wide, grid)
    assert gap(tokens[0], golden["wide_tokens"]) < 1e-5
    assert [gap(ours[0], golden[f"wide_deep_{index}"]) < 1e-5 for index, ours in enumerate(beside)] == [True, True]
    understood = policy.vlm(inputs)
    assert gap(understood.features[understood.real], golden["features"][understood.real]) < 1e-5
    with replayed([golden["noise"]]):
        assert gap(policy.sample(inputs), golden["actions"]) < 1e-5


def test_blocks_that_read_all_at_once_act_as_there(tmp_path: Path) -> None:
    golden, policy = recorded("groot_uneven"), uneven(tmp_path, text_every=0)
    with replayed([golden["noise"]]):
        actions = policy.sample(uneven_inputs(golden))
    assert gap(actions, golden["actions_plain"]) < 1e-5
    assert gap(actions, golden["actions"]) > 1e-3


def test_eagle_understands_as_its_parts_do(tmp_path: Path) -> None:
    golden, folder = recorded("groot_eagle"), make(GOLDEN / "groot_eagle", tmp_path)
    found = with_words(load_file(folder / "model.safetensors"))
    settings = json.loads((folder / "config.json").read_text())
    sizes = vlm_sizes(folder, found, settings, GrootN15Config(), None)
    assert (sizes["image_word"], sizes["image_size"], sizes["vision_layers"], sizes["vlm_layers"]) == (50, 28, 2, 2)
    config = GrootN15Config(**sizes, cameras=("front",), crop=1.0)
    eagle, unread = QwenVlm(config), vlm_unread("siglip")
    table = {key: vlm_entry(key, "siglip") for key in eagle.state_dict()}
    fill(eagle, {key: value for key, value in found.items() if key not in unread}, table, "eagle")
    fake = config.fake_inputs(2)
    real = golden["mask"].bool()
    inputs = replace(fake, images={"front": golden["pictures"]}, words=golden["ids"], words_mask=real)
    assert gap(eagle.look(inputs).tokens, golden["seen"]) < 1e-5
    assert gap(eagle(inputs).features[real], golden["features"][real]) < 1e-5


@pytest.mark.parametrize("name", ["groot", "groot_n15"])
def test_published_names_and_shapes_are_ours(name: str) -> None:
    config = system_config(name).published()
    counts = {
        "action_head.model.transformer_blocks.#": config.layers,
        "vl_self_attention.transformer_blocks.#": config.digest_layers,
        "language_model.": config.vlm_layers,
        "deepstack_merger_list.#": len(config.deep),
        "vision_model.": config.vision_layers,
        "visual.blocks.#": config.vision_layers,
    }
    published: dict[str, tuple[int, ...]] = {}
    for key, shape in json.loads((GOLDEN / "groot_published" / "shapes.json").read_text())[name].items():
        layers = range(next((n for part, n in counts.items() if part in key), 1) if "#" in key else 1)
        for turn, start in (("#even", 0), ("#odd", 1)):
            layers = layers[start::2] if turn in key else layers
        published |= {re.sub("#(even|odd)?", str(index), key): tuple(shape) for index in layers}
    unread = groot_unread(config)
    assert unread <= published.keys()
    # Three of our weights are one of theirs.
    ours = {key: shape for key, shape in published.items() if key not in unread}
    with torch.device("meta"):
        made = config.build().state_dict()
    table = groot_table(config)
    assert {entry.theirs for entry in table.values()} == ours.keys()
    for key, entry in table.items():
        shape = entry.turn(torch.empty(ours[entry.theirs], device="meta")).shape
        assert tuple(made[key].shape) == tuple(shape), key


def test_other_folders_with_the_same_weights_are_read(tmp_path: Path) -> None:
    whole = lerobot(tmp_path / "whole").state_dict()
    weights = load_file(tmp_path / "whole" / "model.safetensors")
    # The words under the name that they are said by; two files; NVIDIA's names and settings.
    renamed = {key.removeprefix("_groot_model."): value for key, value in weights.items()}
    words = renamed.pop("backbone.model.model.language_model.embed_tokens.weight")
    folder = tmp_path / "nvidia"
    folder.mkdir()
    save_file({"backbone.model.lm_head.weight": words}, folder / "model-00001-of-00002.safetensors")
    save_file(renamed, folder / "model-00002-of-00002.safetensors")
    (folder / "config.json").write_text((BASE / "config.json").read_text())
    again = load_groot(folder, vlm=VLM)
    assert (again.config.state_dim, again.config.action_dim, again.config.crop) == (12, 12, 230 / 256)
    for key, value in again.state_dict().items():
        assert torch.equal(value, whole[key])


def test_sizes_are_those_of_the_weights_and_the_settings(tmp_path: Path) -> None:
    config = lerobot(tmp_path).config
    assert (config.vlm_width, config.vlm_layers, config.vlm_heads, config.vlm_kv_heads, config.vlm_mlp) == (
        32,
        2,
        4,
        2,
        64,
    )
    assert (config.vision_width, config.vision_layers, config.patch, config.merge, config.side) == (16, 2, 8, 2, 4)
    assert (config.deep, config.sections, config.image_word, config.base) == ((0,), (2, 1, 1), 250, 10000)
    assert (config.layers, config.heads, config.digest_layers, config.text_every, config.future) == (4, 4, 1, 2, 0)
    assert (config.state_dim, config.action_dim, config.state_room, config.action_room) == (7, 7, 12, 12)
    assert (config.horizon, config.row_room, config.steps, config.embodiments, config.length) == (10, 10, 4, 3, 32)
    assert (config.dropout, config.tune_eye, config.tune_llm, config.reads_padding) == (0.0, False, False, False)


def test_what_does_not_fit_is_refused_with_the_list(tmp_path: Path) -> None:
    lerobot(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    told = json.loads((BASE / "config.json").read_text())

    def load(weights: dict[str, Tensor], **settings: Any) -> None:
        folder = tmp_path / "broken"
        folder.mkdir(exist_ok=True)
        save_file(weights, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(told | settings))
        load_groot(folder, vlm=VLM)

    lacking = {key: value for key, value in weights.items() if not key.endswith("proj_out_1.bias")}
    with pytest.raises(WeightsError, match=r"1 weights.*\n.*missing: action_head.model.proj_out_1.bias"):
        load(lacking)
    with pytest.raises(WeightsError, match=r"1 weights.*\n.*unknown: action_head.mask_token"):
        load(weights | {"action_head.mask_token": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"noise_s is 0.9; known: 0.999"):
        load(weights, noise_s=0.9)
    with pytest.raises(WeightsError, match=r"norm_type is 'layer_norm'; known: 'ada_norm'"):
        load(weights, diffusion_model_cfg=told["diffusion_model_cfg"] | {"norm_type": "layer_norm"})
    with pytest.raises(WeightsError, match="are these the weights of another system"):
        load({"model.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"layers \(5, 11, 17\) of the eye.*give vlm= or deep="):
        load_groot(tmp_path, base=BASE)
    with pytest.raises(WeightsError, match=r"it needs config\.json and model"):
        load_groot(tmp_path / "nowhere")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="damaged"):
        load_groot(tmp_path / "broken")
