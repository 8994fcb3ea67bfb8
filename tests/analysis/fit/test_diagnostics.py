import numpy as np
import pandas as pd
import pytest
from helpers.studies import isoflop_runs

from analysis import Bootstrap, fit
from analysis.laws import Chinchilla, PowerLaw
from analysis.sources.frame import tidy

SOME = Bootstrap(200)


def warned(result, words):
    return any(words in warning for warning in result.diagnostics["warnings"])


def test_a_good_study_has_nothing_to_warn_of():
    result = fit(isoflop_runs(), Chinchilla(objective="log_mse"), bootstrap=SOME)
    assert result.diagnostics["warnings"] == []
    assert result.diagnostics["basins"] == 1
    assert result.diagnostics["condition"] < 60


def test_too_few_points_are_said():
    assert warned(fit(isoflop_runs(3, 3), "chinchilla", bootstrap=Bootstrap(0)), "too few points (9 for 5 parameters)")


def test_a_ridge_names_what_trades_off():
    """Runs at one ratio of tokens to parameters cannot tell the two terms apart."""
    frame = isoflop_runs(10, 8)
    frame["D"] = 20 * frame["N"]
    frame["loss"] = 1.8 + 480 * frame["N"] ** -0.35 + 2000 * frame["D"] ** -0.37
    result = fit(frame, Chinchilla(objective="log_mse"), bootstrap=Bootstrap(0))
    assert {"A", "B"} & set(result.diagnostics["ridge"])
    assert warned(result, "since they compensate each other")


def test_the_condition_does_not_depend_on_units():
    frame = isoflop_runs()
    scaled = frame.assign(N=frame["N"] / 1e9, D=frame["D"] / 1e9)
    first, second = (fit(runs, "chinchilla", bootstrap=Bootstrap(0)).diagnostics["condition"] for runs in (frame, scaled))
    assert first == pytest.approx(second, rel=1e-3)


def test_one_run_that_moves_the_fit_is_named():
    frame = isoflop_runs(5, 5)
    frame.loc[20, "loss"] *= 1.15
    result = fit(frame, Chinchilla(objective="log_mse"), bootstrap=SOME)
    worst = result.diagnostics["influence"][0]
    assert worst["run"] == "20"
    assert warned(result, "leaving out row 20 changes ")
    named = fit(frame.assign(name=[f"run {i}" for i in range(25)]), Chinchilla(objective="log_mse"), bootstrap=SOME)
    assert named.diagnostics["influence"][0]["run"] == "run 20"
    nameless = fit(frame.assign(name=None), Chinchilla(objective="log_mse"), bootstrap=SOME)
    assert nameless.diagnostics["influence"][0]["run"] == "20"
    assert worst["without"] == pytest.approx(
        fit(frame.drop(index=20).reset_index(drop=True), Chinchilla(objective="log_mse"), bootstrap=Bootstrap(0)).params[
            worst["parameter"]
        ],
        rel=1e-3,
    )


def test_residuals_that_bend_are_said():
    d = np.geomspace(1e6, 1e9, 40)
    frame = tidy(pd.DataFrame({"N": 1e6, "D": d, "C": 6e6 * d, "loss": 2 + 40 * d**-0.2})).frame
    result = fit(frame, PowerLaw(x="D", offset=False, objective="log_mse"), bootstrap=Bootstrap(0))
    assert warned(result, "residuals trend with D (bent")


def test_resamples_that_do_not_determine_the_law_are_counted():
    result = fit(isoflop_runs(3, 3, noise=0.02), "isoflop", bootstrap=SOME)
    assert result.bootstrap["failed"] > 10
    assert warned(result, "resamples do not determine the law")


def floorless():
    """Return runs whose loss is a sum of equal powers without a floor, so that every law of them has none."""
    frame = isoflop_runs()
    loss = 480 * frame["N"] ** -0.35 + 1400 * frame["D"] ** -0.35
    return frame.assign(loss=loss)


@pytest.mark.parametrize("law", ["chinchilla", "power_law", "isoflop", "overtraining"])
def test_a_floor_that_ends_at_zero_is_said(law):
    result = fit(floorless(), law, bootstrap=Bootstrap(0))
    assert result.diagnostics["at_zero"] == ["E"]
    assert "E" in result.diagnostics["at_bound"]
    assert warned(
        result, "is 0, at the edge of what is allowed: the runs do not show it, and predictions beyond them go without"
    )
    assert not warned(result, "do not determine E: the estimate")


def test_a_term_that_vanishes_is_said():
    frame = isoflop_runs()
    frame["loss"] = 1.8 + 2000 * frame["D"] ** -0.37
    result = fit(frame, Chinchilla(objective="log_mse"), bootstrap=Bootstrap(0))
    assert {"A", "alpha"} & set(result.diagnostics["at_zero"])
    assert warned(result, "of the model term) is 0, at the edge")


def test_a_floor_that_the_law_sets_to_zero_is_no_estimate():
    frame = isoflop_runs(3, 8)
    result = fit(frame, "power_law", bootstrap=Bootstrap(0))
    assert result.params["E"] == 0
    assert result.diagnostics["at_zero"] == result.diagnostics["at_bound"] == []
    assert fit(frame, "isoflop", bootstrap=Bootstrap(0)).diagnostics["at_zero"] == []
