"""GR00T N1.7 and N1.5 with LeRobot's and NVIDIA's weights say what these say; what does not fit is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from premotor.models.batch import Inputs, Targets
from premotor.models.heads.groot_flow import GrootFlow, GrootFlowConfig
from premotor.models.language import qwen
from premotor.models.systems.groot import Groot, GrootN15Config
from premotor.models.weights.groot import groot_table, load_groot
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


def lerobot(folder: Path, **sizes: bool) -> Groot:
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
        out=20, digest_layers=2, digest_heads=3, future=4, length=32, text_every=0, dropout=0.2, state_dropout=0.0,
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
