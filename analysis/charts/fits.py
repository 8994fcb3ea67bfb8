"""Figures of fits: the surface over N and D, the intervals of parameters, and predictions against measurements."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from openr1.analysis.charts.marks import (
    BLACK,
    Axis,
    Chart,
    Line,
    Mark,
    Panel,
    Rule,
    Scale,
    Scatter,
    Text,
    colour,
    levels,
    span,
)
from openr1.analysis.charts.parts import (
    axis,
    column,
    compute_axis,
    held_out_mask,
    held_out_points,
    hover_text,
    hover_texts,
    thin,
    thinning_note,
    train_fit,
)
from openr1.analysis.formatting import QUANTITIES, interval, number, percent

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.formatting import Words
    from openr1.analysis.study import Study

GRID = 60  # points of a surface along each axis
SURFACES = ("chinchilla", "overtraining", "data_constrained")
KINDS = {"percentile": "circle", "bca": "diamond", "profile": "square"}
KIND_NAMES = {"percentile": "percentile", "bca": "BCa", "profile": "profile"}
LARGE, WIDE = 100, 3  # a parameter that is larger, and varies by a larger factor, has a logarithmic axis
HUGE = 1e5  # such numbers are powers of ten
LAWS_A_ROW = 4


def chart_surface(study: Study) -> Chart | None:
    """Chart contours of a law over parameters and tokens, the runs, and the compute-optimal path."""
    drawable = [fit for fit in (study.main, *study.fits.values()) if fit.law.name in SURFACES]
    frame = study.runs.frame
    if not drawable or frame["loss"].nunique() < 2:
        return None
    fit = drawable[0]
    limits = {name: span(frame[name], 0.08, log=True) for name in ("N", "D")}
    n, d = (np.geomspace(*limits[name], GRID) for name in ("N", "D"))
    grid = pd.DataFrame({"N": np.tile(n, GRID), "D": np.repeat(d, GRID)})
    loss = fit.predict(grid.assign(C=fit.flops_of(grid["N"], grid["D"]), U=grid["D"])).reshape(GRID, GRID)
    scale = Scale(QUANTITIES["loss"][2], float(frame["loss"].min()), float(frame["loss"].max()))
    runs = thin(frame)
    marks: list[Mark | Text] = _contours(n, d, loss, scale)
    path = fit.frontier(np.geomspace(fit.flops_of(n[0], d[0]), fit.flops_of(n[-1], d[-1]), GRID))
    if {"N", "D"} <= set(path) and not fit.undetermined:
        look: dict[str, Any] = {"name": "compute-optimal", "colour": colour(fit.law.name)}
        known = path[["C", "N", "D", "loss"]].to_dict("records")
        text = tuple(hover_text("compute-optimal", **row) for row in known)
        marks.append(Line(x=path["N"].to_numpy(), y=path["D"].to_numpy(), hover=text, **look))
    shades = scale.colours(runs["loss"])
    place = {"x": runs["N"].to_numpy(), "y": runs["D"].to_numpy()}
    marks.append(Scatter(**place, colours=shades, edge=BLACK, size=5.5, hover=hover_texts(runs)))
    repeats = " without repeated data" if fit.law.name == "data_constrained" else ""
    panel = Panel(
        axis("N", limits["N"], log=True),
        axis("D", limits["D"], log=True),
        tuple(marks),
        title=fit.law.title,
        legend="upper left",
        scale=scale,
    )
    caption = f"Lines of equal loss by the {fit.law.title}{repeats}; dots are runs, coloured by measured loss."
    return Chart("Loss over parameters and tokens", caption + thinning_note(frame), (panel,), size=(6.4, 4.8))


def _contours(n: np.ndarray, d: np.ndarray, loss: np.ndarray, scale: Scale) -> list[Mark | Text]:
    """Return lines of equal loss, each labelled at the middle of its longest part."""
    from contourpy import contour_generator

    lines = contour_generator(np.log(n), np.log(d), loss)
    marks: list[Mark | Text] = []
    labels: list[Mark | Text] = []
    for index, level in enumerate(levels(loss)):
        parts = [np.exp(part) for part in cast("list[np.ndarray]", lines.lines(level))]
        look: dict[str, Any] = {"colour": scale.colour(level), "width": 1.0}
        marks += [Line(x=part[:, 0], y=part[:, 1], hover=(f"loss {level:.4g}",) * len(part), **look) for part in parts]
        if parts and index % 2 == 0:
            longest = max(parts, key=len)
            x, y = longest[len(longest) // 3]
            labels.append(Text(x, y, f"{level:.4g}", scale.colour(level)))
    return [*marks, *labels]


def chart_parameters(study: Study) -> Chart | None:
    """Chart estimates and 95 % intervals of every kind, a panel per parameter name, of all laws."""
    names: dict[str, list[Fit]] = {}
    left_out = []
    for fit in study.fits.values():
        for parameter in fit.law.parameters:
            known = any(parameter.name in ends for ends in fit.intervals.values())
            if not known or parameter.coefficient:
                continue
            if parameter.name in fit.diagnostics["at_bound"]:
                left_out.append(f"{parameter.name} of the {fit.law.title}")
            elif fit.params[parameter.name] != 0:
                names.setdefault(parameter.name, []).append(fit)
    if not names:
        return None
    kinds = ", ".join(KIND_NAMES[kind] for kind in KINDS if any(kind in fit.intervals for fit in study.fits.values()))
    caption = f"Estimates with 95 % intervals ({kinds}). Intervals that reach the edge of a panel are open."
    caption += f" Not determined by the runs, and not shown: {', '.join(left_out)}." if left_out else ""
    panels = tuple(_parameter(name, fits, study.words) for name, fits in names.items())
    return Chart("Parameters", caption, panels, columns=min(3, len(panels)), size=(3.6, 2.6))


def _parameter(name: str, fits: list[Fit], words: Words) -> Panel:
    """Return the panel of a parameter."""
    rows = [
        Estimate(
            KIND_NAMES[kind], fit.law.title, fit.params[name], fit.intervals[kind][name], colour(fit.law.name), KINDS[kind]
        )
        for fit in fits
        for kind in KINDS
        if fit.intervals.get(kind, {}).get(name) is not None
    ]
    meaning = min((p.meaning for fit in fits for p in fit.law.parameters if p.name == name), key=len)
    return estimates(name, words.meaning(meaning), rows)


@dataclass(frozen=True)
class Estimate:
    """A row of a panel of a parameter."""

    label: str  # on the axis
    title: str  # in the legend
    value: float
    ends: Sequence[float | None]  # (2,), null for an open end
    colour: str
    shape: str


def estimates(name: str, meaning: str, rows: Sequence[Estimate]) -> Panel:
    """Return a panel of estimates with intervals, from top to bottom; an open interval reaches the edge of the panel."""
    values = np.array([[row.value, *(np.nan if end is None else end for end in row.ends)] for row in rows])
    known = values[np.isfinite(values)]
    log = bool((known > 0).all() and known.max() > max(LARGE, WIDE * known.min()))
    limits = span(known, 0.08, log=log)
    marks = []
    for place, (row, (value, low, high)) in enumerate(zip(rows, values, strict=True)):
        kind = "" if row.label == row.title else f"{row.label} "
        ends = interval(row.ends[0], row.ends[1]) or "open"
        text = f"<b>{escape(row.title)}</b><br>{name} {number(value)}<br>{escape(kind)}{ends}"
        bar = np.array([[limits[0] if np.isnan(low) else low], [limits[1] if np.isnan(high) else high]])
        at: dict[str, Any] = {"x": np.array([value]), "y": np.array([float(place)]), "ends": bar, "along": "x"}
        marks.append(Scatter(**at, name=row.title, colour=row.colour, shape=row.shape, size=6.0, hover=(text,)))
    label = "<br>".join(textwrap.wrap(meaning, 32))
    numbers = "scientific" if log and known.max() > HUGE else "plain"
    y = Axis("", names=tuple(row.label for row in rows), limits=(len(rows) - 0.4, -0.6))
    return Panel(Axis(label, log, numbers, limits), y, tuple(marks), title=name, legend="shared")


def chart_residuals(study: Study) -> Chart:
    """Chart the predictions of each law and their errors; held-out runs are predicted by the fit without them."""
    above, below = [], []
    for fit in study.fits.values():
        first, second = _residuals(study, fit)
        above.append(first)
        below.append(second)
    caption = (
        "Predicted against measured responses, and relative errors of predictions. Diamonds are held-out runs, predicted by the"
        " fit without them. A law of budgets predicts the best run of each budget."
    )
    columns = min(len(above), LAWS_A_ROW) if len(above) > 1 else 2
    return Chart("Predictions", caption + thinning_note(study.runs.frame), (*above, *below), columns, size=(3.9, 3.4))


def _residuals(study: Study, fit: Fit) -> tuple[Panel, Panel]:
    """Return the panels of predictions and of errors of a fit."""
    frame, response = study.runs.frame, fit.law.response
    points = thin(fit.law.fitted_rows(frame[~held_out_mask(study)] if fit.holdout else frame))
    held = fit.holdout["points"] if fit.holdout else []
    measured, predicted = fit.law.observed(points), train_fit(fit).predict(points)
    error = 100 * (predicted / measured - 1)
    text = hover_texts(
        points, predicted=[number(value) for value in predicted], error=[percent(value / 100) for value in error]
    )
    dots: dict[str, Any] = {"name": "fitted", "colour": colour(fit.law.name), "size": 4.0, "hover": text}
    diamonds = {"edge": colour(fit.law.name), "size": 5.5}

    log = response in ("lr", "batch", "tau")
    limits = span(np.concatenate([measured, predicted, column(held, "measured"), column(held, "predicted")]), log=log)
    usual = QUANTITIES[response][2]
    quantity = study.words.axis_labels.get(usual, usual).removeprefix("Evaluation ")
    quantity = f"{quantity[0].lower()}{quantity[1:]}"
    across, up = (axis(response, limits, log, f"{what} {quantity}") for what in ("Measured", "Predicted"))
    marks: tuple[Mark | Rule, ...] = (
        Line(x=np.array(limits), y=np.array(limits), width=0.8),
        Scatter(x=measured, y=predicted, **dots),
        *held_out_points(held, "measured", column(held, "predicted"), **diamonds),
    )
    note = f"held out: mean error {percent(fit.holdout['error'])}" if fit.holdout and held else ""
    above = Panel(across, up, marks, title=fit.law.title, note=note, legend="upper left" if held else "")

    x = next((name for name in ("C", *fit.law.predictors, "N") if name in points), None)
    if x is None:
        return above, Panel(axis(response, limits, log), Axis("Prediction error (%)"), (Scatter(x=measured, y=error, **dots),))
    unseen = 100 * column(held, "relative_error")
    at = points[x].to_numpy(dtype=float)
    log = x != "loss"
    marks = (Rule(0.0, "x"), Scatter(x=at, y=error, **dots), *held_out_points(held, x, unseen, **diamonds))
    errors = span(np.concatenate([error, unseen, [0.0]]), 0.06)
    x_limits = span(np.append(at, column(held, x)), 0.05, log=log)
    x_axis = compute_axis(study, x_limits) if x == "C" else axis(x, x_limits, log=log)
    return above, Panel(x_axis, Axis("Prediction error (%)", limits=errors), marks, legend="")
