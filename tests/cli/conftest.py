"""The real command line, in processes of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-c", "from premotor.cli import main; raise SystemExit(main())"]


@pytest.fixture
def premotor(tmp_path: Path) -> Run:
    """Run `premotor WORDS` in an empty folder."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )

    return run
