import numpy as np
import pytest

from openr1.analysis.numerics.random_effects import scatter_about_line


def draw(between, points=2000, seed=0):
    rng = np.random.default_rng(seed)
    x, variances = rng.uniform(0, 5, points), rng.uniform(0.01, 0.09, points)
    return x, 1 + 0.5 * x + rng.normal(0, np.sqrt(variances + between**2)), variances


@pytest.mark.parametrize("between", [0.1, 0.5])
def test_the_variance_between_points_is_found(between):
    scatter = scatter_about_line(*draw(between))
    assert np.sqrt(scatter.variance) == pytest.approx(between, rel=0.1)
    assert scatter.freedom == 1998
    assert scatter.p_value < 1e-6


def test_points_that_scatter_as_their_variances_say_have_none():
    scatter = scatter_about_line(*draw(0.0))
    assert scatter.chi_squared / scatter.freedom == pytest.approx(1, abs=0.1)
    assert scatter.variance < 0.003
    assert scatter.p_value > 1e-3


def test_the_variance_is_never_negative():
    x, _, variances = draw(0.0)
    assert scatter_about_line(x, 1 + 0.5 * x, variances).variance == 0


def test_too_few_points_or_points_without_variance_tell_nothing():
    assert scatter_about_line(*draw(0.1, 2)) is None
    assert scatter_about_line(*draw(0.1, 5)[:2], np.zeros(5)) is None
