"""Figures of any table: one column against another, with a colour per group. They show runs before a law is fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.charts.groups import colour_labels
from openr1.analysis.charts.marks import BLUE, Axis, Chart, Line, Mark, Panel, Scale, Scatter, span
from openr1.analysis.fit.arguments import read_frame
from openr1.analysis.fit.labels import format_label, parse_size
from openr1.analysis.formatting import QUANTITIES, quantity
from openr1.analysis.sources.rows import check_names, parse_number
from openr1.analysis.sources.study_runs import StudyRuns
from openr1.options.near import did_you_mean
from openr1.options.types import shown
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

# the largest value over the smallest, from which on an axis is logarithmic: of amounts such as N, and of all other columns
WIDE_AMOUNT, WIDE = 1.5, 8.0
FEW = 12  # rows of a group that a line joins, and groups that have a colour of their own
# metrics of runs -> the quantities whose names and formats they have
MEASURES = {"eval_loss": "loss", "flops": "C", "tokens": "D", "params_non_embedding": "N", "unique_tokens": "U"}


def chart_table(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str | None = None,
    ends: tuple[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Chart:
    """Chart a column of a table against another one.

    Curves of runs are lines, if there is a column ``run``. A few rows of one group are points that a line joins, and many rows
    are points.

    :param by: the column of the groups, each of which has a colour; of many numbers it is a scale of colours.
    :param ends: the columns of the lower and the upper end of an interval of ``y``.
    :param labels: of the axes and the legend, column -> words; by default those of the quantities.
    :raises ConfigError: for a column that there is not, or without a row that has both values.
    """
    frame = frame.frame if isinstance(frame, StudyRuns) else read_frame(frame)
    check_names(frame)
    numbers = (x, y, *(ends or []))
    for column in (*numbers, *([by] if by is not None else [])):
        if column not in frame:
            raise ConfigError(f"plot: there is no column {column!r}{did_you_mean(column, map(str, frame))}")
    for column in numbers:
        _require_numbers(frame[column])
    rows = frame[np.isfinite(frame[[x, y]].astype(float)).all(axis=1)].sort_values(x, kind="stable")
    if rows.empty:
        raise ConfigError(f"plot: no row has both {x} and {y}")
    words = labels or {}
    heights = rows[[y, *(ends or [])]].to_numpy(dtype=float)
    across = _axis(x, rows[x].to_numpy(dtype=float), words.get(x))
    up = _axis(y, heights[np.isfinite(heights)], words.get(y), log=False)
    scale = _scale(rows[by], words.get(by)) if by and "run" not in rows else None
    if scale:
        values = rows[[x, y]].to_numpy(dtype=float).T
        marks: list[Mark] = [Scatter(x=values[0], y=values[1], colours=scale.colours(rows[by].to_numpy(dtype=float)))]
    else:
        marks = _groups(rows, x, y, by, ends)
    legend = "outside" if by and not scale else ""
    panel = Panel(across, up, tuple(marks), legend=legend, legend_title=words.get(by or "", _name(by or "")), scale=scale)
    return Chart(f"{up.label} against {across.label}", "", (panel,), size=(7.0, 4.2) if by else (6.0, 4.2))


def _require_numbers(column: pd.Series) -> None:
    """Refuse a column of texts that are no numbers, of dates or of objects, which have no place on an axis.

    :raises ConfigError: naming the first value that is none.
    """
    if column.dtype.kind not in "mM":
        try:
            column.astype(float)
            return
        except (TypeError, ValueError):
            pass
    cells = column.dropna()
    wrong = next((cell for cell in cells if not isinstance(cell, Real) and parse_number(cell) is None), column.dtype)
    raise ConfigError(f"plot: the column {column.name!r} must hold numbers, not {shown(wrong)}")


def _groups(rows: pd.DataFrame, x: str, y: str, by: str | None, ends: tuple[str, str] | None) -> list[Mark]:
    """Return the marks of each group, the smallest label first."""
    labels = rows[by].map(format_label, na_action="ignore") if by else None
    groups = {str(label): part for label, part in rows.groupby(labels, sort=False)} if by else {"": rows}
    names = sorted(groups, key=lambda label: (parse_size(label), label))
    hues = colour_labels(names) if by else {"": BLUE}
    marks: list[Mark] = []
    for name in names:
        look: dict[str, Any] = {"name": _short_name(by, name), "colour": hues[name]}
        if "run" in rows:
            parts = [part for _, part in groups[name].groupby("run", sort=False)]
            marks += [
                Line(x=part[x].to_numpy(dtype=float), y=part[y].to_numpy(dtype=float), width=1.2, **look) for part in parts
            ]
        else:
            marks += _points(groups[name], x, y, ends, look)
    return marks


def _points(rows: pd.DataFrame, x: str, y: str, ends: tuple[str, str] | None, look: dict[str, Any]) -> list[Mark]:
    """Return the points of a group with their intervals, and a line through them if they are few."""
    at, values = rows[x].to_numpy(dtype=float), rows[y].to_numpy(dtype=float)
    bars = rows[list(ends)].to_numpy(dtype=float).T if ends else None
    points = Scatter(x=at, y=values, ends=bars, size=4.5, **look)
    joined = len(rows) <= FEW and len(np.unique(at)) == len(at)
    return [Line(x=at, y=values, width=1.2, **look), points] if joined else [points]


def _scale(column: pd.Series, label: str | None) -> Scale | None:
    """Return the scale of colours of a column of many numbers; null for other columns."""
    if column.dtype.kind not in "iuf" or column.nunique() <= FEW:
        return None
    axis = _axis(str(column.name), column.to_numpy(dtype=float), label)
    return Scale(axis.label, float(column.min()), float(column.max()), axis.log, axis.numbers)


def _measure(column: str) -> str:
    """Return the quantity that a column holds, also that of a step of a recipe such as ``student.tokens``, or its name."""
    return MEASURES.get(column.rpartition(".")[2], column)


def _name(column: str) -> str:
    """Return the words for a column: those of its quantity, or its name."""
    known = _measure(column)
    return QUANTITIES[known][2] if known in QUANTITIES else column.replace("_", " ")


def _short_name(by: str | None, label: str) -> str:
    """Return the label of a group: an amount as its quantity is written, all else as it is."""
    size = parse_size(label)
    known = _measure(by or "")
    return quantity(known, size) if known in QUANTITIES and np.isfinite(size) else label


def _axis(column: str, values: np.ndarray, label: str | None, log: bool | None = None) -> Axis:
    """Return the axis of a column, logarithmic where its values are positive and far apart."""
    known = _measure(column)
    numbers = QUANTITIES[known][1] if known in QUANTITIES else "plain"
    wide = WIDE if numbers == "plain" else WIDE_AMOUNT
    log = bool(values.min() > 0 and values.max() >= wide * values.min()) if log is None else log
    if log and numbers == "plain" and values.max() >= 1e4:
        numbers = "short"
    return Axis(label or _name(column), log, numbers, span(values, 0.06, log=log))
