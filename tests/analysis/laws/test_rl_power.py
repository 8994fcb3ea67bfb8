import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws.rl_power import RlPower
from openr1.system.errors import ConfigError

TRUTH = (0.13, 1.4e10, 1.1, 0.16)


def runs(x="C", sizes=(5e8, 1.5e9, 3e9, 7e9, 1.4e10, 3.2e10), n=10, noise=0.0, truth=TRUTH, seed=0):
    """Return curves of several sizes, each over two orders of magnitude of compute."""
    k_max, n0, e0, e1 = truth
    rng = np.random.default_rng(seed)
    rows = []
    for size in sizes:
        for spent in 1e13 * size * np.geomspace(1, 100, n):
            log_error = (e0 + e1 * np.log(size) - k_max * np.log(spent)) / (1 + n0 / size)
            error = np.exp(log_error + rng.normal(0, noise))
            rows.append({"N": size, x: spent, "pass_at_1": 1 - error})
    return pd.DataFrame(rows)


def drawn(frame, resamples=200):
    n = len(frame)
    return np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


@pytest.mark.parametrize("objective", ["log_mse", "huber", "lad", "mse"])
@pytest.mark.parametrize("x", ["C", "D"])
def test_the_law_is_found_again(objective, x):
    law = RlPower(objective=objective, x=x)
    table = runs(x)
    result = law.estimate(table)
    assert result.params[0] == pytest.approx(TRUTH, rel=0.02)
    assert law.predict(result.params, table)[0] == pytest.approx(1 - table["pass_at_1"], rel=1e-4)


def test_an_intercept_that_falls_with_size_is_found_again():
    truth = (0.14, 1.3e10, 9.0, -0.112)
    assert RlPower().estimate(runs(truth=truth)).params[0] == pytest.approx(truth, rel=1e-2)


def test_a_size_that_was_not_trained_is_predicted():
    law = RlPower()
    larger = runs(sizes=(7.2e10,))
    result = law.estimate(runs(noise=0.003))
    assert law.predict(result.params, larger)[0] == pytest.approx(1 - larger["pass_at_1"], rel=0.05)


def test_units_change_the_coefficients_alone():
    table = runs()
    k_max, n0, e0, e1 = RlPower().estimate(table).params[0]
    other = RlPower().estimate(table.assign(N=table["N"] / 1e9, C=table["C"] / 1e21)).params[0]
    assert other == pytest.approx((k_max, n0 / 1e9, e0 + e1 * np.log(1e9) - k_max * np.log(1e21), e1), rel=1e-3)


def test_the_response_is_the_error_rate():
    law = RlPower()
    assert law.response == "error"
    assert law.needs == ("N", "C", "pass_at_1")
    assert law.observed(pd.DataFrame({"pass_at_1": [0.0, 0.75]})) == pytest.approx([1, 0.25])
    assert RlPower(x="D").needs == ("N", "D", "pass_at_1")
    assert "log D" in RlPower(x="D").formula


def test_the_slopes_are_those_of_the_curve():
    law = RlPower()
    x = law.points(runs()).x
    params = [np.array([[value]]) for value in (0.13, 1.7, -0.8, 0.2)]
    values, slopes = law.slopes(x, *params)
    assert values == pytest.approx(law.curve(x, *params))
    _, stepped = super(RlPower, law).slopes(x, *params)
    for closed, exact in zip(slopes, stepped, strict=True):
        assert closed == pytest.approx(exact, rel=1e-10)


def test_rescaled_parameters_are_of_the_same_curve():
    law = RlPower()
    table = runs()
    points = law.points(table)
    scaled = law.rescaled(dict(zip(law.names, TRUTH, strict=True)), points.scale)
    values = law.curve(points.x, *(np.array([[scaled[name]]]) for name in law.names))
    assert values[0] == pytest.approx(1 - table["pass_at_1"])


def test_the_resamples_surround_the_estimate():
    law = RlPower()
    table = runs(noise=0.01)
    result = law.estimate(table).params
    draws = law.resample(table, result, drawn(table))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    assert (low < result[0]).all()
    assert (result[0] < high).all()
    assert draws[:, 0].std() == pytest.approx(
        np.std([law.estimate(runs(noise=0.01, seed=seed)).params[0, 0] for seed in range(60)]), rel=0.5
    )


def test_every_size_is_in_every_resample():
    table = runs()
    assert (RlPower().strata(table) == table["N"]).all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (runs(sizes=(1e9, 7e9)), "law: rl_power needs runs of at least 3 model sizes; there are 2"),
        (runs().head(4), "law: rl_power has 4 parameters and needs at least 5 points; there are 4"),
        (runs().assign(pass_at_1=lambda table: table["pass_at_1"].where(table["N"] > 1e9, 1.0)), "to below 1; .* to 1$"),
        (runs().assign(pass_at_1=-0.1), "runs.columns.pass_at_1: .* it ranges from -0.1"),
        (runs(truth=(-0.13, 1.4e10, -11.0, 0.1)), "law: rl_power needs an error that falls with C"),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(table, message):
    with pytest.raises(ConfigError, match=message):
        RlPower().estimate(table)


def test_another_predictor_is_refused():
    with pytest.raises(ConfigError, match=r"law\.x: 'N' is not one of C, D"):
        RlPower(x="N")


def test_a_given_intercept_needs_no_other_parameter_in_units_of_one():
    free = dict.fromkeys(("k_max", "N0", "E1"), np.nan)
    assert RlPower().rescaled({**free, "E0": 1.5}, {"N": 1.0, "X": 1.0})["E0"] == 1.5
