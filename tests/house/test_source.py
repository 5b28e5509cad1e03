"""Laws about the shape of the source, kept on every file."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from source_tree import ROOT, functions, parse, python_files

SOURCE = python_files("src")
CODE = python_files("src", "tools", "benchmarks", "examples")
CLI = ROOT / "src/premotor/cli"
LINES_A_FILE = 500
LINES_A_FUNCTION = 80


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run at import, also those under a top-level `if` or `try`."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from top_level(node.body)
            yield from top_level(node.orelse)


def assigned(node: ast.stmt) -> set[str]:
    """Names that one statement binds by `=` or by `: type`."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return set()
    return {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}


def defined(tree: ast.Module) -> set[str]:
    """Public names that a module makes itself."""
    names: set[str] = set()
    for node in top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        names |= assigned(node)
    return {name for name in names if not name.startswith("_")}


def imported(tree: ast.Module) -> set[str]:
    """Names that a module takes from elsewhere."""
    nodes = [node for node in top_level(tree.body) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


def exported(tree: ast.Module) -> list[str]:
    """The literal value of `__all__`, or nothing."""
    for node in top_level(tree.body):
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in assigned(node) and node.value is not None:
            return list(ast.literal_eval(node.value))
    return []


def swallows(handler: ast.ExceptHandler, line: str = "") -> str:
    """What is wrong with an exception handler, or an empty string.

    A broad one must raise, unless `line`, where it begins, says why it need not and its body uses the error.
    """
    if handler.type is None:
        return "bare except"
    if all(isinstance(node, ast.Pass) or _is_ellipsis(node) for node in handler.body):
        return "handler that does nothing"
    broad = {leaf.id for leaf in ast.walk(handler.type) if isinstance(leaf, ast.Name)} & {"Exception", "BaseException"}
    raises = any(isinstance(node, ast.Raise) for statement in handler.body for node in ast.walk(statement))
    uses = {leaf.id for node in handler.body for leaf in ast.walk(node) if isinstance(leaf, ast.Name)}
    reported = handler.name in uses and "noqa: BLE001 - " in line
    return "broad except that does not raise" if broad and not raises and not reported else ""


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_all_equals_reality(path: Path) -> None:
    tree = parse(path)
    own, listed = defined(tree), exported(tree)
    assert len(listed) == len(set(listed)), "a name stands twice in __all__"
    assert not own - set(listed), "public names missing from __all__ (add them, or begin them with _)"
    # Only a package may hand on what it took from its own modules.
    allowed = own | imported(tree) if path.name == "__init__.py" else own
    assert not set(listed) - allowed, "__all__ lists names that this module does not make"


def test_no_print_outside_the_edges() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCE
        if not path.is_relative_to(CLI)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


def test_no_star_import() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("src", "tools", "benchmarks", "examples", "tests")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert found == []


def test_no_exception_is_swallowed() -> None:
    found = []
    for path in CODE:
        lines = path.read_text().splitlines()
        handlers = [node for node in ast.walk(parse(path)) if isinstance(node, ast.ExceptHandler)]
        wrongs = [(node.lineno, swallows(node, lines[node.lineno - 1])) for node in handlers]
        found += [f"{name_of(path)}:{number}: {wrong}" for number, wrong in wrongs if wrong]
    assert found == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("try: f()\nexcept: g()", "bare except"),
        ("try: f()\nexcept OSError: pass", "handler that does nothing"),
        ("try: f()\nexcept OSError: ...", "handler that does nothing"),
        ("try: f()\nexcept (OSError, Exception): g()", "broad except that does not raise"),
        ("try: f()\nexcept Exception as e: raise RuntimeError('x') from e", ""),
        ("try: f()\nexcept OSError: g()", ""),
        ("try: f()\nexcept Exception as e:  # noqa: BLE001 - kept for the report\n    g(e)", ""),
        ("try: f()\nexcept Exception as e:  # noqa: BLE001\n    g(e)", "broad except that does not raise"),
        ("try: f()\nexcept Exception as e:  # noqa: BLE001 - who cares\n    g()", "broad except that does not raise"),
    ],
)
def test_swallowed_exceptions_are_recognised(text: str, wrong: str) -> None:
    (handler,) = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
    assert swallows(handler, text.splitlines()[1]) == wrong


def test_files_and_functions_stay_small() -> None:
    long_files = [
        f"{name_of(path)}: {count} lines"
        for path in [*CODE, *python_files("tests")]
        if (count := len(path.read_text().splitlines())) > LINES_A_FILE
    ]
    long_functions = [
        f"{name_of(path)}:{node.lineno} {node.name}: {count} lines"
        for path in CODE
        for node in functions(parse(path))
        if (count := (node.end_lineno or node.lineno) - node.lineno + 1) > LINES_A_FUNCTION
    ]
    assert long_files + long_functions == []


def test_rooms_look_downhill_only() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
