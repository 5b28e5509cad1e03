"""The verbs with a policy that is not the native one: it says nothing of what it believes, and that is said."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from premotor.models import bundle
from premotor.models.systems import config_for
from premotor.robots.embodiment import EMBODIMENTS

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def octo(tmp_path: Path) -> Path:
    """A bundle of an Octo that knows nothing, and looks back at two moments."""
    torch.manual_seed(0)
    specs = [arm.spec for arm in EMBODIMENTS.values()]
    config = config_for("octo", specs, "toy")
    bundle.save(tmp_path / "octo", config.build(), config, bundle.load(bundle.DEFAULT).codecs, bundle.DEFAULT, {})
    return tmp_path / "octo"


def test_run_and_info_take_any_system(premotor: Run, octo: Path, tmp_path: Path) -> None:
    ran = premotor("run", "open the drawer", "--policy", "octo", "--out", "o", "--robot", "so101")
    assert ran.returncode == 1, ran.stderr
    assert "does not say what it believes" in " ".join(ran.stdout.split())
    assert (tmp_path / "o" / "strip.png").is_file()
    said = " ".join(premotor("info", "octo").stdout.split())
    assert "octo, 0.39 M parameters" in said
    assert "from 3 moments of the last 0.8 s, 4 actions at a time, does not say what it believes" in said


def test_the_plan_of_a_system_is_shown_with_its_cost(premotor: Run, tmp_path: Path) -> None:
    plan = premotor("train", "--dry-run", "--system", "act", "--data", str(tmp_path))
    assert plan.returncode == 2
    assert "has no data/" in " ".join(plan.stderr.split())
    (tmp_path / "data").mkdir()
    plan = premotor("train", "--dry-run", "--system", "act", "--data", str(tmp_path))
    assert plan.returncode == 0, plan.stderr
    for told in ("act, nano", "2,5", "open_drawer", "s a step here"):
        assert told in plan.stdout
    unknown = premotor("train", "--system", "pi9")
    assert unknown.returncode == 2
    assert "known systems: act" in " ".join(unknown.stderr.split())


def test_what_cannot_be_compared_is_refused(premotor: Run, tmp_path: Path) -> None:
    assert "has no data/" in " ".join(premotor("compare", "--data", str(tmp_path)).stderr.split())
    (tmp_path / "data").mkdir()
    unknown = premotor("compare", "--data", str(tmp_path), "--systems", "okto")
    assert unknown.returncode == 2
    assert "unknown system 'okto'" in " ".join(unknown.stderr.split())
    nothing = premotor("compare", "--data", str(tmp_path), "--budget", "0")
    assert nothing.returncode == 2
    assert "nothing can be learned" in " ".join(nothing.stderr.split())
