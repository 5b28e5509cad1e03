"""`premotor merge`: a bundle and an adapter that was learned for it become one bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from premotor.cli.app import EXIT_OK

__all__ = ["Merge"]


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Merge an adapter into its bundle; the result is an ordinary bundle.

    Example: premotor merge runs/lora-tabletop/adapter --base bundles/tabletop --out bundles/tuned

    An adapter knows its bundle by digest, and is refused for any other. Needs the extra premotor[lora].
    """

    adapter: Annotated[Path, tyro.conf.arg(metavar="ADAPTER", help_behavior_hint=""), tyro.conf.Positional]
    """Folder of the adapter, as `premotor train --from` makes it."""
    base: Annotated[Path | None, tyro.conf.arg(metavar="BUNDLE", help_behavior_hint="")] = None
    """Folder of the bundle that it was learned for; the bundled policy when left out."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="(required)")]
    """Where to write."""

    def main(self) -> int:
        """Merge; returns the exit code."""
        from premotor.cli.terminal import console, shown_path
        from premotor.models.adapter import merge_into
        from premotor.models.bundle import DEFAULT

        merge_into(self.base or DEFAULT, self.adapter, self.out)
        console().print(f"bundle: {shown_path(self.out)}", markup=False)
        return EXIT_OK
