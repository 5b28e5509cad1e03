import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "guard_fuzz.py"


@pytest.mark.parametrize("name", ["panda", "so101"])
def test_three_thousand_hostile_actions_violate_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("guard_fuzz", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name
    monkeypatch.setitem(sys.modules, "guard_fuzz", module)
    spec.loader.exec_module(module)
    found = module.fuzz(name, 3000, seed=1)
    assert found["violations"] == 0, found
    assert set(found["verdicts"]) == {"Pass", "Clamp", "Hold", "Stop"}
    assert found["worst_ratio_to_limit"]["acceleration"] > 0.99
    assert found["tool_outside_workspace_m"] <= 0.003
