"""Figure of a law of the data mix: the mix of lowest loss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.charts.marks import BLUE, GREY, ORANGE, Axis, Chart, Panel, Scatter, span
from openr1.analysis.formatting import quantity, share
from openr1.analysis.laws import DataMixing

if TYPE_CHECKING:
    from openr1.analysis.study import Study

MORE = 10  # N and D of the second mix of a law in which the best mix moves, over the largest of the runs


def chart_mixing(study: Study) -> Chart | None:
    """Chart the share of each source in the best mix with its interval, and the shares of the best run."""
    fit = study.fits.get("data_mixing")
    if fit is None or not isinstance(fit.law, DataMixing):
        return None
    law, frame = fit.law, study.runs.frame
    places = np.arange(len(law.weights), dtype=float)
    run = law.shares(frame.loc[[frame["loss"].idxmin()]])[0]
    marks = [_points(run, places, law.labels, None, "best run", GREY, "square")]
    shares = [run]
    for factor, hue in ((1, BLUE), (MORE, ORANGE)) if law.form == "joint" else ((1, BLUE),):
        n, d = (factor * float(frame[x].max()) if law.scaled else 1.0 for x in ("N", "D"))
        value, *ends = fit.value_and_interval(partial(law.optimum, least=law.least_shares(frame), n=n, d=d))
        words = f" at N {quantity('N', n)}, D {quantity('D', d)}" if law.form == "joint" else ""
        marks.append(_points(value, places, law.labels, np.array(ends), f"best mix{words}", hue, "circle"))
        shares += [value, *ends]
    limits = span(np.concatenate([part[np.isfinite(part)] for part in shares]), 0.06)
    x = Axis("Share of the training data", limits=(max(limits[0], -0.02), min(limits[1], 1.02)))
    y = Axis("", names=tuple(law.labels), limits=(len(places) - 0.4, -0.6))
    panel = Panel(x, y, tuple(marks), title=law.title, legend="outside")
    caption = "Shares of the sources in the mix of lowest loss by the law, with 95 % intervals, and in the run of lowest loss."
    return Chart("Best mix", caption, (panel,), size=(6.4, 1.6 + 0.5 * len(places)))


def _points(
    values: np.ndarray, places: np.ndarray, labels: list[str], ends: np.ndarray | None, name: str, hue: str, shape: str
) -> Scatter:
    """Return the shares of a mix as points, a row per source."""
    known = ends if ends is not None and np.isfinite(ends).all() else None
    hover = tuple(f"<b>{name}</b><br>{label} {share(float(value))}" for label, value in zip(labels, values, strict=True))
    return Scatter(x=values, y=places, ends=known, along="x", name=name, colour=hue, shape=shape, size=6.0, hover=hover)
