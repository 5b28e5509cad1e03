"""A public checkpoint becomes a bundle that says what the checkpoint says, or is refused with what is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from premotor.core.errors import BundleError, PremotorError, SpecMismatch, WeightsError
from premotor.core.types import Observation
from premotor.models import bundle
from premotor.models.batch import Inputs
from premotor.models.importing.run import Imported, import_checkpoint
from premotor.models.policy import BundlePolicy
from premotor.models.weights import lerobot as lerobot_weights
from premotor.models.weights import lerobot_act
from premotor.models.weights.smolvla import load_lerobot as load_smolvla

from . import folders
from .folders import lerobot, octo, openpi, openvla, rewritten, robot

PI = {"tell": {"vision_heads": "4"}}
SMOLVLA = {"tell": {"heads": "4", "vision_heads": "4"}}
HEADS = {"dino_heads": "3", "siglip_heads": "4"}
OFT: dict[str, Any] = {
    "tell": {"horizon": "4", "normalised": "quantiles", **HEADS},
    "cameras": {"primary": "front", "wrist": "wrist"},
}
OPENPI = {"base_0_rgb": "front", "left_wrist_0_rgb": "wrist", "right_wrist_0_rgb": "none"}
TWO = {"front": (64, 64), "wrist": (64, 64)}


def imported(source: Path, where: Path, **rest: Any) -> Imported:
    return import_checkpoint(str(source), where / "b", robot=str(where / "robot.json"), **rest)


def observation(where: Path, seed: int = 0) -> Observation:
    spec = next(iter(bundle.load(where / "b").codecs.values())).spec
    rng = np.random.default_rng(seed)
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in spec.cameras}
    return Observation(
        stamp_ns=5, images=images, state=rng.normal(0, 1, len(spec.state)), instruction="pick up the red"
    )


def test_act_says_what_the_checkpoint_says(tmp_path: Path) -> None:
    robot(tmp_path, cameras=TWO)
    source = lerobot("act", tmp_path / "act")
    assert imported(source, tmp_path).shape == (10, 7)
    seen, system = observation(tmp_path), lerobot_act.load(source)
    stats = lerobot_weights.read(source, "act").statistics
    state = (torch.from_numpy(seen.state) - stats["observation.state.mean"]) / (stats["observation.state.std"] + 1e-8)
    loaded = bundle.load(tmp_path / "b")
    chunk = BundlePolicy(loaded, "small").act(seen).actions
    inputs = BundlePolicy(loaded, "small")._inputs([seen], [0])
    assert torch.allclose(inputs.state, state.float()[None], atol=1e-5)
    said = system.sample(inputs)[0] * stats["action.std"] + stats["action.mean"]
    assert np.abs(chunk - said.numpy()).max() < 1e-5
    # Nothing of a weight is lost, and words that nobody reads are not carried.
    for key, value in system.state_dict().items():
        assert torch.equal(loaded.system.state_dict()[key], value), key
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["codecs.json", "manifest.json", "model.safetensors"]
    assert loaded.lineage["imported from"] == str(source)
    assert loaded.lineage["layout"] == "lerobot act"
    assert set(loaded.lineage["sha256"]) >= {"config.json", "model.safetensors"}


def test_statistics_among_the_weights_are_read(tmp_path: Path) -> None:
    robot(tmp_path, cameras=TWO)
    source = lerobot("act", tmp_path / "act")
    chunks = []
    for old in (False, True):
        if old:
            table = lerobot_weights.read(source, "act").statistics

            def move(weights: dict[str, Any], table: Any = table) -> None:
                for feature in ("observation.state", "observation.images.front", "observation.images.wrist", "action"):
                    begin = "unnormalize_outputs" if feature == "action" else "normalize_inputs"
                    for name in ("mean", "std"):
                        key = f"{begin}.buffer_{feature.replace('.', '_')}.{name}"
                        weights[key] = table[f"{feature}.{name}"].numpy()

            rewritten(source, move)
            for file in source.glob("policy_*"):
                file.unlink()
        where = tmp_path / f"old-{old}"
        robot(where, cameras=TWO)
        imported(source, where)
        chunks.append(BundlePolicy(bundle.load(where / "b"), "small").act(observation(where)).actions)
    assert np.array_equal(chunks[0], chunks[1])


@pytest.mark.parametrize("name", ["pi0", "pi05", "pi0_fast"])
def test_a_vlm_brings_its_tokenizer(name: str, tmp_path: Path) -> None:
    robot(tmp_path)
    made = imported(lerobot(name, tmp_path / name), tmp_path, **PI)
    assert made.shape == (10, 7)
    loaded, seen = bundle.load(tmp_path / "b"), observation(tmp_path)
    policy = BundlePolicy(loaded, "small")
    words, mask = loaded.words.batch(["pick up", "pick up the red"], torch.zeros(2, 7))
    assert words[:, 0].tolist() == [2, 2]
    assert mask.sum(1)[1] > mask.sum(1)[0]
    first = policy.act(seen).actions
    assert np.array_equal(first, policy.act(seen).actions)
    assert np.isfinite(first).all()
    with pytest.raises(PremotorError, match="say it in fewer words"):
        loaded.words.batch(["very " * 200], torch.zeros(1, 7))


@pytest.mark.parametrize("cameras", [{}, {"wrist": "none"}])
def test_smolvla_says_what_the_checkpoint_says(cameras: dict[str, str], tmp_path: Path) -> None:
    robot(tmp_path, cameras={"front": (40, 56)} if cameras else None)
    source = lerobot("smolvla", tmp_path / "smolvla")
    assert imported(source, tmp_path, cameras=cameras, **SMOLVLA).shape == (10, 7)
    seen, loaded = observation(tmp_path), bundle.load(tmp_path / "b")
    chunk = BundlePolicy(loaded, "small").act(seen).actions
    stats = lerobot_weights.read(source, "smolvla").statistics
    state = (torch.from_numpy(seen.state) - stats["observation.state.mean"]) / (stats["observation.state.std"] + 1e-8)
    # One id for each byte and nothing around them, but the end of the line.
    ids = folders.smolvlm().encode("pick up the red\n").ids
    assert (len(ids), ids[-1]) == (16, 205)
    black = np.zeros((40, 56, 3), np.uint8)
    inputs = Inputs(
        images={name: torch.from_numpy(seen.images.get(name, black))[None] for name in ("front", "wrist")},
        present={name: torch.tensor([name in seen.images]) for name in ("front", "wrist")},
        words=torch.tensor([ids]),
        words_mask=torch.ones(1, len(ids), dtype=torch.bool),
        state=state.float()[None],
        embodiment=torch.zeros(1, dtype=torch.long),
    )
    system = load_smolvla(source, heads=4, vision_heads=4)
    torch.manual_seed(0)
    said = system.sample(inputs)[0] * stats["action.std"] + stats["action.mean"]
    assert np.abs(chunk - said.numpy()).max() < 1e-5
    for key, value in system.state_dict().items():
        assert torch.equal(loaded.system.state_dict()[key], value), key
    with pytest.raises(PremotorError, match="has 33 tokens with what is told around it, this policy reads 32"):
        loaded.words.batch(["a" * 32], torch.zeros(1, 7))


def test_a_camera_that_the_robot_lacks_is_left_out(tmp_path: Path) -> None:
    robot(tmp_path, state=8, cameras={"top": (32, 32), "wrist": (20, 30)})
    source = openpi("openpi_pi05", tmp_path / "p")
    told = {"relative": "j1,j2", "prompt": "pi05", "vision_heads": "4", "steps": "2"}
    imported(source, tmp_path, tell=told, cameras=OPENPI | {"base_0_rgb": "top"})
    loaded = bundle.load(tmp_path / "b")
    stats = json.loads((source / "assets" / "toy" / "norm_stats.json").read_text())["norm_stats"]["actions"]
    low, high = np.array(stats["q01"][:7]), np.array(stats["q99"][:7])
    state = np.arange(8.0)
    said = loaded.codecs["small"].decode_actions(np.full((1, 7), 0.5), state)[0]
    wanted = 0.75 * (high - low + 1e-6) + low
    wanted[[1, 2]] += state[[1, 2]]
    assert np.abs(said - wanted).max() < 1e-9
    assert tuple(loaded.config.fake_inputs(1).images) == ("top", "wrist")


def test_openvla_and_its_datasets(tmp_path: Path) -> None:
    robot(tmp_path)
    source = openvla("openvla", tmp_path / "v")
    asked: dict[str, Any] = {"tell": HEADS, "cameras": {"primary": "front"}}
    with pytest.raises(WeightsError, match=r"2 data sets; choose one, --stats NAME: golden_ds, golden_nomask"):
        imported(source, tmp_path, **asked)
    with pytest.raises(WeightsError, match=r"'golden_sd' \(did you mean 'golden_ds'"):
        imported(source, tmp_path, stats="golden_sd", **asked)
    assert imported(source, tmp_path, stats="golden_ds", **asked).shape == (1, 7)
    loaded = bundle.load(tmp_path / "b")
    assert loaded.lineage["statistics"] == "golden_ds"
    words, mask = loaded.words.batch(["Push"], torch.zeros(1, 7))
    said = words[0][mask[0]].tolist()
    assert (said[0], len(said)) == (1, 1 + len("In: What action should the robot take to push?\nOut:"))
    assert np.isfinite(BundlePolicy(loaded, "small").act(observation(tmp_path)).actions).all()


def test_oft_is_told_what_only_its_command_line_knew(tmp_path: Path) -> None:
    robot(tmp_path, state=8)
    source = openvla("openvla_oft", tmp_path / "v")
    with pytest.raises(WeightsError, match=r"(?s)--tell horizon=\.\.\. normalised=.*8 for LIBERO.*extremes"):
        imported(source, tmp_path, tell=HEADS)
    with pytest.raises(WeightsError, match="does not tell its cameras"):
        imported(source, tmp_path, tell=OFT["tell"])
    with pytest.raises(WeightsError, match="normalised=best: choose one of quantiles, extremes"):
        imported(source, tmp_path, tell=OFT["tell"] | {"normalised": "best"})
    with pytest.raises(WeightsError, match=r"horizn: .*did you mean 'horizon'"):
        imported(source, tmp_path, tell=OFT["tell"] | {"horizn": "4"}, cameras=OFT["cameras"])
    assert imported(source, tmp_path, **OFT).shape == (4, 7)
    assert bundle.load(tmp_path / "b").lineage["told"]["horizon"] == "4"


def test_octo_brings_its_text_encoder(tmp_path: Path) -> None:
    robot(tmp_path, state=3, cameras={"over": (64, 64), "hand": (32, 32)})
    source = octo(tmp_path / "octo")
    asked: dict[str, Any] = {"cameras": {"primary": "over", "wrist": "hand"}, "stats": "bridge"}
    assert imported(source, tmp_path, **asked).shape == (4, 7)
    loaded, seen = bundle.load(tmp_path / "b"), observation(tmp_path)
    assert loaded.config.ages == (0.1, 0.0)
    red, _ = loaded.words.batch(["pick up the red block"], torch.zeros(1, 3))
    assert red.shape == (1, 16, 32)
    chunk = BundlePolicy(loaded, "small").act(seen).actions
    assert np.isfinite(chunk).all()
    # The gripper was not normalised: it stays as the network says it.
    decoded = loaded.codecs["small"].decode_actions(np.ones((1, 7)), np.zeros(3))[0]
    assert decoded == pytest.approx([0.1 * i + 0.5 for i in range(6)] + [1.0], abs=1e-6)
    robot(tmp_path / "c", state=3, cameras={"over": (64, 64), "hand": (32, 32)})
    with pytest.raises(SpecMismatch, match=r"64 x 64 .* from 'primary'; 'small' gives 32 x 32 from 'hand'"):
        imported(source, tmp_path / "c", **asked | {"cameras": {"primary": "hand", "wrist": "over"}})


def test_diffusion_policy_looks_back_by_control_steps(tmp_path: Path) -> None:
    robot(tmp_path, cameras=TWO)
    made = imported(lerobot("diffusion", tmp_path / "d"), tmp_path)
    loaded = bundle.load(tmp_path / "b")
    assert made.shape == (loaded.config.horizon, 7)
    assert loaded.config.ages == (0.1, 0.0)


def test_openpi_is_told_what_lies_in_its_code(tmp_path: Path) -> None:
    robot(tmp_path)
    source = openpi("openpi_pi0", tmp_path / "p", sets=("droid", "trossen"))
    asked: dict[str, Any] = {"cameras": OPENPI}
    sizes = {"vision_heads": "4", "steps": "2"}
    with pytest.raises(WeightsError, match=r"(?s)--tell relative=\.\.\..*by the robot's names"):
        imported(source, tmp_path, tell=sizes, **asked)
    with pytest.raises(WeightsError, match=r"'hand' is not both an action and a state of 'small'; these are: j0, j1"):
        imported(source, tmp_path, tell=sizes | {"relative": "j0,hand"}, stats="droid", **asked)
    with pytest.raises(WeightsError, match=r"2 data sets; choose one, --stats NAME: droid, trossen"):
        imported(source, tmp_path, tell=sizes | {"relative": "none"}, **asked)
    with pytest.raises(SpecMismatch, match=r"sees base_0_rgb, .*right_wrist_0_rgb=none for one that the robot lacks"):
        imported(source, tmp_path, tell=sizes | {"relative": "none"})
    assert imported(source, tmp_path, tell=sizes | {"relative": "none"}, stats="droid", **asked).shape == (6, 7)
    (source / "config.json").unlink()
    robot(tmp_path / "c")
    with pytest.raises(WeightsError, match=r"--tell horizon="):
        imported(source, tmp_path / "c", tell=sizes, **asked)


def spoilt(case: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """An ACT, SmolVLA or pi0 folder with one thing wrong, and how it is imported."""
    if case in ("action", "size"):
        return lerobot("act", folder), {}
    source = lerobot("smolvla" if case.startswith("smolvla ") else "pi0", folder)
    match case.removeprefix("smolvla "):
        case "nan":
            rewritten(source, lambda w: w["model.state_proj.bias"].__setitem__(0, np.nan))
        case "key":
            rewritten(source, lambda w: w.update(odd=w.pop("model.state_proj.bias")))
        case "shape":
            rewritten(source, lambda w: w.update({"model.state_proj.bias": np.zeros(3, np.float32)}))
        case "stats":
            rewritten(
                source, lambda w: w.pop("action.std"), "policy_preprocessor_step_3_normalizer_processor.safetensors"
            )
        case "badstats":
            rewritten(
                source,
                lambda w: w["action.std"].__setitem__(2, np.inf),
                "policy_preprocessor_step_3_normalizer_processor.safetensors",
            )
        case "step":
            told = json.loads((source / "policy_preprocessor.json").read_text())
            told["steps"].append({"registry_name": "mirror_processor"})
            (source / "policy_preprocessor.json").write_text(json.dumps(told))
        case "tokenizer":
            folders.words({"<unk>": 0, "<s>": 1, "</s>": 2}).save(str(source / "tokenizer.json"))
        case "version":
            told = json.loads((source / "config.json").read_text())
            (source / "config.json").write_text(json.dumps({k: v for k, v in told.items() if k != "chunk_size"}))
        case "notokenizer":
            (source / "tokenizer.json").unlink()
    return source, SMOLVLA if case.startswith("smolvla ") else PI


CASES = {
    "nan": r"1 weights do not fit.*not finite: state_proj\.bias",
    "key": r"2 weights.*missing: state_proj\.bias.*unknown: odd",
    "shape": r"state_proj\.bias is \(3,\), not \(16,\)",
    "stats": r"no statistics of action: action\.std are missing in the checkpoint's own.*--stats FOLDER",
    "badstats": r"statistics: std = .* must be finite",
    "step": r"a step 'mirror_processor' before or after the policy, which is not known here",
    "version": r"looks like lerobot pi0, but its description cannot be read: KeyError\('chunk_size'\)",
    "tokenizer": r"another model's tokenizer: it has the ids .*'<bos>': None",
    "smolvla shape": r"state_proj\.bias is \(3,\), not \(32,\)",
    "smolvla tokenizer": r"another model's tokenizer: it has the ids .*'<\|im_start\|>': None",
    "smolvla notokenizer": r"tokenizer\.json of 'HuggingFaceTB/SmolVLM2-500M-Video-Instruct'.*--tokenizer FILE.*hf d",
    "notokenizer": r"needs tokenizer\.json of 'google/paligemma-3b-pt-224'.*--tokenizer FILE.*hf download google/pali",
    "action": r"7 of state and 7 of action; 'small' has 7 and 6",
    "size": r"pictures of 64 x 64 \(height x width\) from 'front'; 'small' gives 40 x 56",
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_and_nothing_is_left(case: str, tmp_path: Path) -> None:
    robot(tmp_path, action=6 if case == "action" else 7, cameras=TWO if case == "action" else None)
    source, rest = spoilt(case, tmp_path / "folder")
    with pytest.raises(PremotorError, match=f"(?s){CASES[case]}"):
        imported(source, tmp_path, **rest)
    assert not (tmp_path / "b").exists()


def test_a_robot_and_a_place_are_asked_for(tmp_path: Path) -> None:
    source = lerobot("act", tmp_path / "act")
    with pytest.raises(SpecMismatch, match=r"'pandas' is neither one of panda, so101 \(did you mean 'panda'"):
        import_checkpoint(str(source), tmp_path / "b", robot="pandas")
    with pytest.raises(SpecMismatch, match=r"the checkpoint sees front, wrist.*has front, wrist.*--cameras"):
        import_checkpoint(str(source), tmp_path / "b", robot="panda", cameras={"top": "front"})
    with pytest.raises(BundleError, match="exists already"):
        import_checkpoint(str(source), tmp_path, robot="panda")
    with pytest.raises(WeightsError, match=r"no folder, and no id on the Hugging Face hub"):
        import_checkpoint("./not/there", tmp_path / "b", robot="panda")
    assert not (tmp_path / "b").exists()


def test_without_a_network_the_hub_is_said_how_to_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr("premotor.models.importing.hub.snapshot_download", refuse)
    with pytest.raises(WeightsError, match=r"(?s)no network.*hf download lerobot/some_policy --local-dir some_policy"):
        import_checkpoint("lerobot/some_policy", tmp_path / "b", robot="panda")
