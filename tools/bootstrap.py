"""Make the `.venv` that every make target runs in: check rendering, create, install the pinned lock, install premotor.

Standard library only, and old syntax, because this runs in whatever Python the machine has.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

from check_gl import apt_install
from check_gl import main as check_gl

__all__ = ["main"]

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = (3, 11)


def _say(text: str) -> None:
    print("premotor: " + text, flush=True)


def _create() -> int:
    """Create the virtual environment; 0 when it is there afterwards."""
    python = VENV / "bin" / "python"
    if python.exists():
        return 0
    _say("creating .venv with Python %d.%d" % sys.version_info[:2])
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if subprocess.call(command) == 0:
        return 0
    # Debian ships the venv module in two halves; the second is this package.
    if apt_install(("python3-venv",)) and subprocess.call(command) == 0:
        return 0
    shutil.rmtree(VENV, ignore_errors=True)
    _say("could not create .venv; on Debian or Ubuntu run: sudo apt-get install python3-venv")
    return 1


def _install() -> int:
    """Install the pinned packages, then premotor itself in place; pip's exit code."""
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    if not sys.stdout.isatty():
        pip.append("--quiet")
    lock = ROOT / "requirements.lock"
    pins = sum(1 for line in lock.read_text().splitlines() if "==" in line)
    _say("installing %d pinned packages from %s (about a minute; PyTorch is the largest)" % (pins, lock.name))
    # Without --no-compile pip spends half of its time on byte code that most runs never load.
    code = subprocess.call([*pip, "--no-compile", "-r", str(lock)])
    if code == 0:
        # The lock brings setuptools, so that building premotor itself downloads nothing more.
        code = subprocess.call([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    return code


def main() -> int:
    """Set everything up; 0 when `.venv` is ready, else the exit code of what failed."""
    if sys.version_info < OLDEST:
        _say("needs Python 3.11 or newer, this is %d.%d; try: make PYTHON=python3.11 ..." % sys.version_info[:2])
        return 1
    began = time.monotonic()
    code = check_gl() or _create() or _install()
    if code:
        _say("setup failed; mend what is said above and run the same command again")
        return code
    (VENV / ".ready").write_text("made from requirements.lock by tools/bootstrap.py\n")
    _say("ready after %.0f s" % (time.monotonic() - began))
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
