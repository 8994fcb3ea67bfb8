"""Tables on the terminal, and in a pipe, that keep their digits."""

from __future__ import annotations

import os

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

PIPED_WIDTH = 100  # at least, where nobody says how wide the output is
WIDEST = 10_000


def console(stderr: bool = False) -> Console:
    """A console that is not as narrow in a pipe, or in a file, as rich takes it to be: 80 columns."""
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found = Console(stderr=stderr, highlight=False, width=max(PIPED_WIDTH, _columns()))
    return found


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdigit() else 0


def print_table(table: Table, console: Console) -> None:
    """Print a table whose words and numbers are whole: a terminal that is too narrow breaks its lines, a pipe has no end."""
    needed = Measurement.get(console, console.options.update(width=WIDEST), table)
    width = needed.minimum if console.is_terminal else needed.maximum
    if width > console.width:
        table.width = width
    console.print(table, crop=False)
