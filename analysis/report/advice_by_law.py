"""Advice of one kind of law in sentences, a function each."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.fit.undetermined import too_wide
from openr1.analysis.formatting import compute, join_words, number, quantity, share, three_decimals, times, with_interval
from openr1.analysis.laws import (
    BatchSize,
    DataMixing,
    Downstream,
    EffectiveSpeedup,
    Hyperparameter,
    Moe,
    MoeLeverage,
    Observational,
    Overoptimisation,
    RlPower,
    WeightDecay,
)
from openr1.analysis.laws.moe import experts_per_active
from openr1.analysis.numerics.rate_changes import warmup_end
from openr1.analysis.report.advice_of_rl import advise_data_reuse, advise_isocompute, advise_test_time
from openr1.analysis.report.predictions import BEYOND, format_best, format_prediction
from openr1.training.options import OptimConfig
from openr1.training.schedule import learning_rates, phases_of

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

REPEATS = 3  # epochs over the same data after the first one
TEACHERS = 100  # losses between those of the runs' teachers
COOLDOWN = 0.2  # share of the steps in which a schedule with a stable phase decays
SHAPES = {
    "cosine": "with a cosine",
    "linear": "with a linear decay",
    "wsd": f"with a decay over the last {COOLDOWN:.0%} of them",
}


def _rl_sigmoid(study: Study, fit: Fit) -> list[str]:
    def estimate(name: str, write: Callable[[float], str]) -> str:
        return with_interval(fit.params[name], *fit.ends(name), write)

    largest = float(study.runs.frame["C"].max())
    unit = study.compute_unit()
    return [
        f"The pass rate rises from R0 = {estimate('R0', share)} towards A = {estimate('A', share)}, and is half-way at"
        f" C_mid = {estimate('C_mid', compute)} {unit}, with B = {estimate('B', number)}.",
        f"With {compute(BEYOND * largest)} {unit}, {BEYOND} times the largest of the runs, expect a pass rate of"
        f" {format_prediction(fit, {'C': BEYOND * largest}, share)}.",
    ]


def _rl_power(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, RlPower)
    frame, x = study.runs.frame, fit.law.x
    n = float(frame["N"].max())
    at = BEYOND * float(frame.loc[frame["N"] == n, x].max())
    unit = study.words.tokens if x == "D" else study.compute_unit()
    rate = format_prediction(fit, {"N": n, x: at}, share, flip=True)
    return [
        f"For the largest model, of {quantity('N', n)} {study.words.parameters}, trained on {quantity(x, at)} {unit},"
        f" {BEYOND} times as much as so far, expect a pass rate of {rate}."
    ]


def _pass_at_k(study: Study, fit: Fit) -> list[str]:
    largest = float(fit.law.fitted_rows(study.runs.frame)["k"].max())
    now, more = (format_prediction(fit, {"k": k}, share) for k in (largest, BEYOND * largest))
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
            unit = " tokens" if name == "batch" else ""
            value, low, high = fit.value_and_interval(optimum)[:, 0].tolist()
            best.append(f"the best {what} is {format_best(f'best {what}', value, low, high, partial(quantity, name), unit)}")
        words = study.words
        place = f"{quantity('N', factor * n)} {words.parameters} on {quantity('D', factor * d)} {words.tokens}, {reach}"
        sentences.append(f"For {place}, {' and '.join(best)}.")
    return [*sentences, *describe_transfer(study)]


def describe_transfer(study: Study) -> list[str]:
    """Return a sentence on what the best learning rate of the smallest size loses at the largest one."""
    if study.transfer is None:
        return (
            [f"How well the learning rate transfers over sizes is unknown: {study.no_transfer}."] if study.no_transfer else []
        )
    transfer, words = study.transfer, study.words
    small, large = (quantity("N", n) for n in (transfer.small_n, transfer.large_n))
    rate, best = (with_interval(*ends, partial(quantity, "lr")) for ends in (transfer.small, transfer.large))
    at_least = "at least " if transfer.at_least else ""
    regret = with_interval(*transfer.regret, lambda value: f"{value:.4f}") + (" nats" if transfer.response == "loss" else "")
    return [
        f"The best learning rate of {small} {words.parameters}, {rate}, loses {at_least}{regret} at {large}, whose best "
        f"learning rate is {best}."
    ]


def _batch_size(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, BatchSize)
    largest = float(study.runs.frame["D"].max())
    sentences = []
    for factor, reach in ((1, "the most of the runs"), (BEYOND, f"{BEYOND} times as many")):
        tokens = factor * largest
        value, low, high = fit.value_and_interval(partial(fit.law.critical, tokens=np.array([tokens])))[:, 0].tolist()
        place = f"For the loss of {quantity('D', tokens)} tokens in very small batches, {reach}, the critical batch size is"
        if reason := too_wide("the critical batch size", value, low, high):
            sentences.append(f"{place} not determined, since {reason}.")
            continue
        critical = with_interval(value, low, high, partial(quantity, "batch"))
        sentences.append(
            f"{place} {critical} tokens: batches of this size take twice the tokens, and batches of a tenth of it 10 % more."
        )
    return sentences


def _weight_decay(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, WeightDecay)
    frame = study.runs.frame
    run = frame.loc[frame.loc[(frame["N"] * frame["D"]) == (frame["N"] * frame["D"]).max(), "loss"].idxmin()]
    sentences = []
    for factor, reach in ((1, "the largest of the runs"), (BEYOND, f"{BEYOND} times as many of both")):
        n, d = factor * float(run["N"]), factor * float(run["D"])
        tau, low, high = fit.value_and_interval(partial(fit.law.optimum, ratio=np.array([d / n])))[:, 0].tolist()
        decay = float(run["batch"]) / (float(run["lr"]) * tau * d)
        place = f"{quantity('N', n)} parameters on {quantity('D', d)} tokens, {reach}"
        if reason := too_wide("the best time scale", tau, low, high):
            sentences.append(f"For {place}, there is no advice on weight decay, since {reason}.")
            continue
        sentences.append(
            f"For {place}, the best time scale is"
            f" {with_interval(tau, low, high)}: a weight decay of {number(decay)} at a learning rate of"
            f" {quantity('lr', float(run['lr']))} and a batch of {quantity('batch', float(run['batch']))} tokens."
        )
    return sentences


def _observational(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, Observational)
    rows = fit.law.fitted_rows(study.runs.frame)
    model = rows.loc[(rows["N"] * rows["D"]).idxmax()].to_dict()
    n = BEYOND * model["N"]
    scores = [f"{format_prediction(fit, {**model, 'N': n, 'benchmark': name}, share)} on {name}" for name in fit.law.benchmarks]
    return [
        f"For a model of the family {model['family']} with {quantity('N', n)} parameters, {BEYOND} times its largest, on the"
        f" same {quantity('D', model['D'])} tokens, expect a score of {join_words(scores)}."
    ]


def _schedule(study: Study, fit: Fit) -> list[str]:
    import pandas as pd

    rows = fit.law.fitted_rows(study.runs.frame)
    longest = rows.loc[rows["step"].idxmax(), "rates"]
    steps, peak = len(longest) - 1, float(longest.max())
    low = min(float(rates[warmup_end(rates) :].min() / rates.max()) for rates in rows["rates"])
    losses = {}
    for name, words in SHAPES.items():
        optim = OptimConfig(schedule=name, warmup=warmup_end(longest) / steps, min_lr_ratio=low, decay=COOLDOWN)
        rates = learning_rates(optim, phases_of(optim, steps, None), peak)
        ends = pd.DataFrame({"run": [name], "step": [steps], "rates": [rates]})
        low_end, high_end = fit.interval(ends)[:, 0].tolist()
        losses[words] = with_interval(float(fit.predict(ends)[0]), low_end, high_end, three_decimals)
    expected = join_words([f"{loss} {words}" for words, loss in losses.items()])
    return [
        f"After {quantity('step', steps)} steps with a peak learning rate of {quantity('lr', peak)} and decays to {share(low)}"
        f" of it, the lowest of the runs, expect a loss of {expected}."
    ]


def _distillation(study: Study, fit: Fit) -> list[str]:
    import pandas as pd

    frame = study.runs.frame
    student = frame.loc[(frame["N"] * frame["D"]).idxmax()].to_dict()
    teachers = np.geomspace(frame["teacher_loss"].min(), frame["teacher_loss"].max(), TEACHERS)
    grid = pd.DataFrame([{**student, "teacher_loss": value} for value in teachers])
    best = float(teachers[np.argmin(fit.predict(grid))])
    loss = format_prediction(fit, {**student, "teacher_loss": best}, three_decimals)
    words = study.words
    size = f"{quantity('N', student['N'])} {words.parameters} trained on {quantity('D', student['D'])} {words.tokens}"
    return [
        f"For the largest student, of {size}, the best teacher within the runs has a loss of {three_decimals(best)};"
        f" expect {words.amount_of_loss(loss)}."
    ]


def _effective_speedup(study: Study, fit: Fit) -> list[str]:
    law = fit.law
    assert isinstance(law, EffectiveSpeedup)
    row, x = study.runs.frame.iloc[-1], law.x
    largest = float(study.runs.frame[x].max())
    unit = "tokens" if x == "D" else study.compute_unit()

    def describe(at: float) -> tuple[str, str, bool]:
        value, low, high = fit.value_and_interval(partial(law.speedup_at, x=at)).tolist()
        saved = with_interval(1 / value, 1 / high, 1 / low, share)
        return with_interval(value, low, high, times), saved, low <= 1 <= high

    speedup, saved, same = describe(largest)
    where = "" if law.shared_exponent else f" At {quantity(x, largest)} {unit}, the largest of the runs,"
    begin = f"{where} {row['treatment']}".strip()
    sentences = [f"{begin} reaches the loss of {row['reference']} with {saved} of its {unit}: a speed-up of {speedup}."]
    if same:
        sentences.append("The interval contains 1, so that the runs do not show which of both saves compute.")
    if not law.shared_exponent:
        sentences.append(f"At {BEYOND} times as many, expect a speed-up of {describe(BEYOND * largest)[0]}.")
    return sentences


def _downstream(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, Downstream)
    frame = fit.law.fitted_rows(study.runs.frame)
    at = {name: BEYOND * float(frame[name].max()) for name in fit.law.x}
    unit = {"N": study.words.parameters, "D": study.words.tokens}
    if "C" in at:
        unit["C"] = study.compute_unit()
    place = " on ".join(f"{quantity(name, value)} {unit[name]}" for name, value in at.items())
    of = "the largest run" if len(at) == 1 else "the largest of the runs"
    if not fit.law.k:
        return [f"With {place}, {BEYOND} times {of}, expect an accuracy of {format_prediction(fit, at, share)}."]
    ks = sorted({float(frame["k"].min()), float(frame["k"].max())})
    rates = [f"{format_prediction(fit, at | {'k': k}, share)} at k = {k:g}" for k in ks]
    return [f"With {place}, {BEYOND} times {of}, expect a pass@k of {' and '.join(rates)}."]


def _data_mixing(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, DataMixing)
    law, frame = fit.law, study.runs.frame
    seen = law.shares(frame)
    largest = {x: float(frame[x].max()) for x in ("N", "D") if law.scaled}
    sentences = []
    for factor in (1, BEYOND) if law.form == "joint" else (1,):
        at = {x: factor * value for x, value in largest.items()}
        n, d = at.get("N", 1.0), at.get("D", 1.0)
        best = fit.value_and_interval(partial(law.optimum, least=law.least_shares(frame), n=n, d=d))
        parts = zip(law.labels, *best.tolist(), strict=True)
        mix = join_words([f"{with_interval(value, low, high, share)} {name}" for name, value, low, high in parts])
        loss = format_prediction(fit, at | dict(zip(law.weights, best[0].tolist(), strict=True)), three_decimals)
        place = f"For {quantity('N', at['N'])} parameters on {quantity('D', at['D'])} tokens, the" if at else "The"
        sentences.append(f"{place} best mix is {mix}; expect a loss of {loss} nats per token.")
        if out := [name for name, value in zip(law.labels, best[0], strict=True) if value == 0]:
            sentences.append(f"It leaves out {join_words(out)}, by which the law only loses.")
        outside = [
            name
            for name, value, low, high in zip(law.labels, best[0], seen.min(axis=0), seen.max(axis=0), strict=True)
            if not low - 0.01 <= value <= high + 0.01
        ]
        if outside:
            sentences.append(f"No run has so extreme a share of {join_words(outside)}, so that this is an extrapolation.")
    if law.form == "additive":
        sentences.append("By this law, the best mix is the same at every N and D.")
    return sentences


def _moe(study: Study, fit: Fit) -> list[str]:
    law, frame = fit.law, study.runs.frame
    assert isinstance(law, Moe)
    experts = experts_per_active(frame)
    spent = frame["C"] if "C" in frame else 6 * frame["N"] * frame["D"]
    budget = study.config.target_flops or BEYOND * float(spent.max())
    sentences = []
    for count in (float(experts.min()), float(experts.max())):
        best = fit.value_and_interval(partial(law.optimum, flops=budget, experts=count, flops_of=fit.flops_of))
        model = "a dense model" if count == 1 else f"{count:g} experts per active one"
        reasons = [too_wide(f"{name}*", *row) for name, row in zip("ND", best.T.tolist(), strict=False)]
        if reason := next(filter(None, reasons), ""):
            sentences.append(f"There is no advice on {study.amount_of_compute(budget)} and {model}, since {reason}.")
            continue
        n, d, loss = (
            with_interval(value, low, high, partial(quantity, name))
            for name, value, low, high in zip(("N", "D", "loss"), *best.tolist(), strict=True)
        )
        sentences.append(
            f"With {study.amount_of_compute(budget)} and {model}, train {n} active parameters on {d} tokens; expect a loss of"
            f" {loss} nats per token."
        )
    return sentences


def _moe_leverage(study: Study, fit: Fit) -> list[str]:
    law, frame = fit.law, study.runs.frame
    assert isinstance(law, MoeLeverage)
    most, largest = float(experts_per_active(frame).max()), float(frame["C"].max())
    fine = float(law.fitted_rows(frame)["granularity"].median()) if law.granularity else 1.0
    sentences = []
    for factor, reach in ((1, "the largest budget of the runs"), (BEYOND, f"{BEYOND} times as many")):
        gain = fit.value_and_interval(partial(law.leverage, flops=factor * largest, experts=most, granularity=fine)).tolist()
        value = with_interval(gain[0], gain[1], gain[2], times)
        sentences.append(
            f"At {study.amount_of_compute(factor * largest)}, {reach}, a mixture of {most:g} experts per active one"
            f"{f' and granularity {fine:g}' if law.granularity else ''} is worth {value} times its compute in a dense model."
        )
    return sentences


def _overoptimisation(study: Study, fit: Fit) -> list[str]:
    assert isinstance(fit.law, Overoptimisation)

    def write(value: float) -> str:
        return number(value) if math.isfinite(value) else "no limit"

    (kl, kl_low, kl_high), (gold, low, high) = fit.value_and_interval(fit.law.optimum).T.tolist()
    if not math.isfinite(kl):
        return ["The gold reward rises with every step away from the start, so that these runs show no optimum."]
    if reason := too_wide("the best KL", kl, kl_low, kl_high):
        return [f"There is no advice on how far to train, since {reason}."]
    return [
        f"The gold reward is highest, {with_interval(gold, low, high, write)}, at a KL of"
        f" {with_interval(kl, kl_low, kl_high, write)} nats from the start."
    ]


SPECIAL: dict[str, Callable[[Study, Fit], list[str]]] = {
    "rl_sigmoid": _rl_sigmoid,
    "rl_power": _rl_power,
    "pass_at_k": _pass_at_k,
    "data_constrained": _data_constrained,
    "hyperparameter": _hyperparameter,
    "distillation": _distillation,
    "schedule": _schedule,
    "batch_size": _batch_size,
    "weight_decay": _weight_decay,
    "observational": _observational,
    "effective_speedup": _effective_speedup,
    "downstream": _downstream,
    "data_mixing": _data_mixing,
    "moe": _moe,
    "moe_leverage": _moe_leverage,
    "overoptimisation": _overoptimisation,
    "rl_isocompute": advise_isocompute,
    "rl_data_reuse": advise_data_reuse,
    "test_time": advise_test_time,
}
