import numpy as np
import pytest
from helpers.law_runs import isoflop_runs
from scipy.optimize import minimize

from openr1.analysis.laws import Chinchilla
from openr1.analysis.laws.curve_regression import CurveRegression
from openr1.analysis.numerics.nonnegative import nonnegative_least_squares
from openr1.analysis.numerics.optimise import Objective, Regression

RNG = np.random.default_rng(0)
ONE = np.zeros(1, dtype=int)


def valley(theta, rows):
    """Return two residuals whose squares are Rosenbrock's function."""
    x, y = theta.T
    return np.stack([1 - x, 10 * (y - x**2)], axis=1)


def valley_slopes(theta, rows):
    x = theta[:, 0]
    nothing, one = np.zeros_like(x), np.ones_like(x)
    return valley(theta, rows), np.stack([np.stack([-one, nothing], 1), np.stack([-20 * x, 10 * one], 1)], axis=1)


def test_a_curved_valley_is_followed_to_its_end_from_every_start():
    problem = Regression(valley, valley_slopes, np.zeros(2), Objective("mse", None))
    theta, value = problem.minimise(RNG.uniform(-2, 2, (50, 2)), np.ones((1, 2)))
    assert np.allclose(theta, 1, atol=1e-4)
    assert value.max() < 1e-9


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective("huber", 1.0), [0, 0.125, 0.5, 2.5]),
        (Objective("lad", None), [0, 0.5, 1, 3]),
        (Objective("log_mse", None), [0, 0.25, 1, 9]),
    ],
)
def test_what_an_objective_sums(objective, expected):
    residuals = np.array([0, 0.5, 1, -3])
    assert np.allclose(objective.losses(residuals), expected)
    step = 1e-6
    numeric = (objective.losses(residuals + step) - objective.losses(residuals - step)) / (2 * step)
    assert np.allclose(objective.influence(residuals), numeric, atol=1e-5)
    # the parabola of iterated least squares touches the loss and is never below it
    away = residuals[1:, None] * np.linspace(-2, 2, 41)
    curvature = objective.curvature(residuals[1:])[:, None]
    parabola = objective.losses(residuals[1:])[:, None] + curvature / 2 * (away**2 - residuals[1:, None] ** 2)
    assert (parabola >= objective.losses(away) - 1e-12).all()


@pytest.mark.parametrize("objective", ["huber", "lad", "log_mse", "mse"])
def test_every_resample_ends_where_scipy_ends(objective):
    frame, law = isoflop_runs(5, 5), Chinchilla(objective=objective)
    params = law.estimate(frame).params
    weights = RNG.multinomial(25, np.full(25, 1 / 25), size=8).astype(float)
    _, values = law.refine(law.points(frame), {}, params, weights)
    problem = CurveRegression(law, law.points(frame), {}, 1)
    for row, value in zip(weights, values, strict=True):
        best = minimize(
            lambda theta, row=row: 1e4 * problem.value(theta[None], row[None], ONE)[0],
            problem.to_theta(params)[0],
            method="Nelder-Mead",
            options={"maxiter": 6000, "maxfev": 6000, "xatol": 1e-8, "fatol": 1e-10},
        )
        assert value <= best.fun / 1e4 * (1 + 1e-4)


def test_a_problem_does_not_depend_on_the_others_of_its_batch():
    frame, law = isoflop_runs(6, 6), Chinchilla()
    params = law.estimate(frame).params
    weights = RNG.multinomial(36, np.full(36, 1 / 36), size=2000).astype(float)
    together = law.resample(frame, params, weights)
    alone = law.resample(frame, params, weights[1234:1235])
    assert np.allclose(together[1234], alone[0], rtol=1e-6)


def test_coefficients_below_zero_are_left_at_zero():
    design = RNG.normal(size=(3, 20, 3))
    truth = np.array([[1.0, 2, 3], [0, 2, 0], [1, 0, 3]])
    result = nonnegative_least_squares(design, np.einsum("mnk,mk->mn", design, truth - [[0, 0, 0], [0.3, 0, 0.3], [0, 0.3, 0]]))
    assert (result >= 0).all()
    assert np.allclose(result[0], truth[0])
    assert result[1, 1] > 1
    assert (result[1:] == 0).any(axis=1).all()
