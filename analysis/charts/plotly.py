"""Figures of a report: the panels of a :class:`~openr1.analysis.charts.Chart` as plotly figures that look like the files.

They are plain values for JSON; :file:`report.js` draws them, and labels logarithmic axes for their size on the screen.
"""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import numpy as np

from openr1.analysis.charts.marks import (
    BLACK,
    GREY,
    STOPS,
    Axis,
    Band,
    Chart,
    Line,
    Mark,
    Panel,
    Rule,
    Scale,
    Scatter,
    Shade,
    Text,
    log_ticks,
)
from openr1.analysis.formatting import STYLES

DIGITS = 6  # digits of a coordinate
PIXELS = 92  # pixels per inch of a file
POINT = {"circle": 1.5, "diamond": 1.5, "square": 1.5, "star": 1.2}  # pixels per point of a marker
LEGEND_ROW, A_ROW = 22, 3  # height in pixels, and entries, of a row of the legend
DASHES = {"solid": "solid", "dashed": "6px,3px", "dotted": "2px,3px"}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
SMALL = {"size": 11}
UNLISTED = {"showlegend": False}
BAR_GAP = 0.08  # smallest distance of two numbers of a colour bar, as a share of it


def panels(chart: Chart) -> list[dict[str, Any]]:
    """Return a plotly figure per panel: ``data``, ``layout``, and the formats of numbers on its logarithmic ``axes``."""
    return [_panel(panel, chart.size[1]) for panel in chart.panels]


def legend(chart: Chart) -> dict[str, str]:
    """Return the names and colours of the legend that panels share."""
    marks = [mark for panel in chart.panels if panel.legend == "shared" for mark in panel.marks if isinstance(mark, Mark)]
    entries = {mark.name: mark.colour for mark in marks if mark.name}
    return entries if len(entries) > 1 else {}


def _panel(panel: Panel, height: float) -> dict[str, Any]:
    listed = panel.legend not in ("", "shared")
    data, names = [], set()
    for mark in panel.marks:
        if not isinstance(mark, Mark):
            continue
        trace = _trace(mark)
        if mark.name:
            first = listed and mark.name not in names and not isinstance(mark, Band)
            trace |= {"name": mark.name, "legendgroup": mark.name, "showlegend": first}
            names |= {mark.name} if first else set()
        data.append(UNLISTED | trace)
    if panel.scale:
        data.append(_colour_bar(panel.scale))
    rows = -(-len(names) // A_ROW)
    notes = [_note(mark, panel) for mark in panel.marks if isinstance(mark, Text)]
    if panel.note:
        corner = {"xref": "paper", "yref": "paper", "x": 1, "y": 0.02, "xanchor": "right", "yanchor": "bottom"}
        notes.append({"text": panel.note, "showarrow": False, "font": {**SMALL, "color": GREY}, **corner})
    layout: dict[str, Any] = {
        "height": round(PIXELS * height) + LEGEND_ROW * rows,
        "margin": {"l": 56, "r": 12, "t": 34 if panel.title else 12, "b": 48},
        "font": {"family": FONT, "size": 12, "color": BLACK},
        "title": {"text": panel.title, "font": {"size": 14}, "x": 0, "xref": "paper", "xanchor": "left", "y": 0.98},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "#fff", "bordercolor": GREY, "font": {"size": 12, "color": BLACK}, "align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top", "font": SMALL},
        "xaxis": _axis(panel.x),
        "yaxis": _axis(panel.y),
        "shapes": [_shape(mark) for mark in panel.marks if isinstance(mark, (Rule, Shade))],
        "annotations": notes,
    }
    if panel.legend_title and names:
        layout["legend"]["title"] = {"text": panel.legend_title, "font": SMALL}
    styles = {name: axis.numbers for name, axis in (("xaxis", panel.x), ("yaxis", panel.y)) if axis.log}
    return {"data": data, "layout": layout, "axes": styles}


def _axis(axis: Axis) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "title": {"text": axis.label, "standoff": 8},
        "type": "log" if axis.log else "linear",
        "gridcolor": "#e6e6e6",
        "linecolor": "#444",
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
    }
    if axis.limits:
        layout["range"] = _plain([math.log10(end) for end in axis.limits] if axis.log else axis.limits)
    if axis.names:
        layout |= {"tickvals": list(range(len(axis.names))), "ticktext": list(axis.names)}
    return layout


def _plain(values: Any) -> list[float | None]:
    """Convert numbers for JSON."""
    return [
        float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in np.asarray(values, dtype=float).tolist()
    ]


@singledispatch
def _trace(mark: object) -> dict[str, Any]:
    """Return the trace of a mark."""
    raise TypeError(mark)


@_trace.register
def _(mark: Scatter) -> dict[str, Any]:
    trace = _scatter(mark, "markers")
    edge = {"color": mark.edge or mark.colour, "width": 1 if mark.edge else 0}
    colour = list(mark.colours) or mark.colour
    trace["marker"] = {"symbol": mark.shape, "size": POINT[mark.shape] * mark.size, "color": colour, "line": edge, "opacity": 1}
    if mark.ends is not None:
        centre = mark.x if mark.along == "x" else mark.y
        bars = {"array": _plain(mark.ends[1] - centre), "arrayminus": _plain(centre - mark.ends[0])}
        look = {"thickness": 1.5, "width": 0, "color": mark.colour}
        trace[f"error_{mark.along}"] = {"type": "data", "symmetric": False, **bars, **look}
    return trace


@_trace.register
def _(mark: Line) -> dict[str, Any]:
    return _scatter(mark, "lines") | {"line": {"color": mark.colour, "width": mark.width * 1.25, "dash": DASHES[mark.dash]}}


@_trace.register
def _(mark: Band) -> dict[str, Any]:
    known = np.isfinite(mark.y) & np.isfinite(mark.upper)
    around = [np.concatenate([a[known], b[known][::-1]]) for a, b in ((mark.x, mark.x), (mark.y, mark.upper))]
    red, green, blue = (int(mark.colour[i : i + 2], 16) for i in (1, 3, 5))
    fill = {"fill": "toself", "fillcolor": f"rgba({red},{green},{blue},0.15)", "line": {"width": 0}}
    return {"type": "scatter", "x": _plain(around[0]), "y": _plain(around[1]), "mode": "lines", "hoverinfo": "skip", **fill}


def _scatter(mark: Mark, mode: str) -> dict[str, Any]:
    trace = {"type": "scatter", "mode": mode, "x": _plain(mark.x), "y": _plain(mark.y)}
    if mark.hover:
        return {**trace, "text": list(mark.hover), "hovertemplate": "%{text}<extra></extra>"}
    return {**trace, "hoverinfo": "skip"}


def _shape(mark: Rule | Shade) -> dict[str, Any]:
    if isinstance(mark, Shade):
        area = {"type": "rect", "x0": mark.low, "x1": mark.high, "yref": "paper", "y0": 0, "y1": 1}
        return {**area, "fillcolor": "#f4f4f4", "line": {"width": 0}, "layer": "below"}
    across, along = ("x", "y") if mark.along == "y" else ("y", "x")
    place = {f"{across}0": mark.at, f"{across}1": mark.at, f"{along}ref": "paper", f"{along}0": 0, f"{along}1": 1}
    return {"type": "line", **place, "line": {"color": GREY, "width": 1, "dash": "dot"}, "layer": "below"}


def _note(mark: Text, panel: Panel) -> dict[str, Any]:
    """Return a word on white; unlike shapes, annotations of plotly have logarithmic coordinates."""
    x, y = (math.log10(at) if axis.log else at for at, axis in ((mark.x, panel.x), (mark.y, panel.y)))
    look = {"bgcolor": "#fff", "borderpad": 1, "font": {"size": 10, "color": mark.colour}}
    return {"text": mark.text, "x": x, "y": y, "showarrow": False, **look}


def _colour_bar(scale: Scale) -> dict[str, Any]:
    """Return a trace without points that has a colour bar."""
    low, high = (math.log10(end) if scale.log else end for end in (scale.low, scale.high))
    bar: dict[str, Any] = {"thickness": 12, "outlinewidth": 0, "tickfont": SMALL}
    bar["title"] = {"text": scale.label, "side": "right", "font": SMALL}
    if scale.log and scale.high > scale.low:
        ticks = log_ticks(scale.low, scale.high, BAR_GAP)
        bar |= {"tickvals": [math.log10(tick) for tick in ticks], "ticktext": [STYLES[scale.numbers](tick) for tick in ticks]}
    stops = [[index / (len(STOPS) - 1), stop] for index, stop in enumerate(STOPS)]
    marker = {"color": [low], "cmin": low, "cmax": high, "colorscale": stops, "showscale": True, "colorbar": bar}
    return {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip", "marker": marker, **UNLISTED}
