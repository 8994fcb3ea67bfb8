"""Figures as data: panels with axes and marks.

:mod:`openr1.analysis.charts.matplotlib` draws a figure in a file, :mod:`openr1.analysis.charts.plotly` in a report.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

# Okabe and Ito: distinct for every kind of colour vision
BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
BLACK, GREY, PALE = "#1b1b1b", "#767676", "#c4c4c4"
LAW_COLOURS = {
    "chinchilla": ORANGE,
    "isoflop": BLUE,
    "power_law": GREEN,
    "envelope": PURPLE,
    "overtraining": SKY,
    "broken_power_law": AMBER,
    "data_constrained": PURPLE,
}
# viridis without its yellow end, which is invisible on white
STOPS = ("#471365", "#453581", "#3a538b", "#2e6f8e", "#23888e", "#1fa188", "#38b977", "#6ccd5a", "#b0dd2f")
TICK_STEPS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))  # numbers per decade, the densest first


@dataclass(frozen=True)
class Axis:
    """An axis. ``limits`` are in the order of the axis; ``names`` label the places 0, 1, 2, ... of a list, from top to
    bottom.
    """

    label: str  # with the unit; <i> is italic
    log: bool = False
    numbers: str = "plain"  # format, see openr1.analysis.formatting.STYLES
    limits: tuple[float, float] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A colour scale of numbers, from the dark to the light end of ``STOPS``."""

    label: str
    low: float
    high: float
    log: bool = False
    numbers: str = "plain"

    def colour(self, value: float) -> str:
        """Return the colour of a number."""
        low, high, value = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        place = (len(STOPS) - 1) * min(max((value - low) / (high - low), 0), 1) if high > low else 0
        first = min(int(place), len(STOPS) - 2)
        ends = ([int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in STOPS[first : first + 2])
        mixed = (round(a + (place - first) * (b - a)) for a, b in zip(*ends, strict=True))
        return "#" + "".join(f"{part:02x}" for part in mixed)

    def colours(self, values: Sequence[float]) -> tuple[str, ...]:
        """Return the colours of numbers."""
        return tuple(self.colour(value) for value in values)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark at ``x`` and ``y``, (n,). Marks of one name in a panel share an entry of its legend; no name, no entry."""

    x: np.ndarray
    y: np.ndarray
    name: str = ""
    colour: str = GREY
    hover: tuple[str, ...] = ()  # one per point, lines separated by <br>


@dataclass(frozen=True, kw_only=True)
class Scatter(Mark):
    """Points, with error bars if there are ``ends``."""

    shape: str = "circle"  # circle, diamond, square or star
    size: float = 4.5  # in points
    colours: tuple[str, ...] = ()  # one per point
    ends: np.ndarray | None = None  # (2, n) of error bars
    along: str = "y"  # direction of the error bars
    edge: str = ""  # colour of the outline


@dataclass(frozen=True, kw_only=True)
class Line(Mark):
    """A line."""

    dash: str = "solid"  # solid, dashed or dotted
    width: float = 1.6


@dataclass(frozen=True, kw_only=True)
class Band(Mark):
    """The area between ``y`` and ``upper``, with a gap where an end is not finite."""

    upper: np.ndarray


@dataclass(frozen=True)
class Text:
    """A word on white."""

    x: float
    y: float
    text: str
    colour: str = GREY


@dataclass(frozen=True)
class Shade:
    """A shaded range of the horizontal axis, behind everything else."""

    low: float
    high: float


@dataclass(frozen=True)
class Rule:
    """A thin dotted line across the panel."""

    at: float
    along: str = "y"  # direction of the line


@dataclass(frozen=True)
class Panel:
    """A panel, whose marks are drawn and listed in their order."""

    x: Axis
    y: Axis
    marks: tuple[Mark | Shade | Rule | Text, ...]
    title: str = ""
    note: str = ""  # in the lower right corner
    legend: str = "upper right"  # a corner, outside, shared, or empty for no legend
    legend_title: str = ""
    scale: Scale | None = None  # shown as a colour bar


@dataclass(frozen=True)
class Chart:
    """A figure of one or more panels."""

    title: str
    caption: str
    panels: tuple[Panel, ...]
    columns: int = 2
    size: tuple[float, float] = (6.4, 4.4)  # size of a panel in a file, inches
    reported: bool = field(default=True)  # false if its panels are in other charts

    def relabelled(self, labels: Mapping[str, str]) -> Chart:
        """Return the figure with other labels of axes and colour scales, from the usual label to the new one."""

        def label(part):
            return part and replace(part, label=labels.get(part.label, part.label))

        panels = (replace(panel, x=label(panel.x), y=label(panel.y), scale=label(panel.scale)) for panel in self.panels)
        return replace(self, panels=tuple(panels))


def colour(law: str) -> str:
    """Return the colour of a law."""
    return LAW_COLOURS.get(law, BLUE)


def log_ticks(low: float, high: float, gap: float) -> list[float]:
    """Return round numbers within the limits of a log axis, as many as fit; :file:`report.js` does the same.

    :param gap: the smallest distance of two numbers, as a share of the axis.
    """
    low, high = min(low, high) * (1 - 1e-9), max(low, high) * (1 + 1e-9)
    first, last, width = math.floor(math.log10(low)), math.ceil(math.log10(high)), math.log10(high / low)
    for steps in TICK_STEPS:
        ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if all(math.log10(b / a) >= gap * width for a, b in itertools.pairwise(ticks)):
            return ticks
    every = math.ceil(gap * width)
    return [tick for tick in ticks if round(math.log10(tick)) % every == 0]


def levels(values: np.ndarray, count: int = 14) -> list[float]:
    """Return round numbers that split the values into groups of similar size."""
    quantiles = np.quantile(values, np.linspace(0, 1, count + 2))
    rounded = []
    for before, value, after in zip(quantiles, quantiles[1:], quantiles[2:], strict=False):
        room = min(value - before, after - value)
        if room > 0:
            power = 10.0 ** math.floor(math.log10(room))
            step = power * max(factor for factor in (1, 2, 5) if factor * power <= room)
            rounded.append(round(value / step) * step)
    return sorted(set(rounded))


def span(values: np.ndarray, share: float = 0.04, log: bool = False) -> tuple[float, float]:
    """Return the limits of an axis with a margin of this share on both sides; a logarithmic axis has no place for 0."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = (float(np.log(x)) if log else float(x) for x in (values.min(), values.max()))
    margin = max(share * (high - low), 0.01 if log else 0.005 * abs(high)) or 0.01
    ends = low - margin, high + margin
    return (math.exp(ends[0]), math.exp(ends[1])) if log else ends
