"""Figures of laws of one variable, and of the best learning rate and batch size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from openr1.analysis.charts.marks import BLACK, BLUE, Chart, Line, Mark, Panel, Rule, Scale, Scatter, Text, colour, span
from openr1.analysis.charts.parts import (
    UNLIMITED,
    FittedRange,
    axis,
    compute_axis,
    held_out_mask,
    held_out_points,
    holdout_note,
    hover_texts,
    law_marks,
    run_points,
    thin,
    thinning_note,
    train_fit,
)
from openr1.analysis.formatting import QUANTITIES, short
from openr1.analysis.laws import Hyperparameter

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

STEPS = 120  # points of a line
LABEL = 6  # index of the point of a line at its label
OWN = ("rl_sigmoid", "pass_at_k")  # laws of one variable that have their own figure


def chart_curve(study: Study) -> Chart | None:
    """Chart the response against the predictor for laws of one variable, a panel per predictor; not of the loss against
    compute.
    """
    groups: dict[tuple[str, str], list[Fit]] = {}
    for fit in study.fits.values():
        if len(fit.law.predictors) == 1 and fit.law.name not in OWN and not _of_compute(fit):
            groups.setdefault((fit.law.predictors[0], fit.law.response), []).append(fit)
    if not groups:
        return None
    panels = tuple(_against(study, x, y, fits) for (x, y), fits in groups.items())
    dashed = (
        ", dashed beyond the runs" if any(isinstance(m, Line) and m.dash == "dashed" for p in panels for m in p.marks) else ""
    )
    caption = f"The runs and the law, with its 95 % interval{dashed}.{holdout_note(study)}{thinning_note(study.runs.frame)}"
    return Chart("Laws of one variable", caption, panels, size=(6.4, 4.4) if len(panels) == 1 else (5.2, 4.1))


def _of_compute(fit: Fit) -> bool:
    """Return True for a law of the loss against compute, which is drawn in the figure of the frontier."""
    return fit.law.predictors == ("C",) and fit.law.response == "loss"


def _against(study: Study, x: str, y: str, fits: list[Fit]) -> Panel:
    """Return the panel of laws of one predictor."""
    frame, mask = study.runs.frame, held_out_mask(study)
    drawn = thin(frame[~mask])
    log = x not in ("loss", "kl")
    fitted_range = FittedRange.of(study, x)
    limits = span(frame[x], 0.1, log=log)
    if x == "kl":
        limits = (0.0, limits[1])
    at = np.unique(np.append(np.geomspace(*limits, STEPS) if log else np.linspace(*limits, STEPS), fitted_range.end))
    marks: list[Mark | Rule] = [run_points(drawn, x, fits[0].law.observed(drawn), size=4.0)]
    for fit in fits:
        look = {"name": fit.law.title, "colour": colour(fit.law.name)}
        line = pd.DataFrame({x: at})
        known = train_fit(fit)
        ends = known.interval(line) if fit.draws is not None else None
        marks += law_marks(fit, x, at, known.predict(line), ends, fitted_range, look)
    if fits[0].holdout:
        marks += held_out_points(fits[0].holdout["points"], frame.loc[mask, x].to_numpy())
    x_axis = compute_axis(study, limits) if x == "C" else axis(x, limits, log=log)
    title = fits[0].law.formula if len(fits) == 1 and len(fits[0].law.formula) < 50 else ""
    corner = {"loss": "upper left", "kl": "lower right"}.get(x, "upper right")
    return Panel(x_axis, axis(y, span(frame[y], 0.08)), (*marks, *fitted_range.rules), title=title, legend=corner)


def chart_hyperparameter(study: Study) -> Chart | None:
    """Chart the best learning rate, and the best batch size, of each cell against model size, with the law."""
    fit = study.fits.get("hyperparameter")
    if fit is None or not isinstance(fit.law, Hyperparameter):
        return None
    cells = fit.law.fitted_rows(study.runs.frame)
    d = cells["D"].to_numpy()
    scale = Scale(QUANTITIES["D"][2], d.min(), d.max(), log=True, numbers="short") if d.max() > 1.1 * d.min() else None
    lines = np.unique([d.min(), np.exp(np.log(d).mean()), d.max()]) if scale else d[:1]
    limits = span(cells["N"], 0.15, log=True)
    n = np.geomspace(*limits, STEPS)
    panels = []
    for name in fit.law.targets:
        marks: list[Mark | Text] = []
        values = [cells[name].to_numpy()]
        for tokens in lines:
            law = fit.value_and_interval(partial(fit.law.optimum, target=name, n=n, d=tokens))
            hue = scale.colour(tokens) if scale else BLUE
            values.append(law[0])
            marks += law_marks(fit, "N", n, law[0], law[1:], UNLIMITED, {"colour": hue}, y=name)
            marks.append(Text(n[LABEL], law[0, LABEL], short(tokens), hue))
        text = hover_texts(cells)
        marks.append(
            Scatter(
                x=cells["N"].to_numpy(),
                y=cells[name].to_numpy(),
                colour=BLUE,
                colours=scale.colours(d) if scale else (),
                edge=BLACK,
                size=6.0,
                hover=text,
            )
        )
        y = axis(name, span(np.concatenate(values), 0.06, log=True), log=True, label=f"Best {QUANTITIES[name][2].lower()}")
        panels.append(Panel(axis("N", limits, log=True), y, tuple(marks), legend="", scale=scale))
    caption = (
        "Optima of the grids of runs, each at one N and one D, and the power law fitted to them"
        + (", drawn for the smallest, the middle and the largest D" if scale else "")
        + ", with 95 % intervals."
    )
    return Chart(fit.law.title, caption, tuple(panels), size=(6.4, 4.4) if len(panels) == 1 else (5.6, 4.1))
