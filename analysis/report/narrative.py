"""What a study found, in sentences: the answer, how well it was checked, and what to beware of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.formatting import (
    compute,
    count_rows,
    join_names,
    number,
    percent,
    quantity,
    scientific,
    three_decimals,
    with_interval,
)
from analysis.report.advice import advise
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from analysis.fit.result import Fit
    from analysis.study import Study


def answer(study: Study) -> list[str]:
    """The advice of the law that answers, the budget for the target loss, and the check."""
    return [*advise(study, study.main), *_describe_budget(study, study.main), *_describe_holdout(study, study.main)]


def _describe_budget(study: Study, fit: Fit) -> list[str]:
    """The compute that the target loss takes."""
    target = study.config.target_loss
    if target is None:
        return []
    try:
        budget = fit.budget_for(target)
    except ConfigError as error:
        return [f"No budget is known for a loss of {target:g}: {str(error).split(': ', 1)[-1]}."]
    flops = with_interval(budget["C"], budget["C_low"], budget["C_high"], _budget_written)
    advice = f": {quantity('N', budget['N'])} parameters on {quantity('D', budget['D'])} tokens" if "N" in budget else ""
    return [f"A loss of {target:g} takes {flops} FLOPs{advice}."]


def _budget_written(flops: float) -> str:
    return scientific(flops) if math.isfinite(flops) else "no budget"


def _describe_holdout(study: Study, fit: Fit) -> list[str]:
    held = fit.holdout
    if not held:
        return ["Nothing was held out: how well the law predicts beyond the runs is not known."]
    largest = held["largest_fitted"]
    unit = study.compute_unit(largest) if largest is not None else ""
    mask = study.config.holdout.mask(study.runs.frame)
    above = largest is not None and float(study.runs.frame.loc[mask, "C"].min()) > largest
    where = f" above {compute(largest)} {unit}" if above else " that were held out"
    runs = f"{count_rows(held['n'], study.runs.frame)}{where}"
    if not held["budgets"]:
        them = "it with an" if held["n"] == 1 else "them with a mean"
        return [f"Fitted without the {runs}, the law predicts {them} error of {percent(fit.error)}."]
    row = held["budgets"][-1]
    side = "above" if row["relative_error"] < 0 else "below"
    return [
        f"Fitted without the {runs}, the law predicts {with_interval(row['predicted'], row['low'], row['high'], three_decimals)} for the"
        f" best run of {compute(row['C'])} FLOPs; {three_decimals(row['measured'])} was measured,"
        f" {percent(abs(row['relative_error']))} {side} that."
    ]


def describe_diagnostics(study: Study, fit: Fit) -> list[str]:
    """What is well about a fit, or not, for whoever wants to know more than the warnings."""
    known = fit.diagnostics
    sentences = []
    if known["basins"] > 1:
        sentences.append(f"The starts ended in {known['basins']} optima, {known['agreeing']:.0%} of them in the best.")
    elif fit.law.regression:
        sentences.append("All starts ended in one optimum.")
    if known["condition"] is not None:
        flat = (
            f"along {' and '.join(known['ridge'])} the optimum is flat"
            if known["ridge"]
            else "the runs tell the parameters apart"
        )
        sentences.append(f"The condition number is {number(known['condition'])}: {flat}.")
    if known["influence"]:
        row = known["influence"][0]
        sentences.append(
            f"No run moves a parameter by more than {abs(row['standard_errors']):.2g} standard errors"
            f" ({row['parameter']}, without {run_name(study, row['run'])})."
        )
    trends = [f"{row['with']} ({row['shape']}, {row['correlation']:+.2f})" for row in known["trends"]]
    sentences.append(f"Residuals trend with {join_names(trends)}." if trends else "Residuals show no trend.")
    return sentences


def run_name(study: Study, label: str) -> str:
    """What a fit calls a run; one without a name is known by its row."""
    return label if {"name", "run_id", "run"} & set(study.runs.frame) else f"row {label}"
