import json

import numpy as np
import pandas as pd
import pytest
from helpers.studies import LAW_STUDIES

from analysis import Bootstrap, forecast
from analysis.laws import IsoFlop, RlSigmoid
from openr1.errors import ConfigError

SMALL = Bootstrap(resamples=50)


def test_the_loss_of_a_run_far_beyond_is_within_its_interval(runs, truth):
    frame = runs(noise=0.003, budgets=8, sizes=6)
    result = forecast(frame, 100 * frame["C"].max(), bootstrap=SMALL)
    row = result.table.iloc[0]
    expected = truth["E"] + truth["A"] * row["N"] ** -truth["alpha"] + truth["B"] * row["D"] ** -truth["beta"]
    assert row["run_low_95"] <= expected <= row["run_high_95"]
    assert row["run_low_95"] <= row["curve_low"] <= row["predicted"] <= row["curve_high"] <= row["run_high_95"]
    assert row["run_high_50"] < row["run_high_80"] < row["run_high_95"]
    assert row["N"] * row["D"] * 12 == pytest.approx(row["C"], rel=0.01)


def test_the_choice_is_the_smallest_score_of_a_fixed_rule(runs):
    frame = runs(noise=0.003, budgets=8, sizes=6)
    result = forecast(frame, 1e14, bootstrap=Bootstrap(resamples=0))
    assert result.chosen == [min(result.scores, key=result.scores.__getitem__)]
    assert list(result.scores.values()) == sorted(result.scores.values())
    again = forecast(frame.sample(frac=1, random_state=0).reset_index(drop=True), 1e14, bootstrap=Bootstrap(resamples=0))
    assert again.chosen == result.chosen
    assert again.table["predicted"].iloc[0] == pytest.approx(result.table["predicted"].iloc[0], rel=1e-6)


def test_large_runs_of_another_slope_make_weights_by_compute_win(runs):
    """Runs below a kink follow another law, as untuned small runs do."""
    frame = runs(noise=0.001, budgets=10, sizes=6)
    kink = frame["C"].quantile(0.4)
    frame["loss"] *= np.where(frame["C"] < kink, (frame["C"] / kink) ** -0.08, 1)
    result = forecast(frame, 1e14, bootstrap=Bootstrap(resamples=0))
    assert "C^" in result.chosen[0]


def test_a_stack_is_the_median_of_candidates_near_the_best(runs):
    frame = runs(noise=0.003, budgets=8, sizes=6)
    one, stack = (forecast(frame, 1e14, stack=stack, bootstrap=SMALL) for stack in (False, True))
    assert stack.chosen[0] == one.chosen[0]
    assert all(stack.scores[name] <= 1.25 * stack.scores[stack.chosen[0]] for name in stack.chosen)


def test_rows_that_are_given_are_predicted_as_they_are(runs):
    frame = runs(noise=0.003, budgets=8, sizes=6)
    at = pd.DataFrame({"N": [1e6, 2e6], "D": [1e8, 1e8], "C": [12e14, 24e14]})
    result = forecast(frame, at=at, bootstrap=SMALL)
    assert result.table[["N", "D", "C"]].equals(at)
    assert result.table["predicted"].iloc[1] < result.table["predicted"].iloc[0]
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_pass_rate_is_forecast_by_the_laws_that_are_named():
    frame, _law = LAW_STUDIES["rl_sigmoid"]()
    result = forecast(frame, 3 * frame["C"].max(), laws=[RlSigmoid()], bootstrap=SMALL)
    row = result.table.iloc[0]
    assert result.response == "pass_at_1"
    assert 0 <= row["run_low_95"] < row["predicted"] < row["run_high_95"] <= 1


@pytest.mark.parametrize(
    ("change", "options", "line"),
    [
        (lambda f: f.iloc[:6], {"flops": 1e14}, "forecast: 6 runs are too few"),
        (lambda f: f.drop(columns="C"), {"flops": 1e14}, "forecast: needs the FLOPs of the runs"),
        (lambda f: f.drop(columns="loss"), {"flops": 1e14}, "forecast: needs the FLOPs (C) and the loss of the runs"),
        (lambda f: f, {"flops": 1e14, "laws": [IsoFlop()]}, "forecast: isoflop predicts only the best run of a budget"),
        (lambda f: f, {}, "forecast: give FLOPs or rows with N, D and C, and not both"),
    ],
)
def test_what_cannot_be_forecast_is_one_line(runs, change, options, line):
    with pytest.raises(ConfigError) as error:
        forecast(change(runs(noise=0.003, budgets=6, sizes=6)), bootstrap=SMALL, **options)
    assert str(error.value).startswith(line)
