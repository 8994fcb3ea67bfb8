import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws.distillation import Distillation
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.system.errors import ConfigError

SUPERVISED = {"E": 1.22, "A": 3355.0, "alpha": 0.408, "B": 18186.0, "beta": 0.431, "gamma": 0.452}
PARAMS = np.array([[2.549, 522.6, 1.315, 0.09, 2243.0, 0.321, 24181.0, 0.637, 0.764]])


def supervised(n, d):
    return 1.22 + (3355.0 * n**-0.408 + 18186.0 * d**-0.431) ** 0.452


def table(noise=0.0, count=150, seed=0):
    """Draw students and their tokens at random, with teachers trained on 20 tokens per parameter."""
    rng = np.random.default_rng(seed)
    n, d, teacher = (rng.choice(np.geomspace(*ends), count) for ends in ((1.4e8, 8e9, 8), (4e9, 5e11, 8), (2e8, 8e9, 7)))
    frame = pd.DataFrame({"N": n, "D": d, "teacher_loss": supervised(teacher, 20 * teacher)})
    frame["true"] = Distillation(**SUPERVISED).predict(PARAMS, frame)[0]
    frame["loss"] = frame["true"] * np.exp(rng.normal(0, noise, count))
    return frame


def error(params, frame):
    return np.abs(Distillation(**SUPERVISED).predict(params, frame)[0] / frame["true"] - 1)


def test_the_law_is_the_formula_of_the_paper():
    frame = table(count=7)
    n, d, teacher = (frame[name] for name in ("N", "D", "teacher_loss"))
    ratio = teacher / (supervised(n, d) * 1.315)
    gap = teacher**-2.549 * (1 + ratio ** (1 / 0.09)) ** (-522.6 * 0.09) * (2243.0 * n**-0.321 + 24181.0 * d**-0.637) ** 0.764
    np.testing.assert_allclose(frame["true"], teacher + gap, rtol=1e-12)
    assert (gap > 0).all()


def test_the_law_is_found_again_without_noise():
    result = Distillation(**SUPERVISED).estimate(table())
    assert result.params[0] == pytest.approx(PARAMS[0], rel=0.02)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_predictions_are_better_than_the_noise(seed):
    noise = 0.003
    result = Distillation(**SUPERVISED).estimate(table(noise, seed=seed))
    assert error(result.params, table(seed=seed)).median() < noise / 4
    assert error(result.params, table(seed=100 + seed)).max() < 3 * noise  # on other students and teachers


def test_intervals_of_predictions_cover_the_truth():
    frame, law = table(0.003), Distillation(**SUPERVISED)
    weights = np.random.default_rng(1).multinomial(len(frame), np.full(len(frame), 1 / len(frame)), size=100)
    draws = law.resample(frame, law.estimate(frame).params, weights)
    low, high = np.nanpercentile(law.predict(draws, frame), [2.5, 97.5], axis=0)
    inside, apart = (low <= frame["true"]) & (frame["true"] <= high), frame["true"] > frame["teacher_loss"] + 0.01
    assert inside[apart].mean() > 0.65  # below the nominal .95: resamples stay in the valley of the estimate
    assert np.median((high - low) / frame["true"]) < 0.004


def test_the_column_of_supervised_losses_is_used_where_it_has_values():
    frame = table(count=20)
    given = frame.assign(supervised_loss=supervised(frame["N"], frame["D"]))
    np.testing.assert_allclose(Distillation().predict(PARAMS, given)[0], frame["true"])
    other = given.assign(supervised_loss=given["supervised_loss"].where(given.index < 10) * 1.1)
    law = Distillation(**SUPERVISED)
    changed = law.predict(PARAMS, other)[0] != law.predict(PARAMS, frame)[0]
    assert changed.tolist() == [True] * 10 + [False] * 10
    with pytest.raises(ConfigError, match=r"runs\.columns\.supervised_loss: distillation needs the loss of every student"):
        Distillation().predict(PARAMS, other)


def test_without_gamma_the_supervised_law_is_that_of_chinchilla():
    frame = table(count=5)
    options = {"E": 1.8, "A": 400.0, "alpha": 0.34, "B": 1200.0, "beta": 0.35}
    given = frame.assign(supervised_loss=1.8 + 400.0 * frame["N"] ** -0.34 + 1200.0 * frame["D"] ** -0.35)
    np.testing.assert_allclose(Distillation(**options).predict(PARAMS, frame), Distillation().predict(PARAMS, given))


def test_a_student_without_a_supervised_loss_names_the_column_and_the_options():
    with pytest.raises(ConfigError, match=r"law\.E, law\.A, law\.alpha, law\.B, law\.beta and law\.gamma"):
        Distillation().estimate(table())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"E": 1.2, "B": 3.0}, "law.A: give all of E, A, alpha, B, beta, or none"),
        ({**SUPERVISED, "alpha": -0.1}, "law.alpha: must be above 0"),
        ({**SUPERVISED, "gamma": 0.0}, "law.gamma: must be above 0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        Distillation(**options)


def test_nine_runs_are_too_few():
    with pytest.raises(ConfigError, match="has 9 parameters and needs at least 10 points; there are 9"):
        Distillation(**SUPERVISED).estimate(table(count=9))


def test_slopes_are_those_of_the_curve():
    rng = np.random.default_rng(0)
    names = ("N", "D", "teacher_loss", "supervised_loss")
    x = Inputs(**{name: np.exp(rng.normal(0.5, 0.5, 30)) for name in names})
    params = [np.exp(rng.normal(0, 0.7, (4, 1))) for _ in range(9)]
    law = Distillation()
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(slopes, by_step, rtol=1e-8, atol=1e-12)


def test_points_have_losses_in_the_unit_of_the_response():
    frame = table(count=20)
    points = Distillation(**SUPERVISED).points(frame)
    np.testing.assert_allclose(points.x.teacher_loss, frame["teacher_loss"])
    np.testing.assert_allclose(points.x.supervised_loss, supervised(frame["N"], frame["D"]))
    for name in ("N", "D", "teacher_loss"):
        np.testing.assert_allclose(getattr(points.x, name) * points.scale[name], frame[name])


def test_parameters_are_in_the_units_of_the_runs():
    """The runs do not determine the parameters, and optima of one sum may differ by the last bits of a processor."""
    frame = table(0.003)
    thousands = frame.assign(N=frame["N"] / 1e3, D=frame["D"] / 1e3, supervised_loss=supervised(frame["N"], frame["D"]))
    result = Distillation().estimate(thousands)
    expected = Distillation(**SUPERVISED).estimate(frame)
    np.testing.assert_allclose(result.value, expected.value, rtol=0.01)
    scaled = frame.assign(**{name: thousands[name] for name in ("N", "D", "supervised_loss")})
    assert error(result.params, scaled).median() < 0.001


def test_the_names_of_parameters_are_not_those_of_options():
    law = Distillation()
    assert not set(law.names) & set(vars(law))
    assert all(name in law.formula for name in law.names)
