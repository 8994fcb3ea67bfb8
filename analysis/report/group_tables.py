"""Tables of a grouped study, with a row per group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.formatting import DASH, interval, number, percent
from analysis.report.tables import Cell, Table, cell_with_interval

if TYPE_CHECKING:
    from analysis.study import GroupedStudy


def parameters(study: GroupedStudy) -> Table:
    """Return a table of rows, held-out errors, and parameters with intervals; dashes for a group without a fit."""
    names = study.groups.parameters
    rows = []
    for group, fit in study.groups.fits.items():
        row = [Cell(group), Cell(str(fit.n_points)), Cell(percent(fit.error))]
        for name in names:
            ends = interval(*fit.ends(name))
            row.append(Cell(number(fit.params.get(name)), f"({ends})" if ends else ""))
        rows.append(row)
    rows += [[Cell(group), *[Cell(DASH)] * (len(names) + 2)] for group in study.groups.failed]
    return Table((study.groups.by, "Rows", "Held-out error", *names), rows, frozenset({1, 2}))


def optimum(study: GroupedStudy) -> Table | None:
    """Return a table of how each group's law spends the target budget; null for a law without a frontier."""
    if not study.target_flops:
        return None
    names = [name for name in ("N", "D", "loss") if name in next(iter(study.groups.fits.values())).frontier(study.target_flops)]
    rows = []
    for group, fit in study.groups.fits.items():
        best = fit.frontier(study.target_flops).iloc[0]
        rows.append([Cell(group), *(Cell(DASH) if fit.undetermined else cell_with_interval(best, name) for name in names)])
    heads = {"N": "N*", "D": "D*", "loss": study.words.loss_heading}
    return Table((study.groups.by, *(heads[name] for name in names)), rows)
