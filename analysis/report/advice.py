"""Advice of laws in sentences: one function per kind of law."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from analysis.formatting import compute, number, quantity, scientific, share, three_decimals, times, with_interval
from analysis.laws import Hyperparameter, RlPower

if TYPE_CHECKING:
    import pandas as pd

    from analysis.fit.result import Fit
    from analysis.study import Study

BEYOND = 10  # prediction of a law of one variable, over the largest value of the runs
BELOW = 0.9  # prediction of a law of the loss, over the lowest loss of the runs
REPEATS = 3  # epochs over the same data after the first one
TEACHERS = 100  # losses between those of the runs' teachers


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
    if fit.law.allocates and not (1 <= row["N"] < math.inf and 1 <= row["D"] < math.inf):
        return [f"The runs do not determine how to spend {scientific(target)} FLOPs: the fitted exponents allow any size."]
    optimum = {name: format_optimum(row, name) for name in ("N", "D") if name in row}
    loss = study.words.amount_of_loss(format_optimum(row, "loss"))
    if fit.law.allocates:
        places = f"{optimum['N']} {study.words.parameters} on {optimum['D']} {study.words.tokens}"
        advice = f"With {scientific(target)} FLOPs, train {places}; expect {loss}."
    else:
        advice = f"With {scientific(target)} FLOPs, expect {loss}."
    factor = target / fit.runs["C"][1]
    reach = [f"This extrapolates: the budget is {times(factor)} times that of the largest run."] if factor > 1.05 else []
    return [advice, *reach]


def format_optimum(row: pd.Series, name: str) -> str:
    """Format a quantity of a row of :meth:`Fit.frontier` with its interval."""
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], lambda value: quantity(name, float(value)))


def _format_prediction(fit: Fit, row: dict[str, float], write: Callable[[float], str], flip: bool = False) -> str:
    """Format the response at one place with its interval; ``1 - response`` if ``flip``."""
    import pandas as pd

    frame = pd.DataFrame([row])
    values = np.array([fit.predict(frame)[0], *fit.interval(frame)[:, 0]])
    value, low, high = 1 - values[[0, 2, 1]] if flip else values
    return with_interval(value, low, high, write)


def _one_variable(study: Study, fit: Fit) -> list[str]:
    (x,) = fit.law.predictors
    response = fit.law.response
    what = {"coverage": "a coverage of", "error": "an error of"}.get(response, f"{response} =")

    def amount(text: str) -> str:
        return study.words.amount_of_loss(text) if response == "loss" else f"{what} {text}"

    values = study.runs.frame[x]
    if x == "loss":
        at = BELOW * float(values.min())
        expected = _format_prediction(fit, {x: at}, lambda value: quantity(response, value))
        return [f"At a loss of {three_decimals(at)}, 10 % below the lowest of the runs, expect {amount(expected)}."]
    at = BEYOND * float(values.max())
    named = {"N": study.words.parameters, "D": study.words.tokens, "k": "samples per problem"}.get(x) or study.compute_unit(at)
    expected = _format_prediction(fit, {x: at}, lambda value: quantity(response, value))
    return [f"With {quantity(x, at)} {named}, {BEYOND} times the largest run, expect {amount(expected)}."]


def _rl_sigmoid(study: Study, fit: Fit) -> list[str]:
    def estimate(name: str, write: Callable[[float], str]) -> str:
        return with_interval(fit.params[name], *fit.ends(name), write)

    largest = float(study.runs.frame["C"].max())
    unit = study.compute_unit()
    return [
        f"The pass rate rises from R0 = {estimate('R0', share)} towards A = {estimate('A', share)}, and is half-way at"
        f" C_mid = {estimate('C_mid', compute)} {unit}, with B = {estimate('B', number)}.",
        f"With {compute(BEYOND * largest)} {unit}, {BEYOND} times the largest of the runs, expect a pass rate of"
        f" {_format_prediction(fit, {'C': BEYOND * largest}, share)}.",
    ]


def _rl_power(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, RlPower)
    frame, x = study.runs.frame, fit.law.x
    n = float(frame["N"].max())
    at = BEYOND * float(frame.loc[frame["N"] == n, x].max())
    unit = study.words.tokens if x == "D" else study.compute_unit(at)
    rate = _format_prediction(fit, {"N": n, x: at}, share, flip=True)
    return [
        f"For the largest model, of {quantity('N', n)} {study.words.parameters}, trained on {quantity(x, at)} {unit},"
        f" {BEYOND} times as much as so far, expect a pass rate of {rate}."
    ]


def _pass_at_k(study: Study, fit: Fit) -> list[str]:
    largest = float(fit.law.fitted_rows(study.runs.frame)["k"].max())
    now, more = (_format_prediction(fit, {"k": k}, share) for k in (largest, BEYOND * largest))
    few, many = (quantity("k", k) for k in (largest, BEYOND * largest))
    return [
        f"With {many} samples per problem, {BEYOND} times the most of the runs, expect a coverage of {more}; with {few} it is"
        f" {now}."
    ]


def _data_constrained(study: Study, fit: Fit) -> list[str]:
    index = list(fit.params).index("R_D")

    def worth(params: np.ndarray) -> np.ndarray:
        return -params[:, index] * np.expm1(-REPEATS / params[:, index])

    value, low, high = fit.value_and_interval(worth).tolist()
    epochs = with_interval(value, low, high, lambda value: f"{value:.2f}")
    endless = with_interval(fit.params["R_D"], *fit.ends("R_D"))
    return [
        f"{REPEATS} more epochs over the same tokens are worth {epochs} epochs of new tokens, and infinitely many {endless}."
    ]


def _hyperparameter(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, Hyperparameter)
    cells = fit.law.fitted_rows(study.runs.frame)
    n, d = float(cells["N"].max()), float(cells["D"].max())
    sentences = []
    for factor, reach in ((1, "the largest of the runs"), (BEYOND, f"{BEYOND} times as much of both")):
        best = []
        for name, what in fit.law.targets.items():
            optimum = partial(fit.law.optimum, target=name, n=factor * n, d=factor * d)
            value, low, high = fit.value_and_interval(optimum)[:, 0].tolist()
            unit = " tokens" if name == "batch" else ""
            best.append(f"the best {what} is {with_interval(value, low, high, partial(quantity, name))}{unit}")
        words = study.words
        place = f"{quantity('N', factor * n)} {words.parameters} on {quantity('D', factor * d)} {words.tokens}, {reach}"
        sentences.append(f"For {place}, {' and '.join(best)}.")
    return sentences


def _distillation(study: Study, fit: Fit) -> list[str]:
    import pandas as pd

    frame = study.runs.frame
    student = frame.loc[(frame["N"] * frame["D"]).idxmax()].to_dict()
    teachers = np.geomspace(frame["teacher_loss"].min(), frame["teacher_loss"].max(), TEACHERS)
    grid = pd.DataFrame([{**student, "teacher_loss": value} for value in teachers])
    best = float(teachers[np.argmin(fit.predict(grid))])
    loss = _format_prediction(fit, {**student, "teacher_loss": best}, three_decimals)
    words = study.words
    size = f"{quantity('N', student['N'])} {words.parameters} trained on {quantity('D', student['D'])} {words.tokens}"
    return [
        f"For the largest student, of {size}, the best teacher within the runs has a loss of {three_decimals(best)};"
        f" expect {words.amount_of_loss(loss)}."
    ]


SPECIAL: dict[str, Callable[[Study, Fit], list[str]]] = {
    "rl_sigmoid": _rl_sigmoid,
    "rl_power": _rl_power,
    "pass_at_k": _pass_at_k,
    "data_constrained": _data_constrained,
    "hyperparameter": _hyperparameter,
    "distillation": _distillation,
}
