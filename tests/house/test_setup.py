"""What the setup says and does when a machine lacks something."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap
import check_gl


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr(sys, "argv", ["check_gl.py"])


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize(
    ("there", "said"),
    [((), "libOpenGL"), (("libOpenGL.so.0",), "libEGL"), (("libGL.so.1",), "libEGL")],
)
def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], said: str) -> None:
    monkeypatch.setattr(check_gl, "_load", lambda *names: object() if set(names) & set(there) else None)
    assert said in check_gl.problem()


@pytest.mark.usefixtures("linux")
def test_message_names_the_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check_gl, "_load", lambda *names: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert check_gl.main() == 1
    said = capsys.readouterr().err
    assert all(package in said for package in ("libegl1", "libgl1-mesa-dri", "libopengl0"))


@pytest.mark.usefixtures("linux")
def test_root_installs_then_checks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(check_gl, "_load", lambda *names: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: name)

    def call(command: list[str], **_: object) -> int:
        ran.append(command)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    assert check_gl.main() == 0
    assert [command[:2] for command in ran[:2]] == [["apt-get", "update"], ["apt-get", "install"]]
    assert ran[2][-1] == "--again"


@pytest.mark.usefixtures("linux")
def test_nothing_is_installed_when_rendering_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "check_gl", lambda: 1)
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: pytest.fail("something was run"))
    assert bootstrap.main() == 1
    assert not (tmp_path / ".venv").exists()


def test_old_python_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST", (9, 0))
    assert bootstrap.main() == 1
    assert "3.11" in capsys.readouterr().out
