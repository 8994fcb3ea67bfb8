"""Figures as data: panels with axes and marks.

:mod:`analysis.charts.matplotlib` draws a figure in a file, :mod:`analysis.charts.plotly` in a report.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

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
# viridis without its yellow end, which does not show on white
STOPS = ("#471365", "#453581", "#3a538b", "#2e6f8e", "#23888e", "#1fa188", "#38b977", "#6ccd5a", "#b0dd2f")
TICK_STEPS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))  # of a decade, the densest first


@dataclass(frozen=True)
class Axis:
    """``limits`` in the order of the axis; ``names`` are those of the places 0, 1, 2, ... of a list, from the top down."""

    label: str  # with the unit; what is in <i> is italic
    log: bool = False
    numbers: str = "plain"  # how they are written, see analysis.formatting.STYLES
    limits: tuple[float, float] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    """The colour of a number: from the dark to the light end of ``STOPS``."""

    label: str
    low: float
    high: float
    log: bool = False
    numbers: str = "plain"

    def colour(self, value: float) -> str:
        low, high, value = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        place = (len(STOPS) - 1) * min(max((value - low) / (high - low), 0), 1) if high > low else 0
        first = min(int(place), len(STOPS) - 2)
        ends = ([int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in STOPS[first : first + 2])
        mixed = (round(a + (place - first) * (b - a)) for a, b in zip(*ends, strict=True))
        return "#" + "".join(f"{part:02x}" for part in mixed)

    def colours(self, values: Sequence[float]) -> tuple[str, ...]:
        return tuple(self.colour(value) for value in values)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """``x`` and ``y`` are (n,); marks of one name in a panel share an entry of its legend, which has none for no name."""

    x: np.ndarray
    y: np.ndarray
    name: str = ""
    colour: str = GREY
    hover: tuple[str, ...] = ()  # one a point: lines with <br> between them


@dataclass(frozen=True, kw_only=True)
class Points(Mark):
    shape: str = "circle"  # circle, diamond, square or star
    size: float = 4.5  # in points
    colours: tuple[str, ...] = ()  # one a point
    ends: np.ndarray | None = None  # (2, n) of error bars
    along: str = "y"  # their direction
    edge: str = ""  # colour of the outline


@dataclass(frozen=True, kw_only=True)
class Line(Mark):
    dash: str = "solid"  # solid, dashed or dotted
    width: float = 1.6


@dataclass(frozen=True, kw_only=True)
class Band(Mark):
    """Between ``y`` and ``upper``; where an end is not finite there is a gap."""

    upper: np.ndarray


@dataclass(frozen=True)
class Text:
    """A word at a place, on white."""

    x: float
    y: float
    text: str
    colour: str = GREY


@dataclass(frozen=True)
class Shade:
    """Part of the horizontal axis, behind everything."""

    low: float
    high: float


@dataclass(frozen=True)
class Rule:
    """A thin dotted line across the panel at a place of one axis."""

    at: float
    along: str = "y"  # the direction of the line


@dataclass(frozen=True)
class Panel:
    """Marks are drawn in their order, and listed in the legend in it."""

    x: Axis
    y: Axis
    marks: tuple[Mark | Shade | Rule | Text, ...]
    title: str = ""
    note: str = ""  # in the lower right corner
    legend: str = "upper right"  # a corner, outside, shared by all panels, or none: empty
    legend_title: str = ""
    scale: Scale | None = None  # shown as a colour bar


@dataclass(frozen=True)
class Chart:
    title: str
    caption: str
    panels: tuple[Panel, ...]
    columns: int = 2
    size: tuple[float, float] = (6.4, 4.4)  # of a panel in a file, inches
    reported: bool = field(default=True)  # false for one whose panels stand in other charts


def colour(law: str) -> str:
    return LAW_COLOURS.get(law, BLUE)


def log_ticks(low: float, high: float, gap: float) -> list[float]:
    """Round numbers within the limits of a log axis, as many as there may be; :file:`report.js` does the same.

    :param gap: between two of them at least, as a share of the axis.
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
    """Round numbers that part the values into groups of about the same size."""
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
    """Limits of an axis with a margin of this share on both sides."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    low, high = (float(np.log(x)) if log else float(x) for x in (values.min(), values.max()))
    margin = max(share * (high - low), 0.01 if log else 0.005 * abs(high)) or 0.01
    ends = low - margin, high + margin
    return (math.exp(ends[0]), math.exp(ends[1])) if log else ends
