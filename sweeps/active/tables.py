"""Active choice on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openr1.analysis.formatting import DASH, percent, scientific, short
from openr1.sweeps.active.figure import NAMES, TITLES
from openr1.sweeps.active.options import ActiveOptions
from openr1.system.terminal import console as console_of
from openr1.system.terminal import print_table

if TYPE_CHECKING:
    from openr1.sweeps.active.choice import Choice
    from openr1.sweeps.active.config import PlanConfig
    from openr1.sweeps.active.replay import ReplayResult


def print_replay(result: ReplayResult, config: PlanConfig, console: Console) -> None:
    """Print the median error of each chooser at each share, and the share from which it is as good as the full table."""
    pool = result.pool
    console.print(
        f"[bold]{escape(Path(config.replay.path or '').stem)}[/]: {len(pool.runs)} runs to choose from, of "
        f"{scientific(pool.costs.sum())} FLOPs; {len(pool.targets)} targets; "
        f"law: {config.law.name}; {config.replay.seeds} seeds",
        soft_wrap=True,
    )
    for prediction, title in TITLES.items():
        columns = {"as good from": result.reached(prediction, prediction)}
        if prediction != "law":
            columns["as the fit to all from"] = result.reached(prediction, "law")
        median = result.median(prediction)
        table = Table(title=f"{title}; all runs: {percent(result.full[prediction])}", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("chosen", no_wrap=True)
        for head in (*(f"{share:.3g} %" for share in 100 * median.columns), *columns):
            table.add_column(head, justify="right")
        for name, row in median.iterrows():
            chooser = str(name)
            shares = [_format_share(reached[chooser]) for reached in columns.values()]
            table.add_row(NAMES[chooser], *map(percent, row), *shares)
        print_table(table, console)
    console.print(
        "Mean relative error at the targets, the median over seeds, by the share of the FLOPs that may be used. "
        "As good: at most 1.1 times the error of all runs, from that share on.",
        soft_wrap=True,
    )


def _format_share(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.3g} %"


def describe_choice(choice: Choice, sweep: ActiveOptions) -> list[str]:
    """Return lines with the FLOPs used, the prediction at the target, and the reason where there are no more runs to make."""
    allowed = "" if sweep.allowance.flops is None else f" of {scientific(sweep.allowance.flops)}"
    lines = [f"{choice.runs} runs, {scientific(choice.spent)}{allowed} FLOPs used"]
    if choice.target is None:
        lines.append("There are too few runs for the law; the first ones are drawn from cheap candidates.")
    else:
        target = choice.target
        where = f"N = {short(target['N'])}, D = {short(target['D'])}, {scientific(target['C'])} FLOPs"
        lines.append(f"Loss at {where}: {target['predicted']:.3f} ± {percent(target['interval'])} (95 %)")
    return lines if choice.candidates else [*lines, f"Nothing to run: {choice.reason}."]


def print_proposal(choice: Choice, sweep: ActiveOptions, study: str, commands: Sequence[str]) -> None:
    """Print the runs to make, and the commands that make them."""
    console = console_of()
    first, *others = describe_choice(choice, sweep)
    console.print(f"[bold]{escape(study)}[/]: {first}", soft_wrap=True)
    for line in others:
        console.print(line, soft_wrap=True)
    if not choice.candidates:
        return
    table = Table(title=f"{len(choice.candidates)} runs to make", title_justify="left", box=SIMPLE_HEAD)
    for head in ("scale", "N", "D", "C"):
        table.add_column(head, justify="left" if head == "scale" else "right", no_wrap=True)
    for candidate in choice.candidates:
        table.add_row(candidate.scale, f"{candidate.N:,.0f}", f"{candidate.D:,.0f}", f"{candidate.C:.3g}")
    print_table(table, console)
    for command in commands:
        console.print(command, soft_wrap=True, markup=False)
