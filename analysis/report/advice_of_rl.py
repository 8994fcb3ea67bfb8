"""Advice on what compute of reinforcement learning and of answering buys, a function for each law."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from openr1.analysis.fit.undetermined import too_wide
from openr1.analysis.formatting import compute, number, quantity, share, short, with_interval
from openr1.analysis.laws import RlDataReuse, RlIsocompute, TestTime
from openr1.analysis.laws.rl_isocompute import TARGETS
from openr1.analysis.report.predictions import BEYOND

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study


def advise_isocompute(study: Study, fit: Fit) -> list[str]:
    """Return the best number of rollouts, and of problems, at the largest budget and beyond it."""
    assert isinstance(fit.law, RlIsocompute)
    rows = fit.law.fitted_rows(study.runs.frame)
    largest = float(rows["C"].max())
    target = study.config.target_flops or BEYOND * largest
    sentences = []
    for flops, reach in ((largest, "the largest budget with a best number"), (target, f"{target / largest:.3g} times as much")):
        best = []
        for name in fit.law.targets:
            value, low, high = fit.value_and_interval(partial(fit.law.optimum, target=name, flops=flops))[:, 0].tolist()
            if reason := too_wide(f"the best number of {TARGETS[name]}", value, low, high):
                sentences.append(f"With {study.amount_of_compute(flops)}, {reach}, there is no advice, since {reason}.")
                continue
            best.append(f"{with_interval(value, low, high, partial(quantity, name))} {TARGETS[name]}")
        if not best:
            continue
        sentences.append(f"With {study.amount_of_compute(flops)}, {reach}, {' and '.join(best)} are best.")
    name = "rollouts_exponent"
    low, high = fit.ends(name) if name in fit.params else (None, None)
    if low is not None and high is not None and low <= 0 <= high:
        sentences.append("The interval of the exponent holds 0: no change of the best number with compute is shown.")
    return sentences


def advise_data_reuse(study: Study, fit: Fit) -> list[str]:
    """Return up to which pass repeats pay, and what endless repeats are worth."""
    law = fit.law
    assert isinstance(law, RlDataReuse)
    most = float(law.passes(study.runs.frame).max())
    value, low, high = fit.value_and_interval(law.last_paying).tolist()
    last = with_interval(value, low, high, number)
    endless = with_interval(fit.params["R_D"], *fit.ends("R_D"))
    if value > most:
        first = (
            f"A repeat is worth {share(law.worth)} of a new problem up to pass {last}, beyond the {number(most)} passes of the"
            " runs: within them, reuse did not cease to pay."
        )
    else:
        first = f"From pass {last} on, another one is worth less than {share(law.worth)} of a pass over new problems."
    return [first, f"Endless repeats are worth {endless} passes over new problems."]


def advise_test_time(study: Study, fit: Fit) -> list[str]:
    """Return the best division of compute between training and answering, and what it gains."""
    law, frame = fit.law, study.runs.frame
    assert isinstance(law, TestTime)
    cost = law.cost_of_one(frame)
    if cost is None:
        return [
            "The best division between training and answering needs the FLOPs of an answer: give law.answer_flops, or columns"
            " N and answer_tokens."
        ]
    spent = frame["C"] if "C" in frame else 6 * frame["N"] * frame["D"]
    total = study.config.target_flops or BEYOND * float(spent.max())
    sizes = (float(frame["N"].min()), float(frame["N"].max())) if law.x == "ND" else (1.0, 1.0)
    found = partial(law.optimum, total=total, cost=cost, flops_of=fit.flops_of, sizes=sizes)
    rows = fit.value_and_interval(found).T.tolist()
    questions = f"{compute(law.questions)} questions"
    if not math.isfinite(rows[0][0]):
        return [f"{study.amount_of_compute(total)} do not pay for one answer to each of {questions}; set law.questions."]
    training, amount, accuracy, n, d = rows
    unit = "answers" if law.amount == "samples" else "tokens"
    if reason := too_wide(f"the best number of {unit}", *amount):
        return [f"There is no advice on {study.amount_of_compute(total)} for training and {questions}, since {reason}."]
    part = _shown([value / total for value in training], share)
    size = f" of {_shown(n, short)} parameters on {_shown(d, short)} tokens" if law.x == "ND" else ""
    sentences = [
        f"With {study.amount_of_compute(total)} in all for training and {questions}, spend {part} on training{size}, and"
        f" {_shown(amount, number)} {unit} on each question; expect an accuracy of {_shown(accuracy, share)}."
    ]
    if law.x == "ND" and not sizes[0] <= n[0] <= sizes[1]:
        sentences.append("No run has such a size, so that this extrapolates.")
    most = float(law.fitted_rows(frame)[law.column].max())
    if amount[0] > most:
        sentences.append(f"No run has more than {most:.4g} {unit} on a question, so that this extrapolates.")
    if law.amount == "samples" and amount[0] < 1.005:
        sentences.append("A single answer to each question is best: more of them cost more training than they are worth.")
    return sentences


def _shown(row: list[float], write: Callable[[float], str]) -> str:
    """Format a value and the ends of its interval."""
    value, low, high = row
    return with_interval(value, low, high, write)
