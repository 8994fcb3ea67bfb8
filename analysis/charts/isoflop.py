"""Figure of IsoFLOP curves: loss against model size at equal compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from openr1.analysis.charts.marks import Chart, Line, Mark, Panel, Scale, Scatter, span
from openr1.analysis.charts.parts import axis, hover_text, hover_texts
from openr1.analysis.formatting import scientific
from openr1.analysis.laws import IsoFlop
from openr1.analysis.numerics.isoflop_profiles import akima_cubics

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

STEPS = 100  # points of a line
LEGEND = 8  # budgets beyond which a colour bar replaces the legend
MOST = 60  # budgets beyond which runs are hardly of equal compute


def chart_isoflop(study: Study) -> Chart | None:
    """Chart loss against model size, a curve per budget."""
    frame = study.runs.frame
    profiles = study.fits.get("isoflop")
    if not study.target_flops or not {"N", "loss", "budget"} <= set(frame):
        return None
    sizes = frame.groupby("budget")["N"].nunique()
    budgets = sizes.index[sizes >= 3].to_numpy()
    if (not profiles and not 2 <= len(budgets) <= MOST) or len(budgets) < 2 or "envelope" in study.fits:
        return None
    scale = Scale("Compute budget (FLOPs)", budgets[0], budgets[-1], log=True, numbers="scientific")
    several = len(budgets) > LEGEND
    rows = {row["C"]: row for row in profiles.tables["budgets"]} if profiles else {}
    marks: list[Mark] = []
    stars: list[Mark] = []
    for budget in budgets:
        runs = frame[frame["budget"] == budget]
        look: dict[str, Any] = {"name": "" if several else f"{scientific(budget)}", "colour": scale.colour(budget)}
        n, loss = _profile(study, runs, rows.get(budget))
        marks.append(Scatter(x=runs["N"].to_numpy(), y=runs["loss"].to_numpy(), hover=hover_texts(runs), **look))
        if len(n):
            marks.append(Line(x=n, y=loss, **look))
        row = rows.get(budget)
        if row and not row["excluded"]:
            text = hover_text("minimum", C=budget, N=row["N"], D=row["D"], loss=row["loss"])
            place: dict[str, Any] = {"x": np.array([row["N"]]), "y": np.array([row["loss"]])}
            star: dict[str, Any] = {"shape": "star", "size": 12.0, "edge": "#ffffff"}
            stars.append(Scatter(**place, **star, colour=look["colour"], name="minimum", hover=(text,)))
    shown = frame[frame["budget"].isin(budgets)]
    panel = Panel(
        axis("N", span(shown["N"], 0.06, log=True), log=True),
        axis("loss", span(shown["loss"], 0.05)),
        (*marks, *stars),
        title="IsoFLOP curves",
        legend="" if several else "outside",
        legend_title="FLOPs",
        scale=scale if several else None,
    )
    sliced = _sliced(study)
    through = "the profile fitted to each budget" if profiles else sliced and f"the {sliced.law.title} at each budget"
    curves = f" Curves: {through}{'; stars: their minima' if stars else ''}." if through else ""
    return Chart("IsoFLOP curves", f"Loss against model size at equal compute.{curves}", (panel,))


def _sliced(study: Study) -> Fit | None:
    """Return the fit of a law of the loss of any size, which has a curve at every budget; null without one."""
    return next((fit for fit in (study.main, *study.fits.values()) if fit.law.allocates and fit.law.regression), None)


def _profile(study: Study, runs: pd.DataFrame, row: dict[str, Any] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return N and loss of the curve of one budget: the fitted profile, or a slice of a law of any size."""
    profiles, sliced = study.fits.get("isoflop"), _sliced(study)
    sizes = np.unique(runs["N"])
    n = np.geomspace(sizes[0] / 1.1, sizes[-1] * 1.1, STEPS)
    if profiles is None:
        if sliced is None:
            return np.empty(0), np.empty(0)
        budget = runs["budget"].iloc[0]
        return n, sliced.predict(pd.DataFrame({"N": n, "D": budget / sliced.flops_of(n, 1), "C": budget}))
    if not row or row["excluded"]:
        return np.empty(0), np.empty(0)
    assert isinstance(profiles.law, IsoFlop)
    if profiles.law.curve == "akima":
        return _akima(runs)
    if profiles.law.nearest:
        best = np.log(runs.loc[runs["loss"].idxmin(), "N"])
        near = sizes[np.argsort(np.abs(np.log(sizes) - best), kind="stable")[: profiles.law.nearest]]
        n = np.geomspace(near.min() / 1.1, near.max() * 1.1, STEPS)
    return n, row["loss"] + row["curvature"] * np.log(n / row["N"]) ** 2


def _akima(runs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate log loss through the mean of each size."""
    weights = runs["weight"] if "weight" in runs else pd.Series(1.0, index=runs.index)
    total = (weights * np.log(runs["loss"])).groupby(runs["N"]).sum() / weights.groupby(runs["N"]).sum()
    x, y = np.log(total.index.to_numpy()), total.to_numpy()
    first, second, third = (part[0] for part in akima_cubics(x[None], y[None]))
    at = np.linspace(x[0], x[-1], STEPS)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    step = at - x[piece]
    return np.exp(at), np.exp(y[piece] + step * (first[piece] + step * (second[piece] + step * third[piece])))
