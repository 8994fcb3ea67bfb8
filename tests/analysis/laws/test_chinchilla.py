import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime, minimize_scalar

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws import Chinchilla, TrainingFlops
from openr1.analysis.laws.curve_regression import CurveRegression
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)


@pytest.mark.parametrize("objective", ["huber", "lad", "log_mse", "mse"])
def test_the_law_is_found_again(runs, truth, objective):
    result = fit(runs(), Chinchilla(objective=objective), bootstrap=NONE)
    assert result.params == pytest.approx(truth, rel=2e-3)
    assert result.diagnostics["agreeing"] > 0.4  # of "lad", whose sum of absolute residuals has kinks, the fewest
    assert result.objective["name"] == objective


def test_outliers_do_not_move_the_law_unless_squares_are_summed(runs, truth):
    frame = runs()
    frame.loc[[3, 11], "loss"] *= 1.1
    assert fit(frame, "chinchilla", bootstrap=NONE).params == pytest.approx(truth, rel=0.03)
    assert fit(frame, Chinchilla(objective="mse"), bootstrap=NONE).params != pytest.approx(truth, rel=0.1)


def test_the_objective_is_a_sum_over_points(runs):
    frame = runs(noise=0.01)
    result = fit(frame, Chinchilla(objective="log_mse"), bootstrap=NONE)
    twice = fit(pd.concat([frame, frame], ignore_index=True), Chinchilla(objective="log_mse"), bootstrap=NONE)
    assert twice.objective["value"] == pytest.approx(2 * result.objective["value"])
    assert result.objective["value"] == pytest.approx(np.sum(np.log(frame["loss"] / result.predict(frame)) ** 2))


def test_a_weight_counts_like_a_repeated_point(runs):
    frame = runs(noise=0.01)
    weighted = fit(frame.assign(weight=np.arange(25) % 3 + 1.0), "chinchilla", weights="weight", bootstrap=NONE)
    repeated = fit(frame.loc[frame.index.repeat(np.arange(25) % 3 + 1)].reset_index(drop=True), "chinchilla", bootstrap=NONE)
    assert weighted.params == pytest.approx(repeated.params, rel=1e-4)


@pytest.mark.parametrize("flops_of", [TrainingFlops(), TrainingFlops(54.0, 0.86)])
def test_the_frontier_is_the_best_size_at_each_cost(truth, true_loss, flops_of):
    frontier = Chinchilla().frontier(np.array([list(truth.values())]), np.array([1e12, 1e14]), flops_of)
    for i, flops in enumerate((1e12, 1e14)):
        best = minimize_scalar(
            lambda log_n, flops=flops: true_loss(np.exp(log_n), flops / flops_of(np.exp(log_n), 1)),
            bounds=(5, 20),
            options={"xatol": 1e-9},
        )
        assert frontier["loss"][0, i] == pytest.approx(best.fun, rel=1e-9)
        assert frontier["N"][0, i] == pytest.approx(np.exp(best.x), rel=1e-3)
        assert flops_of(frontier["N"][0, i], frontier["D"][0, i]) == pytest.approx(flops)


def test_the_cost_of_6nd_is_found_exactly(table):
    frame = tidy(table().drop(columns="C"), flops_6nd=True).frame
    flops_of = TrainingFlops.of(frame)
    assert (flops_of.coefficient, flops_of.exponent) == pytest.approx((6, 1))


def test_slopes_are_those_of_the_curve_in_closed_form_and_by_the_complex_step(runs, truth):
    law, frame = Chinchilla(), runs()
    problem = CurveRegression(law, law.points(frame), {}, 1)
    theta = problem.to_theta(np.array([list(truth.values())]))
    assert problem.to_params(theta)[0] == pytest.approx(list(truth.values()))
    row = np.zeros(1, dtype=int)
    _, jacobian = problem.slopes(theta, row)
    numeric = approx_fprime(theta[0], lambda point: problem.curve(point[None], row)[0])
    assert np.allclose(jacobian[0], numeric, atol=1e-6)
    params = [np.array([[value]]) for value in truth.values()]
    x = problem.points.in_natural_units().x
    for closed_form, complex_step in zip(law.slopes(x, *params)[1], CurveLaw.slopes(law, x, *params)[1], strict=True):
        assert np.allclose(closed_form, complex_step, rtol=1e-12)


def test_units_do_not_matter(runs, truth):
    frame = runs(noise=0.002)
    result = fit(frame, "chinchilla", bootstrap=NONE).params
    scaled = fit(frame.assign(N=frame["N"] / 1e6, D=frame["D"] / 1e9), "chinchilla", bootstrap=NONE).params
    assert [scaled[name] for name in ("E", "alpha", "beta")] == pytest.approx(
        [result[n] for n in ("E", "alpha", "beta")], rel=1e-5
    )
    assert scaled["A"] == pytest.approx(result["A"] * 1e6 ** -result["alpha"], rel=1e-4)


def test_too_few_runs_and_wrong_options_are_refused(runs):
    with pytest.raises(ConfigError, match="law: chinchilla has 5 parameters and needs at least 6 points; there are 5"):
        fit(runs().head(5), "chinchilla")
    with pytest.raises(ConfigError, match=r"law\.objective: 'l2' is not one of huber, lad, log_mse, mse"):
        Chinchilla(objective="l2")
    with pytest.raises(ConfigError, match=r"law\.delta: must be above 0"):
        Chinchilla(delta=0)
