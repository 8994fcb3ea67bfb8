import sys

import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import LAW_STUDIES, isoflop_runs
from scipy.stats import bootstrap, t

from openr1.analysis import Bootstrap, fit
from openr1.analysis.fit.intervals import bca_intervals, percentile_intervals
from openr1.analysis.laws import Chinchilla, PowerLaw
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

RNG = np.random.default_rng(0)


def test_bca_is_that_of_scipy():
    sample = RNG.lognormal(size=40)
    weights = RNG.multinomial(40, np.full(40, 1 / 40), size=20_000)
    left_out = (sample.sum() - sample) / 39
    ends = bca_intervals(np.array(sample.mean()), weights @ sample / 40, left_out)
    expected = bootstrap((sample,), np.mean, n_resamples=20_000, method="BCa", rng=1).confidence_interval
    assert ends == pytest.approx([expected.low, expected.high], rel=0.02)
    assert ends[1] > percentile_intervals(weights @ sample / 40)[1]


def test_bca_of_many_values_is_that_of_each():
    draws, left_out = RNG.gamma(2, size=(500, 3, 2)), RNG.gamma(2, size=(30, 3, 2))
    estimate = np.full((3, 2), 1.7)
    together = bca_intervals(estimate, draws, left_out)
    assert together.shape == (2, 3, 2)
    assert together[:, 2, 1] == pytest.approx(bca_intervals(estimate[2, 1], draws[:, 2, 1], left_out[:, 2, 1]))


def test_draws_all_on_one_side_of_the_estimate_have_percentiles():
    draws = RNG.uniform(1, 2, 200)
    assert bca_intervals(np.array(0.5), draws, RNG.uniform(size=20)) == pytest.approx(percentile_intervals(draws))


@pytest.mark.parametrize("objective", ["log_mse", "huber", "lad"])
def test_the_profile_of_a_straight_line_is_its_t_interval(objective):
    """log L = log A - alpha log D, without E, is linear regression."""
    d = np.geomspace(1e6, 1e9, 400)
    noise = RNG.normal(0, 0.01, 400)
    frame = tidy(pd.DataFrame({"N": 1e6, "D": d, "C": 6e6 * d, "loss": 40 * d**-0.1 * np.exp(noise)})).frame
    law = PowerLaw(x="D", offset=False, objective=objective)
    result = fit(frame, law, bootstrap=Bootstrap(0, profile=True))
    x = np.log(d) - np.log(d).mean()
    slope = x @ np.log(frame["loss"]) / (x @ x)
    residuals = np.log(frame["loss"]) - np.log(frame["loss"]).mean() - slope * x
    error = np.sqrt(residuals @ residuals / 398 / (x @ x)) * (1 if objective == "log_mse" else np.sqrt(np.pi / 2))
    low, high = result.intervals["profile"]["alpha"]
    assert high - low == pytest.approx(2 * t.ppf(0.975, 398) * error, rel=0.02 if objective == "log_mse" else 0.25)
    assert low < result.params["alpha"] < high
    # a coefficient has one too, in its own units
    low, high = result.intervals["profile"]["A"]
    assert low < result.params["A"] < high < 1.3 * low


@pytest.mark.slow
def test_an_end_that_the_points_leave_open_is_null():
    frame = isoflop_runs(5, 5)
    frame = frame[frame["N"] == frame.groupby("budget")["N"].transform("min")]
    frame = pd.concat([frame.assign(D=frame["D"] * share, loss=frame["loss"] + 0.001 / share) for share in (1, 2, 4)])
    result = fit(frame.reset_index(drop=True), Chinchilla(objective="log_mse"), bootstrap=Bootstrap(0, profile=True))
    assert None in [end for ends in result.intervals["profile"].values() for end in ends]


@pytest.mark.parametrize("law", ["isoflop", "pass_at_k"])
def test_a_law_whose_points_are_not_independent_has_no_profile(law):
    with pytest.raises(ConfigError, match=rf"^bootstrap\.profile: {law} is not one curve through independent points"):
        fit(*LAW_STUDIES[law](), bootstrap=Bootstrap(20, profile=True))


def test_intervals_of_least_squares_are_widened_for_the_parameters_that_were_fitted():
    frame = isoflop_runs(5, 5)
    squares = fit(frame, Chinchilla(objective="log_mse"), bootstrap=Bootstrap(200))
    assert squares.bootstrap["widened"] == pytest.approx(np.sqrt(25 / 20 * 25 / 24))
    plain = np.quantile(squares.draws[:, 2], [0.025, 0.975])
    low, high = squares.intervals["percentile"]["alpha"]
    assert high - low > 1.05 * np.diff(plain)[0]
    assert squares.interval_of(lambda params: params[:, 2]) == pytest.approx(squares.ci95["alpha"])
    assert fit(frame, "chinchilla", bootstrap=Bootstrap(200)).bootstrap["widened"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("points", [1, 20])
def test_intervals_from_a_part_of_many_rows_are_as_wide_as_from_all(points, monkeypatch):
    rng = np.random.default_rng(1)
    n = np.repeat(np.geomspace(1e6, 1e9, 2000 // points), points)
    offset = np.repeat(rng.normal(0, 0.01, 2000 // points), points)  # of each run, which its points share
    loss = (1.9 + 30 * n**-0.25) * np.exp(offset + rng.normal(0, 0.001, len(n)))
    runs = pd.DataFrame({"N": n, "loss": loss, "run": np.repeat(np.arange(2000 // points), points).astype(str)})
    law = PowerLaw(x="N")
    whole = fit(runs, law, bootstrap=Bootstrap(resamples=200))
    monkeypatch.setattr(sys.modules["openr1.analysis.fit.fit"], "MOST_RESAMPLED", 500)
    part = fit(runs, law, bootstrap=Bootstrap(resamples=200))
    assert part.params == whole.params
    for name in ("E", "alpha"):
        widths = [high - low for low, high in (fitted.ci95[name] for fitted in (part, whole))]
        assert 0.75 < widths[0] / widths[1] < 1.5
