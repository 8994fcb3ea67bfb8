"""The figure of a replay: error against the share of the FLOPs of the table, one curve for each chooser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.charts.marks import BLUE, GREEN, GREY, ORANGE, PURPLE, Axis, Band, Chart, Line, Panel, Scatter, span

if TYPE_CHECKING:
    from openr1.sweeps.active.replay import ReplayResult

NAMES = {"active": "active", "random": "random", "cheapest": "cheapest first", "d_optimal": "D-optimal"}
TITLES = {"law": "The law, fitted to the chosen runs", "posterior": "The law with its discrepancy"}
COLOURS = {"active": ORANGE, "random": BLUE, "cheapest": GREEN, "d_optimal": PURPLE}
WITH_QUARTILES = ("active", "random")  # quartiles of all choosers would hide one another


def replay_chart(result: ReplayResult) -> Chart:
    """Draw medians over seeds, the quartiles of two choosers, and the error of the full table."""
    errors = result.steps[["law", "posterior"]].to_numpy()
    limits = span(np.append(errors[np.isfinite(errors)], list(result.full.values())), log=True)
    panels = tuple(_panel(result, prediction, limits) for prediction in TITLES)
    caption = (
        f"Mean relative error at {len(result.pool.targets)} targets by the share of the FLOPs of {len(result.pool.runs)} runs: "
        f"the median of {result.steps['seed'].nunique()} seeds, with quartiles for two of the rules. Dashed: with all runs."
    )
    return Chart("Active choice of runs", caption, panels, size=(5.2, 4.1))


def _panel(result: ReplayResult, prediction: str, limits: tuple[float, float]) -> Panel:
    marks: list = []
    shares = np.array(result.median(prediction).columns, dtype=float)
    for chooser, median in result.median(prediction).iterrows():
        name, colour, values = NAMES[str(chooser)], COLOURS[str(chooser)], median.to_numpy()
        if chooser in WITH_QUARTILES:
            by_share = result.steps[result.steps["chooser"] == chooser].groupby("share")[prediction]
            lower, upper = by_share.quantile(0.25).to_numpy(), by_share.quantile(0.75).to_numpy()
            marks.append(Band(x=shares, y=lower, upper=upper, name=name, colour=colour))
        marks.append(Line(x=shares, y=values, name=name, colour=colour))
        marks.append(Scatter(x=shares, y=values, size=3.5, name=name, colour=colour))
    level = np.full(2, result.full[prediction])
    marks.append(Line(x=shares[[0, -1]], y=level, name="all runs", colour=GREY, dash="dashed"))
    x = Axis("Share of the FLOPs of the table", log=True, limits=span(shares, log=True))
    y = Axis("Mean relative error at the targets", log=True, limits=limits)
    return Panel(x, y, tuple(marks), title=TITLES[prediction])
