"""Figures, as data and as drawn."""

import json
import re
from dataclasses import replace
from importlib import resources
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from helpers.studies import KINDS, budgets, sizes, study_of, study_of_kind

from openr1.analysis.charts import chart_study, plotly
from openr1.analysis.charts.marks import (
    STOPS,
    TICK_STEPS,
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
    levels,
    log_ticks,
    span,
)
from openr1.analysis.charts.matplotlib import draw, to_bytes
from openr1.analysis.charts.parts import SHOWN
from openr1.analysis.figures import Figures
from openr1.analysis.fit.resampling import Holdout


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param, study_of_kind(request.param)


@pytest.fixture
def study():
    return study_of_kind("budgets")


def named(panel, name, of=Mark):
    return [mark for mark in panel.marks if isinstance(mark, of) and mark.name == name]


@pytest.mark.slow
def test_every_law_has_its_figures(kind):
    name, study = kind
    figures = chart_study(study)
    assert set(figures) == set(KINDS[name][2])
    for chart in figures.values():
        assert chart.title
        assert chart.caption.endswith(".")
        for panel in plotly.panels(chart):
            go.Figure({"data": panel["data"], "layout": panel["layout"]})  # plotly's own check
            json.dumps(panel, allow_nan=False)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["report", "paper"])
def test_every_figure_can_be_drawn(kind, style):
    for chart in chart_study(kind[1]).values():
        ElementTree.fromstring(to_bytes(draw(chart, Figures(style)), "svg", style))


def test_every_axis_says_what_it_is_of(kind):
    _, study = kind
    for name, chart in chart_study(study).items():
        for axis in (axis for panel in chart.panels for axis in (panel.x, panel.y)):
            assert axis.label or axis.names
            assert np.isfinite(axis.limits).all()
            if "loss" in axis.label.lower() and name != "parameters":
                assert "nats" in axis.label


def test_marks_are_of_one_length_and_within_a_panel_named_once(kind):
    _, study = kind
    for chart in chart_study(study).values():
        for panel in chart.panels:
            for mark in panel.marks:
                if isinstance(mark, Mark):
                    assert len(mark.x) == len(mark.y) > 0
                    assert len(mark.hover) in (0, len(mark.x))
            listed = [trace["name"] for trace in plotly.panels(Chart("", "", (panel,)))[0]["data"] if trace["showlegend"]]
            assert len(listed) == len(set(listed))


def test_files_are_the_same_to_the_byte_when_drawn_again(study):
    one, two = (chart_study(study) for _ in range(2))
    for name in ("frontier", "surface"):
        assert to_bytes(draw(one[name]), "svg") == to_bytes(draw(two[name]), "svg")
        assert to_bytes(draw(one[name]), "png") == to_bytes(draw(two[name]), "png")


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "width"), [(1, 3.25), (2, 6.75)])
def test_figures_of_a_paper_have_the_width_of_its_columns_and_are_the_same_to_the_byte(study, columns, width):
    figures = Figures("paper", columns)
    for name in ("allocation", "surface"):
        chart = chart_study(study)[name]
        drawn = draw(chart, figures)
        assert drawn.get_size_inches()[0] == pytest.approx(width)
        document = to_bytes(drawn, "pdf", "paper")
        assert document.startswith(b"%PDF")
        assert b"/FontType /Type3" not in document
        assert document == to_bytes(draw(chart, figures), "pdf", "paper")


def test_a_paper_writes_exponents_that_its_font_has(study):
    labels = [text.get_text() for text in draw(chart_study(study)["frontier"], Figures("paper")).axes[0].get_xticklabels()]
    assert any(re.fullmatch(r"10\$\^\{\d+\}\$", label) for label in labels)


def test_axes_and_parameters_speak_of_the_columns_that_they_show(tmp_path):
    table = budgets().rename(columns={"N": "layers", "loss": "bits_per_byte"})
    named_columns = ["runs.columns.N=layers", "runs.columns.loss=bits_per_byte", "bootstrap.resamples=20"]
    figures = chart_study(study_of(tmp_path, table, *named_columns))
    axes = [axis.label for chart in figures.values() for panel in chart.panels for axis in (panel.x, panel.y)]
    assert {"Bits per byte", "Layers <i>N</i>"} <= set(axes)
    assert not [label for label in axes if "nats" in label or "arameters" in label]
    assert "optimal layers" in figures["allocation"].caption.lower()


def test_a_frontier_that_the_runs_leave_open_is_not_drawn(tmp_path):
    n = np.geomspace(1e7, 1e10, 16)
    runs = pd.DataFrame({"N": n, "D": 20 * n, "C": 120 * n**2, "loss": 1.7 + 500 * n**-0.32})
    figures = chart_study(study_of(tmp_path, runs, "bootstrap.resamples=20"))
    assert "allocation" not in figures
    (panel,) = figures["frontier"].panels
    assert named(panel, "best run of its budget")
    assert not named(panel, "Parametric law")
    assert "Not drawn: Parametric law" in figures["frontier"].caption
    assert not named(figures["surface"].panels[0], "compute-optimal")


def test_the_frontier_is_dashed_where_it_was_not_fitted(study):
    (panel,) = chart_study(study)["frontier"].panels
    seen = study.main.holdout["largest_fitted"]
    (rule,) = (mark for mark in panel.marks if isinstance(mark, Rule))
    assert seen < rule.at < 1.05 * seen
    for fit in study.fits.values():
        solid, dashed = named(panel, fit.law.title, Line)
        assert (solid.dash, dashed.dash) == ("solid", "dashed")
        assert solid.x.max() == pytest.approx(seen)
        assert dashed.x.min() == pytest.approx(seen)
        known = fit.without_holdout.frontier(solid.x)
        assert solid.y == pytest.approx(known["loss"].to_numpy())
    assert [mark.name for mark in panel.marks if isinstance(mark, Band)] == [study.main.law.title]


def test_the_frontier_shows_what_was_held_out_and_the_answer(study):
    (panel,) = chart_study(study)["frontier"].panels
    (held,) = named(panel, "held out")
    assert held.shape == "diamond"
    assert held.y.tolist() == [row["measured"] for row in study.main.holdout["best_runs"]]
    assert "predicted" in held.hover[0]
    (target,) = named(panel, "target")
    row = study.main.frontier(study.target_flops).iloc[0]
    assert (target.x[0], target.y[0]) == (study.target_flops, row["loss"])
    assert target.ends[:, 0].tolist() == [row["loss_low"], row["loss_high"]]


def test_without_a_hold_out_the_frontier_is_dashed_beyond_the_largest_run(tmp_path):
    study = study_of(tmp_path, budgets(), "holdout.largest_budgets=0", "bootstrap.resamples=0")
    figures = chart_study(study)
    (panel,) = figures["frontier"].panels
    assert not [mark for mark in panel.marks if isinstance(mark, (Rule, Band))]
    assert named(panel, "Parametric law", Line)[0].x.max() == pytest.approx(1e20)
    assert "parameters" not in figures


def test_isoflop_curves_go_through_the_minima(study):
    (panel,) = chart_study(study)["isoflop"].panels
    rows = study.fits["isoflop"].tables["budgets"]
    stars = named(panel, "minimum")
    assert [(star.x[0], star.y[0]) for star in stars] == [(row["N"], row["loss"]) for row in rows]
    for line, row in zip((mark for mark in panel.marks if isinstance(mark, Line)), rows, strict=True):
        assert np.interp(np.log(row["N"]), np.log(line.x), line.y) == pytest.approx(row["loss"], rel=1e-3)


def test_an_interpolated_isoflop_curve_goes_through_every_run(tmp_path):
    study = study_of(tmp_path, budgets(), "law=isoflop", "law.curve=akima")
    (panel,) = chart_study(study)["isoflop"].panels
    runs = [mark for mark in panel.marks if isinstance(mark, Scatter) and mark.shape == "circle"]
    for points, line in zip(runs, (mark for mark in panel.marks if isinstance(mark, Line)), strict=True):
        assert np.interp(np.log(points.x), np.log(line.x), line.y) == pytest.approx(points.y, rel=2e-3)


def test_without_profiles_isoflop_curves_are_slices_of_the_law(tmp_path):
    study = study_of(tmp_path, budgets(), "law=chinchilla")
    (panel,) = chart_study(study)["isoflop"].panels
    line = next(mark for mark in panel.marks if isinstance(mark, Line))
    d = study.runs.frame["budget"].min() / study.main.flops_of(line.x, 1)
    assert line.y == pytest.approx(study.main.predict(pd.DataFrame({"N": line.x, "D": d})))
    assert not named(panel, "minimum")


def test_the_allocation_is_shaded_where_it_is_extrapolated(study):
    for panel, name in zip(chart_study(study)["allocation"].panels, "ND", strict=True):
        (shade,) = (mark for mark in panel.marks if isinstance(mark, Shade))
        assert shade.low == study.runs.frame["C"].max()
        for fit in (study.fits["isoflop"], study.fits["chinchilla"]):
            (band,) = named(panel, fit.law.title, Band)
            assert band.y == pytest.approx(fit.frontier(band.x)[f"{name}_low"].to_numpy())
        assert not named(panel, "Power law")


@pytest.mark.slow
def test_a_panel_a_parameter_with_every_kind_of_interval(tmp_path):
    study = study_of(tmp_path, budgets(), "bootstrap.profile=true")
    panels = {panel.title: panel for panel in chart_study(study)["parameters"].panels}
    assert list(panels) == ["E", "alpha", "beta"]
    assert panels["alpha"].y.names == ("percentile", "BCa", "profile")
    for mark, kind in zip(panels["alpha"].marks, ("percentile", "bca", "profile"), strict=True):
        assert mark.x[0] == study.main.params["alpha"]
        assert mark.ends[:, 0].tolist() == study.main.intervals[kind]["alpha"]


def test_an_open_interval_reaches_the_edge_of_its_panel(study):
    fit = study.fits["chinchilla"]
    kept, fit.intervals = fit.intervals, {"profile": {**fit.intervals["bca"], "alpha": [0.1, None]}}
    try:
        panel = next(panel for panel in chart_study(study)["parameters"].panels if panel.title == "alpha")
    finally:
        fit.intervals = kept
    mark = next(mark for mark in panel.marks if mark.name == fit.law.title)
    assert mark.ends[1, 0] == panel.x.limits[1]
    assert "open" in mark.hover[0]


def test_parameters_that_the_runs_leave_free_are_named_and_not_drawn(study):
    fit = study.fits["power_law"]
    kept = fit.diagnostics["at_bound"]
    fit.diagnostics["at_bound"] = ["E", "alpha"]
    try:
        chart = chart_study(study)["parameters"]
    finally:
        fit.diagnostics["at_bound"] = kept
    assert "not shown: E of the Power law, alpha of the Power law" in chart.caption
    assert not [mark for panel in chart.panels for mark in panel.marks if mark.name == "Power law"]


def test_predictions_are_those_of_the_fit_that_did_not_see_them(study):
    panels = chart_study(study)["residuals"].panels
    assert len(panels) == 2 * len(study.fits)
    above = next(panel for panel in panels if panel.title == "Parametric law")
    (held,) = named(above, "held out")
    points = study.main.holdout["points"]
    assert held.x.tolist() == [row["measured"] for row in points]
    assert held.y.tolist() == [row["predicted"] for row in points]
    fitted = study.runs.frame[study.runs.frame["C"] <= study.main.holdout["largest_fitted"]]
    (dots,) = named(above, "fitted")
    assert dots.y == pytest.approx(study.main.without_holdout.predict(fitted))


def test_the_surface_has_the_path_of_the_law_and_labelled_lines(study):
    (panel,) = chart_study(study)["surface"].panels
    (path,) = named(panel, "compute-optimal")
    best = study.main.frontier(study.main.flops_of(path.x, path.y))
    assert path.x == pytest.approx(best["N"].to_numpy())
    labels = [mark for mark in panel.marks if isinstance(mark, Text)]
    for label in labels:
        at = pd.DataFrame({"N": [label.x], "D": [label.y]})
        assert study.main.predict(at)[0] == pytest.approx(float(label.text), abs=0.01)
    assert len(labels) >= 4


def test_a_loss_is_extrapolated_downward():
    (panel,) = chart_study(study_of_kind("task_error"))["curve"].panels
    solid, dashed = named(panel, "Task error law", Line)
    (held,) = named(panel, "held out")
    assert dashed.x.max() == pytest.approx(solid.x.min())
    assert held.x.max() < solid.x.min()


def test_the_sigmoid_shows_what_was_left_out_and_where_it_levels_off():
    (panel,) = chart_study(study_of_kind("rl_sigmoid"))["rl"].panels
    assert panel.x.label == "Compute <i>C</i> (gpu hours)"
    (unused,) = named(panel, "left out (first part)")
    (runs,) = named(panel, "runs")
    assert unused.x.max() < runs.x.min()
    assert next(mark for mark in panel.marks if isinstance(mark, Mark) and mark.name.startswith("A = ")).dash == "dotted"


def test_coverage_is_dashed_beyond_the_largest_k():
    (panel,) = chart_study(study_of_kind("pass_at_k"))["pass_at_k"].panels
    solid, dashed = named(panel, "Coverage of repeated sampling", Line)
    assert (solid.x.max(), dashed.x.max()) == (64, pytest.approx(640))
    assert panel.x.log


def test_a_law_of_errors_is_drawn_as_pass_rates():
    study = study_of_kind("rl_power")
    (panel,) = chart_study(study)["rl"].panels
    for n in (5e8, 2e9, 7e9):
        name = {5e8: "500M", 2e9: "2B", 7e9: "7B"}[n]
        line = named(panel, name, Line)[0]
        known = study.main.without_holdout.predict(pd.DataFrame({"N": n, "C": line.x}))
        assert line.y == pytest.approx(1 - known)
        (band,) = named(panel, name, Band)
        assert (band.y <= band.upper).all()


def test_students_that_were_held_out_are_diamonds_above_their_teachers():
    study = study_of_kind("distillation")
    fit = replace(study.main, holdout={"points": [], "budgets": []})
    config = replace(study.config, holdout=Holdout(query="N > 1e9"))
    (panel,) = chart_study(replace(study, fits={"distillation": fit}, config=config))["distillation"].panels
    (held,) = (mark for mark in panel.marks if isinstance(mark, Scatter) and mark.shape == "diamond")
    runs = study.runs.frame.query("N > 1e9 and D > 1e10")
    assert held.y == pytest.approx((runs["loss"] - runs["teacher_loss"]).to_numpy())
    (line,) = named(panel, "2B", Line)
    rows = pd.DataFrame([{**runs.iloc[0], "teacher_loss": teacher} for teacher in line.x])
    assert line.y == pytest.approx(study.main.predict(rows) - line.x)


def test_a_large_table_is_thinned_and_the_caption_says_so(tmp_path):
    table = pd.concat([sizes()] * 200).reset_index(drop=True)
    table["loss"] *= 1 + 1e-6 * np.arange(len(table))
    study = study_of(tmp_path, table, "law=power_law", "law.x=N", "bootstrap.resamples=0", "law.objective=log_mse")
    chart = chart_study(study)["curve"]
    (runs,) = named(chart.panels[0], "runs")
    assert SHOWN / 2 < len(runs.x) <= SHOWN
    assert "One in 2 of 4000 points is drawn." in chart.caption


def test_names_of_runs_are_not_markup(tmp_path):
    study = study_of(tmp_path, budgets().assign(name="<a href=x>&"), "law=isoflop")
    hovers = [hover for panel in chart_study(study)["isoflop"].panels for mark in panel.marks for hover in mark.hover]
    assert any(hover.startswith("<b>&lt;a href=x&gt;&amp;</b><br>N ") for hover in hovers)
    assert not any("<a" in hover for hover in hovers)


def test_a_band_has_a_gap_where_an_end_is_not_finite():
    at, upper = np.arange(1.0, 6), np.array([2, np.inf, 2, 2, 2])
    band = Band(x=at, y=np.array([1, 1, 1, np.nan, 1.0]), upper=upper)
    panel = Panel(Axis("x", limits=(0, 6)), Axis("y", limits=(0, 3)), (band,))
    (trace,) = plotly.panels(Chart("", "", (panel,)))[0]["data"]
    assert trace["x"] == [1, 3, 5, 5, 3, 1]
    assert trace["fill"] == "toself"
    draw(Chart("", "", (panel,)))


def test_words_stand_at_logarithms_and_lines_at_values():
    panel = Panel(Axis("x", log=True, limits=(1, 1000)), Axis("y", limits=(0, 1)), (Text(100, 0.5, "here"), Rule(10)))
    layout = plotly.panels(Chart("", "", (panel,)))[0]["layout"]
    assert layout["xaxis"]["range"] == [0, 3]
    assert (layout["annotations"][0]["x"], layout["annotations"][0]["y"]) == (2, 0.5)
    assert layout["shapes"][0]["x0"] == 10


@pytest.mark.parametrize(
    ("ends", "gap", "ticks"),
    [
        ((1e18, 1e22), 0.2, [1e18, 1e19, 1e20, 1e21, 1e22]),
        ((1e18, 1e22), 0.3, [1e18, 1e20, 1e22]),
        ((9, 120), 0.2, [10, 20, 50, 100]),
        ((120, 9), 0.3, [10, 30, 100]),
        ((4e11, 2e13), 0.15, [5e11, 1e12, 2e12, 5e12, 1e13, 2e13]),
    ],
)
def test_numbers_of_a_log_axis_are_round_and_not_too_near(ends, gap, ticks):
    assert log_ticks(*ends, gap) == pytest.approx(ticks)


def test_the_report_takes_the_same_numbers():
    script = resources.files("openr1.analysis.report").joinpath("templates/report.js").read_text()
    steps = json.loads(re.search(r"const STEPS = (.*);", script).group(1))
    assert [tuple(row) for row in steps] == list(TICK_STEPS)


def test_levels_are_round_and_spread_over_the_values():
    values = 1.8 + np.geomspace(0.1, 5, 2000)
    result = np.array(levels(values))
    assert 8 <= len(result) <= 16
    assert result == pytest.approx(np.round(result, 2))
    shares = np.diff(np.searchsorted(values, result)) / len(values)
    assert shares.max() < 0.2


def test_colours_go_from_one_end_to_the_other():
    scale = Scale("", 1, 100, log=True)
    assert scale.colours([0.5, 1, 10, 100, 1e9]) == (STOPS[0], STOPS[0], STOPS[4], STOPS[-1], STOPS[-1])
    assert Scale("", 2, 2).colour(2) == STOPS[0]


def test_limits_leave_a_margin_even_of_one_value():
    assert span(np.array([1.0, np.nan, 3.0]), 0.5) == (0, 4)
    assert span(np.array([1.0, 100.0]), 0.5, log=True) == pytest.approx((0.1, 1000))
    low, high = span(np.array([5.0]))
    assert low < 5 < high
