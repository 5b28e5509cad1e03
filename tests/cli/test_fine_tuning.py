"""`train --from`, `merge` and `quantise` as they are typed."""

import json
from pathlib import Path

import pytest
import torch
from tests.models.test_bundle import small_bundle

from premotor.cli import main
from premotor.models import adapter, bundle
from premotor.models.adapter import LoraConfig


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "base")


REFUSED = {
    "a rank without a bundle": (("train", "--lora", "4"), "--lora and --layers go with --from BUNDLE"),
    "nothing to learn from": (("train", "--from", "BASE"), "--from needs --data FOLDER"),
    "another system": (("train", "--from", "BASE", "--system", "act"), "leave --system and --model out"),
    "no demonstrations": (("train", "--from", "BASE", "--data", "."), "holds no demonstrations"),
    "rank 0": (("train", "--from", "BASE", "--data", "DATA", "--lora", "0"), "rank 0; it must be at least 1"),
    "no such layer": (("train", "--from", "BASE", "--data", "DATA", "--layers", "tail"), "called 'tail'; there are"),
    "no bundle": (("train", "--from", "DATA", "--data", "DATA"), "is not a bundle"),
    "no adapter": (("merge", "DATA", "--base", "BASE", "--out", "out"), "is no adapter: adapter.json is missing"),
    "nothing to quantise": (("quantise", "DATA", "--out", "out"), "is not a bundle"),
    "bits": (("quantise", "BASE", "--bits", "3", "--episodes", "0", "--out", "out"), "choose one of 8, 4"),
    "something there": (("quantise", "BASE", "--out", "DATA"), "exists already; choose another --out"),
    "no such family": (("quantise", "BASE", "--out", "out", "--families", "juggle"), "'juggle' does not exist"),
}


@pytest.mark.parametrize(("words", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_one_clear_message(
    words: tuple[str, ...], told: str, base: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run/data").mkdir(parents=True)
    places = {"BASE": str(base), "DATA": "run"}
    assert main([places.get(word, word) for word in words]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_adapter_is_merged(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("peft", reason="the extra premotor[lora] is not installed")
    config, system = LoraConfig(rank=2), bundle.load(base).system
    torch.manual_seed(0)
    adapter.attach(system, config)
    adapter.save(tmp_path / "a", system, config, bundle.verify(base), {"from": "a test"})
    assert main(["merge", str(tmp_path / "a"), "--base", str(base), "--out", str(tmp_path / "b")]) == 0
    assert "bundle:" in capsys.readouterr().out
    assert bundle.load(tmp_path / "b").lineage["adapter"] == {"from": "a test"}


def test_quantising_reports_what_it_costs(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torchao", reason="the extra premotor[quant] is not installed")
    out = tmp_path / "small"
    assert main(["quantise", str(base), "--bits", "4", "--episodes", "0", "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    report = json.loads((tmp_path / "small.json").read_text())
    assert bundle.load(out).bits == report["bits"] == 4
    assert report["weights_bytes"] == [(f / "model.safetensors").stat().st_size for f in (base, out)]
    assert f"x {report['weights_ratio']:.2f}" in said
    assert all(ms > 0 for ms in report["step_ms"])
    assert "success" not in report
    assert main(["info", str(out)]) == 0
    assert "4 bits" in capsys.readouterr().out
