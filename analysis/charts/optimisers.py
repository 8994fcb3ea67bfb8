"""Figures of the critical batch size, and of the best weight decay."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from openr1.analysis.charts.marks import BLACK, BLUE, Chart, Line, Mark, Panel, Scale, Scatter, colour, span
from openr1.analysis.charts.parts import (
    UNLIMITED,
    axis,
    held_out_mask,
    holdout_note,
    hover_text,
    hover_texts,
    law_marks,
    run_points,
    train_fit,
)
from openr1.analysis.formatting import QUANTITIES, short
from openr1.analysis.laws import BatchSize, WeightDecay

if TYPE_CHECKING:
    from openr1.analysis.study import Study

STEPS = 120  # points of a line
LINES = 8  # largest number of amounts of data with a line


def chart_batch_size(study: Study) -> Chart | None:
    """Chart the loss of the largest models against the batch size, and the critical batch size against data."""
    fit = study.fits.get("batch_size")
    if fit is None or not isinstance(fit.law, BatchSize):
        return None
    frame, known = study.runs.frame, train_fit(fit)
    rows = fit.law.fitted_rows(frame)
    rows = rows[rows["N"] == rows["N"].max()]
    amounts = np.unique(rows["D"])
    scale = Scale(QUANTITIES["D"][2], amounts[0], amounts[-1], log=True, numbers="short")
    limits = span(rows["batch"], 0.05, log=True)
    batch = np.geomspace(*limits, STEPS)
    marks: list[Mark] = []
    for d in amounts[:: -(-len(amounts) // LINES)]:
        runs = rows[rows["D"] == d]
        look: dict[str, Any] = {"name": short(d), "colour": scale.colour(d)}
        marks.append(run_points(runs, "batch", runs["loss"].to_numpy(), **look))
        line = pd.DataFrame({"N": rows["N"].iloc[0], "D": d, "batch": batch})
        marks += law_marks(fit, "batch", batch, known.predict(line), None, UNLIMITED, look)
    losses = Panel(
        axis("batch", limits, log=True),
        axis("loss", span(rows["loss"], 0.08)),
        tuple(marks),
        title=f"Models of {short(rows['N'].iloc[0])} parameters",
        legend="outside",
        legend_title="D",
    )
    reach = span(frame["D"], 0.05, log=True)
    tokens = np.geomspace(*reach, STEPS)
    value, low, high = known.value_and_interval(partial(fit.law.critical, tokens=tokens))
    line_marks = law_marks(
        fit, "D", tokens, value, np.stack([low, high]), UNLIMITED, {"colour": colour("batch_size")}, y="batch"
    )
    x = axis("D", reach, log=True, label="Tokens in very small batches, D_min")
    y = axis("batch", span(value, 0.3, log=True), log=True, label="Critical batch size (tokens)")
    caption = "Best runs of each batch size with the law, and the critical batch size with its 95 % interval."
    critical = Panel(x, y, tuple(line_marks), legend="")
    return Chart(fit.law.title, caption + holdout_note(study), (losses, critical), size=(5.6, 4.1))


def chart_weight_decay(study: Study) -> Chart | None:
    """Chart the best time scale of each cell against tokens per parameter, with the law."""
    fit = study.fits.get("weight_decay")
    if fit is None or not isinstance(fit.law, WeightDecay):
        return None
    cells = fit.law.fitted_rows(study.runs.frame[~held_out_mask(study)])
    ratio = (cells["D"] / cells["N"]).to_numpy()
    limits = span(ratio, 0.1, log=True)
    at = np.geomspace(*limits, STEPS)
    value, low, high = train_fit(fit).value_and_interval(partial(fit.law.optimum, ratio=at))
    text = tuple(hover_text(fit.law.title, tau=tau) for tau in value.tolist())
    marks: list[Mark] = [
        Line(x=at, y=end, colour=BLUE, dash="dotted", width=1.0) for end in (low, high) if np.isfinite(end).all()
    ]
    marks += [
        Line(x=at, y=value, colour=BLUE, hover=text),
        Scatter(x=ratio, y=cells["tau"].to_numpy(), colour=BLUE, edge=BLACK, size=6.0, hover=hover_texts(cells)),
    ]
    x = axis("D", limits, log=True, label="Tokens per parameter <i>D</i>/<i>N</i>")
    y = axis("tau", span(np.append(cells["tau"], value), 0.1, log=True), log=True)
    caption = "Optima of the grids of runs, each at one N and one D, and the power law with its 95 % interval (dotted)."
    return Chart(fit.law.title, caption + holdout_note(study), (Panel(x, y, tuple(marks), legend=""),))
