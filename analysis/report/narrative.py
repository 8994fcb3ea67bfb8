"""The answer of a study in sentences, its evaluation on held-out runs, and the diagnostics of fits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from analysis.fit.diagnostics import describe_run
from analysis.fit.parabola_bias import bias_at
from analysis.formatting import (
    compute,
    count_rows,
    join_names,
    join_words,
    number,
    percent,
    quantity,
    scientific,
    share,
    three_decimals,
    with_interval,
)
from analysis.report.advice import advise
from analysis.report.forecasts import outcome_sentences, sentences
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from analysis.fit.result import Fit
    from analysis.study import Study


def answer(study: Study) -> list[str]:
    """Return the advice of the law that answers, the budget of the target loss, and the held-out error."""
    forecast = sentences(study.forecast, study.compute_unit()) if study.forecast else []
    fitted = [*advise(study, study.main), *_describe_budget(study, study.main), *_describe_holdout(study, study.main)]
    compared = [str(study.comparison)] if study.comparison else []
    return [*outcome_sentences(study.outcomes), *forecast, *fitted, *compared]


def _describe_budget(study: Study, fit: Fit) -> list[str]:
    """Return a sentence on the budget of the target loss."""
    target = study.config.target_loss
    if target is None:
        return []
    if fit.undetermined:
        return [f"The budget for {study.words.of_loss} {target:g} is unknown."]
    try:
        budget = fit.budget_for(target)
    except ConfigError as error:
        return [f"The budget for {study.words.of_loss} {target:g} is unknown: {str(error).split(': ', 1)[-1]}."]
    flops = with_interval(budget["C"], budget["C_low"], budget["C_high"], _budget_written)
    unit = study.compute_unit() if "C" in study.runs.frame else "FLOPs"
    words = study.words
    sizes = [
        f"{quantity(name, budget[name])} {word}"
        for name, word in (("N", words.parameters), ("D", words.tokens))
        if name in budget
    ]
    advice = f": {' on '.join(sizes)}" if sizes else ""
    return [f"{words.of_loss.capitalize()} {target:g} takes {flops} {unit}{advice}."]


def _budget_written(flops: float) -> str:
    return compute(flops) if math.isfinite(flops) else "no budget"


def _describe_holdout(study: Study, fit: Fit) -> list[str]:
    """Return sentences on the predictions of held-out runs."""
    held = fit.holdout
    if not held:
        return ["No runs were held out, so that the error of extrapolations is unknown."]
    largest = held["largest_fitted"]
    mask = study.config.holdout.mask(study.runs.frame)
    above = largest is not None and float(study.runs.frame.loc[mask, "C"].min()) > largest
    where = f" above {study.amount_of_compute(largest)}" if above else " held out"
    runs = f"{count_rows(held['n'], study.runs.frame)}{where}"
    count = len(held["points"])
    them = "it with an error" if held["n"] == 1 else "them with a mean error"
    if fit.law.best_runs_only and held["n"] > 1:
        them = "the best run of their budget" if count == 1 else f"the best runs of their {count} budgets"
        them += f" with {'an' if count == 1 else 'a mean'} error"
    sentences = [f"Fitted without the {runs}, the law predicts {them} of {percent(fit.error)}."]
    return [*sentences, *(_describe_best_run(study, held["best_runs"][-1], fit) if held["best_runs"] else [])]


def _describe_best_run(study: Study, row: dict[str, Any], fit: Fit) -> list[str]:
    """Return sentences on the best held-out run of the largest budget: predicted at its own N, D and C, and the loss of the
    compute-optimal run of that budget.
    """
    side = "above" if row["relative_error"] < 0 else "below"
    words = study.words
    sizes = {"N": words.parameters, "D": words.tokens}
    place = join_words([f"{quantity(name, row[name])} {what}" for name, what in sizes.items() if name in row])
    at = "" if fit.law.best_runs_only or not place else f", at its {place}"
    predicted = with_interval(row["predicted"], row["low"], row["high"], three_decimals)
    sentences = [
        f"It predicts {words.of_loss} {predicted} for the best run of {study.amount_of_compute(row['C'])}{at};"
        f" the measured {words.loss} is {three_decimals(row['measured'])}, {percent(abs(row['relative_error']))} {side} it."
    ]
    if fit.law.allocates and not (fit.law.best_runs_only or fit.undetermined) and row["frontier"] is not None:
        best = with_interval(row["frontier"], row["frontier_low"], row["frontier_high"], three_decimals)
        sentences.append(f"By the law, the compute-optimal run of that budget would have {words.of_loss} {best}.")
    return sentences


def describe_bias(study: Study, fit: Fit) -> list[str]:
    """Return a sentence on the bias of the parabolas of a fit at the target budget, if it has any."""
    known = fit.diagnostics.get("parabola_bias")
    if not known or not study.target_flops:
        return []
    bias = bias_at(known, study.target_flops)
    return [
        f"By the parametric law of the same runs, the parabolas' shape alone moves N* at {scientific(study.target_flops)} FLOPs"
        f" by {share(bias['shift'])}, which wastes {percent(bias['wasted'])} of the budget; law.curve=akima and law=chinchilla"
        " do not have this bias."
    ]


def describe_diagnostics(study: Study, fit: Fit) -> list[str]:
    """Return sentences on the diagnostics of a fit, with more detail than its warnings."""
    known = fit.diagnostics
    sentences = describe_bias(study, fit)
    if known["basins"] > 1:
        sentences.append(
            f"The starts reached {known['basins']} local optima; {known['agreeing']:.0%} of them reached the best one."
        )
    elif fit.law.regression:
        sentences.append("All starts reached the same optimum.")
    if known["condition"] is not None:
        flat = (
            f"the runs do not determine {join_words(known['ridge'])} separately"
            if known["ridge"]
            else "the runs determine the parameters separately"
        )
        sentences.append(f"The condition number is {number(known['condition'])}: {flat}.")
    if known["influence"]:
        row = known["influence"][0]
        sentences.append(
            f"Leaving out a single run changes no parameter by more than {abs(row['standard_errors']):.2g} standard errors"
            f" ({row['parameter']}, without {run_name(study, row['run'])})."
        )
    trends = [f"{row['with']} ({row['shape']}, {row['correlation']:+.2f})" for row in known["trends"]]
    sentences.append(f"Residuals trend with {join_names(trends)}." if trends else "Residuals show no trend.")
    return sentences


def run_name(study: Study, label: str) -> str:
    """Return the name of a run in a fit; a run without a name is called by its values."""
    return label if {"name", "run_id", "run"} & set(study.runs.frame) else describe_run(study.runs.frame, label)
