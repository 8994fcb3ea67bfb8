import json

import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import LAW_STUDIES, isoflop_runs

from openr1.analysis import Bootstrap, forecast
from openr1.analysis.forecast.forecast import as_pass_rate
from openr1.analysis.laws import Chinchilla, IsoFlop, RlPower, RlSigmoid
from openr1.analysis.report.forecasts import sentences
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

SMALL, NONE = Bootstrap(resamples=50), Bootstrap(resamples=0)
FAR = 1e23  # a hundred times the largest run of the study
ONE = (Chinchilla(),)  # one law, with all objectives and weights


@pytest.fixture(scope="module")
def frame():
    return isoflop_runs(budgets=7, sizes=5)


@pytest.fixture(scope="module")
def result(frame):
    return forecast(frame, FAR, bootstrap=SMALL)


def test_the_loss_of_a_run_far_beyond_is_within_its_interval(result):
    row = result.table.iloc[0]
    expected = 1.8 + 480 * row["N"] ** -0.35 + 2000 * row["D"] ** -0.37
    assert row["run_low_95"] <= expected <= row["run_high_95"]
    assert row["run_low_95"] <= row["curve_low"] <= row["predicted"] <= row["curve_high"] <= row["run_high_95"]
    assert row["run_high_50"] < row["run_high_80"] < row["run_high_95"]
    assert 6 * row["N"] * row["D"] == pytest.approx(row["C"], rel=0.01)


def test_the_choice_is_the_smallest_score_whatever_the_order_of_the_rows(frame, result):
    assert result.chosen == [min(result.scores, key=result.scores.__getitem__)]
    assert list(result.scores.values()) == sorted(result.scores.values())
    assert {name.split(",")[0] for name in result.scores} == {"chinchilla", "overtraining"}
    shuffled = frame.sample(frac=1, random_state=0).reset_index(drop=True)
    first, again = (forecast(rows, FAR, laws=ONE, bootstrap=NONE) for rows in (frame, shuffled))
    assert again.chosen == first.chosen
    assert again.table["predicted"].iloc[0] == pytest.approx(first.table["predicted"].iloc[0], rel=1e-6)


def test_large_runs_of_another_slope_make_weights_by_compute_win(frame):
    """Runs below a kink follow another law, as untuned small runs do."""
    kink = frame["C"].quantile(0.4)
    bent = frame.assign(loss=frame["loss"] * np.where(frame["C"] < kink, (frame["C"] / kink) ** -0.08, 1))
    assert "C^" in forecast(bent, FAR, laws=ONE, bootstrap=NONE).chosen[0]


def test_a_stack_is_the_median_of_candidates_near_the_best(frame):
    one, stack = (forecast(frame, FAR, laws=ONE, stack=stack, bootstrap=NONE) for stack in (False, True))
    assert stack.chosen[0] == one.chosen[0]
    assert all(stack.scores[name] <= 1.25 * stack.scores[stack.chosen[0]] for name in stack.chosen)


def test_rows_that_are_given_are_predicted_as_they_are(frame):
    at = pd.DataFrame({"N": [1e10, 2e10], "D": [1e12, 1e12], "C": [6e22, 12e22]})
    result = forecast(frame, at=at, laws=ONE, bootstrap=SMALL)
    assert result.table[["N", "D", "C"]].equals(at)
    assert result.table["predicted"].iloc[1] < result.table["predicted"].iloc[0]
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_pass_rate_is_forecast_by_the_laws_that_are_named():
    curve, _ = LAW_STUDIES["rl_sigmoid"]()
    result = forecast(curve, 3 * curve["C"].max(), laws=[RlSigmoid()], bootstrap=SMALL)
    row = result.table.iloc[0]
    assert result.response == "pass_at_1"
    assert 0 <= row["run_low_95"] < row["predicted"] < row["run_high_95"] <= 1


@pytest.mark.parametrize(
    ("change", "options", "line"),
    [
        (lambda f: f.iloc[:6], {"flops": FAR}, "forecast: 6 runs are too few"),
        (lambda f: f.drop(columns="C"), {"flops": FAR}, "forecast: needs the FLOPs of the runs"),
        (lambda f: f.drop(columns="loss"), {"flops": FAR}, "forecast: needs the FLOPs (C) and the loss of the runs"),
        (lambda f: f, {"flops": FAR, "laws": [IsoFlop()]}, "forecast: isoflop predicts only the best run of a budget"),
        (lambda f: f, {}, "forecast: give FLOPs or rows with N, D and C, and not both"),
    ],
)
def test_what_cannot_be_forecast_is_one_line(frame, change, options, line):
    with pytest.raises(ConfigError) as error:
        forecast(change(frame), bootstrap=SMALL, **options)
    assert str(error.value).startswith(line)


@pytest.mark.parametrize("line", ["D = 20 N", "one size"])
def test_runs_along_one_line_are_continued_along_it(line):
    n = np.geomspace(1e7, 1e9, 16) if line == "D = 20 N" else np.full(16, 1e8)
    d = 20 * n if line == "D = 20 N" else np.geomspace(1e9, 1e11, 16)
    frame = tidy(pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "loss": 1.8 + 480 * n**-0.35 + 2000 * d**-0.37})).frame
    result = forecast(frame, 10 * float(frame["C"].max()), bootstrap=NONE)
    assert result.along_line
    assert {name.split(",")[0] for name in result.scores} == {"power_law"}
    assert "N" not in result.table
    assert "on one line, continued" in " ".join(sentences(result))


def test_runs_of_one_budget_give_no_forecast():
    n = np.geomspace(1e8, 3e9, 20)
    d = np.round(1e20 / (6 * n))
    frame = tidy(pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "loss": 1.8 + 480 * n**-0.35 + 2000 * d**-0.37})).frame
    with pytest.raises(ConfigError, match="runs of different compute"):
        forecast(frame, 1e22, bootstrap=NONE)


def test_runs_whose_size_is_not_always_known_are_forecast_by_their_compute(frame):
    partly = frame.assign(N=frame["N"].where(frame.index != 3))
    assert {name.split(",")[0] for name in forecast(partly, FAR, bootstrap=NONE).scores} == {"power_law"}


def learning_curves():
    """Return learning curves of reinforcement learning at three sizes with two seeds each, by the law of ``rl_power``."""
    law, rows = RlPower(x="D"), []
    for n in (2e5, 4e5, 8e5):
        for seed in (0, 1):
            curve = pd.DataFrame({"N": n, "D": np.geomspace(500, 2e4, 12), "run": f"{n:.0f}-{seed}"})
            noise = np.random.default_rng(int(n) + seed).normal(0, 0.004, len(curve))
            error = law.predict(np.array([[0.4, 3e5, 0.9, 0.1]]), curve)[0] + noise
            rows.append(curve.assign(C=curve["N"] * curve["D"] * 1e3, pass_at_1=1 - error, error=error))
    return pd.concat(rows, ignore_index=True)


def test_the_pass_rate_of_the_next_size_is_forecast_from_learning_curves():
    target = pd.DataFrame({"N": [1.6e6], "D": [2e4], "C": [1.6e6 * 2e4 * 1e3]})
    result = as_pass_rate(forecast(learning_curves(), at=target, laws=RlPower(x="D"), bootstrap=Bootstrap(50)))
    row = result.table.iloc[0]
    truth = 1 - RlPower(x="D").predict(np.array([[0.4, 3e5, 0.9, 0.1]]), target)[0, 0]
    assert result.response == "pass_at_1"
    assert row["predicted"] == pytest.approx(truth, abs=0.03)
    assert row["run_low_95"] < row["run_low_50"] < row["predicted"] < row["run_high_50"] < row["run_high_95"] <= 1
    assert row["run_low_95"] <= row["curve_low"] <= row["curve_high"] <= row["run_high_95"]
