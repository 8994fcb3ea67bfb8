"""What a study found, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.formatting import DASH, count_rows, interval, number, percent, scientific, three_decimals, with_interval
from analysis.report.advice import format_optimum
from analysis.report.narrative import answer
from analysis.study import GroupedStudy, Study
from openr1.console import console as console_of
from openr1.console import print_table

if TYPE_CHECKING:
    from analysis.fit.result import Fit

BESIDE = 4  # parameters of a law that have a column each
WARNINGS = 4  # of a law; the report has all
REASONS = 4


def show(study: Study | GroupedStudy) -> None:
    """Print the fits as a table, their warnings, the answer, and the path of the report."""
    console = console_of()
    _print_header(study, console)
    if isinstance(study, GroupedStudy):
        _print_groups(study, console)
    else:
        _print_laws(study, console)
    console.print(f"report: {study.report}", soft_wrap=True)


def _print_laws(study: Study, console: Console) -> None:
    print_table(_law_table(study), console)
    for name, reason in study.failed.items():
        console.print(f"[yellow]{name} was not fitted:[/] {escape(reason)}")
    for fit in study.fits.values():
        _print_warnings(fit.law.title, fit, console)
    console.print(escape(" ".join(answer(study))))


def _print_groups(study: GroupedStudy, console: Console) -> None:
    print_table(_group_table(study), console)
    for group, reason in study.groups.failed.items():
        console.print(f"[yellow]{escape(group)} was not fitted:[/] {escape(reason)}")
    if study.groups.unlabelled:
        console.print(f"[yellow]{study.groups.unlabelled} without {escape(study.groups.by)}[/] are in no group")
    for group, fit in study.groups.fits.items():
        _print_warnings(group, fit, console)


def _print_header(study: Study | GroupedStudy, console: Console) -> None:
    frame = study.runs.frame
    console.print(f"[bold]{escape(study.config.runs.study)}[/]: {count_rows(len(frame), frame)}{_left_out(study)}")
    for warning in study.runs.warnings:
        console.print(f"[yellow]runs:[/] {escape(warning)}")


def _print_warnings(name: str, fit: Fit, console: Console) -> None:
    warnings = fit.diagnostics["warnings"]
    more = [f"and {len(warnings) - WARNINGS} more, see the report"] if len(warnings) > WARNINGS else []
    for warning in (*warnings[:WARNINGS], *more):
        console.print(f"[yellow]{escape(name)}:[/] {escape(warning)}")


def _left_out(study: Study | GroupedStudy) -> str:
    counts = study.runs.dropped["reason"].value_counts()
    shown = [f", {count} left out ({reason})" for reason, count in counts.items()]
    return escape("".join(shown[:REASONS]) + (", ..." if len(shown) > REASONS else ""))


def _law_table(study: Study) -> Table:
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


def _group_table(study: GroupedStudy) -> Table:
    """A row a group: each parameter with its interval below it, or all in one cell where they are many."""
    names = [parameter.name for parameter in study.law.parameters]
    beside = len(names) <= BESIDE
    table = Table(escape(study.groups.by), "rows", "held-out error", header_style="bold", show_lines=True)
    table.title, table.title_justify = study.law.title, "left"
    for column in table.columns[1:]:
        column.justify = "right"
    for name in names if beside else ["parameters (95 % interval)"]:
        table.add_column(name, no_wrap=True)
    if study.target_flops:
        table.add_column(f"optimum at {scientific(study.target_flops)} FLOPs", no_wrap=True)
    for group, fit in study.groups.fits.items():
        cells = [_below(fit, name) for name in names] if beside else [_parameters(fit, names)]
        optimum = [_optimum(fit, study.target_flops)] if study.target_flops else []
        table.add_row(escape(group), str(fit.n_points), percent(fit.error), *cells, *optimum)
    return table


def _below(fit: Fit, name: str) -> str:
    ends = interval(*fit.ci95.get(name, (None, None)), _written)
    return _written(fit.params[name]) + (f"\n{ends}" if ends else "")


def _parameters(fit: Fit, names: Sequence[str] = ()) -> str:
    """Those of the names; where none are given, those that mean something by themselves."""
    names = names or [parameter.name for parameter in fit.law.parameters if not parameter.coefficient]
    return "\n".join(f"{name} {with_interval(fit.params[name], *fit.ci95.get(name, (None, None)), _written)}" for name in names)


def _written(value: float) -> str:
    return three_decimals(value) if 0.01 <= abs(value) < 100 or value == 0 else number(value)


def _optimum(fit: Fit, target: float) -> str:
    best = fit.frontier(target)
    if best.empty:
        return DASH
    return "\n".join(f"{name} {format_optimum(best.iloc[0], name)}" for name in ("N", "D", "loss") if name in best)
