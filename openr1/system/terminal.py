"""The terminal: a console as wide as its output may be, and tables that are never cut."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 100  # least number of columns of output that is no terminal
WIDEST = 10_000


def console(stderr: bool = False) -> Console:
    """Return a console that is wider in a pipe or a file than the 80 columns that rich assumes."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=max(PIPED_WIDTH, _columns()))
    return console


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdigit() else 0


def print_table(table: Table, console: Console) -> None:
    """Print a table without cutting words or numbers: a narrow terminal wraps its lines, a pipe has no limit."""
    from rich.measure import Measurement

    needed = Measurement.get(console, console.options.update(width=WIDEST), table)
    width = needed.minimum if console.is_terminal else needed.maximum
    if width > console.width:
        table.width = width
    console.print(table, crop=False)
