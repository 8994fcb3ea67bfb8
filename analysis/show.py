"""What a study found, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from analysis.text import DASH, answer, interval, percent, scientific, short

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis.fitting import Fit
    from analysis.study import Study

PIPED_WIDTH = 100


def show(study: Study) -> None:
    """Print the laws side by side, what to beware of, the answer, and where the report is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED_WIDTH)
    dropped = study.runs.dropped["reason"].value_counts()
    left_out = "".join(f", {count} left out ({reason})" for reason, count in dropped.items())
    console.print(f"[bold]{study.config.runs.study}[/]: {len(study.runs.frame)} runs{left_out}")

    table = Table("law", "held-out error", header_style="bold", show_lines=True)
    table.columns[1].justify = "right"
    table.add_column("exponents (95 % interval)", no_wrap=True)
    if study.target_flops:
        table.add_column(f"optimum at {scientific(study.target_flops)} FLOPs", no_wrap=True)
    for fit in study.fits.values():
        optimum = [_optimum(fit, study.target_flops)] if study.target_flops else []
        table.add_row(fit.law.title, percent(fit.error), _exponents(fit), *optimum)
    console.print(table)

    for name, reason in study.failed.items():
        console.print(f"[yellow]{name} was not fitted:[/] {reason}")
    for fit in study.fits.values():
        for warning in fit.diagnostics["warnings"]:
            console.print(f"[yellow]{fit.law.title}:[/] {warning}")
    console.print(" ".join(answer(study)))
    console.print(f"report: {study.report}", soft_wrap=True)


def _exponents(fit: Fit) -> str:
    names = [parameter.name for parameter in fit.law.parameters if not parameter.coefficient]
    return "\n".join(_value(name, fit.params[name], *fit.ci95.get(name, (None, None)), three) for name in names)


def _optimum(fit: Fit, target: float) -> str:
    best = fit.frontier(target)
    if best.empty:
        return DASH
    row = best.iloc[0]
    writers = {"N": short, "D": short, "loss": three}
    return "\n".join(
        _value(name, row[name], row[f"{name}_low"], row[f"{name}_high"], write)
        for name, write in writers.items()
        if name in row
    )


def _value(name: str, value: float, low: float | None, high: float | None, write: Callable[[float], str]) -> str:
    ends = interval(low, high, write)
    return f"{name} {write(value)}" + (f" ({ends})" if ends else "")


def three(value: float) -> str:
    """Three decimals, of a loss or an exponent."""
    return f"{value:.3f}"
