"""Figures of any table."""

import numpy as np
import pandas as pd
import pytest

from openr1.analysis import plot
from openr1.analysis.charts.marks import Line, Scatter
from openr1.analysis.charts.tables import chart_table
from openr1.system.errors import ConfigError


@pytest.fixture
def runs():
    """Return two sizes at three budgets."""
    rows = [(scale, n, c, 10 / n + 1e5 / c) for scale, n in (("100k", 1e5), ("30k", 3e4)) for c in (1e11, 1e12, 1e13)]
    return pd.DataFrame(rows, columns=["scale", "N", "C", "eval_loss"])


def test_groups_are_in_the_order_of_their_sizes_and_joined_by_a_line(runs):
    (panel,) = chart_table(runs, "C", "eval_loss", "scale").panels
    assert [(type(mark), mark.name) for mark in panel.marks] == [
        (Line, "30k"),
        (Scatter, "30k"),
        (Line, "100k"),
        (Scatter, "100k"),
    ]
    assert panel.x.log
    assert not panel.y.log
    assert (panel.x.label, panel.y.label) == ("Training FLOPs <i>C</i>", "Evaluation loss (nats/token)")
    assert panel.legend_title == "scale"


def test_curves_are_lines_of_their_runs(runs):
    curves = runs.assign(run=["a", "a", "b", "c", "c", "c"])
    (panel,) = chart_table(curves, "C", "eval_loss", "scale").panels
    assert [(type(mark), mark.name, len(mark.x)) for mark in panel.marks] == [
        (Line, "30k", 3),
        (Line, "100k", 2),
        (Line, "100k", 1),
    ]


def test_points_that_are_no_curve_are_not_joined(runs):
    (panel,) = chart_table(pd.concat([runs, runs.assign(eval_loss=2.0)]), "C", "eval_loss").panels
    assert [type(mark) for mark in panel.marks] == [Scatter]
    assert panel.legend == ""


def test_many_numbers_are_a_scale_of_colours():
    table = pd.DataFrame({"C": np.geomspace(1e10, 1e12, 40), "loss": 2.0, "N": np.geomspace(1e4, 1e6, 40)})
    (panel,) = chart_table(table, "C", "loss", "N").panels
    (points,) = panel.marks
    assert len(set(points.colours)) > 20
    assert panel.scale.log
    assert panel.legend == ""


def test_intervals_are_within_the_axis(runs):
    wide = runs.assign(low=runs["eval_loss"] - 1, high=[np.nan, *(runs["eval_loss"][1:] + 5)])
    (panel,) = chart_table(wide, "C", "eval_loss", ends=("low", "high")).panels
    assert panel.y.limits[0] < wide["low"].min()
    assert panel.y.limits[1] > wide["high"].max()


def test_words_stand_in_place_of_names(runs):
    (panel,) = chart_table(runs, "C", "eval_loss", "scale", labels={"C": "Compute", "scale": "Size"}).panels
    assert (panel.x.label, panel.legend_title) == ("Compute", "Size")


@pytest.mark.parametrize("names", [("c", "eval_loss"), ("C", "eval_los"), ("C", "eval_loss", "scal")])
def test_a_column_that_is_missing_is_told_with_those_near(runs, names):
    with pytest.raises(ConfigError, match=r"^plot: there is no column '.*; did you mean"):
        chart_table(runs, *names)


def test_a_table_without_values_is_refused(runs):
    with pytest.raises(ConfigError, match=r"^plot: no row has both C and eval_loss$"):
        chart_table(runs.assign(eval_loss=np.nan), "C", "eval_loss")


def test_a_notebook_shows_a_plot_by_itself(runs):
    assert plot(runs, "C", "eval_loss", by="scale", scale="Size")._repr_svg_().startswith("<?xml")


@pytest.mark.parametrize(
    ("names", "options", "line"),
    [
        ((1, "C"), {}, "x: must be a text, not 1"),
        (("C", None), {}, "y: must be a text, not None"),
        (("C", "N", ["scale"]), {}, "by: must be a text, not ['scale']"),
        (("C", "N"), {"ends": ("low",)}, "ends: must be a tuple of 2 texts, not ('low',)"),
        (("C", "N"), {"ends": 1}, "ends: must be a tuple of 2 texts, not 1"),
        (("C", "N"), {"N": 1}, "N: must be a text, not 1"),
        (("scale", "N", "scale"), {}, "plot: the column 'scale' must hold numbers, not '100k'"),
        (("C", "day"), {}, "plot: the column 'day' must hold numbers, not Timestamp"),
        (("C", "N"), {"ends": ("scale", "N")}, "plot: the column 'scale' must hold numbers, not '100k'"),
    ],
)
def test_what_has_no_place_on_an_axis_is_refused(runs, names, options, line):
    with pytest.raises(ConfigError) as caught:
        plot(runs.assign(day=pd.Timestamp("2024-01-01")), *names, **options)
    assert str(caught.value).startswith(line)


def test_a_table_is_a_frame(runs):
    for wrong in (None, 1, {"N": [1]}):
        with pytest.raises(ConfigError, match=r"^frame: must be a DataFrame, or "):
            plot(wrong, "C", "N")
    with pytest.raises(ConfigError, match=r"^frame: several columns are named 'N'; rename all but one$"):
        plot(pd.concat([runs, runs[["N"]]], axis=1), "C", "N")
    with pytest.raises(ConfigError, match=r"^run: must hold texts or numbers, not \[1\]$"):
        plot(runs.assign(run=[[1]] * len(runs)), "C", "N")
