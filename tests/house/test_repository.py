"""Laws about the repository: texts, links, commands, pins and measured numbers agree with what is there."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lock
import readme_results
from source_tree import ROOT, parse, python_files, tracked

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
CLI = ROOT / "src/premotor/cli"
PAGES = [path for path in tracked() if path.suffix == ".md"]
# Folders that exist on one person's machine only.
MACHINE_PATH = re.compile(r"(?<![\w.:/~*-])/(?:home|Users|work|root|tmp|farm)/|\b[A-Z]:\\Users\\")
# Not imported by name: mink asks for its solver, torch for its log writer.
USED_BY_OTHERS = {"daqp", "tensorboard"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(text: str) -> list[str]:
    """Lines of the shell blocks of a page."""
    blocks = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, flags=re.M | re.S)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_no_path_of_one_machine_in_tracked_text() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue  # Not text.
        found += [f"{name_of(path)}:{i}: {line[:80]}" for i, line in enumerate(lines, 1) if MACHINE_PATH.search(line)]
    assert found == []


@pytest.mark.parametrize("text", ["see /home/ann/x", '"/tmp/out"', "=/root/a", r"C:\Users\ann"])
def test_paths_of_one_machine_are_recognised(text: str) -> None:
    assert MACHINE_PATH.search(text)


def test_commands_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.M))
    wanted = {m for page in PAGES for line in commands(page.read_text()) for m in re.findall(r"\bmake ([a-z]+)", line)}
    assert {"demo", "test"} <= wanted, "README must show make demo and make test"
    assert wanted <= targets


def test_premotor_commands_in_the_pages_exist() -> None:
    from premotor.cli.app import VERBS

    lines = [line for page in PAGES for line in commands(page.read_text()) if re.match(r"(\S*/)?premotor ", line)]
    shown = {line.split()[1] for line in lines}
    assert {"run", "eval"} <= shown, "the pages must show the main verbs"
    assert shown <= set(VERBS)
    for verb in sorted(shown):
        run = [sys.executable, "-c", "from premotor.cli import main; raise SystemExit(main())", verb, "--help"]
        said = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        flags = {flag for line in lines if line.split()[1] == verb for flag in re.findall(r"--[a-z][a-z-]*", line)}
        assert flags <= set(re.findall(r"--[a-z][a-z-]*", said)), f"premotor {verb} has no such option"


def test_links_in_the_pages_lead_somewhere() -> None:
    broken = [
        f"{name_of(page)}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if not link.startswith(("http://", "https://", "mailto:")) and not (page.parent / link).exists()
    ]
    if not readme_results.reports(ROOT / "results"):
        # The picture is made together with the first measured results.
        broken = [line for line in broken if "/img/" not in line]
    assert broken == []


def test_readme_quotes_what_was_measured() -> None:
    fresh = readme_results.rewrite(README, readme_results.reports(ROOT / "results"))
    assert fresh == README, "run `make results`, or `.venv/bin/python tools/readme_results.py`"


def test_every_declared_package_is_pinned() -> None:
    text = (ROOT / "requirements.lock").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert pins["torch"] == "2.13.0"
    for need in lock.declared():
        name = canonicalize_name(need.name)
        assert name in pins, f"{name} is declared but not pinned: run `make lock`"
        assert need.specifier.contains(pins[name]), f"{name}=={pins[name]} is pinned but {need.specifier} is declared"


def test_imports_and_declared_packages_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "dev"}
    optional = {canonicalize_name(Requirement(line).name) for lines in extras.values() for line in lines}
    owners = packages_distributions()
    used = set()
    for path in python_files("src"):
        for node in ast.walk(parse(path)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "extra":
                names = [str(node.args[0].value)] if isinstance(node.args[0], ast.Constant) else []
            for top in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"premotor"}:
                used |= {canonicalize_name(owner) for owner in owners.get(top, [top])}
    assert used <= declared | optional, "imported in src but not declared in pyproject.toml"
    if CLI.is_dir():
        # Before the command line is there, some rooms are still empty.
        assert declared | optional <= used | USED_BY_OTHERS, "declared in pyproject.toml but not imported in src"


def test_extras_are_declared_and_are_nobodys_default() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        name: {canonicalize_name(Requirement(line).name) for line in lines}
        for name, lines in project["optional-dependencies"].items()
        if name != "dev"
    }
    calls = [
        [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        for path in python_files("src")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "extra"
    ]
    assert calls
    assert all(str(module).partition(".")[0] in extras[str(name)] for module, name in calls)
    pinned = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert not pinned & set().union(*extras.values())


def test_success_rates_are_quoted(tmp_path: Path) -> None:
    means = [
        {"split": "layout", "embodiment": arm, "rate": 0.5, "low": 0.25, "high": 0.75, "n": n}
        for arm, n in (("all", 20), ("panda", 10))
    ]
    report = {"label": "default", "complete": True, "means": means, "protocol": {"suite": 2}}
    (tmp_path / "a.json").write_text(json.dumps(report))
    text = readme_results.rewrite(f"{readme_results.BEGIN}{readme_results.END}", readme_results.reports(tmp_path))
    assert "| policy | split | both arms | panda | episodes |" in text
    assert "| default | `layout` | 50.0 % (25.0 to 75.0) | 50.0 % (25.0 to 75.0) | 20 |" in text
    drop = {"rate": 0.1, "low": -0.05, "high": 0.25, "n": 20}
    benchmark = {"mean_of_splits": means[0], "mean_of_cells": means[1], "protocol": {"suite": "metaworld 1"}}
    (tmp_path / "b.json").write_text(json.dumps(report | benchmark))
    text = readme_results.rewrite(f"{readme_results.BEGIN}{readme_results.END}", readme_results.reports(tmp_path))
    assert "| Meta-World MT50: policy | tasks | success | episodes |" in text
    assert "| default | `layout` | 50.0 % (25.0 to 75.0) | 20 |" in text
    assert "| default | mean of all tasks | 50.0 % (25.0 to 75.0) | 10 |" in text
    assert "both arms" in text
    course = {"axis": "light", "what": "brighter", "strengths": [{"drop": drop}] * 3}
    (tmp_path / "b.json").write_text(json.dumps(report | {"profile": [course]}))
    text = readme_results.rewrite(f"{readme_results.BEGIN}{readme_results.END}", readme_results.reports(tmp_path))
    assert "| brighter | 10 (-5 to 25) | 10 (-5 to 25) | 10 (-5 to 25) | 20 |" in text
    assert text.count("`layout`") == 1
    (tmp_path / "b.json").unlink()
    (tmp_path / "a.json").write_text(json.dumps(report | {"complete": False}))
    with pytest.raises(readme_results.ReportError, match="not complete"):
        readme_results.reports(tmp_path)


def test_figures_are_quoted(tmp_path: Path) -> None:
    report = {"command": "make bench", "summary": [{"figure": "speed", "value": 12.345, "unit": "ms", "n": 5}]}
    (tmp_path / "a.json").write_text(json.dumps(report))
    text = f"x\n{readme_results.BEGIN}\nold\n{readme_results.END}\ny\n"
    written = readme_results.rewrite(text, readme_results.reports(tmp_path))
    assert "| speed | 12.3 ms |" in written
    assert "old" not in written
    assert readme_results.rewrite(written, readme_results.reports(tmp_path)) == written
    del report["summary"][0]["figure"]  # type: ignore[attr-defined]
    (tmp_path / "a.json").write_text(json.dumps(report))
    with pytest.raises(readme_results.ReportError, match="figure"):
        readme_results.reports(tmp_path)
