"""Numbers are normalised as the checkpoint's own code does, and prompts tokenized as there."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from premotor.core.errors import WeightsError
from premotor.models.importing.ask import Ask
from premotor.models.importing.lerobot import numbers
from premotor.models.importing.statistics import between, gauss, untouched
from premotor.models.language.words import PromptWords, WordsConfig

from .folders import PROCESSORS, lerobot, robot, smolvlm


@pytest.mark.parametrize("name", ["act", "pi05", "pi0_fast", "smolvla"])
def test_lerobot_s_processors_and_ours_agree(name: str, tmp_path: Path) -> None:
    spec = robot(tmp_path, cameras={"front": (64, 64), "wrist": (64, 64)})
    _, codec, _ = numbers(Ask(folder=lerobot(name, tmp_path / name), robot=spec), name)
    with np.load(PROCESSORS / name / "golden.npz") as golden:
        assert (
            np.abs(codec.encode_states(golden["in/observation.state"]) - golden["out/observation.state"]).max() < 1e-5
        )
        states = np.zeros((2, 7))
        assert np.abs(codec.encode_actions(golden["in/action"], states) - golden["out/action"]).max() < 1e-5
        said = codec.decode_actions(golden["post/in"][:, None], states)[:, 0]
        assert np.abs(said - golden["post/out"]).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "prompt"), [("pi05", "pi05"), ("pi0_fast", "pi0_fast_lerobot"), ("smolvla", "smolvla")]
)
def test_prompts_become_lerobot_s_ids(name: str, prompt: str) -> None:
    shared = Tokenizer.from_file(str(PROCESSORS / "tokenizer" / "tokenizer.json"))
    tokenizer = smolvlm() if name == "smolvla" else shared
    words = PromptWords(WordsConfig(kind="ids", prompt=prompt, length=200), tokenizer)
    told = json.loads((PROCESSORS / name / "text.json").read_text())
    with np.load(PROCESSORS / name / "golden.npz") as golden:
        ids, mask = words.batch(told["task_in"], torch.from_numpy(golden["out/observation.state"]))
        wanted = golden["out/observation.language.tokens"]
        real = golden["out/observation.language.attention_mask"].astype(bool)
    for row in range(2):
        assert ids[row][mask[row]].tolist() == wanted[row][real[row]].tolist()


def test_actions_relative_to_the_state_are_told_by_the_pipeline(tmp_path: Path) -> None:
    spec, folder = robot(tmp_path), lerobot("pi0", tmp_path / "pi0")
    told = json.loads((folder / "policy_preprocessor.json").read_text())
    names = [f"j{i}" for i in range(6)] + ["left_gripper"]
    relative = {"enabled": True, "exclude_joints": ["gripper"], "action_names": names}
    told["steps"].insert(2, {"registry_name": "relative_actions_processor", "config": relative})
    (folder / "policy_preprocessor.json").write_text(json.dumps(told))
    _, codec, _ = numbers(Ask(folder=folder, robot=spec), "pi0")
    state = np.arange(7.0)
    moved = codec.decode_actions(np.zeros((1, 7)), state) - codec.decode_actions(np.zeros((1, 7)), np.zeros(7))
    assert moved[0].tolist() == [0, 1, 2, 3, 4, 5, 0]


def test_a_base_model_takes_the_statistics_of_a_dataset(tmp_path: Path) -> None:
    spec, folder = robot(tmp_path, state=5, action=4), lerobot("pi0", tmp_path / "pi0")
    stats = {
        feature: {"mean": list(range(size)), "std": [0.5] * size}
        for feature, size in (("observation.state", 5), ("action", 4))
    }
    (tmp_path / "data" / "meta").mkdir(parents=True)
    (tmp_path / "data" / "meta" / "stats.json").write_text(json.dumps(stats))
    _, codec, facts = numbers(Ask(folder=folder, robot=spec, stats=str(tmp_path / "data")), "pi0")
    assert codec.decode_actions(np.ones((1, 4)), np.zeros(5))[0] == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=1e-6)
    assert facts["statistics"].endswith("stats.json")
    with pytest.raises(WeightsError, match="one set of statistics of its own"):
        numbers(Ask(folder=folder, robot=spec, stats="bridge"), "pi0")


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0, 1e3)), min_size=1, max_size=8))
def test_normalising_can_be_undone(pairs: list[tuple[float, float]]) -> None:
    low, spread = (np.array(values) for values in zip(*pairs, strict=True))
    for step in (gauss(low, spread, eps=1e-8), between(low, low + spread), untouched(len(pairs))):
        values = low + 0.3 * spread
        assert np.allclose(step.invert(step.apply(values)), values, rtol=1e-9, atol=1e-9)
    assert np.allclose(between(low, low + spread).invert(np.full(len(pairs), -1.0)), low, atol=1e-9)
    assert np.allclose(gauss(low, spread).invert(np.zeros(len(pairs))), low, atol=1e-9)


def test_what_hardly_varies_is_said_as_what_it_is() -> None:
    # A network that errs a little about a constant must not move it.
    assert gauss([3.0], [0.0]).invert(np.array([0.5]))[0] == pytest.approx(3.0, abs=1e-5)
    assert between([3.0], [3.0]).invert(np.array([0.5]))[0] == pytest.approx(3.0, abs=1e-5)


def test_numbers_that_cannot_be_statistics_are_refused() -> None:
    with pytest.raises(WeightsError, match="must be finite"):
        gauss([0.0, np.nan], [1.0, 1.0])
    with pytest.raises(WeightsError, match="below the lowest"):
        between([1.0], [0.0])
