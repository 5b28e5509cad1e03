"""Help, verbs and errors, through the real command line."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from premotor import __version__
from premotor.cli.app import VERBS

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_help_answers_within_half_a_second(premotor: Run) -> None:
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        said = premotor("--help")
        taken.append(time.perf_counter() - began)
    assert said.returncode == 0
    assert all(f"  {verb} " in said.stdout for verb in VERBS)
    assert all(len(line) <= 80 for line in said.stdout.splitlines())
    # The best of a few: other tests run on the same cores.
    assert min(taken) < 0.5


def test_nothing_heavy_is_imported_for_help() -> None:
    script = "import sys, premotor.cli; premotor.cli.main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name in ("tyro", "rich", "numpy", "torch", "mujoco"):
        assert f"'{name}'" not in said.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_that_fits_the_terminal(premotor: Run, verb: str) -> None:
    said = premotor(verb, "--help")
    assert said.returncode == 0
    assert f"Example: premotor {verb}" in said.stdout
    # tyro never breaks its line of usage.
    assert max(len(line) for line in said.stdout.splitlines() if not line.startswith("usage")) <= 80
    script = f"import sys; from {VERBS[verb].module} import *; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_version(premotor: Run) -> None:
    assert premotor("--version").stdout.strip() == f"premotor {__version__}"


def test_no_verb_and_unknown_verbs_are_bad_input(premotor: Run) -> None:
    assert premotor().returncode == 2
    said = premotor("rum", "x")
    assert said.returncode == 2
    assert "premotor run" in said.stderr


REFUSED = {
    "empty instruction": (("run", ""), "empty"),
    "10 kB instruction": (("run", "put " * 2500), "10000"),
    "no task": (("run", "hello there"), "pick up the blue cup"),
    "unknown object": (("run", "put the banana in the bowl"), "banana"),
    "unknown robot": (("run", "open the drawer", "--robot", "ur5"), "panda, so101"),
    "policy without a folder": (("run", "open the drawer", "--policy", "nowhere"), "nowhere"),
    "unknown option": (("run", "open the drawer", "--fast"), "--fast"),
    "unknown family": (("record", "--families", "pick_up", "juggle"), "juggle"),
    "no episodes": (("record", "--episodes", "0"), "at least 1"),
    "a suite that does not exist": (("record", "--suite", "calvin"), "metaworld"),
    "people where there are none": (("record", "--suite", "metaworld", "--human", "x"), "LIBERO's demonstrations"),
    "a task of another suite": (("record", "--suite", "libero-goal", "--families", "juggle"), "libero"),
    "a task of no tier": (
        ("eval", "--policy", "expert", "--protocol", "metaworld-ours", "--families", "juggle"),
        "'juggle' does not exist",
    ),
    "unknown recipe": (("train", "--recipe", "cake"), "tiny"),
    "unknown protocol": (("eval", "--protocol", "x"), "quick"),
    "unknown split": (("eval", "--policy", "expert", "--splits", "rain"), "rain"),
    "unknown policy": (("eval", "--policy", "expert", "--against", "nobody"), "nobody"),
    "a race with nobody": (("eval", "--policy", "expert", "--until-clear"), "--against"),
    "an impossible margin": (
        ("eval", "--policy", "expert", "--against", "hold", "--until-clear", "--margin", "5"),
        "margin = 5.0",
    ),
    "equal rates": (("power", "--rates", "0.8", "0.8"), "no number of episodes"),
    "three rates": (("power", "--rates", "0.8", "0.7", "0.6"), "one or two rates"),
    "nothing to rank": (("rank", "nowhere.json"), "does not exist"),
    "no folder": (("info", "nowhere"), "does not exist"),
}


@pytest.mark.parametrize(("words", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_one_clear_message(premotor: Run, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    said = premotor(*words)
    assert said.returncode == 2
    assert told in " ".join(said.stderr.split())
    assert "Traceback" not in said.stderr
    assert len(said.stderr) < 2000
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_neither_bundle_nor_dataset_is_named(premotor: Run, tmp_path: Path) -> None:
    (tmp_path / "stuff").mkdir()
    said = premotor("info", "stuff")
    assert said.returncode == 2
    assert "neither a bundle nor a dataset" in " ".join(said.stderr.split())


def test_a_bundle_with_one_flipped_bit_is_refused(premotor: Run, tmp_path: Path) -> None:
    from premotor.models import bundle
    from premotor.models.systems.premotor import PremotorConfig

    config = PremotorConfig(embodiments=("panda",), state_dims=(17,), action_dims=(7,), stem=8, width=32, horizon=4)
    # Whether the text encoder makes sense is not looked at before every digest was checked.
    for name in ("text.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text("words")
    bundle.save(tmp_path / "b", config.build(), config, {}, tmp_path, {})
    weights = tmp_path / "b" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    for words in (("run", "open the drawer", "--policy", "b"), ("info", "b")):
        said = premotor(*words)
        assert said.returncode == 2
        assert "model.safetensors was altered" in " ".join(said.stderr.split())
        assert "Traceback" not in said.stderr


def test_a_closed_pipe_is_no_error() -> None:
    script = "from premotor.cli import main; raise SystemExit(main(['run', '--help']))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.wait(timeout=60)
    process.stderr.close()
    assert said == ""
