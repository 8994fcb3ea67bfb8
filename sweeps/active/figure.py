"""The figure of a replay: error against the share of the FLOPs of the table, a curve a rule of choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.charts.marks import BLUE, GREEN, GREY, ORANGE, PURPLE, Axis, Band, Chart, Line, Panel, Points, span

if TYPE_CHECKING:
    from sweeps.active.replay import Replayed

NAMES = {"active": "active", "random": "random", "cheapest": "cheapest first", "d_optimal": "D-optimal"}
TITLES = {"law": "The law, fitted to the runs chosen", "posterior": "The law with its discrepancy"}
COLOURS = {"active": ORANGE, "random": BLUE, "cheapest": GREEN, "d_optimal": PURPLE}
QUARTILES = ("active", "random")  # whose quartiles are drawn: those of all would hide one another


def chart(found: Replayed) -> Chart:
    """Medians over seeds, the quartiles of two of the rules, and the error of the full table."""
    errors = found.steps[["law", "posterior"]].to_numpy()
    limits = span(np.append(errors[np.isfinite(errors)], list(found.full.values())), log=True)
    panels = tuple(_panel(found, prediction, limits) for prediction in TITLES)
    caption = (
        f"Mean relative error at {len(found.pool.targets)} targets by the share of the FLOPs of {len(found.pool.runs)} runs: "
        f"the median of {found.steps['seed'].nunique()} seeds, with quartiles for two of the rules. Dashed: with all runs."
    )
    return Chart("Active choice of runs", caption, panels, size=(5.2, 4.1))


def _panel(found: Replayed, prediction: str, limits: tuple[float, float]) -> Panel:
    marks: list = []
    shares = np.array(found.median(prediction).columns, dtype=float)
    for name, median in found.median(prediction).iterrows():
        look = {"name": NAMES[str(name)], "colour": COLOURS[str(name)]}
        if name in QUARTILES:
            mine = found.steps[found.steps["chooser"] == name].groupby("share")[prediction]
            marks.append(Band(x=shares, y=mine.quantile(0.25).to_numpy(), upper=mine.quantile(0.75).to_numpy(), **look))
        marks += [Line(x=shares, y=median.to_numpy(), **look), Points(x=shares, y=median.to_numpy(), size=3.5, **look)]
    level = np.full(2, found.full[prediction])
    marks.append(Line(x=shares[[0, -1]], y=level, name="all runs", colour=GREY, dash="dashed"))
    x = Axis("Share of the FLOPs of the table", log=True, limits=span(shares, log=True))
    y = Axis("Mean relative error at the targets", log=True, limits=limits)
    return Panel(x, y, tuple(marks), title=TITLES[prediction])
