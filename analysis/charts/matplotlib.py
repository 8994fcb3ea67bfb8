"""Figures as files, drawn with matplotlib."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import singledispatch
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from openr1.analysis.charts.marks import (
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
from openr1.analysis.figures import Figures
from openr1.analysis.formatting import STYLES

REPORT = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "lines.linewidth": 1.6,
    "savefig.dpi": 200,
    "svg.hashsalt": "openr1",  # equal figures have equal bytes
}
PAPER = REPORT | {
    "font.family": "STIXGeneral",  # has the shapes of Times, and comes with matplotlib
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "lines.linewidth": 1.2,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
}
RC = {"report": REPORT, "paper": PAPER}
LEAST_HEIGHT = 2.1  # inches of a panel of a paper
ROW = 0.17  # inches of a name on an axis of a paper
SHAPES = {"circle": "o", "diamond": "D", "square": "s", "star": "*"}
DASHES = {"solid": "-", "dashed": (0, (4, 2)), "dotted": ":"}
OPAQUE = {"frameon": True, "framealpha": 0.9, "edgecolor": "white"}
COLOURS = LinearSegmentedColormap.from_list("stops", STOPS)
RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
PER_TICK = {"x": {"scientific": 0.6}, "y": {}}  # inches per number of a log axis, by format
USUAL_TICK = {"x": 0.48, "y": 0.22}  # the same for other formats
ROUND = (1, 2, 2.5, 5, 10)  # steps of a linear axis, times a power of ten
PER_INCH = {"x": 1.4, "y": 2}  # largest number of numbers per inch of a linear axis
MARGIN = 0.9  # inches of a panel that are not axis


class Drawing(Figure):
    """A figure that a notebook shows by itself, as SVG."""

    def _repr_svg_(self) -> str:
        return to_bytes(self, "svg").decode()


def draw(chart: Chart, figures: Figures | None = None) -> Drawing:
    """Draw a chart.

    :param figures: the style and the width; null for the style of reports.
    """
    figures = figures or Figures()
    if figures.style == "paper":
        chart = _fit_page(chart, figures)
    with mpl.rc_context(RC[figures.style]):
        columns = min(chart.columns, len(chart.panels))
        rows = -(-len(chart.panels) // columns)
        figure = Drawing(figsize=(chart.size[0] * columns, chart.size[1] * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, chart.panels, strict=False):
            _draw_panel(axes, panel, chart.size)
        for axes in grid[len(chart.panels) :]:
            axes.set_visible(False)
        _draw_shared_legend(figure, grid, chart)
        return figure


def _fit_page(chart: Chart, figures: Figures) -> Chart:
    """Return a chart at the size of a page: a panel a column, without the title of a single panel, legends below."""
    columns = min(figures.columns, chart.columns, len(chart.panels))
    width = figures.width / columns
    names = max(len(axis.names) for panel in chart.panels for axis in (panel.x, panel.y))
    height = max(chart.size[1] * width / chart.size[0], LEAST_HEIGHT, 0.8 + ROW * names)
    panels = [replace(panel, legend="shared") if panel.legend == "outside" else panel for panel in chart.panels]
    if len(panels) == 1:
        panels = [replace(panels[0], title="")]
    return replace(chart, panels=tuple(panels), columns=columns, size=(width, height))


def _draw_shared_legend(figure: Figure, grid: np.ndarray, chart: Chart) -> None:
    """Draw one legend below all panels that share it."""
    shared = [axes for axes, panel in zip(grid, chart.panels, strict=False) if panel.legend == "shared"]
    entries = {label: handle for axes in shared for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if len(entries) > 1:
        figure.legend(entries.values(), entries.keys(), loc="outside lower left", ncols=min(len(entries), 2 * chart.columns))


def to_bytes(figure: Figure, form: str, style: str = "report") -> bytes:
    """Return a figure as svg, png or pdf, the same bytes each time."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    with mpl.rc_context(RC[style]):
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _draw_panel(axes: Axes, panel: Panel, size: tuple[float, float]) -> None:
    """Draw a panel."""
    for which, axis, length in (("x", panel.x, size[0]), ("y", panel.y, size[1])):
        _set_axis(axes, which, axis, length)
    names: dict[str, None] = {}
    for order, mark in enumerate(panel.marks):
        artist = _draw_mark(mark, axes)
        if artist is not None and isinstance(mark, Mark):
            artist.set_zorder(2 + order / 100)
            if mark.name and mark.name not in names and not isinstance(mark, Band):
                names[mark.name] = None
                artist.set_label(_raise(mark.name))
    axes.set_title(_raise(panel.title))
    if panel.note:
        axes.text(0.97, 0.04, _raise(panel.note), transform=axes.transAxes, ha="right", fontsize=8, color=GREY)
    if names and panel.legend not in ("", "shared"):
        place = {"outside": {"loc": "upper left", "bbox_to_anchor": (1, 1)}}.get(panel.legend, {"loc": panel.legend, **OPAQUE})
        legend = axes.legend(title=_format_label(panel.legend_title) or None, handletextpad=0.5, **place)
        legend.set_zorder(5)
    if panel.scale:
        _draw_colour_bar(axes, panel.scale, size[1])


def _set_axis(axes: Axes, which: str, axis: Axis, length: float) -> None:
    """Set the scale, the limits, the numbers and the label of one axis."""
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(_format_label(axis.label))
    if axis.log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    if axis.limits:
        (axes.set_xlim if which == "x" else axes.set_ylim)(axis.limits)
    along = axes.xaxis if which == "x" else axes.yaxis
    if axis.names:
        _set_ticks(along, range(len(axis.names)), axis.names)
    elif axis.log and axis.limits:
        gap = PER_TICK[which].get(axis.numbers, USUAL_TICK[which]) / (length - MARGIN)
        ticks = log_ticks(*axis.limits, gap)
        _set_ticks(along, ticks, [STYLES[axis.numbers](tick) for tick in ticks])
    else:
        along.set_major_locator(MaxNLocator(max(3, int(length * PER_INCH[which])), steps=ROUND))
        if axis.numbers != "plain":
            along.set_major_formatter(FuncFormatter(lambda tick, _: _raise(STYLES[axis.numbers](tick))))


def _set_ticks(along, places, names) -> None:
    """Set the numbers of an axis."""
    along.set_major_locator(FixedLocator(list(places)))
    along.set_major_formatter(FixedFormatter([_raise(name) for name in names]))
    along.set_minor_locator(NullLocator())


def _format_label(label: str) -> str:
    """Convert italics, exponents and line breaks for matplotlib."""
    return _raise(re.sub(r"<i>(.*?)</i>", r"$\1$", label).replace("<br>", "\n"))


def _raise(text: str) -> str:
    """Convert exponents, whose characters not every font has, to formulas."""
    return re.sub(f"[{''.join(map(chr, RAISED))}]+", lambda found: f"$^{{{found[0].translate(RAISED)}}}$", text)


def _draw_colour_bar(axes: Axes, scale: Scale, height: float) -> None:
    """Draw a colour bar."""
    norm = (LogNorm if scale.log else Normalize)(scale.low, scale.high)
    bar = axes.figure.colorbar(mpl.cm.ScalarMappable(norm, COLOURS), ax=axes, label=_format_label(scale.label))
    bar.outline.set_visible(False)
    if scale.log:
        ticks = log_ticks(scale.low, scale.high, USUAL_TICK["y"] / (height - MARGIN))
        _set_ticks(bar.ax.yaxis, ticks, [STYLES[scale.numbers](tick) for tick in ticks])


@singledispatch
def _draw_mark(mark: object, axes: Axes) -> Artist | None:
    """Draw a mark; return the artist that represents it in the legend."""
    raise TypeError(mark)


@_draw_mark.register
def _(mark: Scatter, axes: Axes):
    edge = mark.edge or (mark.colour if not mark.colours else "none")
    if mark.ends is not None:
        bars = axes.hlines if mark.along == "x" else axes.vlines
        bars(mark.y if mark.along == "x" else mark.x, *mark.ends, color=mark.colour, linewidth=1.4, zorder=2)
    style: dict[str, Any] = {"s": mark.size**2, "marker": SHAPES[mark.shape], "linewidths": 0.9 if mark.edge else 0}
    return axes.scatter(mark.x, mark.y, c=list(mark.colours) or mark.colour, edgecolors=edge, **style)


@_draw_mark.register
def _(mark: Line, axes: Axes):
    return axes.plot(mark.x, mark.y, color=mark.colour, linestyle=DASHES[mark.dash], linewidth=mark.width)[0]


@_draw_mark.register
def _(mark: Band, axes: Axes):
    known = np.isfinite(mark.y) & np.isfinite(mark.upper)
    look: dict[str, Any] = {"color": mark.colour, "alpha": 0.15, "linewidth": 0}
    return axes.fill_between(mark.x, mark.y, mark.upper, where=known, **look)


@_draw_mark.register
def _(mark: Text, axes: Axes):
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    axes.text(
        mark.x, mark.y, _raise(mark.text), color=mark.colour, fontsize=7, ha="center", va="center", bbox=box, clip_on=True
    )


@_draw_mark.register
def _(mark: Shade, axes: Axes):
    axes.axvspan(mark.low, mark.high, color="#f4f4f4", zorder=0, linewidth=0)


@_draw_mark.register
def _(mark: Rule, axes: Axes):
    (axes.axvline if mark.along == "y" else axes.axhline)(mark.at, color=GREY, linewidth=0.9, linestyle=":", zorder=1)
