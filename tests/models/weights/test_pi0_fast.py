"""pi0-FAST with LeRobot's weights says and learns what it does there."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from premotor.core.errors import WeightsError
from premotor.models.batch import Inputs, Targets
from premotor.models.heads.bins import mirrored
from premotor.models.systems.pi0_fast import Pi0Fast, Pi0FastConfig
from premotor.models.weights.fast import load_fast
from premotor.models.weights.pi0_fast import load_lerobot, pi0_fast_table

from .checkpoint import make

FOLDER = Path(__file__).parents[2] / "golden" / "pi0_fast"
HEAD, WORDS = "lm_head.weight", "model.language_model.embed_tokens.weight"


def load(folder: Path) -> Pi0Fast:
    # What the reference's small tokenizer makes of "Action: " and "|".
    ids = {"opening": (2, 37, 71, 88, 77, 83, 82, 30, 225), "closing": (96, 1)}
    return load_lerobot(folder, load_fast(FOLDER / "fast"), vision_heads=4, **ids)


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(FOLDER / "golden.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


@pytest.fixture
def policy(tmp_path: Path) -> Pi0Fast:
    return load(make(FOLDER, tmp_path))


def inputs(golden: dict[str, Tensor], part: str) -> Inputs:
    return Inputs(
        images={c: golden[f"{part}/observation.images.{c}"].movedim(1, 3) * 255 for c in ("front", "wrist")},
        words=golden[f"{part}/observation.language.tokens"],
        words_mask=golden[f"{part}/observation.language.attention_mask"],
        state=golden[f"{part}/observation.state"],
        embodiment=torch.zeros(2, dtype=torch.long),
    )


def test_it_says_what_the_reference_says(golden: dict[str, Tensor], policy: Pi0Fast) -> None:
    seen, wanted = inputs(golden, "obs"), golden["infer/token_ids_kv_cache"]
    assert torch.equal(policy.say(seen, 24, as_published=True), wanted)


def test_it_says_what_it_learned_to_say(golden: dict[str, Tensor], policy: Pi0Fast) -> None:
    seen = inputs(golden, "batch")
    said = policy.say(seen, 12)
    begin = torch.full((2, 1), policy.config.opening[0])
    features, _ = policy.vlm.follow(torch.cat([begin, said[:, :-1]], 1), policy.vlm(seen))
    assert torch.equal(policy.scores(features).argmax(-1), said)


def test_it_learns_as_the_reference(golden: dict[str, Tensor], policy: Pi0Fast) -> None:
    actions = golden["batch/action"]
    targets = Targets(actions=actions, weight=torch.ones_like(actions))
    ids, real = policy.sentences(targets)
    wanted, said = golden["batch/action.tokens"], golden["batch/action.token_mask"].bool()
    assert torch.equal(ids[real], wanted[said])
    loss, _ = policy.loss(inputs(golden, "batch"), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(golden["train/loss"]), rel=1e-5)
    table = pi0_fast_table(policy.config)
    grads = {f"model.{table[key].theirs}": p.grad for key, p in policy.named_parameters() if p.grad is not None}
    norm = sum(float(g.double().square().sum()) for g in grads.values()) ** 0.5
    assert norm == pytest.approx(float(golden["train/grad_norm"]), rel=1e-5)
    for key, value in golden.items():
        if "grads/" in key:
            assert float((grads[key.removeprefix("train/grads/")] - value).abs().max()) < 1e-5, key


def test_tokens_stand_for_the_actions_they_were_made_of(golden: dict[str, Tensor], policy: Pi0Fast) -> None:
    for row in range(2):
        ids = golden[f"fast/raw_fast_ids_{row}"]
        start = len(policy.config.opening)
        assert torch.equal(golden["batch/action.tokens"][row, start : start + len(ids)], mirrored(ids, 1024 - 1 - 128))
        codec = load_fast(FOLDER / "fast")
        actions = codec.decode([ids.tolist()], 10, 7)[0]
        assert np.abs(actions - golden["fast/detokenized_ground_truth"][row].numpy()).max() < 1e-6


def test_actions_are_always_a_chunk(golden: dict[str, Tensor], policy: Pi0Fast) -> None:
    actions = policy.sample(inputs(golden, "obs"))
    assert actions.shape == (2, 10, 7)
    assert bool(actions.isfinite().all())
    assert bool(actions.any())


def test_words_that_share_their_weights_are_read_from_either_name(tmp_path: Path) -> None:
    folder = make(FOLDER, tmp_path)
    weights = load_file(folder / "model.safetensors")
    start = "model.paligemma_with_expert.paligemma."
    both = weights | {f"{start}{HEAD}": weights[f"{start}{WORDS}"].clone()}
    found = []
    for lost in ((), (HEAD,), (WORDS,)):
        save_file({k: v for k, v in both.items() if not k.endswith(lost or "?")}, folder / "model.safetensors")
        found.append(load(folder))
    assert all(policy.config.tied for policy in found)
    for key, value in found[0].state_dict().items():
        assert all(torch.equal(value, policy.state_dict()[key]) for policy in found[1:])


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    folder = make(FOLDER, tmp_path)
    weights = load_file(folder / "model.safetensors")
    odd = {"odd.one": weights.pop("model.paligemma_with_expert.paligemma.model.language_model.norm.weight")}
    save_file(weights | odd, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"2 weights(?s:.*)missing: .*language_model\.norm(?s:.*)unknown: odd"):
        load(folder)


def test_published_names_and_shapes_are_ours() -> None:
    config = Pi0FastConfig.published()
    with torch.device("meta"):
        ours = config.build().state_dict()
    # The VLM is pi0's.
    found = json.loads((FOLDER.parent / "pi0_published" / "shapes.json").read_text())["pi0"]
    published: dict[str, tuple[int, ...]] = {}
    for key, shape in found.items():
        count = 27 if "encoder.layers" in key else 18
        if ".paligemma." in key and HEAD not in key:
            published |= {key.replace("#", str(index)): tuple(shape) for index in range(count)}
    assert {e.theirs: tuple(ours[k].shape) for k, e in pi0_fast_table(config).items()} == published
