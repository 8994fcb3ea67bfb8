import numpy as np
import pandas as pd
import pytest

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws.base import TrainingFlops
from openr1.analysis.laws.broken_power_law import BrokenPowerLaw
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.system.errors import ConfigError

STEEPER = [1.5, 40.0, 0.1, 0.3, 1e9, 0.3]
FLATTER = [0.5, 300.0, 0.4, -0.25, 1e9, 0.2]
RISING_BETWEEN = [0.5, 300.0, 0.3, -0.5, 1e8, 0.3, 0.6, 3e9, 0.3]
THREE = [0.8, 30.0, 0.1, 0.4, 1e8, 0.1, -0.3, 1e9, 0.3, 0.5, 3e10, 0.2]
TRUTHS = [STEEPER, FLATTER, RISING_BETWEEN, THREE]


def law_of(truth, **options):
    return BrokenPowerLaw(**{"x": "D", "breaks": (len(truth) - 3) // 3} | options)


def table(truth, noise=0.0, n=80, seed=0):
    frame = pd.DataFrame({"D": np.geomspace(1e6, 1e12, n)})
    frame["loss"] = law_of(truth).predict(np.array([truth]), frame)[0]
    frame["loss"] *= np.exp(np.random.default_rng(seed).normal(0, noise, n))
    return frame


def test_the_law_is_the_formula_of_the_paper():
    x = np.geomspace(1e7, 1e11, 9)
    a, b, c0, c1, d1, f1, c2, d2, f2 = RISING_BETWEEN
    expected = a + b * x**-c0 * (1 + (x / d1) ** (1 / f1)) ** (-c1 * f1) * (1 + (x / d2) ** (1 / f2)) ** (-c2 * f2)
    result = law_of(RISING_BETWEEN).predict(np.array([RISING_BETWEEN]), pd.DataFrame({"D": x}))[0]
    np.testing.assert_allclose(result, expected, rtol=1e-12)


@pytest.mark.parametrize("truth", TRUTHS)
def test_breaks_are_found_again(truth):
    result = law_of(truth).estimate(table(truth))
    assert result.params[0] == pytest.approx(truth, rel=1e-3)
    assert result.warnings == []


@pytest.mark.parametrize("truth", TRUTHS)
def test_noise_is_averaged(truth):
    law, noisy, clean = law_of(truth), table(truth, noise=0.003), table(truth)["loss"]
    result = law.estimate(noisy)
    error = np.abs(law.predict(result.params, noisy)[0] / clean - 1)
    assert error.median() < 0.0015
    truth_value = law.loss.losses(np.log(noisy["loss"] / clean).to_numpy()).sum()
    assert result.value[0] < truth_value


@pytest.mark.parametrize("x", ["C", "N", "D"])
def test_the_law_is_of_the_variable_that_the_option_names(x):
    frame = table(STEEPER).rename(columns={"D": x})
    law = BrokenPowerLaw(x=x)
    assert law.needs == (x, "loss")
    assert f"({x}/d1)" in law.formula
    assert law.estimate(frame).params[0] == pytest.approx(STEEPER, rel=1e-3)


def test_only_a_law_of_compute_has_a_frontier():
    params, flops = np.array([STEEPER, FLATTER]), np.array([1e8, 1e10])
    assert BrokenPowerLaw(x="D").frontier(params, flops, TrainingFlops()) == {}
    law = BrokenPowerLaw(x="C")
    np.testing.assert_allclose(
        law.frontier(params, flops, TrainingFlops())["loss"], law.predict(params, pd.DataFrame({"C": flops})), rtol=1e-12
    )


@pytest.mark.parametrize("truth", TRUTHS)
def test_every_parameter_is_in_the_formula(truth):
    law = law_of(truth)
    assert len(law.parameters) == len(truth)
    assert all(parameter.name in law.formula for parameter in law.parameters)


def test_slopes_are_those_of_the_curve_far_beyond_the_breaks_too():
    law = law_of(RISING_BETWEEN)
    x = Inputs(D=np.geomspace(1e-6, 1e6, 25))
    params = [np.array([[value], [0.7 * value]]) for value in (1, 2, 0.3, -0.5, 0.1, 0.05, 0.6, 9, 0.3)]
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(slopes, by_step, rtol=1e-8, atol=1e-12)


def test_a_very_sharp_break_does_not_overflow():
    truth = [1.0, 10.0, 0.1, 0.2, 1e9, 1e-4]
    result = law_of(truth).predict(np.array([truth]), pd.DataFrame({"D": [1e6, 1e12]}))[0]
    np.testing.assert_allclose(result, [1 + 10 * 1e6**-0.1, 1 + 10 * 1e12**-0.1 * 1e3**-0.2])


def test_breaks_are_numbered_from_the_left_in_the_estimate():
    class FromTheRight(BrokenPowerLaw):
        def starts(self, points, fixed):
            starts = super().starts(points, fixed)
            return starts | {"d1": starts["d2"], "d2": starts["d1"]}

    result = FromTheRight(x="D", breaks=2).estimate(table(RISING_BETWEEN))
    assert result.params[0] == pytest.approx(RISING_BETWEEN, rel=1e-3)


def test_breaks_are_numbered_from_the_left_in_resamples():
    law = law_of(RISING_BETWEEN)
    frame = table(RISING_BETWEEN, noise=0.003)
    swapped = np.array([[*RISING_BETWEEN[:3], *RISING_BETWEEN[6:], *RISING_BETWEEN[3:6]]])
    weights = np.random.default_rng(1).multinomial(len(frame), np.full(len(frame), 1 / len(frame)), size=20)
    draws = law.resample(frame, swapped, weights)
    assert (draws[:, 4] < draws[:, 7]).all()
    assert draws.mean(axis=0) == pytest.approx(RISING_BETWEEN, rel=0.1)


def test_a_break_beyond_the_runs_is_warned_of():
    frame = table([1.5, 40.0, 0.1, 0.3, 3e12, 0.3])
    result = BrokenPowerLaw(x="D").estimate(frame)
    assert len(result.warnings) == 1
    assert "is outside of the range of the runs" in result.warnings[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": "M"}, "law.x: 'M' is not one of C, N, D"),
        ({"breaks": 0}, "law.breaks: must be from 1 to 3, not 0"),
        ({"breaks": 4}, "law.breaks: must be from 1 to 3, not 4"),
        ({"objective": "mae"}, "law.objective: 'mae'"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        BrokenPowerLaw(**options)


@pytest.mark.parametrize(("truth", "least"), [(STEEPER, 7), (RISING_BETWEEN, 10), (THREE, 13)])
def test_too_few_runs_are_refused(truth, least):
    frame = table(truth).head(least - 1)
    with pytest.raises(ConfigError, match=f"needs at least {least} points; there are {least - 1}"):
        law_of(truth).estimate(frame)


@pytest.mark.slow
def test_a_steep_break_is_not_called_implausible():
    d = np.geomspace(1e6, 1e12, 80)
    truth = [[0.5, 2.0, 0.02, 5.66, 1e9, 3.0]]
    law = BrokenPowerLaw(x="D", objective="log_mse")
    frame = pd.DataFrame({"D": d}).assign(loss=law.predict(np.array(truth), pd.DataFrame({"D": d}))[0])
    result = fit(frame, law, bootstrap=Bootstrap(0))
    assert result.params["c1"] > 3
    assert "c1" not in result.diagnostics["at_bound"]
