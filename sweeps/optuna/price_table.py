"""The price of a search as a table on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openr1.sweeps.cost.price import RunPrice
from openr1.sweeps.cost.table import format_bytes, format_duration
from openr1.sweeps.optuna.price import SearchPrice, trial_amount, trial_seconds
from openr1.system.terminal import print_table

AMOUNTS: list[tuple[str, Callable[[RunPrice], float]]] = [
    ("total GPU hours to come", lambda trial: trial_amount(trial).gpu_hours),
    ("total cost to come", lambda trial: trial_amount(trial).money),
]


def print_search_price(price: SearchPrice, console: Console) -> None:
    """Print the least, the mean and the most of one trial and of all trials to come."""
    flops = price.range(lambda trial: trial_amount(trial).flops)
    rows = [("FLOPs of a trial", [f"{value:.3g}" for value in flops])]
    memory = [trial.memory for trial in price.trials if trial.memory is not None]
    if memory:
        rows.append(("memory of a trial", [format_bytes(min(memory)), format_bytes(mean(memory)), format_bytes(max(memory))]))
    if price.timed:
        times = price.range(lambda trial: trial_seconds(trial) or 0.0)
        rows.append(("time of a trial", [format_duration(value) for value in times]))
        rows.append(
            (f"total time to come, {price.at_once} at once", [format_duration(price.duration(value)) for value in times])
        )
    rows.append(("total FLOPs to come", [f"{value * price.remaining:.3g}" for value in flops]))
    for name, figure in AMOUNTS:
        values = price.range(figure)
        if any(values):
            rows.append((name, [f"{value * price.remaining:.3g}" for value in values]))
    _print_rows(rows, console)
    if not price.timed:
        console.print("The time of a trial is unknown.", soft_wrap=True)
    if price.invalid:
        count = len(price.invalid)
        message = f"{count} of {len(price.trials) + count} sampled configs are invalid: {escape(price.invalid[0])}"
        console.print(message, soft_wrap=True)
    source = f"{len(price.typical)} trials {'sampled from' if price.samples else 'at the ends of'} the space"
    console.print(f"The mean is that of {source}; a sampler may prefer more expensive ones.", soft_wrap=True)


def _print_rows(rows: Sequence[tuple[str, Sequence[str]]], console: Console) -> None:
    table = Table("", box=SIMPLE_HEAD)
    for head in ("least", "mean", "most"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, values in rows:
        table.add_row(name, *values)
    print_table(table, console)
