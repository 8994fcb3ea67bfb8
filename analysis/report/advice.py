"""Advice of a study in sentences: how to spend a budget, or what to expect beyond the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openr1.analysis.formatting import number, quantity, three_decimals, times
from openr1.analysis.report.advice_by_law import SPECIAL
from openr1.analysis.report.predictions import BEYOND, format_optimum, format_prediction

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

BELOW = 0.9  # prediction of a law of the loss, over the lowest loss of the runs


def advise(study: Study, fit: Fit) -> list[str]:
    """Return sentences on how to spend the target budget, or on what to expect beyond the runs."""
    if fit.undetermined:
        return [f"There is no advice on larger budgets, since {fit.undetermined}."]
    special = SPECIAL.get(fit.law.name)
    if special:
        return special(study, fit)
    if study.target_flops and not fit.frontier(study.target_flops).empty:
        return _allocation(study, fit)
    if len(fit.law.predictors) == 1:
        return _one_variable(study, fit)
    return [f"{fit.law.formula} with {', '.join(f'{name} = {number(value)}' for name, value in fit.params.items())}."]


def _allocation(study: Study, fit: Fit) -> list[str]:
    target = float(study.target_flops or 0)
    row = fit.frontier(target).iloc[0]
    if row["undetermined"]:
        return [f"There is no advice on {study.amount_of_compute(target)}, since {row['undetermined']}."]
    optimum = {name: format_optimum(row, name) for name in ("N", "D") if name in row}
    known = "loss" in fit.known_at(target)
    loss = study.words.amount_of_loss(format_optimum(row, "loss")) if known else _unknown_loss(study)
    factor = target / fit.runs["C"][1]
    reach = f", {times(factor)} times the largest run" if factor > 1.05 else ""
    budget = f"With {study.amount_of_compute(target)}{reach}"
    if fit.law.allocates:
        places = f"{optimum['N']} {study.words.parameters} on {optimum['D']} {study.words.tokens}"
        return [f"{budget}, train {places}; expect {loss}."]
    return [f"{budget}, expect {loss}."]


def _unknown_loss(study: Study) -> str:
    """Return what stands for a loss that the runs do not determine."""
    loss = study.words.loss
    return f"a lower {loss} than any of the runs, which determine no irreducible {loss} and so not how much lower"


def _one_variable(study: Study, fit: Fit) -> list[str]:
    (x,) = fit.law.predictors
    response = fit.law.response
    what = {"coverage": "a coverage of", "error": "an error of"}.get(response, f"{response} =")

    def amount(text: str) -> str:
        return study.words.amount_of_loss(text) if response == "loss" else f"{what} {text}"

    values = study.runs.frame[x]
    if x == "loss":
        at = BELOW * float(values.min())
        expected = format_prediction(fit, {x: at}, lambda value: quantity(response, value))
        return [f"At a loss of {three_decimals(at)}, 10 % below the lowest of the runs, expect {amount(expected)}."]
    at = BEYOND * float(values.max())
    named = {"N": study.words.parameters, "D": study.words.tokens, "k": "samples per problem"}.get(x) or study.compute_unit()
    expected = format_prediction(fit, {x: at}, lambda value: quantity(response, value))
    return [f"With {quantity(x, at)} {named}, {BEYOND} times the largest run, expect {amount(expected)}."]
