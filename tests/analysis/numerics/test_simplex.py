import numpy as np
import pytest

from openr1.analysis.numerics.simplex import minimise_on_simplex


@pytest.mark.parametrize("sources", [2, 3, 4, 6])
def test_the_minimum_inside_the_simplex_is_found(sources):
    target = np.random.default_rng(0).dirichlet(np.full(sources, 3.0), 5)

    def function(shares, rows):
        return np.sum((shares - target[rows][:, None]) ** 2, axis=-1)

    found = minimise_on_simplex(function, np.zeros((5, sources)))
    assert found == pytest.approx(target, abs=1e-3)
    assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("sources", [2, 3, 5])
def test_a_minimum_at_a_single_source_is_found(sources):
    found = minimise_on_simplex(lambda shares, rows: shares @ np.arange(sources, dtype=float), np.full((1, sources), 0.1))
    assert found[0] == pytest.approx(np.eye(sources)[0], abs=1e-5)


def test_a_function_without_values_has_no_minimum():
    assert np.isnan(minimise_on_simplex(lambda shares, rows: np.nan * rows[:, None] * shares[..., 0], np.zeros((2, 3)))).all()


def test_a_source_that_pays_has_at_least_its_least_share():
    def function(shares, rows):  # any trace of the last source takes 1 off
        return shares @ np.array([0.0, 1.0, 0.5]) - (np.real(shares[..., 2]) > 0)

    found = minimise_on_simplex(function, np.array([[0.05, 0.05, 0.2]]))
    assert found[0] == pytest.approx([0.8, 0, 0.2], abs=1e-4)


def test_least_shares_that_leave_no_room_are_scaled_down():
    found = minimise_on_simplex(lambda shares, rows: np.sum((shares - 1 / 3) ** 2, axis=-1), np.full((1, 3), 0.6))
    assert found[0] == pytest.approx(np.full(3, 1 / 3), abs=0.01)
