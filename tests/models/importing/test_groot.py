"""GR00T's folders, NVIDIA's and LeRobot's, become bundles that do to numbers, pictures and words what is done there."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from premotor.core.errors import PremotorError
from premotor.core.types import Observation
from premotor.models import bundle
from premotor.models.importing.run import Imported, import_checkpoint
from premotor.models.policy import BundlePolicy
from premotor.models.systems.groot import GrootConfig, GrootN15Config
from premotor.models.vision.framing import boxed, fitted, middle
from premotor.models.weights.groot import groot_table

from ..weights.checkpoint import make
from . import folders
from .folders import GOLDEN, robot

PROCESSORS = GOLDEN / "groot_processors"
# As Qwen3-VL's, as far as it matters to a message with pictures.
TEMPLATE = """\
{% for message in messages %}<|im_start|>{{ message.role }}
{% for part in message.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>\
{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
EAGLE = """\
{% for message in messages %}<|im_start|>{{ message.role }}
{% for part in message.content %}{% if part.type == 'image' %}<image-{{ loop.index }}>\
{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def vlm(folder: Path, marks: Mapping[str, int], template: str, config: Path | None) -> Path:
    """The folder of a VLM: its tokenizer, template and settings. Its words are letters."""
    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz0123456789<> \u010a\u0120"
    rest = iter(i for i in range(300) if i not in marks.values())
    told = json.loads(folders.words({}).to_str())
    told["model"]["vocab"] = dict(marks) | {letter: next(rest) for letter in letters}
    told["added_tokens"] = [
        {"id": i, "content": mark, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for mark, i in sorted(marks.items(), key=lambda item: item[1])
    ]  # fmt: skip
    Tokenizer.from_str(json.dumps(told)).save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(template)
    if config:
        shutil.copyfile(config, folder / "config.json")
    return folder


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    marks = {"<|im_start|>": 40, "<|im_end|>": 41, "<|vision_start|>": 42, "<|vision_end|>": 43, "<|image_pad|>": 60}
    return vlm(tmp_path / "qwen", marks, TEMPLATE, GOLDEN / "groot_uneven" / "vlm" / "config.json")


def nvidia(folder: Path, **changes: Any) -> Path:
    """N1.7 with NVIDIA's names. changes: of processor_kwargs."""
    make(GOLDEN / "groot_uneven", folder)
    for name in ("statistics.json", "embodiment_id.json", "processor_config.json"):
        shutil.copyfile(PROCESSORS / "nvidia" / name, folder / name)
    told = json.loads((folder / "processor_config.json").read_text())
    told["processor_kwargs"] |= changes
    (folder / "processor_config.json").write_text(json.dumps(told))
    return folder


def imported(source: Path, where: Path, **rest: Any) -> Imported:
    return import_checkpoint(str(source), where / "b", robot=str(where / "robot.json"), **rest)


def does_as_lerobot(loaded: bundle.Bundle, rows: int) -> None:
    """States are normalised and actions decoded as recorded."""
    codec = loaded.codecs["small"]
    with np.load(PROCESSORS / "golden.npz") as golden:
        state = golden["state"].astype(float)
        assert np.abs(codec.encode_states(state).clip(-1, 1) - golden["state_normalised"]).max() < 1e-5
        said = golden["said"][:, :rows, :7].clip(-1, 1)
        assert np.abs(codec.decode_actions(said, state)[:, :4] - golden["actions"]).max() < 1e-5


def test_nvidia_s_folder(tmp_path: Path, qwen: Path) -> None:
    robot(tmp_path, cameras={"top": (40, 56)})
    source = nvidia(tmp_path / "n17")
    assert imported(source, tmp_path, tokenizer=qwen, cameras={"front": "top"}).shape == (4, 7)
    loaded = bundle.load(tmp_path / "b")
    config = loaded.config
    assert isinstance(config, GrootConfig)
    assert (config.index_of("small"), config.clips, config.resize, config.crop) == (2, True, "area_edge", 0.95)
    assert loaded.lineage["statistics"] == "golden_arm"
    does_as_lerobot(loaded, 4)
    # An oblong picture has 2 x 3 tokens here, and stands before the words.
    words, mask = loaded.words.batch(["Go, up!"], torch.zeros(1, 7))
    said = words[0][mask[0]].tolist()
    assert (said[0], said.count(60), said[-2]) == (40, 6, 41)
    assert torch.equal(words, loaded.words.batch(["go up"], torch.zeros(1, 7))[0])
    policy = BundlePolicy(loaded, "small")
    seen = Observation(
        stamp_ns=5,
        images={"top": np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)},
        state=np.linspace(-3, 3, 7),
        instruction="Go, up!",
    )
    inputs = policy._inputs([seen], [0])
    assert inputs.embodiment.tolist() == [2]
    torch.manual_seed(0)
    wanted = loaded.system.sample(inputs)
    assert float(wanted.abs().max()) <= 1
    chunk = policy.act(seen).actions
    again = loaded.codecs["small"].decode_actions(wanted[0].double().numpy(), seen.state)
    assert np.abs(chunk - again).max() < 1e-5


def test_lerobot_s_folder(tmp_path: Path, qwen: Path) -> None:
    robot(tmp_path, cameras={"front": (40, 56)})
    source = make(GOLDEN / "groot", tmp_path / "l")
    told = json.loads((source / "config.json").read_text())
    told["input_features"].pop("observation.images.wrist")
    (source / "config.json").write_text(json.dumps(told))
    for file in PROCESSORS.glob("policy_*"):
        shutil.copyfile(file, source / file.name)
    shutil.copyfile(GOLDEN / "groot" / "vlm" / "config.json", qwen / "config.json")
    (qwen / "tokenizer.json").write_text((qwen / "tokenizer.json").read_text().replace("60", "250"))
    base = {"tell": {"base": str(GOLDEN / "groot" / "base")}, "tokenizer": qwen}
    assert imported(source, tmp_path, **base).shape == (4, 7)
    loaded = bundle.load(tmp_path / "b")
    assert loaded.config.index_of("small") == 2
    does_as_lerobot(loaded, 4)
    odd = json.loads((source / "policy_preprocessor.json").read_text())
    odd["steps"].append({"registry_name": "groot_pack_inputs_v3"})
    (source / "policy_preprocessor.json").write_text(json.dumps(odd))
    robot(tmp_path / "c", cameras={"front": (40, 56)})
    with pytest.raises(PremotorError, match=r"a step 'groot_pack_inputs_v3', which is not known here \(did you mean"):
        imported(source, tmp_path / "c", **base)


def test_n15_is_told_what_lies_in_its_code(tmp_path: Path) -> None:
    robot(tmp_path, cameras={"front": (40, 56), "wrist": (40, 56)})
    config = GrootN15Config.toy()
    source, system = tmp_path / "n15", config.build()
    (source / "experiment_cfg").mkdir(parents=True)
    table = groot_table(config)
    save_file({table[k].theirs: w.contiguous() for k, w in system.state_dict().items()}, source / "model.safetensors")
    heads = {"action_horizon": 6, "diffusion_model_cfg": {"num_attention_heads": 4, "dropout": 0.0}}
    head = heads | {"vl_self_attention_cfg": {"num_attention_heads": 4, "dropout": 0.0}, "use_alternate_vl_dit": False}
    (source / "config.json").write_text(json.dumps({"model_type": "gr00t_n1_5", "action_head_cfg": head}))
    statistics = json.loads((PROCESSORS / "nvidia" / "statistics.json").read_text())["golden_arm"]
    metadata = {"gr1": {"statistics": statistics, "modalities": {"video": {"front_view": {}, "wrist_view": {}}}}}
    (source / "experiment_cfg" / "metadata.json").write_text(json.dumps(metadata))
    marks = {"<|im_start|>": 40, "<|im_end|>": 41, "<img>": 42, "</img>": 43, "<IMG_CONTEXT>": 63}
    asked: dict[str, Any] = {"tokenizer": vlm(tmp_path / "eagle", marks, EAGLE, None)}
    eagle = {"text_config": {}, "vision_config": {"num_attention_heads": 4}, "image_token_index": 63}
    (tmp_path / "eagle" / "config.json").write_text(json.dumps(eagle))
    with pytest.raises(PremotorError, match=r"--tell state=\.\.\. action=\.\.\. normalised=\.\.\."):
        imported(source, tmp_path, **asked)
    asked["tell"] = {"state": "arm,hand", "action": "arm,hand", "normalised": "extremes"}
    with pytest.raises(PremotorError, match=r"order of its cameras.*of front_view, wrist_view"):
        imported(source, tmp_path, **asked)
    asked["cameras"] = {"front_view": "front", "wrist_view": "wrist"}
    with pytest.raises(PremotorError, match="there are 3, and one for each"):
        imported(source, tmp_path, **asked)
    asked["tell"]["embodiment"] = "1"
    assert imported(source, tmp_path, **asked).shape == (6, 7)
    loaded = bundle.load(tmp_path / "b")
    told = statistics["action"]
    low, high = (np.concatenate([told[group][end] for group in ("arm", "hand")]) for end in ("min", "max"))
    said = loaded.codecs["small"].decode_actions(np.full((1, 7), 0.5), np.zeros(7))[0]
    assert np.abs(said - (0.75 * (high - low) + low)).max() < 1e-5
    words, mask = loaded.words.batch(["Go up"], torch.zeros(1, 7))
    assert words[0][mask[0]].tolist().count(63) == 2 * 16


@pytest.mark.parametrize(("name", "crop", "how"), [("edge", 0.95, ""), ("boxed", 1.0, "boxed"), ("square", 0.9, "")])
def test_pictures_are_shown_as_albumentations_does(name: str, crop: float, how: str) -> None:
    with np.load(PROCESSORS / "golden.npz") as golden:
        picture = torch.from_numpy(golden[f"{name}/in"]).permute(2, 0, 1)[None]
        wanted = golden[f"{name}/out"].astype(int)
    shown = fitted(boxed(picture) if how else picture, 20, "area_edge")
    shown = fitted(middle(shown, crop, "area_edge"), 20, "area_edge") if crop < 1 else shown
    found = shown[0].permute(1, 2, 0).numpy().astype(int)
    assert found.shape == wanted.shape
    # OpenCV rounds its weights before it draws out.
    assert np.abs(found - wanted).max() <= 1


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "pose": ({}, "'arm' is relative to the state as a pose, not known here"),
    "lack": ({}, r"lacks state\.hand\.q01"),
    "sincos": ({"apply_sincos_state_encoding": True}, "apply_sincos_state_encoding is set, which is not known here"),
    "past": ({}, r"video is looked at at \[-1, 0\]; known: \[0\]"),
    "tag": ({}, "has no statistics, so what it says means nothing"),
    "number": ({}, "which embodiment 'golden_arm' is: --tell embodiment=NUMBER"),
    "template": ({}, r"has no chat template.*--tokenizer FOLDER"),
    "words": ({}, "another model's tokenizer"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_known_is_refused(case: str, tmp_path: Path, qwen: Path) -> None:
    changes, said = CASES[case]
    robot(tmp_path, cameras={"front": (40, 56)})
    source = nvidia(tmp_path / "n17", **changes)
    told, numbers = (json.loads((source / f).read_text()) for f in ("processor_config.json", "statistics.json"))
    modality = told["processor_kwargs"]["modality_configs"]["golden_arm"]
    match case:
        case "pose":
            modality["action"]["action_configs"][0] |= {"type": "EEF", "format": "XYZ_ROT6D"}
        case "lack":
            numbers["golden_arm"]["state"]["hand"].pop("q01")
        case "past":
            modality["video"]["delta_indices"] = [-1, 0]
        case "tag":
            numbers = {}
        case "number":
            (source / "embodiment_id.json").unlink()
        case "template":
            (qwen / "chat_template.jinja").unlink()
        case "words":
            text = (qwen / "tokenizer.json").read_text()
            (qwen / "tokenizer.json").write_text(text.replace("60", "61"))
    (source / "processor_config.json").write_text(json.dumps(told))
    (source / "statistics.json").write_text(json.dumps(numbers))
    with pytest.raises(PremotorError, match=f"(?s){said}"):
        imported(source, tmp_path, tokenizer=qwen)
    assert not (tmp_path / "b").exists()
