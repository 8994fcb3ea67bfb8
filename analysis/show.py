"""What a study found, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.advice import written
from analysis.answers import answer
from analysis.text import DASH, counted, number, percent, scientific, three, with_interval

if TYPE_CHECKING:
    from analysis.fitted import Fit
    from analysis.study import Study

PIPED_WIDTH = 100
WARNINGS = 4  # of a law; the report has all
REASONS = 4


def show(study: Study) -> None:
    """Print the laws side by side, what to beware of, the answer, and where the report is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED_WIDTH)
    console.print(
        f"[bold]{escape(study.config.runs.study)}[/]: {counted(len(study.runs.frame), study.runs.frame)}{_left_out(study)}"
    )
    console.print(_table(study))

    for warning in study.runs.warnings:
        console.print(f"[yellow]runs:[/] {escape(warning)}")
    for name, reason in study.failed.items():
        console.print(f"[yellow]{name} was not fitted:[/] {escape(reason)}")
    for fit in study.fits.values():
        warnings = fit.diagnostics["warnings"]
        more = [f"and {len(warnings) - WARNINGS} more, see the report"] if len(warnings) > WARNINGS else []
        for warning in (*warnings[:WARNINGS], *more):
            console.print(f"[yellow]{fit.law.title}:[/] {escape(warning)}")
    console.print(escape(" ".join(answer(study))))
    console.print(f"report: {study.report}", soft_wrap=True)


def _left_out(study: Study) -> str:
    counts = study.runs.dropped["reason"].value_counts()
    shown = [f", {count} left out ({reason})" for reason, count in counts.items()]
    return escape("".join(shown[:REASONS]) + (", ..." if len(shown) > REASONS else ""))


def _table(study: Study) -> Table:
    """The laws, best on what was held out first."""
    table = Table("law", "held-out error", header_style="bold", show_lines=True)
    table.columns[1].justify = "right"
    table.add_column("parameters (95 % interval)", no_wrap=True)
    if study.target_flops:
        table.add_column(f"optimum at {scientific(study.target_flops)} FLOPs", no_wrap=True)
    for fit in study.ranked:
        optimum = [_optimum(fit, study.target_flops)] if study.target_flops else []
        table.add_row(fit.law.title, percent(fit.error), _parameters(fit), *optimum)
    return table


def _parameters(fit: Fit) -> str:
    """Those that mean something by themselves."""
    names = [parameter.name for parameter in fit.law.parameters if not parameter.coefficient]
    return "\n".join(f"{name} {with_interval(fit.params[name], *fit.ci95.get(name, (None, None)), _written)}" for name in names)


def _written(value: float) -> str:
    return three(value) if 0.01 <= abs(value) < 100 or value == 0 else number(value)


def _optimum(fit: Fit, target: float) -> str:
    best = fit.frontier(target)
    if best.empty:
        return DASH
    return "\n".join(f"{name} {written(best.iloc[0], name)}" for name in ("N", "D", "loss") if name in best)
