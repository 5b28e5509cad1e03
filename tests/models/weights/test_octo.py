"""Octo with the reference's weights says what the reference says; weights that do not fit are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.batch import Inputs, Targets
from premotor.models.systems.octo import Octo, OctoConfig
from premotor.models.weights.octo import load_octo, load_octo_text, octo_config, octo_settings, octo_table

from ..replay import replayed

FOLDER = Path(__file__).parents[2] / "golden" / "octo"
CASES = ("lang", "goal", "both")
STEMS = {n: f"octo_transformer/observation_tokenizers_{n}/SmallStem16_0/" for n in ("primary", "wrist", "left")}
BACK: list[tuple[str, Callable[[Tensor, OctoConfig], Tensor]]] = [
    ("time_preprocess/kernel", lambda x, c: x),
    ("pos_embedding", lambda x, c: x[None]),
    ("out/kernel", lambda x, c: x.T.reshape(c.heads, -1, len(x))),
    *((f"{part}/kernel", lambda x, c: x.T.reshape(x.shape[1], c.heads, -1)) for part in ("query", "key", "value")),
    *((f"{part}/bias", lambda x, c: x.view(c.heads, -1)) for part in ("query", "key", "value")),
    ("kernel", lambda x, c: x.permute(2, 3, 1, 0) if x.ndim == 4 else x.T),
    ("", lambda x, c: x),
]


@pytest.fixture(scope="module")
def flat() -> dict[str, Tensor]:
    return load_file(FOLDER / "params.safetensors")


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(FOLDER / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


@pytest.fixture(scope="module")
def octo(flat: dict[str, Tensor]) -> Octo:
    model = json.loads((FOLDER / "config.json").read_text())["octo_spec"]
    return load_octo(flat, octo_config(flat, **octo_settings(model)))


@pytest.fixture(scope="module")
def inputs(flat: dict[str, Tensor], golden: dict[str, Tensor]) -> dict[str, Inputs]:
    text, cameras, made = load_octo_text(flat), ("primary", "wrist"), {}
    for case in CASES:
        end = "_empty" if case == "goal" else ""
        words = text(golden[f"in/lang_ids{end}"].long(), golden[f"in/lang_mask{end}"].bool())
        made[case] = Inputs(
            images={n: golden[f"in/image_{n}"] for n in cameras},
            words=words,
            # All sixteen places are read, words or not; without an instruction none is.
            words_mask=torch.full(words.shape[:2], case != "goal"),
            state=torch.zeros(2, 2, 1),
            embodiment=torch.zeros(2, dtype=torch.long),
            moments=golden["in/timestep_pad_mask"],
            goals={} if case == "lang" else {n: golden[f"in/goal_image_{n}"] for n in cameras},
            present={n: golden[f"in/pad_image_{n}"] for n in cameras},
        )
    return made


def gap(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max())


def test_the_text_encoder_is_the_reference_s(golden: dict[str, Tensor], inputs: dict[str, Inputs]) -> None:
    assert gap(inputs["lang"].words, golden["out/t5_last_hidden"]) < 1e-5


def test_the_noise_schedule_is_the_reference_s(golden: dict[str, Tensor], octo: Octo) -> None:
    assert gap(octo.head.betas, golden["out/betas"]) < 1e-6
    assert gap(octo.head.kept, golden["out/alpha_hats"]) < 1e-6


@torch.no_grad()
def test_the_stem_is_the_reference_s(golden: dict[str, Tensor], octo: Octo, inputs: dict[str, Inputs]) -> None:
    pictures = octo._stack(inputs["lang"].images["primary"], None)
    assert gap(octo.stems["primary"](pictures).unflatten(0, (2, 2)), golden["out/stem_primary"]) < 1e-4


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_tokens_are_the_reference_s(
    golden: dict[str, Tensor], octo: Octo, inputs: dict[str, Inputs], case: str
) -> None:
    read = octo(inputs[case])
    assert torch.equal(read.mask[:, None], golden[f"out/{case}/attention_mask"])
    for name, tokens in read.tokens.items():
        assert gap(tokens, golden[f"out/{case}/tokens/{name}"]) < 1e-4


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_actions_are_the_reference_s(
    golden: dict[str, Tensor], octo: Octo, inputs: dict[str, Inputs], case: str
) -> None:
    features, mask = octo.features(inputs[case]), torch.ones(2, 2, 4, 7, dtype=torch.bool)
    noise = golden["in/noise_sequence"]
    said = octo.head(features, 0.7 * golden["in/train_noise"], golden["in/train_time"])
    assert gap(said, golden[f"out/{case}/eps_pred"]) < 1e-5
    assert gap(torch.stack(octo.head.sample(features, noise, mask)), golden[f"out/{case}/denoise_full"]) < 1e-4
    with replayed([noise[:, :, -1]]):
        assert gap(octo.sample(inputs[case]), golden[f"out/{case}/actions_full"]) < 1e-5
    mask[..., 5:] = False
    assert gap(torch.stack(octo.head.sample(features, noise, mask)), golden[f"out/{case}/denoise_masked"]) < 1e-4


@torch.no_grad()
def test_a_robot_with_fewer_dimensions_gets_the_reference_s_actions(
    flat: dict[str, Tensor], golden: dict[str, Tensor], octo: Octo, inputs: dict[str, Inputs]
) -> None:
    config = replace(octo.config, embodiments=("seven", "five"), state_dims=(1, 1), action_dims=(7, 5))
    both = load_octo(flat, config)
    with replayed([golden["in/noise_sequence"][:, :, -1]]):
        actions = both.sample(replace(inputs["both"], embodiment=torch.tensor([1, 0])))
    assert gap(actions[0, :, :5], golden["out/both/actions_masked"][0, :, :5]) < 1e-5
    assert gap(actions[1], golden["out/both/actions_full"][1]) < 1e-5
    assert not actions[0, :, 5:].any()


@pytest.mark.parametrize("case", CASES)
def test_learning_is_the_reference_s(
    flat: dict[str, Tensor], golden: dict[str, Tensor], inputs: dict[str, Inputs], case: str
) -> None:
    octo = load_octo(flat, octo_config(flat, horizon=4))
    targets = Targets(actions=golden["in/actions"], weight=golden["in/action_pad_mask"].float())
    with replayed([golden["in/train_time"][None], golden["in/train_noise"][None]]):
        loss, _ = octo.loss(inputs[case], targets)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(golden[f"train/{case}/loss"]), rel=1e-5)
    grads = {name: p.grad for name, p in octo.named_parameters() if p.grad is not None}
    norm = torch.stack([g.double().square().sum() for g in grads.values()]).sum().sqrt()
    assert float(norm) == pytest.approx(float(golden[f"train/{case}/grad_norm"]), rel=1e-4)
    wanted = {k.split("grads/")[1]: v for k, v in golden.items() if k.startswith(f"train/{case}/grads/")}
    table = {entry.theirs: (ours, entry.turn) for ours, entry in octo_table(octo.config, STEMS).items()}
    for theirs, grad in wanted.items():
        ours, turn = table[theirs]
        assert gap(grads[ours], turn(grad)) < 1e-4 * max(1.0, float(grad.abs().max()))


@pytest.mark.parametrize(
    "changes",
    [
        {"cameras": ("wrist",), "image_sizes": (32,), "goals": False},
        {"cameras": ("left", "primary", "wrist"), "image_sizes": (32, 64, 96), "readouts": 3, "horizon": 6},
        {"proprioception": True, "state_dims": (9,), "words": 1, "text_width": 20, "layers": 1, "heads": 4},
        {"patch": 32, "action_dims": (5,), "head_blocks": 1, "time": 8, "moments": 4, "stem": (32, 64)},
    ],
)
def test_weights_of_any_size_are_read(changes: dict[str, object]) -> None:
    one = {"embodiments": ("any",), "state_dims": (1,), "action_dims": (7,), "views": (), "window": 2}
    config = replace(OctoConfig.toy(), **one | {"proprioception": False} | changes)  # type: ignore[arg-type]
    octo = config.build()
    table, flat = octo_table(config, STEMS), {}
    for name, value in octo.state_dict().items():
        theirs = table[name].theirs
        flat[theirs] = next(turn for end, turn in BACK if theirs.endswith(end))(value, config)
    assert octo_config(flat, horizon=config.horizon) == config
    again = load_octo(flat, config).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in octo.state_dict().items())


def test_weights_that_do_not_fit_are_refused(flat: dict[str, Tensor], octo: Octo) -> None:
    name = "octo_transformer/obs_wrist_projection/kernel"
    with pytest.raises(
        WeightsError, match=r"1 weights do not fit.*\n  missing: octo_transformer/obs_wrist_projection/kernel"
    ):
        load_octo({k: v for k, v in flat.items() if k != name}, octo.config)
    with pytest.raises(WeightsError, match="unknown: heads_value/kernel"):
        load_octo(flat | {"heads_value/kernel": torch.zeros(1)}, octo.config)
    with pytest.raises(WeightsError, match=r"obs_wrist_projection/kernel is \(48, 3\), not \(48, 48\)"):
        load_octo(flat | {name: torch.zeros(3, 48)}, octo.config)
    with pytest.raises(WeightsError, match=r"obs_wrist_projection/kernel is \(5,\), not"):
        load_octo(flat | {name: torch.zeros(5)}, octo.config)
    with pytest.raises(WeightsError, match="not the weights of an Octo"):
        octo_config({"model.weight": torch.zeros(1)}, horizon=4)
    with pytest.raises(WeightsError, match=r"cameras \['primary', 'wrist'\]"):
        octo_config(flat, horizon=4, cameras=("primary", "left"))
    with pytest.raises(WeightsError, match="no T5 encoder"):
        load_octo_text({name: flat[name]})


def test_an_octo_of_other_parts_is_refused() -> None:
    model = json.loads((FOLDER / "config.json").read_text())["octo_spec"]
    model["heads"]["action"]["kwargs"]["use_map"] = True
    with pytest.raises(WeightsError, match="use_map"):
        octo_settings(model)
    model["heads"]["action"] |= {"name": "MSEActionHead", "kwargs": {}}
    with pytest.raises(WeightsError, match="MSEActionHead"):
        octo_settings(model)
    with pytest.raises(WeightsError, match="not the description"):
        octo_settings({})
