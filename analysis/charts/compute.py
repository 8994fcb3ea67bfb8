"""Figures of compute: the frontier of loss, the allocation of compute, and the envelope of training curves."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from openr1.analysis.charts.marks import (
    BLACK,
    PALE,
    Axis,
    Chart,
    Line,
    Mark,
    Panel,
    Rule,
    Scale,
    Scatter,
    Shade,
    colour,
    span,
)
from openr1.analysis.charts.parts import (
    FittedRange,
    axis,
    compute_axis,
    held_out_mask,
    held_out_points,
    hover_text,
    law_marks,
    run_points,
    thin,
    thinning_note,
    train_fit,
)
from openr1.analysis.formatting import QUANTITIES, count_rows, join_words
from openr1.analysis.laws.base import best_runs

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

STEPS = 100  # points of a line
FAR = 1000  # largest target budget in a figure, over the largest budget of the runs
MANY = 60  # points, from which on they are drawn smaller
HIGH = 1.7  # upper limit of the loss axis, in ranges of the frontier's loss
WIDTH, WIDER = 1.4, 1.3  # points of the uppermost line, and by how much each line below is wider
CURVES, CURVE_POINTS = 100, 200  # largest numbers of an envelope


def chart_frontier(study: Study) -> Chart | None:
    """Chart loss against compute: the frontier of each law, fitted without the held-out runs if there are any."""
    frame, main, target = study.runs.frame, study.main, study.target_flops
    laws = [fit for fit in study.fits.values() if fit.law.response == "loss" and not train_fit(fit).frontier(1.0).empty]
    if not target or not laws or "loss" not in frame:
        return None
    largest = float(frame["C"].max())
    laws, untold = _split_determined(laws)
    answered = main in laws and "loss" in main.known_at(target) and largest < target <= FAR * largest
    best = best_runs(frame[~held_out_mask(study)])
    x = span(np.array([_smallest(frame, [*laws, *untold]), target if answered else 2 * largest]), 0.03, log=True)
    fitted_range = FittedRange.of(study, "C")
    flops = np.unique(np.append(np.geomspace(*x, STEPS), fitted_range.end))
    best, runs = best[best["C"] >= x[0]], thin(frame[frame["C"] >= x[0]])
    marks: list[Mark | Rule] = [run_points(runs, "C", runs["loss"].to_numpy(), "runs", PALE, size=3.0)]
    lowest = float(frame["loss"].min())
    for fit, width in _widths(laws):
        curve = train_fit(fit).frontier(flops)
        ends = curve[["loss_low", "loss_high"]].to_numpy().T if fit is main else None
        look = {"name": fit.law.title, "colour": colour(fit.law.name)}
        marks += law_marks(fit, "C", flops, curve["loss"].to_numpy(), ends, fitted_range, look, width=width)
        lowest = min(lowest, float(curve["loss"].min()))
    size = 4.5 if len(best) < MANY else 2.5
    marks.append(run_points(best, "C", best["loss"].to_numpy(), "best run of its budget", BLACK, size=size))
    if main.holdout:
        marks += held_out_points(main.holdout["best_runs"] or main.holdout["points"], "C")
    if answered:
        answer = _answer(main, main.frontier(target).iloc[0])
        marks.append(answer)
        lowest = min(lowest, float(answer.y[0]))
    highest = min(float(runs["loss"].max()), lowest + HIGH * (float(best["loss"].max()) - lowest))
    fit_note = (
        "Laws are fitted only to the runs left of the dotted line, and dashed beyond it"
        if fitted_range.rules
        else "Dashed: extrapolated"
    )
    band = "" if main.draws is None or main not in laws else f" The band is the 95 % interval of the {main.law.title}."
    star = " The star is its prediction for the target budget, fitted to all runs." if answered else ""
    worse = int((frame["loss"] > highest).sum())
    above = f" Not shown: {count_rows(worse, frame)} of higher loss." if worse else ""
    panel = Panel(
        compute_axis(study, x),
        axis("loss", span(np.array([lowest, highest]))),
        (*marks, *fitted_range.rules),
        title="Loss against compute",
    )
    return Chart(
        "Loss against compute", f"{fit_note}.{_name_untold(untold)}{band}{star}{above}{thinning_note(frame)}", (panel,)
    )


def _widths(laws: list[Fit]) -> list[tuple[Fit, float]]:
    """Return each law with the width of its line: the first are drawn below the others, and wider, so that none is hidden."""
    return [(fit, WIDTH + WIDER * (len(laws) - 1 - place)) for place, fit in enumerate(laws)]


def _split_determined(fits: list[Fit]) -> tuple[list[Fit], list[Fit]]:
    """Split fits into those that the runs determine and those whose frontier they leave open."""
    told = [not (fit.undetermined or train_fit(fit).undetermined) for fit in fits]
    return list(compress(fits, told)), [fit for fit, known in zip(fits, told, strict=True) if not known]


def _name_untold(fits: list[Fit]) -> str:
    """Return the sentence of a caption that names laws that are not drawn."""
    names = join_words([fit.law.title for fit in fits])
    return f" Not drawn: {names}, whose frontier the runs do not determine." if fits else ""


def _smallest(frame: pd.DataFrame, laws: list[Fit]) -> float:
    """Return the least compute that a law is fitted to; training curves begin much earlier."""
    return min(float(fit.law.fitted_rows(frame)["C"].min()) for fit in laws)


def _answer(fit: Fit, row: pd.Series) -> Scatter:
    """Return the mark of the prediction for the target budget."""
    ends = np.array([[row["loss_low"]], [row["loss_high"]]])
    known = {name: row[name] for name in ("C", "N", "D", "loss") if name in row}
    return Scatter(
        x=np.array([row["C"]]),
        y=np.array([row["loss"]]),
        name="target",
        colour=colour(fit.law.name),
        hover=(hover_text("target budget", **known),),
        shape="star",
        size=12.0,
        edge="#ffffff",
        ends=ends if np.isfinite(ends).all() else None,
    )


def chart_allocation(study: Study) -> Chart | None:
    """Chart compute-optimal parameters and tokens against compute, up to the target, with the intervals of each law."""
    frame, target = study.runs.frame, study.target_flops
    laws, untold = _split_determined([fit for fit in study.fits.values() if fit.law.allocates])
    if not target or not laws:
        return None
    largest = float(frame["C"].max())
    x = span(np.array([_smallest(frame, laws), max(target, largest)]), 0.04, log=True)
    flops = np.unique(np.append(np.geomspace(*x, STEPS), largest))
    panels = []
    for name, what in (("N", study.words.parameters), ("D", study.words.tokens)):
        marks: list[Mark | Shade] = [Shade(largest, x[1])] if x[1] > largest else []
        lines: list[Mark] = []
        values = []
        for fit, width in _widths(laws):
            curve = fit.frontier(flops)
            ends = curve[[f"{name}_low", f"{name}_high"]].to_numpy().T
            look = {"name": fit.law.title, "colour": colour(fit.law.name)}
            lines += law_marks(fit, "C", flops, curve[name].to_numpy(), ends, FittedRange(largest), look, y=name, width=width)
            values.append(curve[name].to_numpy())
            lines += _minima(fit, name)
        label = f"Compute-optimal {what} <i>{name}*</i>"
        y = axis(name, span(np.concatenate([part[part > 0] for part in values]), 0.1, log=True), log=True, label=label)
        marks += sorted(lines, key=lambda mark: isinstance(mark, (Line, Scatter)))  # draw bands behind lines
        panels.append(Panel(compute_axis(study, x), y, tuple(marks), title=f"Optimal {what}", legend="upper left"))
    return Chart(
        "Compute-optimal allocation",
        f"Optimal {study.words.parameters} and {study.words.tokens} for a budget, fitted to all runs, with 95 % intervals."
        f" Shaded: extrapolated.{_name_untold(untold)}",
        tuple(panels),
        size=(5.2, 4.1),
    )


def _minima(fit: Fit, name: str) -> list[Mark]:
    """Return the marks of the optima of single budgets that a law was fitted to."""
    budgets = [row for row in fit.tables.get("budgets", []) if not row["excluded"]]
    if not budgets:
        return []
    at, values = (np.array([row[key] for row in budgets]) for key in ("C", name))
    text = tuple(hover_text("minimum", C=c, **{name: value}) for c, value in zip(at, values, strict=True))
    look: dict[str, Any] = {"colour": colour(fit.law.name), "edge": "#ffffff", "shape": "star", "size": 10.0}
    return [Scatter(x=at, y=values, name="IsoFLOP minimum", hover=text, **look)]


def chart_envelope(study: Study) -> Chart | None:
    """Chart training curves and the lowest of them at each budget."""
    fit, frame = study.fits.get("envelope"), study.runs.frame
    if fit is None:
        return None
    sizes = frame.groupby("run")["N"].first().sort_values()
    drawn = sizes.iloc[np.unique(np.linspace(0, len(sizes) - 1, min(CURVES, len(sizes))).round().astype(int))]
    scale = Scale(QUANTITIES["N"][2], sizes.min(), sizes.max(), log=True, numbers="short")
    marks: list[Mark] = []
    for run, n in drawn.items():
        rows = frame[frame["run"] == run].sort_values("C")
        rows = rows.iloc[:: -(-len(rows) // CURVE_POINTS)]
        text = tuple(hover_text(str(run), N=n, C=c, loss=loss) for c, loss in zip(rows["C"], rows["loss"], strict=True))
        marks.append(Line(x=rows["C"].to_numpy(), y=rows["loss"].to_numpy(), colour=scale.colour(n), width=0.9, hover=text))
    best = thin(fit.law.fitted_rows(frame).sort_values("C"))
    marks.append(run_points(best, "C", best["loss"].to_numpy(), "envelope", BLACK, size=2.5))
    flops = np.geomspace(best["C"].min(), frame["C"].max(), STEPS)
    look = {"name": "law of the loss", "colour": colour("envelope")}
    marks += law_marks(
        fit, "C", flops, fit.predict(pd.DataFrame({"C": flops})), None, FittedRange(float(best["C"].max())), look
    )
    low, high = float(frame["loss"].min()), float(best["loss"].max())
    drawn_note = f" {len(drawn)} of {len(sizes)} runs are drawn." if len(drawn) < len(sizes) else ""
    panel = Panel(
        compute_axis(study, span(frame.loc[frame["loss"] < high + (high - low), "C"], 0.03, log=True)),
        Axis(QUANTITIES["loss"][2], limits=(low - 0.04 * (high - low), high + 0.5 * (high - low))),
        tuple(marks),
        title="Training curves and their envelope",
        scale=scale,
    )
    return Chart("Envelope", f"Loss during training; black: the lowest loss of all runs at each budget.{drawn_note}", (panel,))
