import numpy as np
import pytest

from analysis.numerics.simplex import minimise_on_simplex


@pytest.mark.parametrize("sources", [2, 3, 4, 6])
def test_the_minimum_inside_the_simplex_is_found(sources):
    target = np.random.default_rng(0).dirichlet(np.full(sources, 3.0), 5)
    found = minimise_on_simplex(lambda shares, rows: np.sum((shares - target[rows][:, None]) ** 2, axis=-1), 5, sources)
    assert found == pytest.approx(target, abs=1e-3)
    assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("sources", [2, 3, 5])
def test_a_minimum_at_a_single_source_is_found(sources):
    found = minimise_on_simplex(lambda shares, rows: shares @ np.arange(sources, dtype=float), 1, sources)
    assert found[0] == pytest.approx(np.eye(sources)[0], abs=1e-5)


def test_a_function_without_values_has_no_minimum():
    assert np.isnan(minimise_on_simplex(lambda shares, rows: np.nan * rows[:, None] * shares[..., 0], 2, 3)).all()
