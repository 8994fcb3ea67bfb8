import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import Akima1DInterpolator

from openr1.analysis.numerics.isoflop_profiles import Akima, Parabola, akima_cubics


def profile(log_n, loss):
    """Return the runs of a budget of 1e20 tokens times parameters."""
    return pd.DataFrame({"N": np.exp(log_n), "D": 1e20 / np.exp(log_n), "loss": loss, "budget": 6e20})


def test_the_batched_cubics_are_those_of_scipy():
    rng = np.random.default_rng(0)
    for size in (3, 4, 5, 8, 13):
        x, y = np.sort(rng.uniform(0, 5, (20, size)), axis=1), rng.normal(0, 1, (20, size))
        y[0] = 2 * x[0]  # no change of slope anywhere
        parts = np.stack([*akima_cubics(x, y)[::-1], y[:, :-1]])
        for i in range(20):
            assert np.allclose(parts[:, i], Akima1DInterpolator(x[i], y[i]).c, rtol=1e-6, atol=1e-6)


def test_the_minimum_of_akima_is_that_of_scipy():
    rng = np.random.default_rng(1)
    for _ in range(20):
        size = rng.integers(4, 10)
        log_n = np.sort(rng.uniform(15, 20, size))
        loss = 2 + 0.1 * (log_n - 17.5) ** 2 + rng.normal(0, 0.05, size)
        result = Akima(profile(log_n, loss)).minimum(np.ones((1, size)))
        curve = Akima1DInterpolator(log_n, np.log(loss))
        grid = np.linspace(log_n[0], log_n[-1], 20_001)
        lowest = grid[curve(grid).argmin()]
        if lowest in (log_n[0], log_n[-1]):
            assert np.isnan(result.log_n[0])
            continue
        assert result.log_n[0] == pytest.approx(lowest, abs=5e-4)
        assert result.loss[0] == pytest.approx(np.exp(curve(result.log_n[0])), rel=1e-12)
        assert curve(result.log_n[0], 1) == pytest.approx(0, abs=1e-10)
        assert result.curvature[0] == pytest.approx(result.loss[0] * curve(result.log_n[0], 2) / 2)
        assert result.log_d[0] == pytest.approx(np.log(1e20) - result.log_n[0])


def test_the_nearest_sizes_are_those_about_the_best_run():
    log_n = np.linspace(15, 19, 9)
    loss = 2 + 0.1 * (log_n - 16.9) ** 2
    far = np.abs(log_n - 17) > 0.6
    runs = profile(log_n, np.where(far, loss + 1, loss))  # only three sizes are on the parabola
    result = Parabola(runs, 3).minimum(np.ones((1, 9)))
    assert (result.log_n[0], result.loss[0], result.curvature[0]) == pytest.approx((16.9, 2, 0.1))
    assert result.log_d[0] == pytest.approx(np.log(1e20) - 16.9)
    # the sizes around the best drawn run if the best run is not drawn
    assert Parabola(runs, 3).minimum(1.0 - np.eye(9)[4:5]).log_n[0] != pytest.approx(16.9)


@pytest.mark.parametrize("nearest", [None, 3])
def test_a_resampled_parabola_is_that_of_the_runs_drawn(nearest):
    log_n = np.linspace(15, 19, 7)
    loss = 2 + 0.1 * (log_n - 17.1) ** 2 + np.random.default_rng(0).normal(0, 0.02, 7)
    counts = np.array([1.0, 0, 2, 1, 0, 1, 2])
    used = counts > 0 if nearest is None else np.isin(np.arange(7), [2, 3, 5])  # the best of them is the fourth
    second, first, _ = np.polyfit(log_n[used], loss[used], 2, w=np.sqrt(counts[used]))
    result = Parabola(profile(log_n, loss), nearest).minimum(counts[None])
    assert result.log_n[0] == pytest.approx(-first / (2 * second), rel=1e-6)
    assert result.curvature[0] == pytest.approx(second, rel=1e-6)


def test_two_sizes_have_no_minimum():
    log_n = np.linspace(15, 19, 5)
    runs = profile(log_n, 2 + 0.1 * (log_n - 17) ** 2)
    for made in (Parabola(runs), Akima(runs)):
        assert np.isnan(made.minimum(np.array([[1.0, 0, 0, 4, 0]])).log_n[0])


def test_the_variance_is_that_of_repeated_studies():
    log_n, rng = np.linspace(15, 19, 12), np.random.default_rng(0)
    studies = [profile(log_n, 2 + 0.05 * (log_n - 17) ** 2 + rng.normal(0, 0.01, 12)) for _ in range(200)]
    scatter = np.std([Parabola(study).minimum(np.ones((1, 12))).log_n[0] for study in studies])
    known = np.median([Parabola(study).row()["log_n_std"] for study in studies[:20]])
    assert 0.6 * scatter < known < 1.6 * scatter
    assert Akima(studies[0]).row()["log_n_std"] >= np.diff(log_n)[0] / 3  # nothing was measured between
