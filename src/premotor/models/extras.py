"""Libraries that few need and nobody gets unasked: they come with an extra of premotor's, and load when they are used.

Nothing else in premotor imports them, and each in one place only.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from premotor.core.errors import PremotorError

__all__ = ["extra"]


def extra(module: str, name: str) -> Any:
    """Import `module`, which comes with premotor[name]; raises PremotorError that says how to get it."""
    try:
        with _quiet():
            return import_module(module)
    except ModuleNotFoundError as missing:
        library = module.partition(".")[0]
        raise PremotorError(
            f"{library} is not installed ({missing}); it comes with an extra: pip install 'premotor[{name}]', "
            f"or in a clone pip install -e '.[{name}]'"
        ) from missing


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings are held back: torchao names each kernel for GPUs that a machine without one does not load."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
