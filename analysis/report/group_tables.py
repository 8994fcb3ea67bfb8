"""Tables of a grouped study, with a row per group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openr1.analysis.formatting import DASH, interval, number, percent, quantity, times
from openr1.analysis.report.tables import Cell, Table, cell_with_interval

if TYPE_CHECKING:
    from openr1.analysis.study import GroupedStudy


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


def transfer(study: GroupedStudy) -> Table | None:
    """Return a table of how well the learning rate of the smallest size does at the largest; null for another law."""
    if not any(part.transfer or part.no_transfer for part in study.parts.values()):
        return None
    rows = []
    for group, part in study.parts.items():
        known = part.transfer
        if known is None:
            rows.append([Cell(group), *[Cell(DASH)] * 3, Cell(DASH, part.no_transfer)])
            continue
        cells = []
        for n, ends in ((known.small_n, known.small), (known.large_n, known.large)):
            cells.append(Cell(quantity("lr", ends[0]), _interval(ends, "lr") + f" at {quantity('N', n)}"))
        ratio = Cell(times(known.small[0] / known.large[0]))
        spread = interval(*known.regret[1:], _nats)
        least = "at least " if known.at_least else ""
        rows.append([Cell(group), *cells, ratio, Cell(least + _nats(known.regret[0]), f"({spread})" if spread else "")])
    of_error = any(part.transfer and part.transfer.response == "error" for part in study.parts.values())
    regret = "Regret (error rate)" if of_error else "Regret (nats per token)"
    heads = ("Best learning rate of the smallest size", "Of the largest size", "Ratio", regret)
    return Table((study.groups.by, *heads), rows, frozenset({3}))


def _nats(value: float) -> str:
    return f"{value:.4f}"


def _interval(ends: tuple[float, float, float], name: str) -> str:
    text = interval(*ends[1:], lambda value: quantity(name, value))
    return f"({text})" if text else ""


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
