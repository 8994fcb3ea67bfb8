"""A sentence on the figure of one kind of law: what to see in it, in the numbers of the fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from openr1.analysis.formatting import compute, number, percent, quantity, share, short, times
from openr1.analysis.laws import (
    BatchSize,
    DataMixing,
    Hyperparameter,
    RlDataReuse,
    RlIsocompute,
    RlPower,
    TestTime,
    WeightDecay,
)

if TYPE_CHECKING:
    from openr1.analysis.study import Study

DECADE = 10.0


def _curve(study: Study) -> str:
    fit = next(fit for fit in study.fits.values() if len(fit.law.predictors) == 1)
    (x,), y = fit.law.predictors, fit.law.response
    frame = study.runs.frame
    at = np.array([float(frame[x].min()), float(frame[x].max())])
    first, last = fit.predict(pd.DataFrame({x: at})).tolist()
    name = {"pass_at_1": "pass rate", "gold": "gold reward"}.get(y, y)
    return (
        f"By the {fit.law.title}, the {name} goes from {quantity(y, first)} at {x} = {quantity(x, float(at[0]))} to"
        f" {quantity(y, last)} at {quantity(x, float(at[1]))}."
    )


def _envelope(study: Study) -> str:
    fit, frame = study.fits["envelope"], study.runs.frame
    best = fit.law.fitted_rows(frame)["run"].nunique()
    return f"{best} of {frame['run'].nunique()} runs have the lowest loss at some budget."


def _rl(study: Study) -> str:
    fit = next(study.fits[name] for name in ("rl_sigmoid", "rl_power") if name in study.fits)
    if not isinstance(fit.law, RlPower):
        start, limit, middle = (fit.params[name] for name in ("R0", "A", "C_mid"))
        return (
            f"The pass rate rises from {share(start)} towards {share(limit)}, and is half-way at {compute(middle)}"
            f" {study.compute_unit()}."
        )
    frame, x = study.runs.frame, fit.law.x
    sizes = np.array([float(frame["N"].min()), float(frame["N"].max())])
    small, large = (1 - fit.predict(pd.DataFrame({"N": sizes, x: float(frame[x].max())}))).tolist()
    return (
        f"At the most training of the runs, the law gives {share(small)} for {short(sizes[0])} {study.words.parameters} and"
        f" {share(large)} for {short(sizes[1])}."
    )


def _isocompute(study: Study) -> str:
    fit = study.fits["rl_isocompute"]
    assert isinstance(fit.law, RlIsocompute)
    rows = fit.law.fitted_rows(study.runs.frame).sort_values("C")
    ends = [(row["rollouts"], row["C"]) for row in (rows.iloc[0], rows.iloc[-1])]
    first, last = (f"{quantity('rollouts', float(best))} at {study.amount_of_compute(float(c))}" for best, c in ends)
    return f"The best number of rollouts of a problem is {first} and {last}."


def _data_reuse(study: Study) -> str:
    fit = study.fits["rl_data_reuse"]
    assert isinstance(fit.law, RlDataReuse)
    last = float(fit.value_and_interval(fit.law.last_paying)[0])
    return f"Up to pass {number(last)}, another pass is worth more than {share(fit.law.worth)} of one over new problems."


def _test_time(study: Study) -> str:
    fit = study.fits["test_time"]
    assert isinstance(fit.law, TestTime)
    rows = fit.law.fitted_rows(study.runs.frame)
    column = fit.law.column
    largest = rows.loc[(rows["C"] if "C" in rows else rows["N"]).idxmax(), [*fit.law.x]].to_dict()
    ends = np.array([float(rows[column].min()), float(rows[column].max())])
    low, high = fit.predict(pd.DataFrame({**largest, column: ends})).tolist()
    what = "answers to a question" if fit.law.amount == "samples" else "tokens of an answer"
    return (
        f"For the largest model, the accuracy rises from {share(low)} to {share(high)} between {short(ends[0])} and"
        f" {short(ends[1])} {what}."
    )


def _pass_at_k(study: Study) -> str:
    fit = study.fits["pass_at_k"]
    k = float(fit.law.fitted_rows(study.runs.frame)["k"].max())
    now, more = fit.predict(pd.DataFrame({"k": [k, DECADE * k]})).tolist()
    return f"Ten times as many samples as {short(k)} would raise the coverage from {share(now)} to {share(more)}."


def _distillation(study: Study) -> str:
    frame = study.runs.frame
    gap = frame["loss"] - frame["teacher_loss"]
    best = frame.loc[gap.idxmin()]
    return (
        f"The student nearest to its teacher, of {quantity('N', float(best['N']))} {study.words.parameters}, is"
        f" {float(gap.min()):+.3f} from it."
    )


def _hyperparameter(study: Study) -> str:
    fit = study.fits["hyperparameter"]
    assert isinstance(fit.law, Hyperparameter)
    cells = fit.law.fitted_rows(study.runs.frame)
    n, d = float(cells["N"].max()), float(np.exp(np.log(cells["D"]).mean()))
    (name, what), *_ = fit.law.targets.items()
    best = fit.law.optimum(fit.vector, target=name, n=np.array([n, DECADE * n]), d=d)[0]
    return (
        f"At equal tokens, the best {what} of a model ten times as large is {times(float(best[1] / best[0]))} times as large."
    )


def _schedule(study: Study) -> str:
    fit = study.fits["schedule"]
    if fit.error is not None:
        return f"The law, fitted to the other curves, is off by {percent(fit.error)} in the mean on the held-out ones."
    ends = study.runs.frame.sort_values("step").groupby("run")["loss"].last()
    return f"The curves end between {float(ends.min()):.3f} ({ends.idxmin()}) and {float(ends.max()):.3f} ({ends.idxmax()})."


def _ends(values: Sequence[float], name: str) -> tuple[str, str]:
    return quantity(name, float(values[0])), quantity(name, float(values[-1]))


def _batch_size(study: Study) -> str:
    fit = study.fits["batch_size"]
    assert isinstance(fit.law, BatchSize)
    tokens = np.array([study.runs.frame["D"].min(), study.runs.frame["D"].max()], dtype=float)
    critical, places = _ends(fit.law.critical(fit.vector, tokens=tokens)[0], "batch"), _ends(tokens.tolist(), "D")
    return f"The critical batch size is {critical[0]} tokens for {places[0]} tokens of data, and {critical[1]} for {places[1]}."


def _weight_decay(study: Study) -> str:
    fit = study.fits["weight_decay"]
    assert isinstance(fit.law, WeightDecay)
    cells = fit.law.fitted_rows(study.runs.frame)
    ratio = np.array([(cells["D"] / cells["N"]).min(), (cells["D"] / cells["N"]).max()])
    first, last = _ends(fit.law.optimum(fit.vector, ratio=ratio)[0], "tau")
    if ratio[1] < 1.01 * ratio[0]:
        return f"At {number(ratio[0])} tokens per parameter, the best time scale is {first}."
    return f"The best time scale is {first} at {number(ratio[0])} tokens per parameter, and {last} at {number(ratio[1])}."


def _observational(study: Study) -> str:
    fit = study.fits["observational"]
    rows = fit.law.fitted_rows(study.runs.frame)
    error = np.abs(fit.predict(rows) - fit.law.observed(rows))
    return (
        f"The law is off by {share(float(error.mean()))} in the mean for {rows['run'].nunique()} models of"
        f" {rows['family'].nunique()} families."
    )


def _mixing(study: Study) -> str:
    fit = study.fits["data_mixing"]
    assert isinstance(fit.law, DataMixing)
    law, frame = fit.law, study.runs.frame
    n, d = (float(frame[x].max()) if law.scaled else 1.0 for x in ("N", "D"))
    best = fit.value_and_interval(partial(law.optimum, least=law.least_shares(frame), n=n, d=d))[0]
    own = law.shares(frame.loc[[frame["loss"].idxmin()]])[0]
    place = int(np.argmax(best))
    return (
        f"The largest part of the best mix is {share(float(best[place]))} {law.labels[place]}; the best run has"
        f" {share(float(own[place]))} of it."
    )


BY_LAW: dict[str, Callable[[Study], str]] = {
    "curve": _curve,
    "envelope": _envelope,
    "rl": _rl,
    "isocompute": _isocompute,
    "data_reuse": _data_reuse,
    "test_time": _test_time,
    "pass_at_k": _pass_at_k,
    "distillation": _distillation,
    "hyperparameter": _hyperparameter,
    "schedule": _schedule,
    "batch_size": _batch_size,
    "weight_decay": _weight_decay,
    "observational": _observational,
    "mixing": _mixing,
}
