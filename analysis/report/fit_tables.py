"""Tables of one fit: parameters, intermediate results, predictions of held-out rows, influential runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.fit.diagnostics import describe_run
from openr1.analysis.formatting import DASH, interval, number, percent, quantity, run_label
from openr1.analysis.report.tables import MOST, Cell, Table

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.formatting import Words
    from openr1.analysis.study import Study

WIDE = 10  # factor from the lower to the upper end of an interval, beyond which a coefficient is given by its logarithm
KINDS = {"percentile": "95 %, percentile", "bca": "95 %, BCa", "profile": "95 %, profile"}
HEADINGS = {
    "C": "C (FLOPs)",
    "loss": "Loss (nats/token)",
    "excluded": "Reason for exclusion",
    "log_n_std": "SE of log N*",
    "lr": "Learning rate",
    "batch": "Batch (tokens)",
    "tau": "Time scale",
}


def parameters(fit: Fit, words: Words) -> Table:
    """Return a table of estimates, standard errors, every kind of interval, and estimates without the held-out runs.

    A coefficient that is known to no more than its magnitude, whose standard error says nothing, is given by its logarithm.
    """
    kinds = [kind for kind in KINDS if kind in fit.intervals]
    rows = []
    for index, parameter in enumerate(fit.law.parameters):
        name = parameter.name
        logs = parameter.coefficient and parameter.positive and _is_wide(fit, name)
        value, beside, se = fit.params[name], "", fit.se.get(name)
        meaning = words.meaning(parameter.meaning)
        if logs:
            value, beside, meaning = math.log(value), f"({name} = {number(value)})", f"natural logarithm of the {meaning}"
            se = None if fit.draws is None or se is None else float(np.log(fit.draws[:, index]).std(ddof=1))
        row = [Cell(f"log {name}" if logs else name, code=True), Cell(number(value), beside), Cell(number(se))]
        row += [Cell(_interval(fit, name, kind, logs) or DASH) for kind in kinds]
        if fit.holdout:
            without = fit.holdout["params"][name]
            row.append(Cell(number(math.log(without) if logs and without else without)))
        rows.append([*row, Cell(meaning)])
    heads = ("Parameter", "Estimate", "Standard error", *(KINDS[kind] for kind in kinds))
    held_out_head = ("Without held-out runs",) if fit.holdout else ()
    return Table((*heads, *held_out_head, "Meaning"), rows, frozenset({1, 2, *([len(heads)] if held_out_head else [])}))


def _is_wide(fit: Fit, name: str) -> bool:
    """Return True if a positive parameter is known to no more than its magnitude."""
    low, high = fit.ends(name)
    drawn = fit.draws is None or bool((fit.draws[:, list(fit.params).index(name)] > 0).all())
    return bool(fit.params[name] > 0 and drawn and low and high and high > WIDE * low)


def _interval(fit: Fit, name: str, kind: str, logs: bool) -> str:
    """Format an interval of a parameter, or of its logarithm; an open end is called open."""
    ends = fit.intervals.get(kind, {}).get(name)
    if ends is None:
        return ""
    low, high = (None if logs and not end else math.log(end) if logs and end else end for end in ends)
    if low is None or high is None:
        return f"{'open' if low is None else number(low)} to {'open' if high is None else number(high)}"
    return interval(low, high)


def records(rows: list[dict[str, Any]]) -> Table:
    """Return a table of rows of any columns; columns ``x_low`` and ``x_high`` stand beside ``x``."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = [name for name in names if not _is_end(name, names)]
    written = [[_cell(name, row) for name in shown] for row in rows]
    numeric = {i for i, name in enumerate(shown) if not any(isinstance(row.get(name), str) for row in rows)}
    return Table(tuple(HEADINGS.get(name) or _heading(name) for name in shown), written, frozenset(numeric))


def _heading(name: str) -> str:
    return name if len(name) == 1 or ("_" in name and name[1] == "_") else name.replace("_", " ").capitalize()


def _is_end(name: str, names: list[str]) -> bool:
    base, _, end = name.rpartition("_")
    return end in ("low", "high") and base in names


def _cell(name: str, row: dict[str, Any]) -> Cell:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return Cell(quantity(name, row.get(name)), interval(low, high, lambda value: quantity(name, value)))


def held_out(fit: Fit) -> Table | None:
    """Return a table of the held-out rows and the predictions of the fit without them."""
    rows = fit.holdout["points"] if fit.holdout else []
    if not rows:
        return None
    known = [name for name in ("N", "D", "C", "k") if any(row.get(name) is not None for row in rows)]
    named = any(row.get("run") or row.get("run_id") for row in rows)
    written = []
    for index, row in enumerate(rows[:MOST]):
        cells = [Cell(run_label(row, index))] if named else []
        cells += [Cell(quantity(name, row.get(name))) for name in known]
        cells += [
            Cell(number(row["measured"])),
            Cell(number(row["predicted"])),
            Cell(interval(row["low"], row["high"]) or DASH),
        ]
        written.append([*cells, Cell(percent(row["relative_error"]))])
    heads = (*(("Run",) if named else ()), *known, "Measured", "Predicted", "95 % interval", "Relative error")
    first = len(heads) - 4
    return Table(heads, written, frozenset({*range(int(named), first + 2), first + 3}), len(rows) - len(written))


def influence(study: Study, fit: Fit) -> Table | None:
    """Return a table of the run that changes each parameter most."""
    rows = fit.diagnostics["influence"]
    if not rows:
        return None
    written = [
        [
            Cell(row["parameter"], code=True),
            Cell(describe_run(study.runs.frame, row["run"])),
            Cell(number(row["with"])),
            Cell(number(row["without"])),
            Cell(f"{row['standard_errors']:+.2f}"),
        ]
        for row in rows
    ]
    heads = ("Parameter", "Most influential run", "With it", "Without it", "Change (standard errors)")
    return Table(heads, written, frozenset({2, 3, 4}))
