"""What a study found, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from analysis.text import answer, interval, number, percent, scientific, short

if TYPE_CHECKING:
    from analysis.fitting import Fit
    from analysis.study import Study


def show(study: Study) -> None:
    """Print the answer, a table of the laws, every warning, and where the report is."""
    console = Console()
    frame, dropped = study.runs.frame, study.runs.dropped
    left_out = f", {len(dropped)} left out ({dropped['reason'].value_counts().index[0]})" if len(dropped) else ""
    console.print(f"[bold]{study.config.runs.study}[/]: {len(frame)} runs{left_out}", highlight=False)
    table = Table("law", "parameters (95 % interval)", "held-out error", header_style="bold")
    if study.target_flops:
        table.add_column(f"at {scientific(study.target_flops)} FLOPs")
    for fit in study.fits.values():
        table.add_row(
            fit.law.title,
            _params(fit),
            percent(fit.error),
            *([_optimum(fit, study.target_flops)] if study.target_flops else []),
        )
        table.add_section()
    console.print(table)
    for name, reason in study.failed.items():
        console.print(f"[yellow]{name} was not fitted:[/] {reason}", highlight=False)
    for fit in study.fits.values():
        for warning in fit.diagnostics["warnings"]:
            console.print(f"[yellow]{fit.law.title}:[/] {warning}", highlight=False)
    for sentence in answer(study):
        console.print(sentence, highlight=False)
    console.print(f"report: {study.report}", highlight=False, soft_wrap=True)


def _params(fit: Fit) -> str:
    lines = []
    for name, value in fit.params.items():
        ends = interval(*fit.ci95[name]) if fit.ci95 else ""
        lines.append(f"{name} = {number(value)}" + (f" ({ends})" if ends else ""))
    return "\n".join(lines)


def _optimum(fit: Fit, target: float) -> str:
    best = fit.frontier(target)
    if best.empty:
        return "–"
    row = best.iloc[0]
    lines = []
    for name, write in (("N", short), ("D", short), ("loss", lambda value: f"{value:.3f}")):
        if name in row:
            ends = interval(row[f"{name}_low"], row[f"{name}_high"], write)
            lines.append(f"{name} = {write(row[name])}" + (f" ({ends})" if ends else ""))
    return "\n".join(lines)
