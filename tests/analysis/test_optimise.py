import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from analysis.laws.powers import SumOfPowers, evaluate
from analysis.optimise import huber, minimise, robust_fit

RNG = np.random.default_rng(0)
LOG_X = np.log(np.stack([RNG.uniform(1e4, 1e6, 40), RNG.uniform(1e5, 1e7, 40)]))
PARAMS = np.array([[1.9, 30.0, 0.35, 126.0, 0.4]])
LOG_LOSS = np.log(evaluate(PARAMS, LOG_X)[0]) + RNG.normal(0, 0.004, 40)


def rosenbrock(theta, rows):
    x, y = theta.T
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2, np.stack([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], axis=1)


def test_a_curved_valley_is_followed_to_its_end_from_every_start():
    theta, value = minimise(rosenbrock, RNG.uniform(-2, 2, (50, 2)))
    assert np.allclose(theta, 1, atol=1e-4)
    assert value.max() < 1e-9


def test_huber_is_quadratic_then_linear():
    assert np.allclose(huber(np.array([0, 0.5, 1, -3]), 1.0), [0, 0.125, 0.5, 2.5])


@pytest.mark.parametrize("offset", [True, False])
def test_the_jacobian_is_that_of_the_curve(offset):
    regression = SumOfPowers(LOG_X, LOG_LOSS, offset)
    theta = regression.fitted(PARAMS[:, 0 if offset else 1 :])
    _, jacobian = regression.curve(theta, np.zeros(1, dtype=int))
    numeric = approx_fprime(theta[0], lambda point: regression.curve(point[None], np.zeros(1, dtype=int))[0][0])
    assert np.allclose(jacobian[0], numeric, atol=1e-6)
    assert np.allclose(regression.natural(theta), PARAMS[:, 0 if offset else 1 :])


def test_every_resample_ends_where_scipy_ends():
    regression = SumOfPowers(LOG_X, LOG_LOSS)
    weights = RNG.multinomial(40, np.full(40, 1 / 40), size=12).astype(float)
    _, values = regression.fit(np.repeat(regression.fitted(PARAMS), 12, axis=0), weights)
    for row, value in zip(weights, values, strict=True):

        def objective(point, row=row):
            curve, jacobian = regression.curve(point[None], np.zeros(1, dtype=int))
            pull = row * np.clip(curve[0] - LOG_LOSS, -1e-3, 1e-3)
            return 1e6 * np.sum(row * huber(curve[0] - LOG_LOSS, 1e-3)), 1e6 * pull @ jacobian[0]

        assert value == pytest.approx(minimize(objective, regression.fitted(PARAMS)[0], jac=True).fun / 1e6, rel=1e-4)


def test_a_problem_does_not_depend_on_the_others_of_its_batch():
    regression = SumOfPowers(LOG_X, LOG_LOSS)
    starts = regression.starts()
    together, _ = robust_fit(regression.curve, starts, LOG_LOSS, np.ones((1, 40)), 1e-3)
    alone, _ = robust_fit(regression.curve, starts[7:8], LOG_LOSS, np.ones((1, 40)), 1e-3)
    assert np.allclose(together[7], alone[0], rtol=1e-9)
