"""Write requirements.lock: the exact version of everything that premotor and its tools need, from this environment.

Run it as `make lock` after a dependency was added to pyproject.toml and installed in `.venv`.
"""

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["closure", "declared", "main", "render"]

ROOT = Path(__file__).resolve().parent.parent
HEAD = """\
# Everything that premotor needs at run time and for its checks, pinned. Made by `make lock`; do not edit.
# torch: pip takes the build that suits this machine's index; docs/install.md says how to choose CPU or CUDA.
"""


def declared() -> list[Requirement]:
    """What pyproject.toml asks for: run-time dependencies and the dev extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["dev"]]


def closure(wanted: list[Requirement]) -> dict[str, str]:
    """Canonical name -> installed version of `wanted` and of all that they need on this platform.

    Raises:
        PackageNotFoundError: something is declared but not installed here.
    """
    pins: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(item, frozenset(item.extras)) for item in wanted]
    while todo:
        item, extras = todo.pop()
        name = canonicalize_name(item.name)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found = distribution(name)
        # A local label such as +cpu names a build, not a version; the lock must fit every build.
        pins[name] = found.version.split("+")[0]
        for line in found.requires or []:
            need = Requirement(line)
            contexts = [{"extra": extra} for extra in extras | {""}]
            if need.marker is None or any(need.marker.evaluate(context) for context in contexts):
                todo.append((need, frozenset(need.extras)))
    return pins


def render(pins: dict[str, str]) -> str:
    """The text of the lock file."""
    return HEAD + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def main() -> int:
    """Write the lock file; 0 on success."""
    try:
        pins = closure(declared())
    except PackageNotFoundError as error:
        print(f"premotor: {error.name} is declared in pyproject.toml but not installed in .venv; install it first")
        return 1
    (ROOT / "requirements.lock").write_text(render(pins))
    print(f"premotor: pinned {len(pins)} packages in requirements.lock")
    return 0


if __name__ == "__main__":
    sys.exit(main())
