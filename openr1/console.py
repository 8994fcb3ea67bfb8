"""The command line: errors of users in one line, and tables that keep their digits on a terminal and in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from openr1.errors import ConfigError, RunError
from openr1.options import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 100  # at least, where nobody says how wide the output is
WIDEST = 10_000


def console(stderr: bool = False) -> Console:
    """A console that is not as narrow in a pipe, or in a file, as rich takes it to be: 80 columns."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found = Console(stderr=stderr, highlight=False, width=max(PIPED_WIDTH, _columns()))
    return found


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdigit() else 0


def print_table(table: Table, console: Console) -> None:
    """Print a table whose words and numbers are whole: a terminal that is too narrow breaks its lines, a pipe has no end."""
    from rich.measure import Measurement

    needed = Measurement.get(console, console.options.update(width=WIDEST), table)
    width = needed.minimum if console.is_terminal else needed.maximum
    if width > console.width:
        table.width = width
    console.print(table, crop=False)


def leave(error: Exception) -> NoReturn:
    """Print a user's error as one line and exit: with 2 for the config, 1 for a run that cannot go on."""
    print(f"{Path(sys.argv[0]).name}: {one_line(error)}", file=sys.stderr)
    sys.exit(1 if isinstance(error, RunError) else 2)


def guarded(command: Callable[[], object]) -> None:
    """Run a command whose user errors are one line (:func:`leave`).

    Any other exception is a defect and shows its stack trace; ``HYDRA_FULL_ERROR=1`` shows it for all.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        command()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing its own report
    try:
        command()
    except (ConfigError, RunError, HydraException, OmegaConfBaseException) as error:
        leave(error)
    except ValueError as error:
        if not str(error).startswith("Config group override must be"):
            raise
        leave(ConfigError("the choice of a group is a name, such as scale=100k, not a number"))  # Hydra does not say of which
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has seen enough
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    finally:
        del os.environ["HYDRA_FULL_ERROR"]
