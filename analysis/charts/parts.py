"""Parts of several figures: runs as points, laws as lines with bands, and the axes of quantities."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.charts.marks import BLACK, GREY, Axis, Band, Line, Mark, Rule, Scatter
from openr1.analysis.formatting import QUANTITIES, number, percent, quantity, run_label, with_interval

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.fit.result import Fit
    from openr1.analysis.study import Study

SHOWN = 3000  # largest number of points of a figure
HOVERED = (
    "N",
    "D",
    "U",
    "C",
    "k",
    "lr",
    "batch",
    "weight_decay",
    "tau",
    "teacher_loss",
    "loss",
    "pass_at_1",
    "error",
    "coverage",
    "kl",
    "gold",
)
HELD_OUT = "held out"


def axis(name: str, limits: tuple[float, float] | None = None, log: bool = False, label: str = "") -> Axis:
    """Return the axis of a column."""
    _, numbers, usual = QUANTITIES[name]
    return Axis(label or usual, log, numbers if log else "plain", limits)


def compute_axis(study: Study, limits: tuple[float, float]) -> Axis:
    """Return the axis of C, in the unit of the runs."""
    unit = study.compute_unit()
    label = "" if unit == "FLOPs" else f"Compute <i>C</i> ({unit})"
    axis_of = axis("C", limits, True, label)
    return axis_of if not label else Axis(label, True, "plain", limits)


def held_out_mask(study: Study) -> np.ndarray:
    """Return a mask (n,) of the held-out rows."""
    frame = study.runs.frame
    mask = study.config.holdout.mask(frame) if any(fit.holdout for fit in study.fits.values()) else None
    return np.zeros(len(frame), dtype=bool) if mask is None else mask


def train_fit(fit: Fit) -> Fit:
    """Return the fit without the held-out runs, or the only fit if nothing was held out."""
    return fit.without_holdout or fit


def thin(frame: pd.DataFrame) -> pd.DataFrame:
    """Select every second, third, ... row of a frame that is too long for a figure."""
    return frame.iloc[:: -(-len(frame) // SHOWN) or 1]


def thinning_note(frame: pd.DataFrame) -> str:
    """Return the sentence of a caption that only some points are drawn."""
    every = -(-len(frame) // SHOWN)
    return f" One in {every} of {len(frame)} points is drawn." if every > 1 else ""


def holdout_note(study: Study) -> str:
    """Return the sentence of a caption that laws are drawn as fitted without the held-out runs."""
    return " The laws that are drawn are fitted without the held-out runs." if study.main.holdout else ""


def hover_text(title: str, **values: float) -> str:
    """Describe quantities of a mark that is not a run."""
    return "<br>".join([f"<b>{title}</b>", *(f"{name} {quantity(name, float(value))}" for name, value in values.items())])


def hover_texts(frame: pd.DataFrame, **more: Sequence[str]) -> tuple[str, ...]:
    """Describe runs: their names, their quantities, and further values."""
    names = [name for name in HOVERED if name in frame]
    texts = []
    for position, (index, row) in enumerate(zip(frame.index, frame.to_dict("records"), strict=True)):
        lines = [f"<b>{escape(run_label(row, index))}</b>", *(f"{name} {quantity(name, row[name])}" for name in names)]
        lines += [f"{what.replace('_', ' ')} {values[position]}" for what, values in more.items()]
        texts.append("<br>".join(lines))
    return tuple(texts)


def law_marks(
    fit: Fit,
    x: str,
    at: np.ndarray,
    values: np.ndarray,
    ends: np.ndarray | None,
    fitted_range: FittedRange,
    look: dict[str, Any],
    y: str = "",
    title: str = "",
    width: float = Line.width,
) -> list[Mark]:
    """Draw a law as a line, dashed beyond the fitted range, and the band of its interval, where it has values.

    :param at: (n,), the places in the column ``x``.
    :param ends: (2, n), or null for no band.
    :param look: name and colour.
    :param y: the column of the values; empty for the response.
    :param title: the title of hover texts; empty for that of the law.
    :param width: of the line, in points.
    """
    y = y or fit.law.response
    low, high = np.full((2, len(at)), np.nan) if ends is None else ends
    told = np.isfinite(values)
    at, values, low, high = at[told], values[told], low[told], high[told]
    texts = [
        f"<b>{title or fit.law.title}</b><br>{x} {quantity(x, a)}<br>{y} "
        + with_interval(value, low_end, high_end, lambda number: quantity(y, float(number)))
        for a, value, low_end, high_end in zip(at.tolist(), values, low, high, strict=True)
    ]
    marks: list[Mark] = []
    if np.isfinite([low, high]).any():
        marks.append(Band(x=at, y=low, upper=high, **look))
    inside = fitted_range.includes(at)
    beyond = ~inside
    beyond[:-1] |= ~inside[1:]  # begin at the last place of the fitted range
    beyond[1:] |= ~inside[:-1]
    for dash, part in (("solid", inside), ("dashed", beyond)):
        if part.sum() > 1:
            hovers = tuple(itertools.compress(texts, part))
            marks.append(Line(x=at[part], y=values[part], hover=hovers, dash=dash, width=width, **look))
    return marks


@dataclass(frozen=True)
class FittedRange:
    """The range of the runs that a law is fitted to: up to an end, or down to it for a law of the loss."""

    end: float
    downward: bool = False
    rules: tuple[Rule, ...] = ()  # at the end, if runs beyond it were held out

    @classmethod
    def of(cls, study: Study, x: str) -> FittedRange:
        """Return the range of a column without the held-out runs."""
        frame, mask = study.runs.frame, held_out_mask(study)
        if x == "loss":
            end = float(frame.loc[~mask, x].min())
            return cls(end, True, (Rule(end),) if frame[x].min() < end else ())
        end = float(frame.loc[~mask, x].max())
        return cls(end, False, (Rule(end * 1.02),) if frame[x].max() > end else ())

    def includes(self, at: np.ndarray) -> np.ndarray:
        """Return a mask (n,) of the places within the range."""
        return at >= self.end * (1 - 1e-9) if self.downward else at <= self.end * (1 + 1e-9)


UNLIMITED = FittedRange(math.inf)


def held_out_points(rows: list[dict[str, Any]], x: str | np.ndarray, y: np.ndarray | None = None, **look: Any) -> list[Scatter]:
    """Draw held-out rows of ``Fit.holdout``, as measured unless other values are given.

    :param x: the column, or the values (n,); nothing is drawn without values.
    """
    at = column(rows, x) if isinstance(x, str) else x
    values = column(rows, "measured") if y is None else y
    known = np.isfinite(at) & (np.arange(len(at)) % max(1, -(-len(at) // SHOWN)) == 0)
    if not known.any():
        return []
    texts = tuple(_held_out_text(row, index) for index, row in enumerate(rows) if known[index])
    look = {"edge": BLACK, "size": 6.5, "name": HELD_OUT, **look}
    return [Scatter(x=at[known], y=values[known], colour="#ffffff", shape="diamond", hover=texts, **look)]


def column(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    """Return the values (n,) of a column, NaN for null."""
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows], dtype=float)


def _held_out_text(row: dict[str, Any], index: int) -> str:
    """Describe a held-out row."""
    known = [f"{name} {quantity(name, row[name])}" for name in ("N", "D", "C", "k") if row.get(name) is not None]
    predicted = (
        number(row["predicted"]) if row["predicted"] is None else with_interval(row["predicted"], row["low"], row["high"])
    )
    outcome = [f"measured {number(row['measured'])}", f"predicted {predicted}", f"error {percent(row['relative_error'])}"]
    return "<br>".join([f"<b>{escape(run_label(row, index))}</b>, held out", *known, *outcome])


def run_points(frame: pd.DataFrame, x: str, y: np.ndarray, name: str = "runs", colour: str = GREY, **more: Any) -> Scatter:
    """Draw runs as points."""
    return Scatter(x=frame[x].to_numpy(dtype=float), y=y, name=name, colour=colour, hover=hover_texts(frame), **more)
