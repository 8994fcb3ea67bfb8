"""A wrong argument of the Python API is one line that begins with its name; what is meant without doubt is accepted."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from openr1.analysis import LAWS, Bootstrap, Columns, Fit, Groups, Holdout, Prior, compare_nested, fit, fit_by, tidy
from openr1.analysis.laws import Chinchilla
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)
TOLD = "the column 'weight' is not used; weights='weight' weights the rows by it"


@pytest.fixture
def frame(runs):
    return runs(noise=0.003)


@pytest.fixture
def result(frame):
    return fit(frame, bootstrap=NONE)


def refuse(message, function, *args, **options):
    """Check that a call is refused in one line that begins with a message."""
    with pytest.raises(ConfigError, match="^" + re.escape(message)) as raised:
        function(*args, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("weight", [np.nan, -1.0, 0.0, np.inf])
def test_weights_that_no_fit_can_use_are_refused(frame, weight):
    refuse("weights: the column weight must hold", fit, frame.assign(weight=weight), weights="weight", bootstrap=NONE)


def test_some_rows_may_have_no_weight(frame):
    weight = np.arange(len(frame)) > 3
    with_weights = fit(frame.assign(weight=weight.astype(float)), weights="weight", bootstrap=NONE)
    assert with_weights.params == pytest.approx(fit(frame[weight], bootstrap=NONE).params, rel=1e-3)


@pytest.mark.parametrize("holdout", [None, Holdout(largest_budgets=1)])
def test_weights_that_nobody_asked_for_are_not_used_and_said(frame, table, holdout):
    unasked = fit(frame.assign(weight=frame["C"]), "chinchilla", holdout, NONE)
    assert unasked.diagnostics["warnings"].count(TOLD) == 1
    assert unasked.params == fit(frame, "chinchilla", holdout, NONE).params
    asked = fit(frame.assign(weight=frame["C"]), "chinchilla", holdout, NONE, weights="weight")
    assert asked.params != unasked.params
    told = tidy(table(noise=0.003).assign(w=1.0), Columns(weight="w"))
    assert told.warnings == ["rows are weighted by the column 'w'"]
    for known in (
        asked,
        fit(told.frame, "chinchilla", holdout, NONE),
        fit(frame, "chinchilla", holdout, NONE, weights="sqrt_flops"),
        fit(table(noise=0.003), "chinchilla", holdout, NONE, weights="sqrt_flops"),
    ):
        assert not any("weight" in line for line in known.diagnostics["warnings"])


@pytest.mark.parametrize("law", ["isoflop", "power_law"])
def test_a_column_of_budgets_that_are_no_compute_is_not_used_and_said(table, law):
    plain = table(noise=0.003)
    known = fit(plain, law, bootstrap=NONE)
    for budget in (np.arange(len(plain)) % 2, "large", plain["C"] / 3):
        result = fit(plain.assign(budget=budget), law, bootstrap=NONE)
        assert result.params == known.params
        assert any("the column 'budget' is called budget_unused" in line for line in result.diagnostics["warnings"])
    assert not any("budget_unused" in line for line in fit(tidy(plain).frame, law, bootstrap=NONE).diagnostics["warnings"])
    kept = fit(tidy(plain).frame.iloc[2:], law, bootstrap=NONE)
    assert not any("budget_unused" in line for line in kept.diagnostics["warnings"])


def test_the_rows_of_one_run_id_are_drawn_together_in_a_plain_frame_too(table):
    plain = table(noise=0.003, budgets=6, sizes=6)
    plain["N"] = np.tile(np.geomspace(3e4, 3e5, 6), 6)
    plain["C"] = 6 * plain["N"] * plain["D"]
    plain["run_id"] = plain["N"].map("n{:.0f}".format)
    some = Bootstrap(resamples=20)
    result = fit(plain, "chinchilla", bootstrap=some)
    assert result.left_out.shape[0] == 6
    assert any("points of one run" in line for line in result.diagnostics["warnings"])
    refuse("run_id: rows of one run are points of one training, but 'a'", fit, plain.assign(run_id=["a", "b"] * 18))
    refuse("run: rows of one run are points of one training, but 'a'", fit, plain.assign(run=["a", "b"] * 18))
    refuse("run_id: rows of one run are points of one training, but 'a'", tidy, plain.assign(run_id=["a", "b"] * 18))


def test_units_of_a_plain_frame_are_checked_as_tidy_does(table):
    plain = table(noise=0.003)
    message = r"^N: N is at most .* too few parameters; name the unit, such as tidy\(frame, units=\{'N': 1e6\}\) or"
    with pytest.raises(ConfigError, match=message):
        fit(plain.drop(columns="C").assign(N=plain["N"] / 1e6), bootstrap=NONE)
    refuse("N, D, C: C is 2e+06 times 6ND", fit, plain.assign(N=plain["N"] / 1e6), bootstrap=NONE)
    known = tidy(plain.drop(columns="C").assign(N=plain["N"] / 1e6), units={"N": 1, "D": 1})
    assert fit(known.frame, bootstrap=NONE).n_points == len(plain)


def test_nested_laws_are_compared_on_the_same_runs(frame, result):
    small = fit(frame.head(20), tie=[["alpha", "beta"]], bootstrap=NONE)
    refuse("smaller: is fitted to 20 rows, and frame has 25", compare_nested, small, result, frame)
    changed = fit(frame.assign(loss=frame["loss"] * 1.01), tie=[["alpha", "beta"]], bootstrap=NONE)
    refuse("smaller: is fitted to other rows than", compare_nested, changed, result, frame)
    tied = fit(frame, tie=[["alpha", "beta"]], bootstrap=NONE)
    refuse("frame: has no rows", compare_nested, tied, result, frame.iloc[:0])
    refuse("smaller: must be a Fit, as fit returns it, not None", compare_nested, None, result, frame)
    refuse("larger: must be a Fit, as fit returns it, not 'a'", compare_nested, result, "a", frame)
    refuse("frame: lacks the column D", compare_nested, tied, result, frame.drop(columns="D"))
    power_law = fit(frame, "power_law", bootstrap=NONE)
    refuse("smaller: power_law is no special case of chinchilla", compare_nested, power_law, result, frame)


@pytest.mark.parametrize("loss", [[2.0, 2.1], np.nan, -1, "2", np.array([2.0])])
def test_a_budget_is_for_one_loss(result, loss):
    refuse("loss: must be one positive finite number, not ", result.budget_for, loss)


@pytest.mark.parametrize("flops", [-1, 0, np.nan, [1e12, np.inf], "much", None, [[1e12]]])
def test_budgets_are_positive_numbers(result, flops):
    refuse("flops: must be a positive finite number, or a list of them, not ", result.frontier, flops)


def test_sizes_off_the_optimum_are_positive_numbers(result):
    refuse("n: must be a positive", result.off_optimum, [-1.0], 1e12)
    refuse("flops: must be one positive", result.off_optimum, 1e6, [1e12, 1e13])


def test_runs_are_accepted_for_their_frame(table):
    runs = tidy(table(noise=0.003).assign(family=["one", "two"] * 12 + ["one"]))
    whole = fit(runs, bootstrap=NONE)
    assert whole.params == fit(runs.frame, bootstrap=NONE).params
    assert list(fit_by(runs, "family", bootstrap=NONE).fits) == ["one", "two"]
    assert (whole.predict(runs) == whole.predict(runs.frame)).all()
    assert list(whole.predict(runs, interval="run").columns) == ["predicted", "low", "high"]
    assert compare_nested(fit(runs, tie=[["alpha", "beta"]], bootstrap=NONE), whole, runs).freedom == 1


def test_the_class_of_a_law_is_the_law_with_its_defaults(frame, result):
    assert fit(frame, LAWS["chinchilla"], bootstrap=NONE).params == result.params
    assert list(fit_by(frame.assign(g=1), "g", Chinchilla, bootstrap=NONE).fits) == ["1"]


@pytest.mark.parametrize("value", [np.float32(0.35), np.int64(1), np.float64(0.3)])
def test_numbers_of_numpy_are_numbers(frame, value):
    known = fit(frame, fix={"alpha": value}, bootstrap=NONE)
    assert known.params["alpha"] == pytest.approx(float(value))
    json.dumps(known.to_dict())
    assert Prior(mean=value, sd=np.float32(1)).centre == pytest.approx(float(value))


@pytest.mark.parametrize("wrong", [None, {"N": [1.0]}, [1, 2], "runs.csv"])
def test_a_frame_is_a_frame(result, wrong):
    message = "frame: must be a DataFrame, or what tidy or read_csv returns, not "
    refuse(message, fit, wrong)
    refuse(message, fit_by, wrong, "family")
    refuse(message, compare_nested, result, result, wrong)
    refuse(message, result.predict, wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"law": None}, "law: must be a name, such as 'chinchilla', or a law, such as"),
        ({"law": 3}, "law: must be a name"),
        ({"law": dict}, "law: must be a name"),
        ({"holdout": 0.2}, "holdout: must be a Holdout, such as Holdout(fraction=0.2), not 0.2"),
        ({"holdout": {"fraction": 0.2}}, "holdout: must be a Holdout"),
        ({"bootstrap": 100}, "bootstrap: must be a Bootstrap, such as Bootstrap(resamples=100), not 100"),
        ({"weights": np.ones(25)}, "weights: must be one of sqrt_flops, recency, inverse_variance, seeds, or the name of"),
        ({"tie": None}, "tie: must be a list of lists of texts, not None"),
        ({"tie": ["alpha", "beta"]}, "tie[0]: must be a list of texts, not 'alpha'"),
        ({"fix": {"alpha": "0.3"}}, "fix.alpha: must be a finite number, not '0.3'"),
    ],
)
def test_a_wrong_option_of_a_fit_is_named(frame, options, message):
    refuse(message, fit, frame, **options)
    if "law" in options or "holdout" in options:
        refuse(message, fit_by, frame.assign(family="one"), "family", **options)


def test_rows_and_columns_that_are_missing_are_named(frame, result):
    refuse("frame: has no rows", fit, frame.iloc[:0])
    twice = pd.concat([frame, frame[["loss"]]], axis=1)
    refuse("frame: several columns are named 'loss'", fit, twice)
    refuse("frame: lacks the column D, which chinchilla needs", result.predict, frame[["N"]])
    refuse("frame: lacks the columns N, D", result.interval, frame[["loss"]])
    assert len(result.predict(frame.iloc[:0])) == 0
    refuse("run: must hold texts or numbers, not [1]", fit, frame.assign(run=[[1]] * len(frame)))
    refuse("run_id: must hold texts or numbers, not [1]", tidy, frame.assign(run_id=[[1]] * len(frame)))
    levels = frame.set_axis(pd.MultiIndex.from_product([["x"], frame.columns]), axis=1)
    refuse("columns: the names of the columns have 2 levels; give each one name", tidy, levels)
    refuse("columns: the names of the columns have 2 levels", fit, levels)


@pytest.mark.parametrize(
    ("size", "message"),
    [(-1.0, "N must be positive, not -1"), (0, "N must be positive, not 0"), ("1b", "N must hold numbers, not texts")],
)
def test_no_run_is_predicted_that_cannot_be(frame, result, size, message):
    for predict in (result.predict, result.interval):
        refuse(f"frame: {message}", predict, frame.assign(N=size))
    assert np.isnan(result.predict(frame.assign(N=np.nan))).all()
    assert np.isfinite(result.predict(frame.assign(N=np.inf))).all()


def test_groups_are_of_one_column(frame):
    refuse("by: must be the name of one column, not ['family', 'one']", fit_by, frame, ["family", "one"])
    for share in (1, "alpha"):
        refuse(f"share: must be a list of texts, not {share!r}", fit_by, frame.assign(g=1), "g", share=share)
    refuse("bootstrap: must be a Bootstrap", fit_by, frame.assign(g=1), "g", bootstrap=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": {1: 1}}, "where.1: there is no such column; there are "),
        ({"where": {"N": []}}, "where.N: the list of values is empty"),
        ({"zero_compute": "x"}, "zero_compute: must be true or false, not 'x'"),
        ({"needs": "N"}, "needs: must be a list of texts, not 'N'"),
        ({"needs": ["foo"]}, "needs: there is no quantity or column 'foo'; there are "),
    ],
)
def test_a_wrong_argument_of_tidy_is_named(table, options, message):
    refuse(message, tidy, table(), **options)


def test_columns_may_be_a_mapping(table):
    renamed = table().rename(columns={"N": "params"})
    pd.testing.assert_frame_equal(tidy(renamed, {"N": "params"}).frame, tidy(renamed, Columns(N="params")).frame)
    refuse("columns: there is no quantity 'n'; there are N, D,", tidy, renamed, {"n": "params"})
    refuse("columns: must be Columns, such as Columns(N='params'), or a mapping", tidy, renamed, ["params"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "not of this version of the analysis (there is no entry 'law')"),
        ("[]", "not of this version of the analysis"),
        ('{"law": "chin', "not JSON, as if it was cut off"),
    ],
)
def test_a_file_that_is_no_fit_is_named(tmp_path, text, reason):
    path = tmp_path / "fit.json"
    path.write_text(text)
    refuse(f"directory: {path} is {reason}", Fit.load, tmp_path)


def test_a_fit_of_an_earlier_version_and_a_missing_folder_are_named(tmp_path, result):
    path = result.save(tmp_path)
    values = json.loads(path.read_text())
    values["cost"] = values.pop("flops_of")
    path.write_text(json.dumps(values))
    refuse(f"directory: {path} is not of this version of the analysis (there is no entry 'flops_of')", Fit.load, tmp_path)
    missing = tmp_path / "missing"
    for of_directory in (Fit.load, Groups.load, result.save):
        refuse("directory: must be a text or a path, not 1", of_directory, 1)
    refuse(f"directory: {missing / 'fit.json'} cannot be read: No such file", Fit.load, missing)
    refuse(f"directory: {missing / 'groups.json'} cannot be read: No such file", Groups.load, missing)


def test_a_figure_needs_runs_and_a_column(tmp_path, result):
    pytest.importorskip("matplotlib").use("agg")
    refuse("x: there is no column 'foo'; there are N, D, C", result.plot, x="foo")
    result.save(tmp_path)
    refuse("plot: a fit that was loaded has no runs to draw", Fit.load(tmp_path).plot)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (Holdout, {"fraction": "a"}, "holdout.fraction: must be a finite number, above 0 and below 1, not 'a'"),
        (Holdout, {"above_flops": [1e21]}, "holdout.above_flops: must be a finite number"),
        (Holdout, {"query": 5}, "holdout.query: must be a text, not 5"),
        (Holdout, {"largest_budgets": 1.5}, "holdout.largest_budgets: must be a whole number, from 0 to 10000, not 1.5"),
        *(
            (
                Bootstrap,
                {"resamples": value},
                "bootstrap.resamples: must be a whole number, at least 2, at most 1e+06, or 0, not",
            )
            for value in (10.5, 10.0, "10", True, None, [1])
        ),
        (Bootstrap, {"resamples": np.int64(1)}, "bootstrap.resamples: must be at least 2, or 0, not 1"),
        (Bootstrap, {"seed": 1.5}, "bootstrap.seed: must be a whole number"),
        (Bootstrap, {"interval": ["bca"]}, "bootstrap.interval: must be a text, one of bca, percentile, not ['bca']"),
        (Bootstrap, {"interval": None}, "bootstrap.interval: must be a text, one of bca, percentile, not None"),
        (Bootstrap, {"profile": "no"}, "bootstrap.profile: must be true or false, not 'no'"),
        (Chinchilla, {"delta": "a"}, "law.delta: must be a finite number"),
        (Prior, {"mean": "a", "sd": 1}, "priors.mean: must be a finite number, not 'a'"),
        (Prior, {"median": 1.7, "log_sd": [0.1]}, "priors.log_sd: must be a finite number"),
    ],
)
def test_an_option_of_another_type_is_refused(option, value, message):
    refuse(message, option, **value)
