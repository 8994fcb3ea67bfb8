"""``openr1-plan status``: the progress of a study or a search, live on a terminal."""

from __future__ import annotations

import signal
import time
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from openr1.options import load_config
from openr1.sweeps.status.config import StatusConfig
from openr1.system.errors import Interrupted


def register() -> None:
    """Put the schema into Hydra's store, without a group."""
    ConfigStore.instance().store(name="StatusConfig", node=StatusConfig)


def run(cfg: DictConfig, command: str) -> None:
    """Show the status of a study until it has ended or the user interrupts; once where the output is no terminal.

    :raises ConfigError: for an invalid config, and for a study or a run that is not there.
    """
    show_status(load_config(StatusConfig, cfg))


def show_status(config: StatusConfig) -> None:
    """Print the status of a study or of a single run, on a terminal again and again until it has ended.

    :raises ConfigError: where the study has no plan, and no run of this name is tracked.
    """
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from openr1.sweeps.status import plan_file
    from openr1.system.terminal import console as console_of
    from openr1.system.terminal import print_table

    console = console_of()
    read_status: Any
    table: Any
    if not plan_file.path_of(config.paths, config.status).exists():
        from openr1.sweeps.status.table import status_table as table
        from openr1.sweeps.status.tracked_status import read_tracked_status as read_status
    elif "search" in plan_file.read(config.paths, config.status):
        from openr1.sweeps.optuna.status import read_search_status as read_status
        from openr1.sweeps.optuna.status import search_status_table as table
    else:
        from openr1.sweeps.status.study_status import read_status
        from openr1.sweeps.status.table import status_table as table

    status = read_status(config)
    if config.once or not console.is_terminal:
        title, shown, lines = table(status, None)
        console.print(title, soft_wrap=True, markup=False)
        print_table(shown, console)
        for line in lines:
            console.print(line, soft_wrap=True, markup=False)
        return

    def live_table() -> Group:
        title, shown, lines = table(status, console.height)
        return Group(Text(title), shown, *(Text(line, overflow="fold") for line in lines))

    try:
        with Live(live_table(), console=console, auto_refresh=False) as live:
            while not status.ended:
                time.sleep(config.seconds)
                status = read_status(config)
                live.update(live_table(), refresh=True)
    except KeyboardInterrupt as error:
        if isinstance(error, Interrupted) and error.number != signal.SIGINT:  # by which a person leaves the table
            raise
