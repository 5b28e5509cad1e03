"""RoboVLMs' heads with the reference's weights act and learn as there; what does not fit is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from premotor.core.errors import SpecMismatch, WeightsError
from premotor.models.heads.policy import ArmAndGripper, Memorised
from premotor.models.language.prismatic import agreement
from premotor.models.systems.robovlms import RoboVlms, RoboVlmsConfig
from premotor.models.weights.paligemma import SPOKEN, WORDS
from premotor.models.weights.robovlms import head_entry, load_robovlms, robovlms_config, robovlms_table
from premotor.models.weights.table import Entry, fill

from .robovlms_checkpoint import made_head

GOLDEN = Path(__file__).parents[2] / "golden"
HEADS = ["fc", "lstm", "gpt"]
TOY = replace(RoboVlmsConfig.toy(), backbone="paligemma")
TOLD = {
    "robovlm_name": "RoboPaligemma", "use_hand_rgb": False, "window_size": 8, "fwd_pred_next_n": 10,
    "arm_gripper_loss_ratio": 0.01,
    "act_head": {"type": "LSTMDecoder", "hidden_size": 1024, "action_dim": 7, "latent": 1, "history_type": "post"},
}  # fmt: skip

Golden = dict[str, Tensor]


def recorded(kind: str) -> tuple[Golden, dict[str, Any]]:
    folder = GOLDEN / f"robovlms_{kind}"
    with np.load(folder / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}, json.loads((folder / "config.json").read_text())


class Head(nn.Module):
    """What was recorded: memory and the two ends."""

    def __init__(self, kind: Any, told: dict[str, Any]) -> None:
        super().__init__()
        sizes, self.window = told["kw"], told["window"]
        width, latent = sizes["hidden_size"], sizes["latent"]
        layers = sizes.get("num_layers", 8)
        self.memory = Memorised(kind, sizes["in_features"], width, layers=layers, window=self.window, latent=latent)
        self.head = ArmAndGripper(width * latent, (1024, 512, 256), sizes["fwd_pred_next_n"], sizes["action_dim"])

    def table(self) -> dict[str, Entry]:
        return {key: head_entry(key) for key in self.state_dict()}


def loaded(kind: str) -> tuple[Head, Golden]:
    golden, told = recorded(kind)
    made = Head(kind, told)
    return fill(made, made_head(GOLDEN / f"robovlms_{kind}"), made.table(), kind), golden


def gap(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.detach() - theirs).abs().max())


@pytest.mark.parametrize("kind", HEADS)
def test_a_window_is_acted_on_as_there(kind: str) -> None:
    head, golden = loaded(kind)
    tokens = golden["in/tokens"]
    arm, gripper = head.head(head.memory(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool)))
    assert gap(arm, golden["out/window_arm"]) < 1e-5
    assert gap(gripper[..., None], golden["out/window_gripper"]) < 1e-5


@pytest.mark.parametrize("kind", HEADS[1:])
def test_what_was_remembered_is_what_a_stream_leaves_behind_there(kind: str) -> None:
    head, golden = loaded(kind)
    for row in range(2):
        stream, window = golden["in/stream"][row], head.window
        for now in range(len(stream)):
            seen = stream[max(0, now + 1 - window) : now + 1]
            # Before the episode there was nothing, whatever is shown of it.
            tokens = torch.cat([torch.full((window - len(seen), *seen.shape[1:]), 9.0), seen])[None]
            real = torch.arange(window)[None] >= window - len(seen)
            arm, gripper = head.head(head.memory(tokens, real)[:, -1])
            assert gap(arm, golden[f"out/stream{row}_arm"][:, now]) < 1e-5, now
            assert gap(gripper[..., None], golden[f"out/stream{row}_gripper"][:, now]) < 1e-5, now


@pytest.mark.parametrize("kind", HEADS)
def test_heads_learn_as_there(kind: str) -> None:
    head, golden = loaded(kind)
    tokens, arm, mask = golden["in/tokens"], golden["in/label_arm"], golden["in/mask"]
    for weight, name in ((torch.ones_like(mask), "train/nomask_"), (mask, "train/")):
        head.zero_grad()
        x = head.memory(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool))
        parts = head.head.loss(x, arm, golden["in/label_gripper"], weight[..., None].expand_as(arm), weight)
        for part, theirs in zip(parts, ("loss_arm", "loss_gripper", "acc_gripper"), strict=True):
            assert float(part.detach()) == pytest.approx(float(golden[name + theirs]), rel=1e-5)
    total = parts.arm + 0.01 * parts.gripper
    total.backward()  # type: ignore[no-untyped-call]
    assert float(total.detach()) == pytest.approx(float(golden["train/loss_total"]), rel=1e-5)
    found: dict[str, list[Tensor]] = {}
    for key, weight in head.named_parameters():
        assert weight.grad is not None
        found.setdefault(head.table()[key].theirs, []).append(weight.grad)
    norm = sum(float(g.double().square().sum()) for parts in found.values() for g in parts) ** 0.5
    assert norm == pytest.approx(float(golden["train/grad_norm"]), rel=1e-4)
    for key in (key for key in golden if "/grads/" in key):
        # GPT-2's queries, keys and values are one matrix, which stands the other way round.
        ours = torch.cat(found[key.removeprefix("train/grads/")])
        assert gap(ours.T if "c_attn" in key else ours, golden[key]) < 1e-5, key


def test_words_are_scored_as_there() -> None:
    golden, _ = recorded("discrete")
    total, _ = agreement(golden["in/logits"], golden["in/labels"])
    assert float(total) == pytest.approx(float(golden["train/loss_arm"]), rel=1e-5)


@pytest.mark.parametrize("kind", HEADS)
def test_published_names_and_shapes_are_ours(kind: str) -> None:
    told: Any = {"fc": "FCDecoder", "lstm": "LSTMDecoder", "gpt": "GPTDecoder"}[kind]
    config = robovlms_config(TOLD | {"act_head": TOLD["act_head"] | {"type": told}})  # type: ignore[operator]
    if kind == "lstm":
        assert config == replace(RoboVlmsConfig.published(), head="lstm")
    head = json.loads((GOLDEN / "robovlms_published" / "shapes.json").read_text())
    whole = json.loads((GOLDEN / "pi0_published" / "shapes.json").read_text())["pi0"]
    whole = {key: s for key, s in whole.items() if ".paligemma." in key and key != SPOKEN}
    whole |= {f"model.act_head.{key}": s for key, s in (head["ends"] | head[kind]).items()}
    layers, published = {"vision_tower": 27, "language_model": 18, "gpt.h": 8}, dict[str, tuple[int, ...]]()
    for key, shape in (whole | {"model.action_token": [2048]}).items():
        count = next((n for part, n in layers.items() if part in key), 1) if "#" in key else 1
        published |= {key.replace("#", str(index)): tuple(shape) for index in range(count)}
    published = {key: s for key, s in published.items() if not key.endswith((".attn.bias", ".masked_bias"))}
    with torch.device("meta"):
        ours = config.build().state_dict()
    table = robovlms_table(config)
    assert {entry.theirs for entry in table.values()} == published.keys()
    for key, entry in table.items():
        assert entry.turn(torch.empty(published[entry.theirs], device="meta")).shape == ours[key].shape, key


def written(config: RoboVlmsConfig) -> tuple[RoboVlms, dict[str, Tensor]]:
    """A system and its weights as they would be published."""
    torch.manual_seed(0)
    system, table = config.build().eval(), robovlms_table(config)
    found: dict[str, list[Tensor]] = {}
    for key, value in system.state_dict().items():
        theirs = table[key].theirs
        turned = ".gpt.h." in theirs and value.ndim > 1
        found.setdefault(theirs, []).append(value.T if turned else value)
    weights = {_old(key): torch.cat(parts, -1).contiguous() for key, parts in found.items()}
    weights["model.action_token"] /= system.vlm.width**0.5
    return system, weights


def _old(key: str) -> str:
    """As before transformers 4.52."""
    ours = "paligemma_with_expert.paligemma.model."
    return key.replace(f"{ours}language_model.", "model.backbone.language_model.model.").replace(
        ours, "model.backbone."
    )


@pytest.mark.parametrize("head", ["lstm", "gpt"])
def test_a_whole_policy_is_read(head: Any, tmp_path: Path) -> None:
    config = replace(TOY, head=head)
    system, weights = written(config)
    if head == "gpt":
        weights |= {f"model.act_head.gpt.h.{i}.attn.bias": torch.ones(1, 1, 4, 4) for i in range(config.layers)}
        weights |= {f"model.act_head.gpt.h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in range(config.layers)}
    weights["model.backbone.language_model.lm_head.weight"] = weights[_old(WORDS)]
    torch.save({"state_dict": weights}, tmp_path / "policy.pt")
    again = load_robovlms(tmp_path / "policy.pt", config)
    for key, value in system.state_dict().items():
        assert gap(again.state_dict()[key], value) < 1e-6, key
    short = {key.removeprefix("model."): w.clone() for key, w in weights.items()}
    save_file(short, tmp_path / "policy.safetensors")
    inputs = config.fake_inputs(2)
    assert torch.equal(load_robovlms(tmp_path / "policy.safetensors", config).sample(inputs), again.sample(inputs))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    _, weights = written(TOY)
    weights["odd"] = weights.pop("model.action_token")
    weights["model.act_head.rnn.bias_hh_l0"] = torch.zeros(3)
    file = tmp_path / "policy.safetensors"
    save_file(weights, file)
    with pytest.raises(WeightsError) as refused:
        load_robovlms(file, TOY)
    for part in ("3 weights", "missing: model.action_token", "unknown: model.odd", "bias_hh_l0 is (3,), not (96,)"):
        assert part in str(refused.value)
    file.write_bytes(b"half")
    with pytest.raises(WeightsError, match="no weights that can be read"):
        load_robovlms(file, TOY)
    with pytest.raises(WeightsError, match=r"'small'.*'paligemma'"):
        robovlms_table(RoboVlmsConfig.toy())


def test_published_configurations_are_cells_of_the_grid() -> None:
    def cell(**head: Any) -> RoboVlmsConfig:
        return robovlms_config(TOLD | {"act_head": {"action_dim": 7, "hidden_size": 512} | head, "use_hand_rgb": True})

    found = cell(type="FCDecoder", history_type="pre")
    assert (found.history, found.action, found.head, found.cameras) == (
        "interleaved",
        "continuous",
        "fc",
        ("hand", "static"),
    )
    found = cell(type="DiscreteDecoder", n_bin=128)
    assert (found.history, found.action, found.says, found.bins) == ("interleaved", "discrete", True, 128)
    assert (cell(type="GPTDecoder").layers, cell(type="LSTMDecoder", num_layers=2).layers) == (8, 2)
    with pytest.raises(WeightsError, match="LSTMDecoder with pre is no cell"):
        cell(type="LSTMDecoder", history_type="pre")
    with pytest.raises(WeightsError, match="'RoboKosMos'"):
        robovlms_config(TOLD | {"robovlm_name": "RoboKosMos"})
    with pytest.raises(WeightsError, match=r"not the configuration of a RoboVLM: KeyError\('act_head'\)"):
        robovlms_config({"robovlm_name": "RoboPaligemma"})
    with pytest.raises(SpecMismatch, match="window=1"):
        robovlms_config(TOLD | {"window_size": 1})
