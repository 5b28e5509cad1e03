"""OpenVLA and OpenVLA-OFT with the references' weights say what these say; what does not fit is refused."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from premotor.core.codec import Normalize
from premotor.core.errors import SpecMismatch, WeightsError
from premotor.models.batch import Inputs, Targets
from premotor.models.heads.bins import Bins, mirrored
from premotor.models.systems.openvla import OpenVla, OpenVlaConfig
from premotor.models.systems.openvla_oft import OpenVlaOft, OpenVlaOftConfig
from premotor.models.weights.openvla import load_openvla, load_openvla_oft, openvla_table, openvla_unread
from premotor.models.weights.openvla_stats import load_openvla_stats

from ..replay import replayed
from .openvla_checkpoint import make_openvla

GOLDEN = Path(__file__).parents[2] / "golden"
OFT = ["openvla_oft", "openvla_oft_film", "openvla_oft_diffusion"]
HEADS = {"dino_heads": 3, "siglip_heads": 4}
PAD, PROMPTS, BINS = 32000, (9, 11), Bins.uniform(255, top=True)

Golden = dict[str, Tensor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a name, made once."""
    root, made = tmp_path_factory.mktemp("openvla"), dict[str, Path]()

    def get(name: str) -> Path:
        if name not in made:
            made[name] = make_openvla(GOLDEN / name, root / name)
        return made[name]

    return get


def recorded(name: str) -> Golden:
    with np.load(GOLDEN / name / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


def gap(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.detach() - theirs).abs().max())


def whole(ids: Tensor) -> Tensor:
    return torch.ones_like(ids, dtype=torch.bool)


def prompts(ids: Tensor, lengths: tuple[int, ...], width: int) -> tuple[Tensor, Tensor]:
    """The prompts in front of the recorded sentences, padded to this width, and where they are real."""
    real = torch.arange(width) < torch.tensor(lengths)[:, None]
    return torch.where(real, ids[:, :width], PAD), real


def spoken(labels: Tensor) -> Tensor:
    """The numbers that recorded words stand for, in order."""
    return BINS.decode(mirrored(labels[(labels > 2) & (labels != PAD)], 31999)).float()


def learns_the_same(policy: OpenVla | OpenVlaOft, loss: Tensor, golden: Golden) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(golden["train/loss"]), rel=1e-5)
    table, grads = openvla_table(policy.config), dict[str, list[Tensor]]()
    for key, weight in policy.named_parameters():
        if weight.grad is not None:
            grads.setdefault(table[key].theirs, []).append(weight.grad)
    norm = sum(float(g.double().square().sum()) for parts in grads.values() for g in parts) ** 0.5
    assert norm == pytest.approx(float(golden["train/grad_norm"]), rel=1e-5)
    wanted = {key.removeprefix("train/grads/").removeprefix("vla."): g for key, g in golden.items() if "grads/" in key}
    assert len(wanted) >= 5
    for name, value in wanted.items():
        name = name.replace("vision_backbone.vision_backbone.", "vision_backbone.")
        # Queries, keys and values are one weight there.
        assert gap(torch.cat(grads[name]).view_as(value), value) < 1e-5, name


def test_openvla_sees_and_says_what_it_said_there(folder: Callable[[str], Path]) -> None:
    golden, policy = recorded("openvla"), load_openvla(folder("openvla"), **HEADS)
    images = golden["in/images"]
    assert gap(policy.vlm.pixels(images), golden["out/pixel_values"]) < 1e-6
    assert gap(policy.vlm.eye(golden["out/pixel_values"]), golden["out/patch_features"]) < 1e-5
    for case in range(2):
        ids = golden[f"in/prompt_ids_{case}"][None]
        inputs = Inputs(
            images={"primary": images[case : case + 1]}, words=ids, words_mask=whole(ids), state=torch.zeros(1, 0),
            embodiment=torch.zeros(1, dtype=torch.long),
        )  # fmt: skip
        assert torch.equal(policy.say(inputs)[0], golden[f"out/action_token_ids_{case}"])
        action = policy.sample(inputs)[0]
        assert gap(action[0].double(), golden[f"out/normalized_actions_{case}"]) < 1e-6
        dataset = ("golden_ds", "golden_nomask")[case]
        stats = load_openvla_stats(folder("openvla"), dataset)["action"]
        said = Normalize(form="quantile", stats=stats).invert(action.double().numpy())[0]
        assert np.abs(said - golden[f"out/actions_{case}"].numpy()).max() < 1e-6


def batch(golden: Golden) -> tuple[Inputs, Targets]:
    """The recorded training batch, in which one robot has only six numbers."""
    words, real = prompts(golden["in/input_ids"], (10, 13), 13)
    actions, weight = torch.zeros(2, 1, 7), torch.ones(2, 1, 7)
    weight[0, 0, 6] = 0
    actions[weight > 0] = torch.cat([spoken(labels) for labels in golden["in/labels"]])
    inputs = Inputs(
        images={"primary": golden["in/images"]}, words=words, words_mask=real, state=torch.zeros(2, 0),
        embodiment=torch.zeros(2, dtype=torch.long),
    )  # fmt: skip
    return inputs, Targets(actions=actions, weight=weight)


def test_openvla_learns_what_it_learned_there(folder: Callable[[str], Path]) -> None:
    golden, policy = recorded("openvla"), load_openvla(folder("openvla"), **HEADS)
    loss, _ = policy.loss(*batch(golden))
    learns_the_same(policy, loss, golden)


def test_neither_the_rest_of_the_batch_nor_padding_matters(folder: Callable[[str], Path]) -> None:
    golden, policy = recorded("openvla"), load_openvla(folder("openvla"), **HEADS)
    inputs, _ = batch(golden)
    both = policy.say(inputs)
    for row, length in enumerate((10, 13)):
        ids = inputs.words[row : row + 1, :length]
        alone = replace(
            inputs, images={"primary": golden["in/images"][row : row + 1]}, words=ids, words_mask=whole(ids),
            embodiment=inputs.embodiment[:1],
        )  # fmt: skip
        assert torch.equal(policy.say(alone)[0], both[row])
        # The tokenizer's last word may be missing, and is put there, in the padding or behind it.
        without = replace(alone, words=ids[:, :-1], words_mask=whole(ids[:, :-1]))
        assert torch.equal(policy.say(without)[0], both[row])


def oft_inputs(policy: OpenVlaOft, golden: Golden, words: Tensor, real: Tensor, rows: slice) -> Inputs:
    """Inputs whose pictures are as they were recorded, after they had been prepared."""
    first = golden["in/pixel_values"][rows, :6]
    policy.vlm.pixels = lambda image: first if image[0, 0, 0, 0] == 0 else golden["in/pixel_values"][rows, 6:]  # type: ignore[method-assign]
    shown = torch.zeros(len(words), 1, 1, 3)
    return Inputs(
        images={"primary": shown, "wrist": shown + 1}, words=words, words_mask=real,
        state=golden["in/proprio_normalized"][rows].float(), embodiment=torch.zeros(len(words), dtype=torch.long),
    )  # fmt: skip


def oft(folder: Path, **sizes: Any) -> OpenVlaOft:
    return load_openvla_oft(folder, horizon=4, padded_film=True, **HEADS, **sizes)


def cases(policy: OpenVlaOft, golden: Golden) -> Iterator[tuple[int, Inputs]]:
    for case in range(2):
        ids = golden[f"in/prompt_ids_{case}"][None]
        yield case, oft_inputs(policy, golden, ids, whole(ids), slice(case, case + 1))


@pytest.mark.parametrize("name", OFT)
def test_oft_acts_as_there(name: str, folder: Callable[[str], Path]) -> None:
    golden, policy = recorded(name), oft(folder(name))
    for case, inputs in cases(policy, golden):
        if name != "openvla_oft_diffusion":
            assert gap(policy.places(policy.asked(inputs))[:, :-1], golden[f"out/action_hidden_{case}"]) < 1e-5
            actions, last = policy.sample(inputs), golden[f"out/normalized_actions_{case}"]
            assert gap(actions, last) < 1e-5
        else:
            asked, last = policy.asked(inputs), golden[f"out/x_steps_{case}"][-1]
            seen = torch.cat([golden["in/noise"][case : case + 1], golden[f"out/x_steps_{case}"]])
            for x, step, noise in zip(seen[:-1], golden["out/timesteps"], golden[f"out/eps_steps_{case}"], strict=True):
                assert gap(policy.chunk(policy.places(asked, x[None], step[None])), noise) < 1e-5
            with replayed([golden["in/noise"][case][None]]):
                actions = policy.sample(inputs)
            # The reference itself differs by up to 1.4e-4 between one thread and two.
            assert gap(actions, last) < 1e-4
        stats = load_openvla_stats(folder(name), "oft_ds", oft=True)
        said = Normalize(form="quantile", stats=stats["action"]).invert(last.double().numpy())
        assert np.abs(said - golden[f"out/actions_{case}"].numpy()).max() < 1e-6
    felt = Normalize(form="quantile", stats=stats["proprio"]).apply(golden["in/proprio_raw"].numpy())
    assert np.abs(felt.clip(-1, 1) - golden["in/proprio_normalized"].numpy()).max() < 1e-9


@pytest.mark.parametrize("name", OFT)
def test_oft_learns_as_there(name: str, folder: Callable[[str], Path]) -> None:
    golden, policy = recorded(name), oft(folder(name))
    # There, a batch has one more column of padding than it needs, and FiLM reads it.
    inputs = oft_inputs(policy, golden, *prompts(golden["in/input_ids"], PROMPTS, 12), slice(None))
    draws = [golden[key] for key in ("in/train_noise", "in/train_timesteps") if key in golden]
    actions = golden["in/gt_actions"]
    with replayed(draws):
        loss, _ = policy.loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    learns_the_same(policy, loss, golden)


@pytest.mark.parametrize("name", OFT[:2])
def test_oft_says_the_words_it_said_there(name: str, folder: Callable[[str], Path]) -> None:
    golden, policy = recorded(name), oft(folder(name), head="words")
    inputs = oft_inputs(policy, golden, *prompts(golden["in/input_ids"], PROMPTS, 12), slice(None))
    actions = torch.stack([spoken(labels).view(4, 7) for labels in golden["in/labels"]])
    loss, _ = policy.loss(inputs, Targets(actions=actions, weight=torch.ones_like(actions)))
    assert float(loss.detach()) == pytest.approx(float(golden["train/discrete_ce_loss"]), rel=1e-5)
    for case, inputs in cases(policy, golden):
        assert torch.equal(policy.say(policy.asked(inputs))[0], golden[f"out/discrete_token_ids_{case}"])
        assert policy.sample(inputs).shape == (1, 4, 7)


def test_film_does_not_read_padding_unless_told_to(folder: Callable[[str], Path]) -> None:
    golden = recorded("openvla_oft_film")
    apart = []
    for padded in (False, True):
        policy = load_openvla_oft(folder("openvla_oft_film"), horizon=4, padded_film=padded, **HEADS)
        words, real = prompts(golden["in/input_ids"], PROMPTS, 12)
        together = policy.sample(oft_inputs(policy, golden, words, real, slice(None)))
        alone = policy.sample(oft_inputs(policy, golden, words[:1, :9], real[:1, :9], slice(0, 1)))
        apart.append(gap(together[:1], alone))
    assert apart[0] < 1e-5
    assert apart[1] > 1e-3


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (OpenVlaConfig.published(), ("vlm", "towers")),
        (OpenVlaOftConfig.published(), ("vlm", "towers", "libero")),
        (replace(OpenVlaOftConfig.published(), head="diffusion"), ("vlm", "towers", "diffusion")),
        (OpenVlaOftConfig.published_aloha(), ("vlm", "towers_film", "aloha")),
    ],
)
def test_published_names_and_shapes_are_ours(config: OpenVlaConfig | OpenVlaOftConfig, parts: tuple[str, ...]) -> None:
    layers = {"fused_featurizer.blocks.#": 27, "featurizer.blocks.#": 24, "layers.#": 32, "mlp_resnet_blocks.#": 2}
    shapes = json.loads((GOLDEN / "openvla_published" / "shapes.json").read_text())
    published: dict[str, Tensor] = {}
    for key, shape in (item for part in parts for item in shapes[part].items()):
        count = next((n for part, n in layers.items() if part in key), 1)
        published |= {key.replace("#", str(i)): torch.empty(shape, device="meta") for i in range(count)}
    if parts == ("vlm", "towers"):
        assert sum(math.prod(weight.shape) for weight in published.values()) == 7_541_237_184
    with torch.device("meta"):
        ours = config.build().state_dict()
    table, unread = openvla_table(config), openvla_unread(config)
    assert unread < published.keys()
    assert {entry.theirs for entry in table.values()} == published.keys() - unread
    for key, entry in table.items():
        assert entry.turn(published[entry.theirs]).shape == ours[key].shape, key


def test_sizes_are_those_of_the_weights(folder: Callable[[str], Path]) -> None:
    config = load_openvla(folder("openvla"), **HEADS).config
    assert (config.image_size, config.patch, config.registers, config.vocabulary, config.spoken) == (
        42,
        14,
        4,
        32064,
        PAD,
    )
    assert (config.dino_width, config.dino_layers, config.dino_mlp) == (24, 3, 96)
    assert (config.siglip_width, config.siglip_layers, config.siglip_mlp) == (32, 3, 119)
    assert (config.width, config.layers, config.heads, config.kv_heads, config.mlp) == (16, 3, 2, 2, 40)
    film = oft(folder("openvla_oft_film")).config
    assert (film.film, film.head, film.state_dim, film.action_dim) == (True, "regression", 8, 7)
    assert oft(folder("openvla_oft_diffusion")).config.head == "diffusion"


def test_weights_in_several_files_and_parts_as_training_wrote_them_are_read(
    folder: Callable[[str], Path], tmp_path: Path
) -> None:
    source = folder("openvla_oft")
    weights = sorted(load_file(source / "model.safetensors").items())
    save_file(dict(weights[::2]), tmp_path / "model-00001-of-00002.safetensors")
    save_file(dict(weights[1::2]), tmp_path / "model-00002-of-00002.safetensors")
    (tmp_path / "config.json").write_text((source / "config.json").read_text())
    for part in ("action_head", "proprio_projector"):
        found = {f"module.{key}": value for key, value in load_file(source / f"{part}.safetensors").items()}
        torch.save(found, tmp_path / f"{part}--150000_checkpoint.pt")
    again = oft(tmp_path).state_dict()
    for key, value in oft(source).state_dict().items():
        assert torch.equal(value, again[key])
    torch.save({}, tmp_path / "action_head--50000_checkpoint.pt")
    with pytest.raises(WeightsError, match="2 files of action_head"):
        oft(tmp_path)


def test_what_does_not_fit_is_refused(folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = folder("openvla")
    told = json.loads((source / "config.json").read_text())
    weights = load_file(source / "model.safetensors")
    weights["odd.one"] = weights.pop("projector.fc2.bias")
    weights["projector.fc1.bias"] = torch.zeros(3)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"needs config\.json"):
        load_openvla(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(WeightsError) as refused:
        load_openvla(tmp_path, **HEADS)
    for part in ("3 weights", "missing: projector.fc2.bias", "unknown: odd.one", "fc1.bias is (3,), not (224,)"):
        assert part in str(refused.value)
    (tmp_path / "config.json").write_text(json.dumps(told | {"use_fused_vision_backbone": False}))
    with pytest.raises(WeightsError, match="use_fused_vision_backbone is False; known: True"):
        load_openvla(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(told | {"text_config": {"rope_theta": 5e5}}))
    with pytest.raises(WeightsError, match=r"rope_theta is 500000\.0; known: 10000\.0"):
        load_openvla(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(told | {"model_type": "llama"}))
    with pytest.raises(WeightsError, match="'llama', not 'openvla'"):
        load_openvla(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(WeightsError, match="damaged"):
        load_openvla(tmp_path)
    with pytest.raises(WeightsError, match="golden_ds, golden_nomask"):
        load_openvla_stats(tmp_path, "bridge")


def test_what_is_not_told_is_not_guessed(folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = folder("openvla_oft")
    with pytest.raises(WeightsError, match="OpenVLA-OFT"):
        load_openvla(source, **HEADS)
    with pytest.raises(WeightsError, match="'vit_golden_a_patch14_siglip' has; give siglip_heads="):
        load_openvla_oft(source, horizon=4, dino_heads=3)
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).symlink_to(source / file)
    with pytest.raises(WeightsError, match=r"no action_head; .* head='words'"):
        oft(tmp_path)
    with pytest.raises(WeightsError, match=r"no proprio_projector; .* state_dim=0"):
        oft(tmp_path, head="words")
    assert oft(tmp_path, head="words", state_dim=0).config.action_dim == 7
    save_file({"model.fc.weight": torch.zeros(1)}, tmp_path / "action_head.safetensors")
    with pytest.raises(WeightsError, match="neither of these: regression, diffusion"):
        oft(tmp_path)


def test_statistics_hold_what_was_not_normalised_or_never_moved(tmp_path: Path) -> None:
    told = {"q01": [-1.0, 0.0, 0.25], "q99": [3.0, 1.0, 0.25], "min": [-4.0, 0.0, 0.25], "max": [4.0, 1.0, 0.25]}
    known = {"data": {"action": told | {"mask": [True, False, True]}}}
    (tmp_path / "dataset_statistics.json").write_text(json.dumps(known))
    values = np.array([[-1.0, 0.5, 0.9], [1.0, 1.0, -1.0]])
    for extremes, end in ((False, 3.0), (True, 4.0)):
        stats = load_openvla_stats(tmp_path, "data", extremes=extremes)["action"]
        said = Normalize(form="quantile", stats=stats).invert(values)
        assert np.abs(said - [[-4.0 if extremes else -1.0, 0.5, 0.25], [end, 1.0, 0.25]]).max() < 2e-6
    (tmp_path / "dataset_statistics.json").write_text(json.dumps({"data": {"action": {"q01": [0.0]}}}))
    with pytest.raises(WeightsError, match="damaged: KeyError"):
        load_openvla_stats(tmp_path, "data")


def test_features_are_no_words_for_a_vlm_with_its_own() -> None:
    config = OpenVlaConfig.toy()
    with pytest.raises(SpecMismatch, match="give their ids"):
        config.build().sample(replace(config.fake_inputs(1), words=torch.randn(1, config.words)))
