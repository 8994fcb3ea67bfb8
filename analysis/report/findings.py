"""A sentence on each figure of a report: what to see in it, in the numbers of the fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from openr1.analysis.charts.fits import SURFACES
from openr1.analysis.formatting import number, percent, quantity, share, times
from openr1.analysis.report.findings_by_law import BY_LAW

if TYPE_CHECKING:
    from openr1.analysis.charts import Chart
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import GroupedStudy, Study

DECADE = 10.0


def find(study: Study, charts: dict[str, Chart]) -> dict[str, str]:
    """Return a sentence for each figure of a study; none for a figure whose fits tell nothing in numbers."""
    own = {name: BY_LAW[name](study) for name in charts if name in BY_LAW}
    return own | {name: FIGURES[name](study) for name in charts if name in FIGURES}


def find_groups(study: GroupedStudy, charts: dict[str, Chart]) -> dict[str, str]:
    """Return a sentence for each figure of a grouped study."""
    return {name: OF_GROUPS[name](study) for name in charts if name in OF_GROUPS}


def _isoflop(study: Study) -> str:
    fit = study.fits.get("isoflop")
    rows = [row for row in fit.tables["budgets"] if not row["excluded"]] if fit else []
    if len(rows) < 2:
        return ""
    first, last = (f"{quantity('N', row['N'])} at {study.amount_of_compute(row['C'])}" for row in (rows[0], rows[-1]))
    return f"The size of lowest loss moves from {first} to {last}."


def _frontier(study: Study) -> str:
    fit, target = study.main, study.target_flops
    largest = float(study.runs.frame["C"].max())
    if not target or target <= largest or "loss" not in fit.known_at(target):
        return ""
    table = fit.frontier(np.array([largest, target]))
    if "loss" not in table or not np.isfinite(table["loss"]).all():
        return ""
    now, then = (quantity("loss", loss) for loss in table["loss"])
    return (
        f"From {study.amount_of_compute(largest)} to {study.amount_of_compute(target)}, the best {study.words.loss} falls from"
        f" {now} to {then} by the {fit.law.title}."
    )


def _allocation(study: Study) -> str:
    fit, largest = study.main, float(study.runs.frame["C"].max())
    table = fit.frontier(np.array([largest, DECADE * largest]))
    if not {"N", "D"} <= set(table) or not np.isfinite(table[["N", "D"]]).all(axis=None):
        return ""
    n, d = (times(table[name].iloc[1] / table[name].iloc[0]) for name in ("N", "D"))
    return (
        f"By the {fit.law.title}, ten times the compute calls for {n} times the {study.words.parameters} and {d} times the"
        f" {study.words.tokens}."
    )


def _surface(study: Study) -> str:
    fit = next(fit for fit in (study.main, *study.fits.values()) if fit.law.name in SURFACES)
    frame = study.runs.frame
    largest = frame.loc[(frame["N"] * frame["D"]).idxmax()]
    n, d = float(largest["N"]), float(largest["D"])
    grid = pd.DataFrame({"N": [n, 2 * n, n], "D": [d, d, 2 * d]})
    grid = grid.assign(C=fit.flops_of(grid["N"], grid["D"]), U=grid["D"])
    loss, of_n, of_d = fit.predict(grid).tolist()
    return (
        f"At the largest run, twice the {study.words.parameters} would lower the {study.words.loss} by {loss - of_n:.3f}, and"
        f" twice the {study.words.tokens} by {loss - of_d:.3f}."
    )


def _parameters(study: Study) -> str:
    """Return the parameters of the law that answers which are known best and worst."""
    fit = study.main
    widths = {}
    for parameter in fit.law.parameters:
        low, high = fit.ends(parameter.name)
        value = fit.params[parameter.name]
        if not parameter.coefficient and low is not None and high is not None and value:
            widths[parameter.name] = (high - low) / 2 / abs(value)
    if not widths:
        return ""
    best, worst = min(widths, key=widths.__getitem__), max(widths, key=widths.__getitem__)
    of = f"Of the {fit.law.title}, " if len(study.fits) > 1 else ""
    if best == worst:
        return f"{of}{best} is known to about {share(widths[best])}."
    return f"{of}{best} is known best, to about {share(widths[best])}, and {worst} worst, to about {share(widths[worst])}."


def _residuals(study: Study) -> str:
    return _describe_errors(study.main, f"the {study.main.law.title}" if len(study.fits) > 1 else "the law")


def _relative_errors(fit: Fit) -> np.ndarray:
    """Return predicted / measured - 1 (n,) of the rows that a fit was fitted to, where the measured value is not 0."""
    assert fit.frame is not None
    rows = fit.law.fitted_rows(fit.frame)
    measured = fit.law.observed(rows)
    return (fit.predict(rows) / np.where(measured == 0, np.nan, measured) - 1)[measured != 0]


def _describe_errors(fit: Fit, law: str) -> str:
    errors = np.abs(_relative_errors(fit))
    if not len(errors):
        return ""
    held = f"; held-out rows are off by {percent(fit.error)} in the mean" if fit.error is not None else ""
    return (
        f"Half of the fitted rows lie within {percent(float(np.median(errors)))} of {law}, and all within"
        f" {percent(float(errors.max()))}{held}."
    )


FIGURES: dict[str, Callable[[Study], str]] = {
    "isoflop": _isoflop,
    "frontier": _frontier,
    "allocation": _allocation,
    "surface": _surface,
    "parameters": _parameters,
    "residuals": _residuals,
}


def compare_groups(study: GroupedStudy) -> str:
    """Return a sentence on the groups whose laws predict the least and the most at one place, the target budget or the largest
    of all points; an empty text for a law of other variables.
    """
    law, response = study.law, study.law.response
    if study.target_flops and law.response == "loss" and len(law.predictors) > 1:
        table = {group: fit.frontier(study.target_flops).iloc[0] for group, fit in study.groups.fits.items()}
        values = {group: float(row["loss"]) for group, row in table.items()}
        where = study.amount_of_compute(study.target_flops)
    elif len(law.predictors) == 1:
        (x,) = law.predictors
        at = max(float(law.fitted_rows(part.runs.frame)[x].max()) for part in study.parts.values())
        values = {group: float(fit.predict(pd.DataFrame({x: [at]}))[0]) for group, fit in study.groups.fits.items()}
        where = study.amount_of_compute(at) if x == "C" else f"{x} = {quantity(x, at)}"
    else:
        return ""
    low, high = _extremes(values)
    if low == high:
        return ""
    write = {group: quantity(response, values[group]) for group in (low, high)}
    return f"At {where}, the laws predict from {write[low]} ({low}) to {write[high]} ({high})."


def _extremes(values: dict[str, float]) -> tuple[str, str]:
    known = {group: value for group, value in values.items() if np.isfinite(value)}
    return (min(known, key=known.__getitem__), max(known, key=known.__getitem__)) if known else ("", "")


def _transfer(study: GroupedStudy) -> str:
    regrets = {group: float(transfer.regret[0]) for group, transfer in study.transfers.items()}
    low, high = _extremes(regrets)
    if low == high:
        return ""
    return (
        f"The best learning rate of the smallest size loses least with {low} ({regrets[low]:.4f}) and most with {high}"
        f" ({regrets[high]:.4f})."
    )


def _group_parameters(study: GroupedStudy) -> str:
    for parameter in study.law.parameters:
        values = {group: fit.params[parameter.name] for group, fit in study.groups.fits.items() if parameter.name in fit.se}
        low, high = _extremes(values)
        if not parameter.coefficient and low != high:
            ends = [f"{number(values[group])} ({group})" for group in (low, high)]
            return f"{parameter.name} is from {ends[0]} to {ends[1]}."
    return ""


def _predictions(study: GroupedStudy) -> str:
    errors = {group: float(np.median(np.abs(_relative_errors(fit)))) for group, fit in study.groups.fits.items()}
    _, worst = _extremes(errors)
    return f"In every group, half of the fitted rows lie within {percent(errors[worst])} of its law." if worst else ""


OF_GROUPS: dict[str, Callable[[GroupedStudy], str]] = {
    "groups": compare_groups,
    "transfer": _transfer,
    "parameters": _group_parameters,
    "predictions": _predictions,
}
