"""The numbered examples run as they stand; the two that take minutes or a trained policy only have to load."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("[0-9]*.py"))


def run(name: str, folder: Path, *words: str) -> str:
    (path,) = (p for p in EXAMPLES if p.name.startswith(name))
    said = subprocess.run(
        [sys.executable, str(path), *words], cwd=folder, capture_output=True, text=True, check=False, timeout=400,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return said.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_are_short_and_say_how_to_run_them(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 40
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")


def test_example_1_runs_the_shipped_policy(tmp_path: Path) -> None:
    assert "looked and planned" in run("01", tmp_path)


def test_example_2_records_and_reads(tmp_path: Path) -> None:
    said = run("02", tmp_path, str(tmp_path / "demos"))
    assert "2 episodes" in said
    assert "findings: none" in said


@pytest.mark.slow
def test_example_3_trains_from_nothing_to_a_bundle(tmp_path: Path) -> None:
    assert "parameters for so101" in run("03", tmp_path, str(tmp_path / "run"))


def test_example_4_compares_two_policies(tmp_path: Path) -> None:
    assert "expert is better than hold: 6 of 6 against 0 of 6" in run("04", tmp_path, str(tmp_path / "eval"))
