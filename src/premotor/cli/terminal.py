"""How the verbs speak to the terminal: one console, quiet colours, tables and durations in one form."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["console", "duration", "facts", "megabytes", "shown_path", "table"]


def console() -> Console:
    """Standard output. Colours only where a person looks at it; numbers in texts are left alone."""
    return Console(highlight=False, soft_wrap=False)


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values in two columns, without lines."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> Table:
    """A table with one rule under its head. right: columns that are aligned to the right."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def duration(seconds: float) -> str:
    """Such as 8 s, 2 min 05 s, 3 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def megabytes(size: int) -> str:
    """Such as 38.2 MB."""
    return f"{size / 1e6:.1f} MB"


def shown_path(path: Path) -> str:
    """Relative to where one is, where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
