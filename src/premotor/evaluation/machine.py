"""On what, and with which code, something was measured."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["machine", "revision"]


def machine() -> dict[str, Any]:
    """Processor, cores that may be used, and the versions that decide the numbers."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "cpu": _processor(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "mujoco": metadata.version("mujoco"),
    }


def revision() -> str:
    """The commit that this code is from, with "-dirty" when it was changed since; "unknown" without git's word."""
    here = Path(__file__)
    # An installed copy may lie inside somebody else's repository, whose commits say nothing about it.
    if _git(here, "ls-files", "--error-unmatch", here.name) is None:
        return "unknown"
    return _git(here, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") or "unknown"


def _git(here: Path, *words: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(here.parent), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
