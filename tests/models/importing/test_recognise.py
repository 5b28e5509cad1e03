"""A folder is what its own files say, or it is refused with what was looked for."""

import json
from pathlib import Path

import pytest

from premotor.core.errors import WeightsError
from premotor.models.importing.recognise import READERS, reader, recognise

TOLD: dict[str, dict[str, object]] = {
    "lerobot act": {"type": "act", "input_features": {}},
    "lerobot diffusion": {"type": "diffusion", "input_features": {}},
    "lerobot groot": {"type": "groot", "input_features": {}},
    "lerobot pi0": {"type": "pi0", "input_features": {}, "paligemma_variant": "gemma_2b"},
    "lerobot pi05": {"type": "pi05", "input_features": {}},
    "lerobot pi0_fast": {"type": "pi0_fast", "input_features": {}},
    "lerobot smolvla": {"type": "smolvla", "input_features": {}},
    "octo": {"model": {"observation_tokenizers": {}}},
    "openpi": {"paligemma_variant": "gemma_2b", "action_horizon": 50},
    "transformers Gr00tN1d7": {"model_type": "Gr00tN1d7", "model_name": "nvidia/Cosmos-Reason2-2B"},
    "transformers gr00t_n1_5": {"model_type": "gr00t_n1_5"},
    "transformers openvla": {"model_type": "openvla"},
    "transformers openvla with parts": {"model_type": "openvla"},
}


def told(folder: Path, config: object) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", READERS)
def test_each_layout_is_known_by_its_files(name: str, tmp_path: Path) -> None:
    if name.endswith("parts"):
        (tmp_path / "action_head--150000_checkpoint.pt").touch()
    assert recognise(told(tmp_path, TOLD[name])) == name
    assert callable(reader(name))


def test_a_folder_that_openpi_trained_has_no_config(tmp_path: Path) -> None:
    (tmp_path / "assets" / "libero").mkdir(parents=True)
    (tmp_path / "assets" / "libero" / "norm_stats.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    assert recognise(tmp_path) == "openpi"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, r"(?s)no checkpoint that is known here\. Looked for:.*LeRobot.*OpenVLA.*openpi.*Octo.*found: config.json"),
        ({"type": "atc", "input_features": {}}, r"'lerobot atc', which is not known here \(did you mean 'lerobot act'"),
        ({"model_type": "llama"}, r"'transformers llama', which is not known here"),
        (TOLD["lerobot act"] | TOLD["octo"], r"ambiguous: its files are those of lerobot act and of octo"),
        ([1], "holds a list"),
    ],
)
def test_what_is_not_known_for_certain_is_refused(config: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=said):
        recognise(told(tmp_path, config))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("manifest.json", "a premotor bundle already"),
        ("adapter_config.json", "an adapter alone"),
        ("params/_METADATA", "convert_jax_model_to_pytorch"),
        ("pretrained_model/config.json", "pretrained_model"),
    ],
)
def test_what_is_often_given_instead_is_named(file: str, said: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("{}")
    with pytest.raises(WeightsError, match=said):
        recognise(tmp_path)


def test_a_damaged_description_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"config\.json is damaged"):
        recognise(tmp_path)
