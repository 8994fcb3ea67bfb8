import numpy as np
import pandas as pd
import pytest

from openr1.analysis import Bootstrap, fit, fit_by
from openr1.analysis.laws.rl_sigmoid import RlSigmoid
from openr1.system.errors import ConfigError

TRUTH = (0.4, 0.65, 10.0, 1.7)


def rate(compute, start=0.4, end=0.65, half=10.0, exponent=1.7):
    return start + (end - start) / (1 + (half / compute) ** exponent)


def curve(truth=TRUTH, low=1.0, high=100.0, n=30, noise=0.0, unit=1.0, seed=0):
    compute = np.geomspace(low, high, n)
    scatter = np.random.default_rng(seed).normal(0, noise, n)
    return pd.DataFrame({"C": unit * compute, "pass_at_1": rate(compute, *truth) + scatter})


def drawn(n, resamples=200):
    return np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


@pytest.mark.parametrize("objective", ["mse", "log_mse", "huber", "lad"])
def test_the_sigmoid_is_found_again(objective):
    result = RlSigmoid(objective=objective).estimate(curve())
    assert result.params[0] == pytest.approx(TRUTH, rel=2e-3)
    assert result.warnings == []


@pytest.mark.parametrize("unit", [1e-6, 1e20])
def test_compute_may_be_in_any_unit(unit):
    result = RlSigmoid().estimate(curve(unit=unit)).params[0]
    assert result == pytest.approx((0.4, 0.65, 10 * unit, 1.7), rel=1e-3)


def test_a_pass_rate_of_zero_is_a_point_like_the_others():
    table = curve((0.0, 0.5, 10.0, 1.2), n=40)
    table.loc[0, "pass_at_1"] = 0
    result = RlSigmoid().estimate(table).params[0]
    assert result[0] == pytest.approx(0, abs=0.01)
    assert result[1:] == pytest.approx((0.5, 10, 1.2), rel=0.05)


def test_a_starting_pass_rate_that_is_given_is_kept():
    law = RlSigmoid(R0=0.42)
    table = curve(noise=0.003)
    result = law.estimate(table).params
    assert result[0, 0] == 0.42
    assert result[0, 1:] != pytest.approx(RlSigmoid().estimate(table).params[0, 1:], rel=1e-3)
    assert (law.resample(table, result, drawn(len(table)))[:, 0] == 0.42).all()


def test_the_first_part_can_be_left_out():
    table = curve(low=5)
    noisy = pd.concat([pd.DataFrame({"C": [0.1, 1.0, 9.9], "pass_at_1": [0.9, 0.1, 0.8]}), table])
    law = RlSigmoid(drop=0.1)  # of 100
    late = table[table["C"] >= 10]
    assert law.fitted_rows(noisy)["C"].min() >= 10
    assert law.estimate(noisy).params == pytest.approx(RlSigmoid().estimate(late).params, rel=1e-6)
    params = law.estimate(noisy).params
    assert law.jacobian(params, noisy) == pytest.approx(law.jacobian(params, late))
    assert law.residuals(params, noisy) == pytest.approx(np.zeros(len(late)), abs=1e-5)
    weights = drawn(len(noisy), 20)
    every = law.resample(noisy, params, weights)
    weights[:, noisy["C"] < 10] = 7  # left-out runs have no weight, however often they are drawn
    assert law.resample(noisy, params, weights) == pytest.approx(every, nan_ok=True)


@pytest.mark.slow
def test_the_resamples_spread_as_repeated_studies_do():
    law = RlSigmoid()
    studies = [curve(noise=0.004, seed=seed) for seed in range(60)]
    repeated = np.concatenate([law.estimate(study).params for study in studies]).std(axis=0)
    resampled = [law.resample(study, law.estimate(study).params, drawn(len(study))).std(axis=0) for study in studies[:5]]
    assert np.mean(resampled, axis=0) == pytest.approx(repeated, rel=0.4)


def test_nothing_passes_more_often_than_always():
    rising = curve((0.1, 1.6, 100.0, 1.0), n=25)  # seems to tend to 1.6
    law = RlSigmoid()
    result = law.estimate(rising)
    assert result.params[0, 1] == 1
    assert result.warnings == ["A is set to its maximum of 1, since the pass rate does not level off within the runs"]
    assert law.predict(result.params, pd.DataFrame({"C": [1e9]}))[0] <= 1
    draws = law.resample(rising, result.params, drawn(len(rising)))
    assert np.nanmax(draws[:, 1]) == 1
    free = RlSigmoid(R0=0.1).solve(law.points(rising), {"R0": 0.1})
    assert free.value < result.value


def test_the_slopes_are_those_of_the_curve():
    law = RlSigmoid()
    x = law.points(curve()).x
    params = [np.array([[value]]) for value in (0.4, 0.65, 1.3, 1.7)]
    values, slopes = law.slopes(x, *params)
    assert values == pytest.approx(law.curve(x, *params))
    _, stepped = super(RlSigmoid, law).slopes(x, *params)
    for closed, exact in zip(slopes, stepped, strict=True):
        assert closed == pytest.approx(exact, rel=1e-10)


def with_start(table, rates=(0.4,)):
    """Return a curve with points before training."""
    return pd.concat([pd.DataFrame({"C": 0.0, "pass_at_1": list(rates)}), table], ignore_index=True)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e20])
@pytest.mark.parametrize("objective", ["mse", "huber"])
def test_a_point_before_training_measures_the_start(unit, objective):
    late = curve(low=8, unit=unit, noise=0.002)  # says little about R0
    law = RlSigmoid(objective=objective)
    table = with_start(late, [0.4] * 5)
    found = law.estimate(table).params
    assert found[0] == pytest.approx((0.4, 0.65, 10 * unit, 1.7), rel=0.05)
    # C = 0 is the limit of ever less compute
    limit = table.assign(C=table["C"].where(table["C"] > 0, 1e-12 * unit))
    assert found == pytest.approx(law.estimate(limit).params, rel=1e-3)
    assert np.isfinite(law.resample(table, found, drawn(len(table), 50))).all(axis=1).mean() > 0.9
    assert law.predict(found, pd.DataFrame({"C": [0.0]}))[0, 0] == found[0, 0]


def test_slopes_at_the_start_are_those_of_its_limit():
    law = RlSigmoid()
    table = with_start(curve())
    params = [np.array([[value]]) for value in (0.4, 0.65, 1.3, 1.7)]
    values, slopes = law.slopes(law.points(table).x, *params)
    assert values[0, 0] == 0.4
    assert [slope[0, 0] for slope in slopes] == [1, 0, 0, 0]
    assert np.isfinite(slopes).all()


def test_the_scale_of_compute_is_that_of_the_trained_points():
    points, trained = RlSigmoid().points(with_start(curve())), RlSigmoid().points(curve())
    assert points.scale == pytest.approx(trained.scale)
    assert pytest.approx(np.append(0, trained.x.C)) == points.x.C


def test_a_start_that_is_left_out_changes_nothing():
    law = RlSigmoid(drop=0.05)
    assert law.estimate(with_start(curve(), [0.9])).params == pytest.approx(law.estimate(curve()).params)


def test_predictions_are_a_row_each_set_of_parameters():
    params = np.array([TRUTH, (0.0, 1.0, 5.0, 1.0)])
    predicted = RlSigmoid().predict(params, pd.DataFrame({"C": [5.0, 10.0]}))
    assert predicted == pytest.approx(np.array([rate(np.array([5.0, 10.0])), [1 / 2, 2 / 3]]))


@pytest.mark.parametrize(
    ("options", "table", "message"),
    [
        ({}, curve(n=4), "law: rl_sigmoid has 4 parameters and needs at least 5 points; there are 4"),
        ({"drop": 0.5}, curve(n=12), "needs at least 5 points; there are 2"),
        ({}, curve().assign(C=0.0), "runs.columns.C: must be above 0; the smallest is 0"),
        ({}, 100 * curve(), "runs.columns.pass_at_1: must be from 0 to 1; it ranges from"),
        ({"objective": "huber"}, curve((0, 0.5, 10, 1)).replace({"pass_at_1": {rate(1.0, 0, 0.5, 10, 1): 0}}), "need mse"),
        ({}, curve().assign(pass_at_1=lambda runs: 1 - runs["pass_at_1"]), "needs a pass rate that grows with compute"),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(options, table, message):
    with pytest.raises(ConfigError, match=message):
        RlSigmoid(**options).estimate(table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"R0": 1.0}, "law.R0: must be at least 0 and below 1, not 1"),
        ({"R0": -0.1}, "law.R0: must be at least 0 and below 1, not -0.1"),
        ({"drop": 1.0}, "law.drop: must be at least 0 and below 1, not 1"),
        ({"objective": "l2"}, "law.objective: 'l2' is not one of"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        RlSigmoid(**options)


def test_each_group_has_the_rate_before_training_of_its_own():
    compute = np.geomspace(1, 200, 24)
    parts = []
    for model, start in (("small", 0.2), ("large", 0.45)):
        rate = start + (0.7 - start) / (1 + (10 / compute) ** 1.5)
        parts.append(pd.DataFrame({"model": model, "C": compute, "pass_at_1": rate, "before": start}))
    frame = pd.concat(parts, ignore_index=True)
    groups = fit_by(frame, "model", RlSigmoid(R0_column="before"), bootstrap=Bootstrap(50))
    for model, start in (("small", 0.2), ("large", 0.45)):
        assert groups.fits[model].params["R0"] == start
        assert "R0" not in groups.fits[model].ci95  # it is given
    with pytest.raises(ConfigError, match=r"^law\.R0_column: before must be one rate .*; it is 0\.2, 0\.45\. Fit models"):
        fit(frame, RlSigmoid(R0_column="before"))
    with pytest.raises(ConfigError, match=r"^law\.R0_column: there is no column 'first'"):
        fit(frame, RlSigmoid(R0_column="first"))
    with pytest.raises(ConfigError, match=r"^law\.R0_column: give R0 or a column"):
        RlSigmoid(R0=0.1, R0_column="before")
