"""Figures of what compute of reinforcement learning and of answering buys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from openr1.analysis.charts.marks import BLACK, BLUE, GREY, Axis, Chart, Line, Mark, Panel, Rule, Scale, Scatter, colour, span
from openr1.analysis.charts.parts import (
    FittedRange,
    axis,
    compute_axis,
    held_out_mask,
    held_out_points,
    holdout_note,
    hover_text,
    hover_texts,
    law_marks,
    thin,
    thinning_note,
    train_fit,
)
from openr1.analysis.charts.parts import column as charted
from openr1.analysis.formatting import QUANTITIES, compute, number, share, short
from openr1.analysis.laws import RlDataReuse, RlIsocompute, TestTime
from openr1.analysis.laws.test_time import SIZES

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

STEPS = 80  # points of a line
BEYOND = 10.0  # end of the lines, over the largest of the runs
LINES = 8  # largest number of lines of a panel
LEAST_SPAN = 2.0  # of an axis of best numbers, over and under their middle
TOTALS = 12  # budgets of the line of the best division


def chart_isocompute(study: Study) -> Chart | None:
    """Chart the pass rate against the rollouts of a problem at each budget, and the best number of them against compute."""
    fit = study.fits.get("rl_isocompute")
    if fit is None or not isinstance(fit.law, RlIsocompute):
        return None
    budgets = fit.law.budgets(study.runs.frame)
    scale = Scale(QUANTITIES["C"][2], budgets.flops.min(), budgets.flops.max(), log=True, numbers="scientific")
    best = [_best(study, fit, scale, name) for name in fit.law.targets]
    caption = (
        "Left: runs of each budget, and its parabola in the logarithm of the rollouts; diamonds are the best numbers. Right:"
        " the best number against compute, and the law with its 95 % interval, dashed beyond the runs. Budgets whose best"
        " number is at an edge have no diamond."
    )
    panels = (_profiles(study, fit.law, scale), *best)
    return Chart(fit.law.title, caption + thinning_note(study.runs.frame), panels, columns=len(panels), size=(5.2, 4.1))


def _profiles(study: Study, law: RlIsocompute, scale: Scale) -> Panel:
    """Return the panel of pass rates at each budget."""
    frame = study.runs.frame
    budgets = law.budgets(frame)
    marks: list[Mark] = []
    for number_of, (profile, row) in enumerate(zip(budgets.profiles, budgets.table, strict=True)):
        hue = scale.colour(float(budgets.flops[number_of]))
        runs = thin(frame[budgets.label == number_of])
        place = {"x": runs["rollouts"].to_numpy(dtype=float), "y": runs["pass_at_1"].to_numpy(dtype=float)}
        marks.append(Scatter(**place, name="", colour=hue, size=4.5, hover=hover_texts(runs)))
        coefficients = profile.best(budgets.weight[None, profile.rows])[2][0] if not row["excluded"] else np.array([np.nan])
        if np.isfinite(coefficients).all():
            logs = np.linspace(profile.logs["rollouts"].min(), profile.logs["rollouts"].max(), STEPS)
            at = logs - profile.centre["rollouts"]
            first = profile.place["rollouts"]
            rate = coefficients[0] + coefficients[first] * at + coefficients[first + 1] * at**2
            title = f"{compute(row['C'])} {study.compute_unit()}"
            marks.append(Line(x=np.exp(logs), y=rate, name=compute(row["C"]), colour=hue, hover=(title,) * STEPS))
            text = hover_text("best", rollouts=row["rollouts"], pass_at_1=row["pass_at_1"])
            at_best = np.interp(np.log(row["rollouts"]), logs, rate)
            marks.append(
                Scatter(
                    x=np.array([row["rollouts"]]),
                    y=np.array([at_best]),
                    colour=hue,
                    edge=BLACK,
                    shape="diamond",
                    size=7.5,
                    hover=(text,),
                )
            )
    x = axis("rollouts", span(frame["rollouts"], 0.06, log=True), log=True)
    title = "Pass rate at equal compute"
    y = axis("pass_at_1", span(frame["pass_at_1"], 0.08))
    return Panel(x, y, tuple(marks), title=title, legend="outside", legend_title=study.compute_unit())


def _best(study: Study, fit: Fit, scale: Scale, name: str) -> Panel:
    """Return the panel of the best number against compute."""
    assert isinstance(fit.law, RlIsocompute)
    rows = fit.law.fitted_rows(study.runs.frame)
    flops = rows["C"].to_numpy(dtype=float)
    limits = span(np.append(flops, BEYOND * flops.max()), 0.03, log=True)
    at = np.unique(np.append(np.geomspace(*limits, STEPS), flops.max()))
    known = fit.value_and_interval(partial(fit.law.optimum, target=name, flops=at))
    look = {"name": fit.law.title, "colour": colour(fit.law.name)}
    ends = known[1:] if fit.draws is not None else None
    marks: list[Mark | Rule] = [*law_marks(fit, "C", at, known[0], ends, FittedRange(float(flops.max())), look, y=name)]
    best = rows[name].to_numpy(dtype=float)
    hues = scale.colours(flops)
    marks.append(
        Scatter(x=flops, y=best, colours=hues, colour=BLUE, edge=BLACK, shape="diamond", size=7.5, hover=hover_texts(rows))
    )
    every = np.concatenate([known[0], best])
    wide = np.sqrt(every.min() * every.max()) * np.array([1 / LEAST_SPAN, LEAST_SPAN])  # nearly equal numbers look equal
    y = axis(name, span(np.append(every, wide), 0.1, log=True), log=True, label=f"Best {QUANTITIES[name][2].lower()}")
    formula = dict(zip(fit.law.targets, fit.law.formula.split(", "), strict=True))[name]
    return Panel(compute_axis(study, limits), y, tuple(marks), title=formula, legend="")


def chart_data_reuse(study: Study) -> Chart | None:
    """Chart the pass rate against the problems drawn, a line for each number of unique problems, and the worth of a pass."""
    fit = study.fits.get("rl_data_reuse")
    if fit is None or not isinstance(fit.law, RlDataReuse):
        return None
    caption = (
        "Left: the pass rate against the problems drawn, a line for each number of unique problems, with 95 % intervals."
        " Right: the worth of another pass over them, of one over new problems; from the vertical line on it is below"
        f" {share(fit.law.worth)}."
    )
    panels = (_reuse_curves(study, fit), _worth(study, fit))
    return Chart(
        fit.law.title, caption + holdout_note(study) + thinning_note(study.runs.frame), panels, columns=2, size=(5.4, 4.1)
    )


def _reuse_curves(study: Study, fit: Fit) -> Panel:
    """Return the panel of pass rates."""
    assert isinstance(fit.law, RlDataReuse)
    frame, mask, known = study.runs.frame, held_out_mask(study), train_fit(fit)
    drawn = fit.law.inputs(frame)["D"]
    trained = drawn > 0  # the axis is logarithmic
    sizes = np.unique(frame["U"])
    scale = Scale("Unique problems <i>U</i>", sizes[0], sizes[-1], log=True, numbers="short")
    limits = span(drawn[trained], 0.05, log=True)
    at = np.geomspace(*limits, STEPS)
    marks: list[Mark | Rule] = []
    values = [frame["pass_at_1"].to_numpy()]
    for unique in sizes[:: -(-len(sizes) // LINES)]:
        hue = scale.colour(float(unique))
        rows = (frame["U"] == unique).to_numpy() & trained
        line = pd.DataFrame({"D": at, "U": unique})
        rate = known.predict(line)
        ends = known.interval(line) if fit.draws is not None else None
        look: dict[str, Any] = {"name": short(unique), "colour": hue}
        end = FittedRange(float(drawn[rows].max()))
        marks += law_marks(fit, "D", at, rate, ends, end, look, title=f"{short(unique)} problems")
        values.append(rate)
        for shape, chosen in (("circle", rows & ~mask), ("diamond", rows & mask)):
            runs = thin(frame[chosen])
            if len(runs):
                place = {"x": fit.law.inputs(runs)["D"], "y": runs["pass_at_1"].to_numpy()}
                edge = BLACK if shape == "diamond" else ""
                marks.append(Scatter(**place, colour=hue, shape=shape, edge=edge, size=4.0, hover=hover_texts(runs)))
    x = Axis("Problems drawn <i>D</i>", True, "short", limits)
    y = axis("pass_at_1", span(np.concatenate(values), 0.06))
    return Panel(x, y, tuple(marks), legend="outside", legend_title="U", title="Pass rate")


def _worth(study: Study, fit: Fit) -> Panel:
    """Return the panel of the worth of another pass."""
    assert isinstance(fit.law, RlDataReuse)
    most = float(fit.law.passes(study.runs.frame).max())
    last = float(fit.value_and_interval(fit.law.last_paying)[0])
    limits = (1.0, 1.05 * max(most, min(last, BEYOND * most)))
    at = np.unique(np.append(np.geomspace(*limits, STEPS), most)) if most > 1 else np.geomspace(*limits, STEPS)

    def worth(params: np.ndarray) -> np.ndarray:
        return np.exp(-(at - 1) / params[:, -1:])

    known = fit.value_and_interval(worth)
    ends = known[1:] if fit.draws is not None else None
    look = {"name": fit.law.title, "colour": colour(fit.law.name)}
    marks: list[Mark | Rule] = [
        *law_marks(fit, "passes", at, known[0], ends, FittedRange(most), look, y="score", title="worth of another pass"),
        Rule(fit.law.worth, "x"),
    ]
    if last <= limits[1]:
        marks.append(Rule(last))
    y = Axis("Worth of another pass, of new problems", limits=(-0.02, 1.04))
    return Panel(axis("passes", limits, log=True), y, tuple(marks), legend="", title=f"R_D = {number(fit.params['R_D'])}")


def chart_test_time(study: Study) -> Chart | None:
    """Chart accuracy against the amount of answering, a line for each model, and the best division of compute."""
    fit = study.fits.get("test_time")
    if fit is None or not isinstance(fit.law, TestTime):
        return None
    law, frame = fit.law, study.runs.frame
    panels = [_answering(study, fit)]
    cost = law.cost_of_one(frame)
    if cost is not None:
        panels.append(_division(study, fit, cost))
    what = "answers to a question" if law.amount == "samples" else "tokens of an answer"
    caption = f"Accuracy against the {what}, and the law with its 95 % interval, a line for each model."
    if cost is not None:
        answered = f"if {compute(law.questions)} questions are answered"
        caption += f" Right: the share of all compute that is best spent on training {answered}."
    return Chart(law.title, caption + holdout_note(study), tuple(panels), columns=len(panels), size=(5.4, 4.1))


def _answering(study: Study, fit: Fit) -> Panel:
    """Return the panel of accuracies."""
    assert isinstance(fit.law, TestTime)
    law, known, mask = fit.law, train_fit(fit), held_out_mask(study)
    rows = law.fitted_rows(study.runs.frame[~mask])
    spent = rows["C"] if "C" in rows else 6 * rows["N"] * rows["D"]
    models = rows[[*law.x]].assign(spent=spent).groupby([*law.x])["spent"].mean().sort_values()
    scale = Scale(QUANTITIES["C"][2], models.min(), models.max(), log=True, numbers="scientific")
    column = law.column
    limits = span(rows[column], 0.05, log=True)
    at = np.geomspace(*limits, STEPS)
    marks: list[Mark | Rule] = []
    values = [rows["coverage"].to_numpy()]
    shown = np.unique(np.linspace(0, len(models) - 1, min(LINES, len(models))).round().astype(int))
    for place in shown:
        key = models.index[place] if isinstance(models.index[place], tuple) else (models.index[place],)
        hue = scale.colour(float(models.iloc[place]))
        line = pd.DataFrame({**dict(zip(law.x, key, strict=True)), column: at})
        rate = known.predict(line)
        ends = known.interval(line) if fit.draws is not None else None
        look = {"name": compute(float(models.iloc[place])), "colour": hue}
        marks += law_marks(fit, column, at, rate, ends, FittedRange(float(rows[column].max())), look, y="coverage")
        values.append(rate)
    few = thin(rows)
    hues = scale.colours(spent.loc[few.index])
    marks.append(
        Scatter(
            x=few[column].to_numpy(dtype=float),
            y=few["coverage"].to_numpy(dtype=float),
            colours=hues,
            colour=BLUE,
            size=4.0,
            hover=hover_texts(few),
        )
    )
    held = fit.holdout["points"] if fit.holdout else []
    marks += held_out_points(held, column)
    values += [charted(held, "measured")]
    chosen = {"pass": "pass@k", "majority": "maj@k", "best": "best of k"}[law.choice] if law.amount == "samples" else "accuracy"
    y = axis("coverage", span(np.concatenate(values), 0.06), label=chosen)
    return Panel(axis(column, limits, log=True), y, tuple(marks), legend="outside", legend_title="C", title=law.title)


def _division(study: Study, fit: Fit, cost: float) -> Panel:
    """Return the panel of the share of compute that is best spent on training."""
    assert isinstance(fit.law, TestTime)
    law, frame = fit.law, study.runs.frame
    spent = frame["C"] if "C" in frame else 6 * frame["N"] * frame["D"]
    sizes = (float(frame["N"].min()), float(frame["N"].max())) if law.x == "ND" else (1.0, 1.0)
    one = law.questions * cost * sizes[0] * SIZES[0] if law.x == "ND" else law.questions * cost  # an answer to each question
    least = max(float(spent.min()), 1.2 * one)
    totals = np.geomspace(least, BEYOND**2 * max(float(spent.max()), least), TOTALS)

    def shares(params: np.ndarray) -> np.ndarray:
        found = [law.optimum(params, total, cost, fit.flops_of, sizes)[:, 0] / total for total in totals]
        return np.stack(found, axis=1)

    known = fit.value_and_interval(shares)
    there = np.isfinite(known[0])
    limits = span(totals, 0.02, log=True)
    marks: list[Mark | Rule] = []
    if there.any():
        ends = known[1:, there] if fit.draws is not None else None
        look = {"name": "best share of training", "colour": colour(law.name)}
        end = FittedRange(float(spent.max()))
        marks += law_marks(fit, "C", totals[there], known[0, there], ends, end, look, y="score", title="best share of training")
    x = compute_axis(study, limits) if "C" in frame else axis("C", limits, log=True)
    label = f"All compute, {compute(law.questions)} questions included"
    x = Axis(label, x.log, x.numbers, x.limits)
    marks.append(Line(x=np.array(limits), y=np.full(2, 1.0), colour=GREY, dash="dotted", width=1.0))
    return Panel(x, Axis("Best share of training", limits=(0, 1.06)), tuple(marks), legend="", title="Best division")
