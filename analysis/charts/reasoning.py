"""Figures of reasoning models: pass rate against compute, coverage against samples, students against teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from openr1.analysis.charts.marks import BLACK, GREEN, GREY, Axis, Chart, Line, Mark, Panel, Rule, Scale, Scatter, colour, span
from openr1.analysis.charts.parts import (
    UNLIMITED,
    FittedRange,
    axis,
    column,
    compute_axis,
    held_out_mask,
    held_out_points,
    holdout_note,
    hover_text,
    law_marks,
    run_points,
    thin,
    thinning_note,
    train_fit,
)
from openr1.analysis.formatting import QUANTITIES, count_rows, share, short
from openr1.analysis.laws import RlPower

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

STEPS = 120  # points of a line
BEYOND = {"rl": 3.0, "k": 10.0}  # end of a line, over the largest of the runs
LINES = 8  # largest number of model sizes with a line


def chart_rl(study: Study) -> Chart | None:
    """Chart the pass rate against the compute of reinforcement learning."""
    panels = []
    for name, panel_of in (("rl_sigmoid", _sigmoid), ("rl_power", _rl_power)):
        if name in study.fits:
            panels.append(panel_of(study, study.fits[name]))
    if not panels:
        return None
    before = int((study.runs.frame["C"] == 0).sum()) if "C" in study.runs.frame else 0
    untrained = f" Not shown: {count_rows(before, study.runs.frame)} before training." if before else ""
    caption = f"Pass rate during reinforcement learning, and the law with its 95 % interval. Dashed: extrapolated.{untrained}"
    return Chart("Reinforcement learning", caption + holdout_note(study) + thinning_note(study.runs.frame), tuple(panels))


def _sigmoid(study: Study, fit: Fit) -> Panel:
    """Return the panel of the sigmoid law."""
    trained = study.runs.frame["C"] > 0  # the axis of C is logarithmic
    frame, mask = study.runs.frame[trained], held_out_mask(study)[trained]
    known, fitted_range = train_fit(fit), FittedRange.of(study, "C")
    used = fit.law.fitted_rows(frame[~mask])
    unused = frame[~mask].drop(used.index)
    limits = span(np.array([frame["C"].min(), BEYOND["rl"] * frame["C"].max()]), 0.03, log=True)
    at = np.unique(np.append(np.geomspace(*limits, STEPS), fitted_range.end))
    line = pd.DataFrame({"C": at})
    look = {"name": fit.law.title, "colour": colour(fit.law.name)}
    marks: list[Mark | Rule] = []
    if len(unused):
        marks.append(run_points(unused, "C", unused["pass_at_1"].to_numpy(), "left out (first part)", "#ffffff", edge=GREY))
    used = thin(used)
    marks.append(run_points(used, "C", used["pass_at_1"].to_numpy()))
    ends = known.interval(line) if fit.draws is not None else None
    marks += law_marks(fit, "C", at, known.predict(line), ends, fitted_range, look)
    marks += held_out_points(fit.holdout["points"] if fit.holdout else [], "C")
    top = known.params["A"]
    marks += [
        Line(x=np.array(limits), y=np.full(2, top), name=f"A = {share(top)}", colour=GREY, dash="dotted", width=1.0),
        *fitted_range.rules,
    ]
    y = axis("pass_at_1", span(np.append(frame["pass_at_1"], top), 0.06))
    return Panel(compute_axis(study, limits), y, tuple(marks), title=fit.law.title, legend="lower right")


def _rl_power(study: Study, fit: Fit) -> Panel:
    """Return the panel of the power law: pass rates, a line per model size, though the law is of error rates."""
    assert isinstance(fit.law, RlPower)
    frame, mask, x, known = study.runs.frame, held_out_mask(study), fit.law.x, train_fit(fit)
    fitted_range = FittedRange.of(study, x)
    sizes = np.unique(frame["N"])
    scale = Scale(QUANTITIES["N"][2], sizes[0], sizes[-1], log=True, numbers="short")
    limits = span(np.array([frame[x].min(), BEYOND["rl"] * frame[x].max()]), 0.03, log=True)
    at = np.unique(np.append(np.geomspace(*limits, STEPS), fitted_range.end))
    marks: list[Mark | Rule] = []
    for n in sizes[:: -(-len(sizes) // LINES)]:
        look = {"name": short(n) if len(sizes) <= LINES else "", "colour": scale.colour(n)}
        runs = thin(frame[(frame["N"] == n) & ~mask])
        marks.append(run_points(runs, x, runs["pass_at_1"].to_numpy(), **{**look, "colour": look["colour"]}))
        line = pd.DataFrame({"N": n, x: at})
        ends = 1 - known.interval(line)[::-1] if fit.draws is not None else None
        marks += law_marks(fit, x, at, 1 - known.predict(line), ends, fitted_range, look, y="pass_at_1")
    held = fit.holdout["points"] if fit.holdout else []
    marks += held_out_points(held, x, 1 - column(held, "measured"))
    low, high = span(frame["pass_at_1"], 0.1)
    x_axis = compute_axis(study, limits) if x == "C" else axis(x, limits, log=True)
    y = axis("pass_at_1", (max(low, 0), min(high + 0.25 * (high - low), 1.0)))
    shown = scale if len(sizes) > LINES else None
    return Panel(
        x_axis,
        y,
        (*marks, *fitted_range.rules),
        title="One line per model size",
        legend="outside",
        legend_title="N",
        scale=shown,
    )


def chart_pass_at_k(study: Study) -> Chart | None:
    """Chart coverage against samples per problem."""
    fit = study.fits.get("pass_at_k")
    if fit is None:
        return None
    frame, mask = study.runs.frame, held_out_mask(study)
    rows = fit.law.fitted_rows(frame[~mask]).reset_index(drop=True)
    held = fit.holdout["points"] if fit.holdout else []
    fitted_k = float(rows["k"].max())
    largest = max([fitted_k, *(row["k"] for row in held if row.get("k"))])
    at = np.unique(np.append(np.geomspace(rows["k"].min(), BEYOND["k"] * largest, STEPS), fitted_k))
    line = pd.DataFrame({"k": at})
    known = train_fit(fit)
    ends = known.interval(line) if fit.draws is not None else None
    values = known.predict(line)
    text = tuple(hover_text("measured", k=k, coverage=c) for k, c in zip(rows["k"], rows["coverage"], strict=True))
    look = {"name": fit.law.title, "colour": colour(fit.law.name)}
    marks = [
        *law_marks(fit, "k", at, values, ends, FittedRange(fitted_k), look),
        Scatter(x=rows["k"].to_numpy(dtype=float), y=rows["coverage"].to_numpy(), name="measured", colour=BLACK, hover=text),
        *held_out_points(held, "k"),
        *(chosen := _chosen_points(frame)),
    ]
    spread = values if ends is None else np.concatenate([values, *ends])
    spread = np.concatenate([spread, *(points.y for points in chosen)])
    low, high = span(np.append(spread, rows["coverage"]), 0.05)
    panel = Panel(
        axis("k", span(at, 0.02, log=True), log=True),
        axis("coverage", (max(low, 0), min(high, 1.0))),
        tuple(marks),
        title=fit.law.formula,
        legend="lower right",
    )
    caption = (
        f"Coverage by the unbiased estimate; {fit.law.formula} with its 95 % interval, dashed beyond the largest measured k."
    )
    return Chart(fit.law.title, caption, (panel,))


def _chosen_points(frame: pd.DataFrame) -> list[Scatter]:
    """Return the pass rates of the one answer that is chosen among k, from a table as ``stage=evaluate`` writes it."""
    shown = []
    for column_name, name, shape, tone in (("best_of_n", "best of k", "square", GREEN), ("majority", "maj@k", "diamond", GREY)):
        if {"k", column_name} <= set(frame):
            rows = frame[["k", column_name]].astype(float).dropna()
            shown.append(Scatter(x=rows["k"].to_numpy(), y=rows[column_name].to_numpy(), name=name, colour=tone, shape=shape))
    return shown


def chart_distillation(study: Study) -> Chart | None:
    """Chart the loss of students above that of their teachers: a line per student size, on its most tokens."""
    fit, frame = study.fits.get("distillation"), study.runs.frame
    if fit is None:
        return None
    known, held = train_fit(fit), held_out_mask(study)
    sizes = np.unique(frame["N"])
    scale = Scale(QUANTITIES["N"][2], sizes[0], sizes[-1], log=True, numbers="short")
    limits = span(frame["teacher_loss"], 0.05)
    teachers = np.linspace(*limits, STEPS)
    marks: list[Mark | Rule] = [Rule(0.0, "x")]
    gaps = [np.zeros(1)]
    for n in sizes[:: -(-len(sizes) // LINES)]:
        runs = frame[frame["N"] == n]
        runs = runs[runs["D"] == runs["D"].max()]
        line = pd.DataFrame([{**runs.iloc[0].to_dict(), "teacher_loss": teacher} for teacher in teachers])
        look = {"name": short(n), "colour": scale.colour(n)}
        ends = known.interval(line) - teachers if fit.draws is not None else None
        marks += law_marks(fit, "teacher_loss", teachers, known.predict(line) - teachers, ends, UNLIMITED, look)
        for shape, rows in (("circle", runs[~held[runs.index]]), ("diamond", runs[held[runs.index]])):
            gap = (rows["loss"] - rows["teacher_loss"]).to_numpy()
            outline = {"shape": shape, "edge": BLACK if shape == "diamond" else ""}
            marks += [run_points(rows, "teacher_loss", gap, **look, **outline)] if len(rows) else []
            gaps += [gap, known.predict(line) - teachers]
    y = Axis(f"{study.words.loss_heading} above the teacher's", limits=span(np.concatenate(gaps), 0.06))
    panel = Panel(axis("teacher_loss", limits), y, tuple(marks), legend="outside", legend_title="N")
    caption = (
        "Difference of the losses of student and teacher, for the students of each size with the most tokens, and the law with"
        f" its 95 % interval. Diamonds: held out.{holdout_note(study)}"
    )
    return Chart("Students and their teachers", caption, (panel,))
