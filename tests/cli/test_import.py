"""`premotor import` on the real command line: what it made is told by `premotor info`, what is wrong by exit code 2."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from ..models.importing.folders import lerobot, robot

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_what_was_imported_says_where_it_came_from(premotor: Run, tmp_path: Path) -> None:
    robot(tmp_path, cameras={"front": (64, 64), "wrist": (64, 64)})
    source = lerobot("act", tmp_path / "act")
    made = premotor("import", "act", "--robot", "robot.json")
    assert made.returncode == 0, made.stderr
    assert "lerobot act: it says 10 x 7 actions" in made.stdout
    # A long path is broken anywhere.
    said = "".join(premotor("info", "imported/act").stdout.split())
    for told in (f"imported from{source}", "layout lerobot act", "statistics the checkpoint's own", "words none"):
        assert told.replace(" ", "") in said, said
    again = premotor("import", "act", "--robot", "robot.json")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    (source / "config.json").write_text(json.dumps({"type": "atc", "input_features": {}}))
    unknown = premotor("import", "act", "--robot", "robot.json", "--out", "b")
    assert unknown.returncode == 2
    assert "did you mean 'lerobot act'" in " ".join(unknown.stderr.split())
    assert "Traceback" not in unknown.stderr
    assert not (tmp_path / "b").exists()
    assert premotor("import", "act", "--robot", "robot.json", "--tell", "horizon").returncode == 2
