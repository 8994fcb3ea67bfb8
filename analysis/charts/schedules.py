"""Figures of loss curves under several learning rate schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.charts.marks import AMBER, BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, Chart, Line, Mark, Panel, span
from openr1.analysis.charts.parts import HELD_OUT, axis, held_out_mask, holdout_note, hover_texts, run_points, train_fit
from openr1.analysis.formatting import number, quantity

if TYPE_CHECKING:
    from openr1.analysis.study import Study

HUES = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, BLACK)  # of the first runs; others are not drawn


def chart_schedules(study: Study) -> Chart | None:
    """Chart the loss curves of runs with the law, above their learning rates. Predicted runs are dashed."""
    fit = study.fits.get("schedule")
    if fit is None:
        return None
    frame = study.runs.frame
    rows = fit.law.fitted_rows(frame)
    unseen = held_out_mask(study)[frame.index.get_indexer(rows.index)]
    names = list(dict.fromkeys(rows["run"]))
    known = train_fit(fit)
    losses: list[Mark] = []
    rates: list[Mark] = []
    for name, hue in zip(names, HUES, strict=False):
        run = rows[(rows["run"] == name).to_numpy()]
        held = unseen[(rows["run"] == name).to_numpy()]
        predicted = known.predict(run)
        label = f"{name} ({HELD_OUT})" if held.any() else str(name)
        look: dict[str, Any] = {"name": label, "colour": hue}
        losses.append(run_points(run, "step", run["loss"].to_numpy(), size=3.0, **look))
        text = tuple(
            f"<b>{label}</b><br>step {quantity('step', step)}<br>predicted {number(loss)}"
            for step, loss in zip(run["step"].tolist(), predicted.tolist(), strict=True)
        )
        dash = "dashed" if held.any() else "solid"
        at = run["step"].to_numpy(dtype=float)
        losses.append(Line(x=at, y=predicted, hover=text, dash=dash, **look))
        rates.append(Line(x=at, y=run["lr"].to_numpy(), hover=hover_texts(run[["step", "lr"]]), dash=dash, **look))
    x = axis("step", span(rows["step"], 0.03))
    drawn = np.concatenate([mark.y for mark in losses])
    panels = (
        Panel(x, axis("loss", span(drawn, 0.05)), tuple(losses), legend="upper right"),
        Panel(x, axis("lr", span(np.append(rows["lr"], 0.0), 0.05)), tuple(rates), legend=""),
    )
    more = f" {len(names) - len(HUES)} more runs are not drawn." if len(names) > len(HUES) else ""
    caption = f"Measured losses (dots), the law (lines; dashed for runs that it predicts), and the learning rates.{more}"
    return Chart("Loss curves and their schedules", caption + holdout_note(study), panels, size=(5.6, 4.1))
