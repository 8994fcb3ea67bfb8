"""The price of a search on the terminal, and before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openr1.config.schema import Config
from openr1.console import print_table
from sweeps.cost.price import times_are_needed
from sweeps.cost.table import format_bytes, format_duration
from sweeps.limits.allowance import require_confirmation
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.price import SearchPrice, amount_of, limit_of, price_search, save, seconds_of, tally_of
from sweeps.optuna.space import Space
from sweeps.status import plan_file


def before_launch(options: SearchConfig, space: Space, config: DictConfig, loader: ConfigLoader, console: Console) -> None:
    """Of a search that is about to begin: say what is to come, write it to ``plan.json``, and refuse what costs more than may
    start without a word.

    :param config: of the app; one of another app than ``openr1`` has no price.
    :raises ConfigError: in a line that says the price and the limit, or where no run of the space can be.
    """
    if OmegaConf.get_type(config) is not Config:
        return
    limit, tally, found = limit_of(options, space), tally_of(options.storage, options.name), None
    left = max(0, limit - len(tally.ended) if tally else limit)
    if left:
        needed = times_are_needed(options, [config.compute])
        found = price_search(options, space, config, loader, left, needed, lambda text: console.print(text, soft_wrap=True))
        show_search_price(found, console)
        require_confirmation(found.amount, options.ask_above, options.confirm)
    save(options, limit, config, plan_file.command_line("openr1 -m", config), found)


def show_search_price(found: SearchPrice, console: Console) -> None:
    """Print the least, the mean and the most of a trial, and of all to come."""
    flops = found.range(lambda one: amount_of(one).flops)
    rows = [("FLOPs of a trial", [f"{value:.3g}" for value in flops])]
    memory = [one.memory for one in found.tried if one.memory is not None]
    if memory:
        rows.append(("memory of a trial", [format_bytes(min(memory)), format_bytes(mean(memory)), format_bytes(max(memory))]))
    if found.timed:
        times = found.range(lambda one: seconds_of(one) or 0.0)
        rows.append(("time of a trial", [format_duration(value) for value in times]))
        rows.append(
            (f"time of all to come, {found.at_once} at once", [format_duration(found.duration(value)) for value in times])
        )
    rows.append(("FLOPs of all to come", [f"{value * found.left:.3g}" for value in flops]))
    for name, words in (("gpu_hours", "GPU hours of all to come"), ("money", "cost of all to come")):
        values = found.range(lambda one, name=name: getattr(amount_of(one), name))
        if any(values):
            rows.append((words, [f"{value * found.left:.3g}" for value in values]))
    _print(rows, console)
    if not found.timed:
        console.print("the time of a trial is not known", soft_wrap=True)
    if found.impossible:
        count = len(found.impossible)
        said = f"{count} of {len(found.tried) + count} that were looked at cannot be: {escape(found.impossible[0])}"
        console.print(said, soft_wrap=True)
    of = f"{len(found.typical)} trials {'drawn from' if found.draws else 'at the ends of'} the space"
    console.print(f"The mean is that of {of}; a sampler may prefer dearer ones.", soft_wrap=True)


def _print(rows: Sequence[tuple[str, Sequence[str]]], console: Console) -> None:
    table = Table("", box=SIMPLE_HEAD)
    for head in ("least", "mean", "most"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, values in rows:
        table.add_row(name, *values)
    print_table(table, console)
