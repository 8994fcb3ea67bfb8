"""Figures of one law fitted to several groups: the curves of all groups, their parameters, and their predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from openr1.analysis.charts.fits import Estimate, estimates
from openr1.analysis.charts.marks import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    Chart,
    Line,
    Mark,
    Panel,
    Scale,
    Scatter,
    span,
)
from openr1.analysis.charts.parts import (
    FittedRange,
    axis,
    column,
    compute_axis,
    held_out_mask,
    held_out_points,
    hover_texts,
    law_marks,
    thin,
    thinning_note,
    train_fit,
)
from openr1.analysis.charts.transfer import chart_transfer
from openr1.analysis.fit.labels import parse_size
from openr1.analysis.formatting import number, percent, share
from openr1.analysis.laws import EffectiveSpeedup, RlPower
from openr1.analysis.laws.base import best_runs
from openr1.analysis.laws.effective_speedup import TREATED

if TYPE_CHECKING:
    from openr1.analysis.study import GroupedStudy, Study

HUES = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER)
STEPS = 120  # points of a line
BEYOND = 3.0  # end of lines, over the largest of the points
BANDS = 6  # groups beyond which no intervals are drawn
SIZES = 5  # largest number of lines of a group, for a law with a line per model size
HIGH = 1.7  # upper limit of the loss axis, in ranges of the frontiers' loss
DIAMOND = 5.0
HELD = " Diamonds are held-out points; the laws that are drawn are fitted without them."
GROUP_FIGURES = ("groups", "transfer", "parameters", "predictions")  # names of the figures of a grouped study
Look = dict[str, str]


def chart_groups(study: GroupedStudy) -> dict[str, Chart]:
    """Chart a grouped study, by name, in reading order."""
    transfer = chart_transfer(study, assign_colours(study))
    drawn = (chart_curves(study), transfer, chart_parameters(study), chart_predictions(study))
    charts = dict(zip(GROUP_FIGURES, drawn, strict=True))
    return {name: chart.relabelled(study.words.axis_labels) for name, chart in charts.items() if chart is not None}


def assign_colours(study: GroupedStudy) -> dict[str, str]:
    """Assign a colour to each group of a study."""
    return colour_labels(list(study.parts))


def colour_labels(labels: Sequence[str]) -> dict[str, str]:
    """Assign a colour to each label: from dark to light if labels are numbers or scales, or too many for distinct hues."""
    ordered = len(labels) > 2 and all(np.isfinite(parse_size(label)) for label in labels)
    if ordered or len(labels) > len(HUES):
        scale = Scale("", 0, len(labels) - 1)
        return {label: scale.colour(place) for place, label in enumerate(labels)}
    return dict(zip(labels, HUES, strict=False))


def chart_curves(study: GroupedStudy) -> Chart | None:
    """Chart the law of each group and its points; null for a law of several variables that does not fit into a plane."""
    law = study.law
    if len(law.predictors) == 1:
        return _chart_groups(study, law.predictors[0], law.response, _curve, "The law of each group")
    if isinstance(law, RlPower):
        return _chart_groups(study, law.x, "pass_at_1", _sizes, "The law of each group, a line per model size,")
    if isinstance(law, EffectiveSpeedup):
        return _chart_groups(study, law.x, "loss", _pair, "The law of each recipe, and of the reference in grey,")
    if study.target_flops and law.response == "loss":
        return _chart_groups(study, "C", "loss", _frontier, "The frontier of each group's law")
    return None


def _chart_groups(study: GroupedStudy, x: str, y: str, marks_of: Callable[..., Iterator[Mark]], words: str) -> Chart:
    """Chart the marks of each group in one panel."""
    parts, log = study.parts, x != "loss"
    used = {label: study.law.fitted_rows(part.runs.frame) for label, part in parts.items()}
    places = np.concatenate([rows[x].to_numpy(dtype=float) for rows in used.values()])
    limits = span(np.append(places, BEYOND * places.max()) if log else places, 0.03, log=log)
    marks: list[Mark] = []
    for label, hue in assign_colours(study).items():
        least = float(used[label][x][used[label][x] != 0].min())  # points before training have no place on the axis
        ends = (least, limits[1]) if log else limits
        at = np.geomspace(*ends, STEPS) if log else np.linspace(*ends, STEPS)
        fitted = study.law.fitted_rows(parts[label].runs.frame[~held_out_mask(parts[label])])[x]
        fitted_range = FittedRange(float(fitted.max() if log else fitted.min()), downward=not log)
        marks += marks_of(
            parts[label], x, np.unique(np.append(at, fitted_range.end)), fitted_range, {"name": label, "colour": hue}
        )
    heights = span(np.concatenate([mark.y for mark in marks if isinstance(mark, (Scatter, Line))]), 0.06)
    if y in ("pass_at_1", "coverage", "error"):
        heights = (max(heights[0], 0.0), min(heights[1], 1.0))
    worse = 0
    if marks_of is _frontier:
        best = max(float(best_runs(part.runs.frame)["loss"].max()) for part in parts.values())
        heights = (heights[0], min(heights[1], heights[0] + HIGH * (best - heights[0])))
        worse = int((study.runs.frame["loss"] > heights[1]).sum())
    if not _banded(study):
        marks = [mark for mark in marks if isinstance(mark, (Scatter, Line))]
    first = next(iter(parts.values()))
    panel = Panel(
        compute_axis(first, limits) if x == "C" else axis(x, limits, log=log),
        axis(y, heights),
        tuple(marks),
        legend="outside",
        legend_title=study.groups.by,
    )
    caption = (
        f"{words}{' with its 95 % interval' if _banded(study) else ''}, dashed beyond the points of the group."
        + (" Dots are all runs of the group." if marks_of is _frontier else "")
        + (" Dotted: the limit A of the pass rate." if study.law.name == "rl_sigmoid" else "")
        + (HELD if any(part.main.holdout for part in parts.values()) else "")
        + (f" Not shown: {worse} of higher loss." if worse else "")
        + thinning_note(study.runs.frame)
    )
    return Chart(f"{study.law.title} by {study.groups.by}", caption, (panel,), size=(7.4, 4.8))


def _banded(study: GroupedStudy) -> bool:
    """Return True if intervals are drawn."""
    return len(study.parts) <= BANDS and any(part.main.draws is not None for part in study.parts.values())


def _points(part: Study, x: str, y: np.ndarray, rows: pd.DataFrame, look: Look, **more: Any) -> Scatter:
    """Return the runs of a group as points."""
    text = tuple(f"<b>{escape(look['name'])}</b>, {line}" for line in hover_texts(rows))
    return Scatter(x=rows[x].to_numpy(dtype=float), y=y, hover=text, **{**look, **more})


def _held(part: Study, x: str, look: Look, flip: bool = False) -> list[Scatter]:
    """Return the held-out points of a group in its colour; ``1 - response`` if ``flip``."""
    rows = part.main.holdout["points"] if part.main.holdout else []
    measured = column(rows, "measured")
    at = column(rows, x) if x != "loss" else part.runs.frame.loc[held_out_mask(part), x].to_numpy()
    return held_out_points(rows, at, 1 - measured if flip else measured, edge=look["colour"], name=look["name"], size=DIAMOND)


def _curve(part: Study, x: str, at: np.ndarray, fitted_range: FittedRange, look: Look) -> Iterator[Mark]:
    """Yield the points and the curve of a law of one variable."""
    fit, frame = part.main, part.runs.frame[~held_out_mask(part)]
    used, known = fit.law.fitted_rows(frame), train_fit(fit)
    drawn = thin(used)
    yield _points(part, x, fit.law.observed(drawn), drawn, look)
    unused = frame.drop(used.index) if x in frame else used.iloc[:0]
    if len(unused):
        yield _points(part, x, fit.law.observed(unused), unused, look, colour="#ffffff", edge=look["colour"])
    line = pd.DataFrame({x: at})
    ends = known.interval(line) if fit.draws is not None else None
    yield from law_marks(fit, x, at, known.predict(line), ends, fitted_range, look, title=escape(look["name"]))
    yield from _held(part, x, look)
    if "A" in known.params and fit.law.name == "rl_sigmoid":
        top = (f"<b>{escape(look['name'])}</b><br>A {share(known.params['A'])}",) * 2
        yield Line(x=at[[0, -1]], y=np.full(2, known.params["A"]), dash="dotted", width=1.0, hover=top, **look)


def _sizes(part: Study, x: str, at: np.ndarray, fitted_range: FittedRange, look: Look) -> Iterator[Mark]:
    """Yield pass rates and a curve per model size for a law of error rates."""
    fit, frame = part.main, part.runs.frame[~held_out_mask(part)]
    known, sizes, drawn = train_fit(fit), np.unique(frame["N"]), thin(frame)
    yield _points(part, x, drawn["pass_at_1"].to_numpy(), drawn, look)
    for n in sizes[:: -(-len(sizes) // SIZES)]:
        line = pd.DataFrame({"N": n, x: at})
        ends = 1 - known.interval(line)[::-1] if fit.draws is not None else None
        title = f"{escape(look['name'])}, N {number(n)}"
        yield from law_marks(fit, x, at, 1 - known.predict(line), ends, fitted_range, look, y="pass_at_1", title=title)
    yield from _held(part, x, look, flip=True)


def _pair(part: Study, x: str, at: np.ndarray, fitted_range: FittedRange, look: Look) -> Iterator[Mark]:
    """Yield the points and the curve of a recipe, and those of the reference in grey, for a law that compares two."""
    fit, known = part.main, train_fit(part.main)
    rows = thin(fit.law.fitted_rows(part.runs.frame[~held_out_mask(part)]))
    reference = {"name": str(rows["reference"].iloc[0]), "colour": GREY}
    for treated, own in ((0.0, reference), (1.0, look)):
        points, line = rows[rows[TREATED] == treated], pd.DataFrame({x: at, TREATED: treated})
        yield _points(part, x, points["loss"].to_numpy(), points, own)
        ends = known.interval(line) if fit.draws is not None and treated else None
        yield from law_marks(fit, x, at, known.predict(line), ends, fitted_range, own, title=escape(own["name"]))
    yield from _held(part, x, look)


def _frontier(part: Study, x: str, at: np.ndarray, fitted_range: FittedRange, look: Look) -> Iterator[Mark]:
    """Yield the runs and the frontier of a law."""
    fit, drawn = part.main, thin(part.runs.frame[~held_out_mask(part)])
    yield _points(part, x, drawn["loss"].to_numpy(), drawn, look, size=3.5)
    best = train_fit(fit).frontier(at)
    ends = best[["loss_low", "loss_high"]].to_numpy().T if fit.draws is not None else None
    yield from law_marks(fit, x, at, best["loss"].to_numpy(), ends, fitted_range, look, title=escape(look["name"]))
    yield from _held(part, x, look)


def chart_parameters(study: GroupedStudy) -> Chart | None:
    """Chart each fitted parameter in a panel with a row per group."""
    hues = assign_colours(study)
    panels = []
    for parameter in study.law.parameters:
        rows = [
            Estimate(label, label, fit.params[parameter.name], fit.ends(parameter.name), hues[label], "circle")
            for label, fit in study.groups.fits.items()
            if parameter.name in fit.ci95 and fit.se.get(parameter.name)
        ]
        if rows:
            panels.append(replace(estimates(parameter.name, study.words.meaning(parameter.meaning), rows), legend=""))
    if not panels:
        return None
    caption = "Parameters of each group with 95 % intervals. Intervals that reach the edge of a panel are open."
    height = max(2.6, 1.2 + 0.28 * len(study.parts))
    return Chart("Parameters", caption, tuple(panels), columns=2 if len(panels) == 4 else 3, size=(3.6, height))


def chart_predictions(study: GroupedStudy) -> Chart:
    """Chart predictions against measurements of all groups."""
    marks: list[Mark] = []
    ends = []
    for label, hue in assign_colours(study).items():
        part = study.parts[label]
        fit = part.main
        rows = thin(fit.law.fitted_rows(part.runs.frame[~held_out_mask(part)]))
        measured, predicted = fit.law.observed(rows), train_fit(fit).predict(rows)
        off = predicted / measured - 1
        words = [number(value) for value in predicted], [percent(value) for value in off]
        text = hover_texts(rows, predicted=words[0], error=words[1])
        text = tuple(f"<b>{escape(label)}</b>, {line}" for line in text)
        marks.append(Scatter(x=measured, y=predicted, name=label, colour=hue, size=4.0, hover=text))
        held = fit.holdout["points"] if fit.holdout else []
        marks += held_out_points(held, "measured", column(held, "predicted"), edge=hue, name=label, size=DIAMOND)
        ends += [measured, predicted, column(held, "measured"), column(held, "predicted")]
    response = study.law.response
    log = response in ("lr", "batch")
    limits = span(np.concatenate(ends), log=log)
    usual = axis(response, limits, log).label.removeprefix("Evaluation ")
    across, up = [axis(response, limits, log, f"{what} {usual[0].lower()}{usual[1:]}") for what in ("Measured", "Predicted")]
    line = Line(x=np.array(limits), y=np.array(limits), width=0.8)
    panel = Panel(across, up, (line, *marks), legend="outside", legend_title=study.groups.by)
    held = HELD if any(part.main.holdout for part in study.parts.values()) else ""
    caption = f"Predictions of each group's law against measurements.{held}{thinning_note(study.runs.frame)}"
    return Chart("Predictions", caption, (panel,), size=(5.6, 4.4))
