import time

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws.base import TrainingFlops
from openr1.analysis.laws.envelope import Curves, Envelope
from openr1.system.errors import ConfigError


def loss(n, d):
    """Return a loss whose optimum is N* = 0.1 C^0.5."""
    return 1.7 + 400 * n**-0.34 + 1041 * d**-0.34


def curves(runs=40, rows=80, sizes=40, noise=0.0, seed=0, largest=1e10):
    """Return training curves of sizes from 1e7 on, up to 400 tokens per parameter."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(runs):
        n = np.geomspace(1e7, largest, sizes)[i % sizes]
        d = n * np.geomspace(0.1, 400, rows)
        values = loss(n, d) * np.exp(rng.normal(0, noise, rows))
        parts.append(pd.DataFrame({"run": f"run {i}", "N": n, "D": d, "C": 6 * n * d, "loss": values}))
    return pd.concat(parts, ignore_index=True)


def draws(frame, resamples, seed=0):
    """Draw counts of whole runs."""
    names, index = np.unique(frame["run"], return_inverse=True)
    return np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)[:, index]


def test_the_frontier_is_found_again():
    frame, law = curves(), Envelope()
    result = law.estimate(frame)
    n_coefficient, n_exponent, d_coefficient, d_exponent, floor, a, gamma = result.params[0]
    assert n_exponent == pytest.approx(0.5, abs=0.01)
    assert d_exponent == pytest.approx(1 - n_exponent, abs=1e-6)
    assert n_coefficient * 1e20**n_exponent == pytest.approx(1e9, rel=0.05)
    assert n_coefficient * d_coefficient * 6 == pytest.approx(1, rel=1e-6)
    assert floor == pytest.approx(1.7, rel=0.01)
    assert gamma == pytest.approx(0.17, rel=0.02)
    best = law.frontier(result.params, np.array([1e20, 1e23]), TrainingFlops())
    assert best["loss"][0] == pytest.approx([loss(1e9, 1e20 / 6e9), loss(10**10.5, 1e23 / 6 / 10**10.5)], rel=2e-3)
    assert law.predict(result.params, pd.DataFrame({"C": [1e20]}))[0] == pytest.approx(best["loss"][0, :1])
    assert a > 0
    assert all(p.name in law.formula for p in law.parameters)


def test_the_envelope_is_the_lowest_curve_at_each_budget():
    frame = curves(runs=5, sizes=5, noise=0.01)
    result = Curves(frame, 1)
    flops = result.budgets(50)
    log_n = result.log_n[:, None]
    for drawn in (np.ones(5, dtype=bool), np.array([True, False, True, False, True])):
        values, _ = result.at(flops)
        best, inside = result.best(values, drawn[None])
        lowest = np.where(drawn[:, None], values, np.inf)
        reach = np.isfinite(lowest)
        some = reach.any(axis=0)
        assert np.array_equal(best[0, some], lowest.argmin(axis=0)[some])
        smallest, largest = np.where(reach, log_n, np.inf).min(axis=0), np.where(reach, log_n, -np.inf).max(axis=0)
        size = result.log_n[best[0]]
        first = np.flatnonzero(some & (size == log_n[drawn].min())).max(initial=-1)
        last = np.flatnonzero(some & (size == log_n[drawn].max())).min(initial=50)
        between = (np.arange(50) > first) & (np.arange(50) < last)
        assert np.array_equal(inside[0], some & between & (size > smallest) & (size < largest))


def test_curves_are_linear_in_log_compute():
    frame = pd.DataFrame(
        {
            "run": ["a", "b", "a", "b"],
            "N": [1.0, 2, 1, 2],
            "C": [1e2, 1e3, 1e4, 1e5],
            "D": [1.0, 1, 100, 100],
            "loss": [4.0, 5, 2, 1],
        }
    )
    training = Curves(frame.sample(4, random_state=1), 1)
    values, log_d = training.at(np.array([1e3, 1e4]))
    order = [int(training.run_of[list(frame.sample(4, random_state=1)["run"]).index(name)]) for name in "ab"]
    assert np.exp([training.low, training.high]) == pytest.approx([1e3, 1e4])
    assert values[order] == pytest.approx(np.array([[3, 2], [5, 3]]))
    assert np.exp(log_d[order]) == pytest.approx(np.array([[10, 100], [1, 10]]))


def test_budgets_whose_best_size_is_at_the_edge_are_left_out():
    frame, law = curves(), Envelope(bins=300)
    result = law.estimate(frame)
    points = next(row["points"] for row in result.tables["binning"] if row["bins"] == 300)
    left_out = 300 - points
    assert left_out > 0
    assert result.warnings[0] == f"{left_out} of 300 budgets are left out: their best size is at the edge of the sizes"


def test_noise_at_the_edges_does_not_turn_the_exponent():
    result = [Envelope(bins=300).estimate(curves(noise=0.003, seed=seed)).params[0, 1] for seed in range(8)]
    assert np.mean(result) == pytest.approx(0.5, abs=0.01)


def test_the_table_says_how_the_exponent_depends_on_the_binning():
    result = Envelope(bins=500).estimate(curves())
    table = result.tables["binning"]
    assert [row["bins"] for row in table] == [10, 30, 100, 300, 500, 1000, 1500]
    chosen = next(row for row in table if row["bins"] == 500)
    assert [chosen["N_exponent"], chosen["D_exponent"]] == pytest.approx(result.params[0, [1, 3]])
    spread = np.ptp([row["N_exponent"] for row in table])
    assert any("depends on the number of budgets" in warning for warning in result.warnings) == (spread > 0.02)


def test_few_sizes_make_the_exponent_depend_on_the_binning():
    result = Envelope().estimate(curves(runs=6, sizes=6))
    spread = [row["N_exponent"] for row in result.tables["binning"]]
    assert max(spread) - min(spread) > 0.02
    assert f"{min(spread):.3f} to {max(spread):.3f}" in result.warnings[-1]


def test_a_moving_median_takes_out_spikes():
    frame = curves()
    spiked = frame.copy()
    row = np.arange(len(frame)) % 80
    spiked.loc[(row % 17 == 9) & (row < 78), "loss"] *= 0.9
    point = pd.DataFrame({"C": [1e20]})
    true = Envelope().estimate(frame).params[0]
    laws = [Envelope(smooth=smooth) for smooth in (1, 5)]
    result = [law.predict(law.estimate(spiked).params, point)[0, 0] / loss(1e9, 1e20 / 6e9) - 1 for law in laws]
    assert abs(result[1]) < 0.005
    assert result[0] < -0.02
    assert Envelope(smooth=5).estimate(frame).params[0] == pytest.approx(true)  # monotone curves are left as they are


def test_a_resample_is_a_fit_to_the_runs_drawn():
    frame, law = curves(noise=0.002), Envelope()
    params = law.estimate(frame).params
    missing = (~frame["run"].isin(["run 5", "run 20"])).to_numpy(dtype=float)
    result = law.resample(frame, params, np.stack([np.ones(len(frame)), missing]))
    assert result[0, :4] == pytest.approx(params[0, :4], rel=1e-9)
    assert result[0, 4:] == pytest.approx(params[0, 4:], rel=0.01)
    assert result[1, :4] == pytest.approx(law.estimate(frame[missing > 0]).params[0, :4], rel=1e-9)
    assert result[1, 1] != result[0, 1]


def test_resamples_scatter_about_the_truth():
    frame, law = curves(noise=0.001), Envelope(bins=300)
    result = law.resample(frame, law.estimate(frame).params, draws(frame, 300))
    assert np.isfinite(result).all()
    assert np.quantile(result[:, 1], 0.025) < 0.5 < np.quantile(result[:, 1], 0.975)
    assert 1e-4 < result[:, 1].std() < 0.05


def test_a_resample_of_one_size_is_not_a_number():
    frame, law = curves(), Envelope()
    weights = (frame["run"] == "run 0").to_numpy(dtype=float)[None]  # the smallest, at the edge wherever it is the best
    assert np.isnan(law.resample(frame, law.estimate(frame).params, weights)).all()


def test_the_rows_on_the_envelope_are_predicted():
    frame, law = curves(), Envelope()
    points = law.fitted_rows(frame)
    assert 0 < len(points) < len(frame) / 4
    assert frame["N"].min() < points["N"].min() < points["N"].max() < frame["N"].max()
    assert law.predict(law.estimate(frame).params, points)[0] == pytest.approx(points["loss"], rel=3e-3)
    assert law.fitted_rows(frame[frame["run"] == "run 3"]).empty


def test_the_last_of_rows_at_the_same_compute_counts():
    frame = curves()
    repeated = pd.concat([frame.assign(loss=1.0), frame], ignore_index=True)
    assert Envelope().estimate(repeated).params == pytest.approx(Envelope().estimate(frame).params)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (curves().drop(columns="run"), r"^runs\.columns\.run: envelope needs the training run that each row is of"),
        (curves().assign(run="a"), r"^runs\.columns\.run: run a has rows of several N"),
        (curves(runs=1), "law: envelope needs runs whose training curves overlap in C"),
        (curves(runs=2, sizes=2), "law: envelope needs runs whose training curves overlap in C"),
        (
            curves(runs=3, sizes=3, largest=1e8),
            "envelope needs at least 2 sizes that are best at some budget.*; there is 1$",
        ),
    ],
)
def test_what_cannot_be_an_envelope_is_refused(frame, message):
    with pytest.raises(ConfigError, match=message):
        Envelope().estimate(frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 1}, "law.bins: must be from 2 to"),
        ({"smooth": 4}, "law.smooth: must be an odd number"),
        ({"smooth": 0}, "law.smooth: must be from 1 to"),
        ({"frontier_delta": -1.0}, "law.frontier_delta: must be above 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Envelope(**options)


def test_many_rows_take_seconds():
    frame = curves(runs=500, rows=400, sizes=50, noise=0.002)
    started = time.perf_counter()
    result = Envelope().estimate(frame)
    assert time.perf_counter() - started < 5
    assert result.params[0, 1] == pytest.approx(0.5, abs=0.03)
