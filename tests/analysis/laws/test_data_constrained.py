import itertools

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws.base import TrainingFlops
from openr1.analysis.laws.chinchilla import Chinchilla
from openr1.analysis.laws.data_constrained import DataConstrained
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

INNER = {"E": 1.87, "A": 521.0, "alpha": 0.35, "B": 1488.0, "beta": 0.37}
TRUTH = {"R_D": 15.0, "R_N": 5.0, **INNER}
PARAMS = np.array([list(TRUTH.values())])


def table(noise=0.0, epochs=(1, 2, 5, 20, 60)):
    """Return every size with every U and number of epochs, from a fifth of N_opt(U) to far beyond it."""
    rows = list(itertools.product(np.geomspace(1e7, 4e9, 6), (1e8, 1e9, 1e10), epochs))
    frame = pd.DataFrame(rows, columns=["N", "U", "epochs"])
    frame["D"] = frame["U"] * frame.pop("epochs")
    frame["loss"] = DataConstrained().predict(PARAMS, frame)[0]
    frame["loss"] *= np.exp(np.random.default_rng(0).normal(0, noise, len(frame)))
    return frame


def draws(frame, count, seed=1):
    return np.random.default_rng(seed).multinomial(len(frame), np.full(len(frame), 1 / len(frame)), size=count)


def test_the_decays_are_found_again_for_a_given_inner_law():
    result = DataConstrained(**INNER).estimate(table())
    assert result.params[0] == pytest.approx(PARAMS[0], rel=1e-3)


def test_all_parameters_are_found_again():
    assert DataConstrained().estimate(table()).params[0] == pytest.approx(PARAMS[0], rel=0.02)


def test_all_parameters_are_found_again_from_single_epochs_without_excess_parameters():
    frame = table()
    excess = frame["loss"] / Chinchilla().predict(PARAMS[:, 2:], frame)[0] > 1 + 1e-9
    result = DataConstrained(inner="single_epoch").estimate(frame[~excess | (frame["D"] > frame["U"])])
    assert result.params[0] == pytest.approx(PARAMS[0], rel=0.02)


def test_noise_moves_the_decays_little():
    frame = table(noise=0.002)
    result = DataConstrained().estimate(frame)
    assert result.params[0, :2] == pytest.approx(PARAMS[0, :2], rel=0.2)


def test_a_single_epoch_is_the_inner_law_whatever_more_data_there_is():
    frame = table(epochs=(1,)).query("N < 1e8 and U >= 1e9")
    inner = Chinchilla().predict(PARAMS[:, 2:], frame)
    law = DataConstrained()
    np.testing.assert_allclose(law.predict(PARAMS, frame), inner)
    np.testing.assert_allclose(law.predict(PARAMS, frame.assign(U=10 * frame["U"])), inner)


def test_repeats_are_worth_their_decay():
    run = pd.DataFrame({"N": [1e6], "U": [1e10], "D": [3e10]})
    new = 1e10 * (1 + 15 * (1 - np.exp(-2 / 15)))
    assert DataConstrained().predict(PARAMS, run)[0, 0] == pytest.approx(1.87 + 521e0 * 1e6**-0.35 + 1488 * new**-0.37)


def test_parameters_are_in_excess_beyond_the_size_for_which_the_unique_tokens_are_optimal():
    best = Chinchilla().frontier(PARAMS[:, 2:], np.array([1e20]), TrainingFlops())
    law, other = DataConstrained(), PARAMS.copy()
    other[0, 1] = 0.1
    for share, changes in ((0.99, False), (1.5, True)):
        run = pd.DataFrame({"N": share * best["N"][0], "D": best["D"][0], "U": best["D"][0]})
        assert (law.predict(PARAMS, run) == law.predict(other, run)).all() != changes


def test_the_inner_law_of_a_single_epoch_is_that_of_the_runs_without_repeats():
    frame = table(noise=0.01)
    result = DataConstrained(inner="single_epoch", objective="log_mse").estimate(frame)
    single = frame[frame["D"] <= frame["U"]]
    np.testing.assert_allclose(result.params[:, 2:], Chinchilla(objective="log_mse").estimate(single).params)


@pytest.mark.parametrize("options", [{}, {"inner": "single_epoch"}, INNER])
def test_resamples_vary_what_is_fitted(options):
    frame, law = table(noise=0.005), DataConstrained(**options)
    result = law.estimate(frame).params
    spread = law.resample(frame, result, draws(frame, 20)).std(axis=0)
    assert (spread[:2] > 0).all()
    assert (spread[2:] > 0).all() == (options != INNER)


def test_a_resample_of_too_few_single_epochs_has_no_estimate():
    frame, law = table(noise=0.005), DataConstrained(inner="single_epoch")
    weights = np.ones((2, len(frame)))
    weights[1, frame["D"] <= frame["U"]] = 0
    result = law.resample(frame, law.estimate(frame).params, weights)
    assert np.isnan(result).all(axis=1).tolist() == [False, True]


def test_resamples_are_followed_to_the_best_optimum_of_the_ridge():
    frame = table(noise=0.03, epochs=(1, 2, 4)).iloc[::2]  # its estimate is far out on the ridge
    law = DataConstrained(**INNER)
    points, fixed = law.points(frame), law.fixed(frame)
    weights = draws(frame, 15).astype(float)
    result = law.resample(frame, law.estimate(frame).params, weights)
    for row, counts in zip(result, weights, strict=True):
        residuals = np.log(law.predict(row[None], frame)[0] / frame["loss"])
        value = np.sum(counts * law.loss.losses(residuals.to_numpy()))
        assert value <= 1.002 * law.solve(points, fixed, counts).value[0]


def test_slopes_are_those_of_the_curve():
    rng = np.random.default_rng(0)
    x = Inputs(**{name: np.exp(rng.normal(0, 1.5, 200)) for name in "NDU"})
    x.U = np.minimum(x.U, x.D)
    params = [np.exp(rng.normal(0, 0.4, (4, 1))) for _ in range(7)]
    law = DataConstrained()
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(slopes, by_step, rtol=1e-8, atol=1e-9)


def test_a_decay_without_effect_has_no_slope():
    x = Inputs(N=np.array([0.1, 9.0]), D=np.array([1.0, 5.0]), U=np.array([1.0, 1.0]))
    params = [np.array([[value]]) for value in (3.0, 1e11, 1.0, 1.0, 0.3, 1.0, 0.3)]
    _, slopes = DataConstrained().slopes(x, *params)
    assert np.isfinite(slopes).all()
    assert (slopes[1] == 0).all()


def test_points_keep_the_number_of_epochs():
    frame = table()
    points = DataConstrained().points(frame)
    np.testing.assert_allclose(points.x.D / points.x.U, frame["D"] / frame["U"])
    for name in "NDU":
        np.testing.assert_allclose(getattr(points.x, name) * points.scale[name], frame[name])


def test_weights_count_runs():
    frame = table(noise=0.01)
    repeated = pd.concat([frame, frame.iloc[:10]], ignore_index=True)
    weighted = frame.assign(weight=np.where(frame.index < 10, 2.0, 1.0))
    law = DataConstrained(**INNER)
    np.testing.assert_allclose(law.estimate(weighted).params, law.estimate(repeated).params, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inner": "both"}, "law.inner: 'both' is not one of joint, single_epoch"),
        ({"E": 1.8, "A": 500.0}, "law.alpha: give all of E, A, alpha, B, beta, or none"),
        ({**INNER, "inner": "single_epoch"}, "law.inner: single_epoch fits"),
        ({**INNER, "B": 0.0}, "law.B: must be above 0"),
        ({"delta": 0.0}, "law.delta: must be above 0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        DataConstrained(**options)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, lambda frame: frame.drop(columns="U"), "runs.columns.U: data_constrained needs a column of unique tokens"),
        ({}, lambda frame: frame.assign(U=frame["D"]), "needs runs that repeat data"),
        ({}, lambda frame: frame.head(7), "needs at least 8 points; there are 7"),
        ({"inner": "single_epoch"}, lambda frame: frame[frame["N"] < 2e7], "at least 6 runs with D <= U; there are 3"),
    ],
)
def test_runs_that_do_not_determine_the_law_are_refused(options, change, message):
    with pytest.raises(ConfigError, match=message):
        DataConstrained(**options).estimate(change(table()))


def test_a_prediction_names_the_column_that_is_missing():
    with pytest.raises(ConfigError, match=r"runs\.columns\.U"):
        DataConstrained().predict(PARAMS, table().drop(columns="U"))


def test_the_fit_is_at_least_as_good_as_the_law_without_repeats():
    n, d = (part.ravel() for part in np.meshgrid(np.geomspace(2e7, 2e9, 6), np.geomspace(2e8, 1e11, 6)))
    loss = (1.8 + 480 * n**-0.35 + 2100 * d**-0.37) * np.exp(np.random.default_rng(3).normal(0, 0.003, len(n)))
    frame = tidy(pd.DataFrame({"N": n, "D": d, "U": 1e9, "C": 6 * n * d, "loss": loss})).frame
    assert DataConstrained().estimate(frame).value[0] <= Chinchilla().estimate(frame).value[0] * 1.001
