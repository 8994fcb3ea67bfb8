"""Tables of a study as data: the text of cells, and the columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.formatting import (
    DASH,
    compute,
    count_rows,
    interval,
    number,
    percent,
    quantity,
    run_label,
    scientific,
    times,
)

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import GroupedStudy, Study

MOST = 500  # runs, or held-out runs, in the report; points.csv and fit.json have all of them
DROPPED = 50  # unusable rows in the report
RUN_COLUMNS = ("family", "scale", "data", "seed", "N", "D", "U", "C", "lr", "batch", "teacher_loss", "supervised_loss", "loss")
MORE_COLUMNS = ("pass_at_1", "error", "k", "coverage", "samples", "correct", "weight")
OFF = (0.25, 0.5, 2.0, 4.0)  # sizes, over the best one
REACH = 100  # range of the table of budgets, over the largest budget of the runs
PROSE = ("Formula", "Reason for exclusion", "Meaning", "Reason")


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    quiet: str = ""  # text beside it in grey, such as an interval
    link: str = ""
    code: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``numeric`` are the indices of right-aligned columns."""

    columns: tuple[str, ...]
    rows: list[list[Cell]]
    numeric: frozenset[int] = frozenset()
    more: int = 0  # number of rows that are not listed

    @property
    def prose(self) -> set[int]:
        """The indices of columns whose lines may break."""
        return {place for place, name in enumerate(self.columns) if name in PROSE}


def ranking(study: Study) -> Table:
    """Return a table of the laws by held-out error, with their advice for the target budget, or else their formulas."""
    target = study.target_flops
    firsts = [
        [Cell(fit.law.title), Cell(percent(study.held_out_error(fit))), Cell(held_out_rows(study, fit))] for fit in study.ranked
    ]
    heads = ("Law", "Held-out error", "Held-out rows")
    if not target:
        rows = [[*first, Cell(fit.law.formula, code=True)] for first, fit in zip(firsts, study.ranked, strict=True)]
        return Table((*heads, "Formula"), rows, frozenset({1}))
    rows = []
    for first, fit in zip(firsts, study.ranked, strict=True):
        best = fit.frontier(target)
        told = {*fit.known_at(target)} & {*best}
        cells = [cell_with_interval(best.iloc[0], name) if name in told else Cell(DASH) for name in ("N", "D", "loss")]
        rows.append([*first, *cells])
    return Table((*heads, f"N at {study.amount_of_compute(target)}", "D", study.words.loss_heading), rows, frozenset({1}))


def held_out_rows(study: Study, fit: Fit) -> str:
    """Name the rows of the held-out error of a fit; a dash if nothing was held out."""
    if not fit.holdout:
        return DASH
    if not study.on_best_runs(fit):
        return count_rows(len(fit.holdout["points"]), study.runs.frame)
    count = len(fit.holdout["best_runs"])
    return "best run of a budget" if count == 1 else f"best runs of {count} budgets"


def budgets(study: Study) -> Table | None:
    """Return a table of the best allocation of several budgets by each allocating law."""
    laws = [fit for fit in study.ranked if fit.law.allocates and not fit.undetermined]
    if not study.target_flops or not laws:
        return None
    low, largest = study.runs.frame["C"].min(), float(study.runs.frame["C"].max())
    flops = np.unique([*_round_budgets(float(low), REACH * largest), float(study.target_flops)])
    frontiers = {fit.law.title: fit.frontier(flops) for fit in laws}
    rows = []
    for index, budget in enumerate(flops):
        reach = f"{times(budget / largest)} times the largest run" if budget > 1.05 * largest else ""
        for place, (title, table) in enumerate(frontiers.items()):
            row = table.iloc[index]
            first = Cell(scientific(budget), reach) if place == 0 else Cell("")
            ratio = row["D"] / row["N"]
            rows.append(
                [
                    first,
                    Cell(title),
                    *(cell_with_interval(row, name) for name in ("N", "D")),
                    Cell(number(ratio)),
                    cell_with_interval(row, "loss"),
                ]
            )
    return Table(("Budget (FLOPs)", "Law", "N*", "D*", "D*/N*", study.words.loss_heading), rows, frozenset({4}))


def _round_budgets(low: float, high: float) -> list[float]:
    """Return powers of ten, and three times them if there are few."""
    steps = (1,) if high / low > 1e4 else (1, 3)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps if low * 0.99 <= step * 10.0**power <= high * 1.01]


def off_optimum(study: Study, fit: Fit) -> Table | None:
    """Return a table of the cost of spending the target budget on smaller or larger models than the best."""
    if fit.undetermined or not (study.target_flops and fit.law.allocates and fit.law.regression):
        return None
    best = float(fit.frontier(study.target_flops)["N"].iloc[0])
    if not 1 <= best < math.inf:
        return None
    table = fit.off_optimum(np.array(OFF) * best, study.target_flops)
    rows = [
        [
            Cell(f"{factor:g} N*"),
            *(Cell(quantity(name, row[name])) for name in ("N", "D")),
            Cell(f"{row['loss']:.4f}"),
            Cell(f"+{row['above']:.4f}"),
            Cell(scientific(row["C_equivalent"])),
            Cell(percent(row["wasted"])),
        ]
        for factor, row in zip(OFF, table.to_dict("records"), strict=True)
    ]
    heads = (
        "Size",
        "N",
        "D",
        study.words.loss_heading,
        "Above the best loss",
        "Equivalent optimal budget (FLOPs)",
        "Compute wasted",
    )
    return Table(heads, rows, frozenset(range(1, 7)))


def runs(study: Study | GroupedStudy) -> Table:
    """Return a table of the runs as fitted, linked to where they are tracked."""
    frame = study.runs.frame.iloc[:MOST]
    by = (study.config.by,) if study.config.by else ()
    names = [name for name in dict.fromkeys((*by, *RUN_COLUMNS, *MORE_COLUMNS)) if name in frame]
    rows = []
    for index, row in zip(frame.index, frame.to_dict("records"), strict=True):
        url = row.get("url") if isinstance(row.get("url"), str) else ""
        cells = [Cell(f"{row[name]:.4f}") if name == "loss" else Cell(quantity(name, row[name])) for name in names]
        rows.append([Cell(run_label(row, index), link=url), *cells])
    numeric = {i for i, name in enumerate(names, start=1) if isinstance(frame[name].iloc[0], (int, float, np.number))}
    heads = {"C": "C", "loss": "loss"}
    return Table(("Run", *(heads.get(name, name) for name in names)), rows, frozenset(numeric))


def dropped(study: Study | GroupedStudy) -> Table | None:
    """Return a table of the first unusable rows, with the reasons."""
    frame = study.runs.dropped
    if frame.empty:
        return None
    columns = study.config.runs.columns
    wanted = {key: name or key for key, name in vars(columns).items() if (name or key) in frame}
    named = next((name for name in ("name", "run_id", "run") if name in frame), None)
    rows = []
    for index, row in enumerate(frame.iloc[:DROPPED].to_dict("records")):
        first = str(row[named]) if named else f"row {index}"
        rows.append([Cell(first), Cell(row["reason"]), *(Cell(_raw(row[name])) for name in wanted.values())])
    return Table(("Row", "Reason", *wanted), rows, frozenset(range(2, 2 + len(wanted))))


def _raw(value: Any) -> str:
    """Format a value as the source has it."""
    if isinstance(value, float):
        return DASH if math.isnan(value) else compute(value) if value > 0 else number(value)
    return str(value)


def cell_with_interval(row: pd.Series, name: str) -> Cell:
    """Return a cell of a value with its interval."""
    ends = interval(row[f"{name}_low"], row[f"{name}_high"], lambda value: quantity(name, float(value)))
    return Cell(quantity(name, float(row[name])), f"({ends})" if ends else "")
