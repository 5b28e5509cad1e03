"""The robot that a checkpoint is for: one of ours by name, or a JSON file of its spec."""

import json
from pathlib import Path

from premotor.core.agree import spec_from_json
from premotor.core.errors import SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.models.importing.ask import near
from premotor.robots.embodiment import EMBODIMENTS

__all__ = ["robot_spec"]


def robot_spec(name: str) -> EmbodimentSpec:
    """Raises SpecMismatch that lists the names there are, or what is wrong with the file."""
    if name in EMBODIMENTS:
        return EMBODIMENTS[name].spec
    if not Path(name).is_file():
        raise SpecMismatch(
            f"--robot {name!r} is neither one of {', '.join(EMBODIMENTS)}{near(name, list(EMBODIMENTS))} nor a JSON "
            "file of a robot's spec (docs/import.md)"
        )
    try:
        told = json.loads(Path(name).read_text())
    except ValueError as damage:
        raise SpecMismatch(f"{name} is no JSON: {damage}") from damage
    return spec_from_json(told)
