import numpy as np
import pytest

from openr1.analysis.numerics.quadratic_surfaces import Surface, least_squares

RNG = np.random.default_rng(0)
GRID = np.stack(np.meshgrid(np.arange(5.0), np.arange(4.0)), axis=-1).reshape(-1, 2)


def bowl(at, minimum=(1.7, 1.2), hessian=((2.0, 0.5), (0.5, 1.0)), floor=3.0):
    away = at - np.array(minimum)
    return floor + np.einsum("ni,ij,nj->n", away, np.array(hessian), away) / 2


def test_least_squares_are_those_of_numpy_for_each_row_of_weights():
    design, target = RNG.normal(size=(12, 3)), RNG.normal(size=12)
    weights = RNG.integers(0, 4, size=(5, 12)).astype(float)
    result = least_squares(design, target, weights)
    for row, coefficients in zip(weights, result, strict=True):
        root = np.sqrt(row)
        assert coefficients == pytest.approx(np.linalg.lstsq(design * root[:, None], target * root)[0])


def test_too_few_points_determine_nothing():
    design = np.stack([np.ones(6), np.arange(6.0)], axis=1)
    weights = np.array([[1, 1, 0, 0, 0, 0], [0, 3, 0, 0, 0, 0], [0] * 6], dtype=float)
    assert np.isnan(least_squares(design, np.arange(6.0), weights)).all(axis=1).tolist() == [False, True, True]


def test_the_minimum_of_a_surface_is_found():
    minimum = Surface(GRID, bowl(GRID)).minimum(np.ones((1, 20)))
    assert minimum.place[0] == pytest.approx((1.7, 1.2))
    assert minimum.value[0] == pytest.approx(3)


def test_the_minimum_of_a_parabola_does_not_depend_on_units():
    at = np.array([[0.0], [1.0], [3.0], [4.0]])
    for unit in (1e-9, 1, 1e9):
        minimum = Surface(5 + unit * at, (at[:, 0] - 1.6) ** 2).minimum(np.ones((1, 4)))
        assert minimum.place[0, 0] == pytest.approx(5 + 1.6 * unit)
        assert minimum.value[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "curvature"),
    [
        (-bowl(GRID), -1),  # a hill
        (bowl(GRID, hessian=((2.0, 0.0), (0.0, -1.0))), -1),  # a saddle
        (bowl(GRID, minimum=(1.0, 9.0)), 1),  # beyond the points
    ],
)
def test_a_surface_without_a_minimum_between_the_points_has_none(values, curvature):
    minimum = Surface(GRID, values).minimum(np.ones((1, 20)))
    assert np.sign(minimum.curvature[0]) == curvature
    assert np.isnan(minimum.place).all()
    assert np.isnan(minimum.value).all()


def test_a_resample_without_enough_points_has_no_minimum():
    weights = np.ones((2, 20))
    weights[1, 5:] = 0  # one row of the grid
    minimum = Surface(GRID, bowl(GRID)).minimum(weights)
    assert np.isnan(minimum.value).tolist() == [False, True]
    assert np.isnan(minimum.curvature).tolist() == [False, True]


def test_the_lowest_point_is_inner_where_others_are_on_both_sides():
    assert Surface(GRID, bowl(GRID)).inner.tolist() == [True, True]
    assert Surface(GRID, bowl(GRID, minimum=(1.7, -1.0))).inner.tolist() == [True, False]
