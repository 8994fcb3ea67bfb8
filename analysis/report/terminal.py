"""Summary of a study on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openr1.analysis.formatting import DASH, count_rows, interval, number, percent, three_decimals, with_interval
from openr1.analysis.report.advice_by_law import describe_transfer
from openr1.analysis.report.findings import compare_groups
from openr1.analysis.report.narrative import answer
from openr1.analysis.report.predictions import format_optimum
from openr1.analysis.report.study_warnings import SHOWN, study_warnings
from openr1.analysis.report.tables import held_out_rows
from openr1.analysis.study import GroupedStudy, Study
from openr1.system.terminal import console as console_of
from openr1.system.terminal import print_table

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit

BESIDE = 4  # largest number of parameters with a column each
REASONS = 4  # for which rows were left out


def show(study: Study | GroupedStudy) -> None:
    """Print the answer, the fits as a table, the gravest warnings, and the path of the report."""
    console = console_of()
    frame = study.runs.frame
    console.print(f"[bold]{escape(study.config.runs.study)}[/]: {count_rows(len(frame), frame)}{_describe_dropped(study)}")
    if isinstance(study, GroupedStudy):
        if compared := compare_groups(study):
            console.print(f"[bold]{escape(compared)}[/]")
        _print_transfers(study, console)
        print_table(_group_table(study), console)
    else:
        console.print(f"[bold]{escape(' '.join(answer(study)))}[/]")
        print_table(_law_table(study), console)
    _print_warnings(study, console)
    console.print(f"report: {study.report}", soft_wrap=True)


def _print_transfers(study: GroupedStudy, console: Console) -> None:
    """Print how well the learning rate of the smallest size does at the largest, for each group."""
    for group, part in study.parts.items():
        for sentence in describe_transfer(part):
            console.print(f"[bold]{escape(group)}:[/] {escape(sentence)}")


def _print_warnings(study: Study | GroupedStudy, console: Console) -> None:
    told = study_warnings(study)
    for warning in told[:SHOWN]:
        console.print(f"[yellow]warning:[/] {escape(str(warning))}")
    more = len(told) - SHOWN
    if more > 0:
        console.print(f"{more} more warning{'s are' if more > 1 else ' is'} in the report")


def _describe_dropped(study: Study | GroupedStudy) -> str:
    counts = study.runs.dropped["reason"].value_counts()
    shown = [f", {count} left out ({reason})" for reason, count in counts.items()]
    return escape("".join(shown[:REASONS]) + (", ..." if len(shown) > REASONS else ""))


def _law_table(study: Study) -> Table:
    """Return a table of the laws in the order of their held-out error."""
    table = Table("law", "held-out error", "held-out rows", header_style="bold", show_lines=True)
    table.columns[1].justify = "right"
    table.add_column("parameters (95 % interval)", no_wrap=True)
    if study.target_flops:
        table.add_column(f"optimum at {study.amount_of_compute(study.target_flops)}", no_wrap=True)
    for fit in study.ranked:
        optimum = [_format_optima(fit, study.target_flops)] if study.target_flops else []
        error = percent(study.held_out_error(fit))
        table.add_row(fit.law.title, error, held_out_rows(study, fit), _format_parameters(fit), *optimum)
    return table


def _group_table(study: GroupedStudy) -> Table:
    """Return a table with a row per group: a column per parameter with its interval, or one column if there are many
    parameters.
    """
    names = study.groups.parameters
    beside = len(names) <= BESIDE
    table = Table(escape(study.groups.by), "rows", "held-out error", header_style="bold", show_lines=True)
    table.title, table.title_justify = study.law.title, "left"
    for column in table.columns[1:]:
        column.justify = "right"
    for name in names if beside else ["parameters (95 % interval)"]:
        table.add_column(name, no_wrap=True)
    if study.target_flops:
        table.add_column(f"optimum at {study.amount_of_compute(study.target_flops)}", no_wrap=True)
    for group, fit in study.groups.fits.items():
        cells = [_stack_interval(fit, name) for name in names] if beside else [_format_parameters(fit, names)]
        optimum = [_format_optima(fit, study.target_flops)] if study.target_flops else []
        table.add_row(escape(group), str(fit.n_points), percent(fit.error), *cells, *optimum)
    return table


def _stack_interval(fit: Fit, name: str) -> str:
    if name not in fit.params:
        return DASH
    ends = interval(*fit.ends(name), _format_value)
    return _format_value(fit.params[name]) + (f"\n{ends}" if ends else "")


def _format_parameters(fit: Fit, names: Sequence[str] = ()) -> str:
    """Format the named parameters with intervals; by default those that are not mere coefficients."""
    names = names or [parameter.name for parameter in fit.law.parameters if not parameter.coefficient]
    known = [name for name in names if name in fit.params]
    return "\n".join(f"{name} {with_interval(fit.params[name], *fit.ends(name), _format_value)}" for name in known)


def _format_value(value: float) -> str:
    return three_decimals(value) if 0.01 <= abs(value) < 100 or value == 0 else number(value)


def _format_optima(fit: Fit, target: float) -> str:
    best = fit.frontier(target)
    if best.empty:
        return DASH
    known = [name for name in fit.known_at(target) if name in best]
    return "\n".join(f"{name} {format_optimum(best.iloc[0], name)}" for name in known) or "not determined"
