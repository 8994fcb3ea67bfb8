"""Active choice on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.formatting import DASH, percent, scientific, short
from openr1.console import console as console_of
from openr1.console import print_table
from sweeps.active.figure import NAMES, TITLES
from sweeps.active.options import ActiveOptions

if TYPE_CHECKING:
    from sweeps.active.choice import Choice
    from sweeps.active.replay import Replayed
    from sweeps.commands.propose import PlanConfig


def show_replay(found: Replayed, config: PlanConfig, console: Console) -> None:
    """Print the median error of each rule at each share, and the share from which it is that of the full table."""
    pool = found.pool
    console.print(
        f"[bold]{escape(Path(config.replay.path).stem)}[/]: {len(pool.runs)} runs to choose from, of "
        f"{scientific(pool.costs.sum())} FLOPs; {len(pool.targets)} targets; "
        f"law: {config.law.name}; {config.replay.seeds} seeds",
        soft_wrap=True,
    )
    for prediction, title in TITLES.items():
        columns = {"as good from": found.reached(prediction, prediction)}
        if prediction != "law":
            columns["as the fit to all from"] = found.reached(prediction, "law")
        median = found.median(prediction)
        table = Table(title=f"{title}; all runs: {percent(found.full[prediction])}", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("chosen", no_wrap=True)
        for head in (*(f"{share:.3g} %" for share in 100 * median.columns), *columns):
            table.add_column(head, justify="right")
        for name, row in median.iterrows():
            table.add_row(NAMES[name], *map(percent, row), *(_share(reached[name]) for reached in columns.values()))
        print_table(table, console)
    console.print(
        "Mean relative error at the targets, the median over seeds, by the share of the FLOPs that may be used. "
        "As good: at most 1.1 times the error of all runs, from there on.",
        soft_wrap=True,
    )


def _share(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.3g} %"


def said(found: Choice, sweep: ActiveOptions) -> list[str]:
    """What the runs so far say about the target, and why there are no more."""
    allowed = "" if sweep.allowance.flops is None else f" of {scientific(sweep.allowance.flops)}"
    lines = [f"{found.runs} runs, {scientific(found.spent)}{allowed} FLOPs used"]
    if found.target is None:
        lines.append("Too few runs for the law: the first ones are any that cost little.")
    else:
        target = found.target
        where = f"N = {short(target['N'])}, D = {short(target['D'])}, {scientific(target['C'])} FLOPs"
        lines.append(f"Loss at {where}: {target['predicted']:.3f} ± {percent(target['interval'])} (95 %)")
    return lines if found.offers else [*lines, f"Nothing to run: {found.reason}."]


def show_proposal(found: Choice, sweep: ActiveOptions, study: str, commands: Sequence[str]) -> None:
    """Print the runs to make, and the commands that make them."""
    console = console_of()
    first, *others = said(found, sweep)
    console.print(f"[bold]{escape(study)}[/]: {first}", soft_wrap=True)
    for line in others:
        console.print(line, soft_wrap=True)
    if not found.offers:
        return
    table = Table(title=f"{len(found.offers)} runs to make", title_justify="left", box=SIMPLE_HEAD)
    for head in ("scale", "N", "D", "C"):
        table.add_column(head, justify="left" if head == "scale" else "right", no_wrap=True)
    for offer in found.offers:
        table.add_row(offer.scale, f"{offer.N:,.0f}", f"{offer.D:,.0f}", f"{offer.C:.3g}")
    print_table(table, console)
    for command in commands:
        console.print(command, soft_wrap=True, markup=False)
