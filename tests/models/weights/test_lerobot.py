"""ACT and Diffusion Policy say what LeRobot 0.6.1 says, with the same weights, pictures and random draws."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.batch import Inputs, Targets
from premotor.models.systems.act import Act
from premotor.models.systems.diffusion_policy import DiffusionPolicy
from premotor.models.weights import lerobot_act, lerobot_diffusion

from ..replay import replayed
from .checkpoint import make

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = ["act", "act_state", "act_plain", "act_deep"]
NAMES += ["diffusion", "diffusion_shared", "diffusion_sample"]

Recorded = dict[str, NDArray[np.float32]]


def recorded(name: str) -> Recorded:
    with np.load(GOLDEN / name / "golden.npz") as file:
        return dict(file)


def load(name: str, folder: Path) -> tuple[Act | DiffusionPolicy, Callable[[str], str]]:
    """The policy, and what the checkpoint calls its weights."""
    if name.startswith("act"):
        return lerobot_act.load(folder), lerobot_act.published_name
    policy = lerobot_diffusion.load(folder)
    return policy, lambda key: lerobot_diffusion.published_name(key, policy.config)


def draws(recorded: Recorded, part: str) -> list[Tensor]:
    """All that the reference drew at random, in order."""
    return [torch.from_numpy(recorded[key]) for key in sorted(recorded) if key.startswith(f"{part}/draw")]


def inputs(policy: Act | DiffusionPolicy, recorded: Recorded, part: str) -> Inputs:
    """What the policy sees, while acting the first moment of an episode."""
    begins = part == "obs" and isinstance(policy, DiffusionPolicy)
    before = policy.config.history - 1 if isinstance(policy, DiffusionPolicy) else 0

    def tensor(key: str) -> Tensor:
        found = torch.from_numpy(recorded[key])
        return torch.stack([*[torch.zeros_like(found)] * before, found], 1) if begins else found

    pictures = {key.rpartition(".")[2]: tensor(key) for key in recorded if key.startswith(f"{part}/observation.image")}
    if any(picture.is_floating_point() for picture in pictures.values()):
        # Recorded after normalisation.
        policy.pixels.mean.zero_()
        policy.pixels.std.fill_(1.0)
    environment = f"{part}/observation.environment_state"
    return Inputs(
        images={name: picture.movedim(-3, -1) for name, picture in pictures.items()},
        words=torch.zeros(2, 0, 0),
        words_mask=torch.zeros(2, 0, dtype=torch.bool),
        state=tensor(f"{part}/observation.state"),
        embodiment=torch.zeros(2, dtype=torch.long),
        moments=torch.tensor([[False] * before + [True]] * 2) if begins else None,
        environment=tensor(environment) if environment in recorded else None,
    )


@pytest.mark.parametrize("name", NAMES)
def test_acts_as_the_reference(name: str, tmp_path: Path) -> None:
    reference = recorded(name)
    policy, _ = load(name, make(GOLDEN / name, tmp_path))
    with replayed(draws(reference, "infer")):
        found = policy.sample(inputs(policy, reference, "obs")).numpy()
    if "infer/actions" in reference:
        assert found.shape == reference["infer/actions"].shape
        np.testing.assert_allclose(found, reference["infer/actions"], rtol=0, atol=1e-5)
    else:
        for row in range(3):
            np.testing.assert_allclose(found[:, row], reference[f"infer/select_{row}"], rtol=0, atol=1e-5)


def test_acts_as_the_reference_without_fresh_noise(tmp_path: Path) -> None:
    reference, folder = recorded("diffusion"), make(GOLDEN / "diffusion", tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"noise_scheduler_type": "DDIM"}))
    policy = lerobot_diffusion.load(folder)
    with replayed(draws(reference, "infer")[:1]):
        found = policy.sample(inputs(policy, reference, "obs")).numpy()
    for row in range(3):
        np.testing.assert_allclose(found[:, row], reference[f"ddim/select_{row}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_learns_as_the_reference(name: str, tmp_path: Path) -> None:
    reference = recorded(name)
    policy, published = load(name, make(GOLDEN / name, tmp_path))
    real = ~torch.from_numpy(reference["batch/action_is_pad"])
    actions = torch.from_numpy(reference["batch/action"])
    targets = Targets(actions=actions, weight=real[..., None].float().expand_as(actions))
    with replayed(draws(reference, "train")):
        loss, _ = policy.train().loss(inputs(policy, reference, "batch"), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(float(reference["train/loss"]), rel=1e-5)
    grads = {published(key): p.grad for key, p in policy.named_parameters() if p.grad is not None}
    norm = sum(float(g.double().square().sum()) for g in grads.values()) ** 0.5
    assert norm == pytest.approx(float(reference["train/grad_norm"]), rel=1e-4)
    stored = [key.removeprefix("train/grads/") for key in reference if key.startswith("train/grads/")]
    assert len(stored) >= 3
    for key in stored:
        wanted = reference[f"train/grads/{key}"]
        scale = max(float(np.abs(wanted).max()), 1e-3 * norm)
        np.testing.assert_allclose(grads[key].numpy(), wanted, rtol=0, atol=1e-4 * scale, err_msg=key)


@pytest.mark.parametrize("name", ["act", "diffusion"])
def test_everything_that_does_not_fit_is_listed(name: str, tmp_path: Path) -> None:
    folder = make(GOLDEN / name, tmp_path)
    weights = load_file(folder / "model.safetensors")
    lost, cut = sorted(key for key in weights if key.endswith(".bias"))[:2]
    weights["odd.one"] = weights.pop(lost)
    weights[cut] = weights[cut][1:].clone()
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(WeightsError) as refused:
        load(name, folder)
    for part in ("3 weights", f"missing: {lost}", "unknown: odd.one", f"{cut} is ({len(weights[cut])},), not"):
        assert part in str(refused.value)


@pytest.mark.parametrize("name", ["act", "diffusion"])
def test_a_damaged_or_foreign_folder_is_refused(name: str, tmp_path: Path) -> None:
    folder = make(GOLDEN / name, tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        load(name, folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "model.safetensors").write_bytes(whole)
    (folder / "config.json").write_text(json.dumps(settings | {"type": "other"}))
    with pytest.raises(WeightsError, match="'other', not"):
        load(name, folder)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        load(name, folder)


def test_pictures_are_normalised_as_the_checkpoint_says(tmp_path: Path) -> None:
    folder = make(GOLDEN / "act", tmp_path)
    assert lerobot_act.load(folder).config.pixel_mean == pytest.approx((0.485 * 255, 0.456 * 255, 0.406 * 255))
    table = {
        f"observation.images.{camera}.{part}": torch.full((3, 1, 1), value)
        for camera, value in (("front", 0.5), ("wrist", 0.25))
        for part in ("mean", "std")
    }
    save_file(table, folder / "policy_preprocessor_step_3_normalizer_processor.safetensors")
    policy = lerobot_act.load(folder)
    white = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    assert policy.pixels(white, 0).max().item() == pytest.approx(1.0)
    assert policy.pixels(white, 1).max().item() == pytest.approx(3.0)


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    folder = make(GOLDEN / "diffusion", tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"beta_schedule": "sigmoid"}))
    with pytest.raises(WeightsError, match="beta_schedule is 'sigmoid'; known: 'squaredcos_cap_v2'"):
        lerobot_diffusion.load(folder)
