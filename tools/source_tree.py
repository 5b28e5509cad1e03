"""What the house tests look at: tracked files and parsed modules."""

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ROOT", "functions", "module_name", "parse", "python_files", "tracked"]

ROOT = Path(__file__).resolve().parents[1]
_SOURCE = ROOT / "src"
_MADE = {".venv", ".git", "build", "dist", "runs", "outputs"}


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Every file that git knows or would take; outside a clone, every file that is not made."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not _MADE & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files(*folders: str) -> list[Path]:
    """Tracked Python files under folders of the repository."""
    roots = [ROOT / folder for folder in folders]
    return [path for path in tracked() if path.suffix == ".py" and any(path.is_relative_to(root) for root in roots)]


@functools.cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(), filename=str(path))


def module_name(path: Path) -> str:
    """Dotted name of a file under src."""
    parts = path.relative_to(_SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a tree."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
