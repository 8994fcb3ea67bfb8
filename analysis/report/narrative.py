"""The answer of a study in sentences, its evaluation on held-out runs, and the diagnostics of fits."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from openr1.analysis.fit.diagnostics import describe_run
from openr1.analysis.formatting import (
    compute,
    count_rows,
    join_names,
    join_words,
    number,
    percent,
    quantity,
    three_decimals,
    with_interval,
)
from openr1.analysis.report.advice import advise
from openr1.analysis.report.forecasts import outcome_sentences, sentences
from openr1.analysis.report.tables import held_out_rows
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study


def answer(study: Study) -> list[str]:
    """Return the advice of the law that answers, the budget of the target loss, and the comparison that the config asks for."""
    forecast = sentences(study.forecast, study.compute_unit()) if study.forecast else []
    compared = [str(study.comparison)] if study.comparison else []
    return [
        *advise(study, study.main),
        *_describe_budget(study, study.main),
        *forecast,
        *outcome_sentences(study.outcomes),
        *compared,
    ]


def support(study: Study) -> list[str]:
    """Return how far to trust the answer: why this law gives it, and the held-out error."""
    return [*_describe_choice(study), *_describe_holdout(study, study.main)]


def _describe_choice(study: Study) -> list[str]:
    """Return sentences on why this law answers and not another one, if several are compared on held-out runs."""
    main = study.main
    error = study.held_out_error(main)
    if len(study.fits) == 1 or error is None:
        return []
    closer = list(itertools.takewhile(lambda fit: fit is not main, study.ranked))
    if study.divides(main):
        compared = "laws that divide compute" if closer else "laws compared"
        why = f"which predicted the held-out runs best of the {compared}"
    else:
        why = "the law that was asked for"
    rows = held_out_rows(study, main)
    chosen = f"This is the answer of the {main.law.title}, {why}: an error of {percent(error)} on the {rows}."
    return [
        chosen,
        *(f"The {fit.law.title} came closer ({percent(study.held_out_error(fit))}), {_why_not(study, fit)}." for fit in closer),
    ]


def _why_not(study: Study, fit: Fit) -> str:
    """Return why a fit does not answer, though it predicted the held-out runs better."""
    if not study.divides(study.main):
        return f"and answers with law={fit.law.name}"
    if not fit.law.allocates:
        return "but does not divide compute into parameters and tokens"
    return f"but gives no advice, since {fit.unknown_at(float(study.target_flops or 0))}"


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
    compute-optimal run at its cost.
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
        sentences.append(f"By the law, the compute-optimal run at the same cost would have {words.of_loss} {best}.")
    return sentences


def describe_diagnostics(study: Study, fit: Fit) -> list[str]:
    """Return sentences on the diagnostics of a fit, with more detail than its warnings."""
    known = fit.diagnostics
    sentences = []
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
            f" ({row['parameter']}, without {describe_run(study.runs.frame, row['run'])})."
        )
    trends = [f"{row['with']} ({row['shape']}, {row['correlation']:+.2f})" for row in known["trends"]]
    fitted = "Residuals of the fit to all runs"
    sentences.append(f"{fitted} trend with {join_names(trends)}." if trends else f"{fitted} show no trend.")
    return [*sentences, *_describe_coverage(fit)]


def _describe_coverage(fit: Fit) -> list[str]:
    """Return a sentence on how many held-out rows lie outside the interval of the law that was fitted without them."""
    known = [row for row in (fit.holdout["points"] if fit.holdout else []) if row["low"] is not None]
    above, below = (
        (
            sum(outside)
            for outside in zip(*((row["measured"] > row["high"], row["measured"] < row["low"]) for row in known), strict=True)
        )
        if known
        else (0, 0)
    )
    if not above + below:
        return []
    return [
        f"Of {len(known)} held-out rows, {above + below} lie outside the 95 % interval of the law fitted without them"
        f" ({above} above it, {below} below it), which does not cover the scatter of single runs."
    ]
