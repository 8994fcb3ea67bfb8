import numpy as np
import pandas as pd
import pytest

from openr1.analysis.forecast.noise import RunNoise, estimate_noise, seed_noise
from openr1.system.errors import ConfigError


def drawn(scale, growth, runs=4000, seed=0):
    rng = np.random.default_rng(seed)
    reach = rng.uniform(0, 4, runs)
    error = rng.standard_t(4, runs) * np.hypot(scale, growth * reach)
    return pd.DataFrame({"error": error, "reach": reach, "weight": 1.0, "origin": np.arange(runs) % 6})


def test_scale_and_growth_are_found():
    noise = estimate_noise(drawn(0.004, 0.01), 0.0, logs=True)
    assert noise.scale == pytest.approx(0.004, rel=0.3)
    assert noise.growth == pytest.approx(0.01, rel=0.3)
    assert noise.origins == 6


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_of_many_origins_hold_their_share_of_new_runs(level):
    noise = RunNoise(0.004, 0.01, 1000, True)
    new = drawn(0.004, 0.01, seed=1)
    low, high = noise.interval(np.full(len(new), 2.0), new["reach"].to_numpy(), level)
    assert np.mean((low <= 2 * np.exp(new["error"])) & (2 * np.exp(new["error"]) <= high)) == pytest.approx(level, abs=0.03)


def test_few_origins_widen_and_reach_widens():
    few, many = RunNoise(0.01, 0.0, 3, True), RunNoise(0.01, 0.0, 300, True)
    assert few.widening == pytest.approx(np.sqrt(2))
    assert few.interval(np.ones(1), np.zeros(1), 0.95)[1] > many.interval(np.ones(1), np.zeros(1), 0.95)[1]
    far = RunNoise(0.01, 0.01, 6, True).interval(np.ones(2), np.array([0.0, 5.0]), 0.95)
    assert far[1, 1] > far[1, 0]


def test_rates_stay_between_0_and_1():
    assert RunNoise(0.5, 0.1, 3, False).interval(np.array([0.9]), np.array([3.0]), 0.95).tolist() == [[0.0], [1.0]]


def test_seeds_are_the_scatter_within_a_configuration():
    frame = pd.DataFrame({"N": [1, 1, 2, 2], "D": [5, 5, 5, 5], "loss": [2.0, 2.2, 3.0, 3.3]})
    expected = np.log(1.1) / np.sqrt(2)
    assert seed_noise(frame, "loss", True) == pytest.approx(expected)
    assert seed_noise(frame.iloc[::2], "loss", True) == 0


def test_no_error_gives_no_interval():
    with pytest.raises(ConfigError, match="forecast: too few runs"):
        estimate_noise(drawn(0.1, 0.1).assign(error=np.nan), 0.0, True)
