import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from openr1.analysis.laws.base import TrainingFlops
from openr1.analysis.laws.overtraining import Overtraining, TaskError
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.system.errors import ConfigError

TRUTH = {"E": 1.8, "a": 212.0, "b": 367.0, "eta": 0.136}
ERROR = {"k": 2.2, "gamma": 0.71, "epsilon": 0.857}
PARAMS, ERROR_PARAMS = (np.array([list(truth.values())]) for truth in (TRUTH, ERROR))


def table(sizes=(1e7, 8e7, 1.5e8, 4e8), multiples=(20,), far=(320,), noise=0.0):
    """Return runs of each size at each M, and of the smallest size far past them, with their loss and error."""
    pairs = [(n, m) for n in sizes for m in multiples] + [(sizes[0], m) for m in far]
    frame = pd.DataFrame(pairs, columns=["N", "M"])
    frame["D"] = frame["N"] * frame.pop("M")
    frame["C"] = 6 * frame["N"] * frame["D"]
    frame["loss"] = Overtraining().predict(PARAMS, frame)[0]
    frame["loss"] *= np.exp(np.random.default_rng(0).normal(0, noise, len(frame)))
    frame["error"] = ERROR["epsilon"] - ERROR["k"] * np.exp(-ERROR["gamma"] * frame["loss"])
    return frame


def test_the_law_is_the_formula_of_the_paper():
    frame = table()
    m = frame["D"] / frame["N"]
    expected = 1.8 + (212.0 * m**0.136 + 367.0 * m**-0.136) * frame["C"] ** -0.136
    assert frame["loss"].to_numpy() == pytest.approx(expected.to_numpy())


def test_five_runs_determine_the_four_parameters():
    frame = table()
    assert len(frame) == 5
    result = Overtraining().estimate(frame)
    assert result.params[0] == pytest.approx(PARAMS[0], rel=1e-3)
    far = pd.DataFrame({"N": [1.4e9], "D": [9e11], "C": [6 * 1.4e9 * 9e11]})
    assert Overtraining().predict(result.params, far) == pytest.approx(Overtraining().predict(PARAMS, far), rel=1e-5)


def test_four_runs_are_too_few():
    with pytest.raises(ConfigError, match="needs at least 5 points; there are 4"):
        Overtraining().estimate(table().head(4))


def test_one_number_of_tokens_per_parameter_is_too_few():
    with pytest.raises(ConfigError, match="more than one number of tokens per parameter"):
        Overtraining().estimate(table(sizes=np.geomspace(1e7, 1e9, 8), far=()))


def test_the_default_is_least_squares_of_the_loss_itself():
    frame = table(multiples=(5, 20, 80), noise=0.01)
    result = Overtraining().estimate(frame)
    squares = np.sum((Overtraining().predict(result.params, frame)[0] - frame["loss"]) ** 2)
    assert result.value[0] == pytest.approx(squares)
    for j in range(4):
        for factor in (0.999, 1.001):
            other = result.params.copy()
            other[0, j] *= factor
            assert np.sum((Overtraining().predict(other, frame)[0] - frame["loss"]) ** 2) > squares


def test_the_bootstrap_centres_on_the_truth():
    frame = table(multiples=(5, 20, 80), far=(320, 640), noise=0.002)
    law = Overtraining()
    result = law.estimate(frame).params
    weights = np.random.default_rng(1).multinomial(len(frame), np.full(len(frame), 1 / len(frame)), size=200)
    draws = law.resample(frame, result, weights)
    low, high = np.nanpercentile(draws, [0.5, 99.5], axis=0)
    assert ((low < PARAMS[0]) & (PARAMS[0] < high)).all()
    assert (draws.std(axis=0) > 0).all()


@pytest.mark.parametrize("flops_of", [TrainingFlops(), TrainingFlops(54.0, 0.86)])
def test_the_frontier_has_the_best_tokens_per_parameter_and_spends_the_budget(flops_of):
    law, flops = Overtraining(), np.array([1e18, 1e21])
    best = law.frontier(PARAMS, flops, flops_of)
    assert flops_of(best["N"], best["D"])[0] == pytest.approx(flops)
    m = best["D"] / best["N"]
    assert m[0, 0] == pytest.approx(m[0, 1])
    for i, budget in enumerate(flops):
        result = minimize_scalar(
            lambda log_m, c=budget: law.curve(Inputs(C=c, M=np.exp(log_m)), *TRUTH.values()), bounds=(-5, 10), method="bounded"
        )
        assert best["loss"][0, i] == pytest.approx(result.fun, rel=1e-9)
        assert m[0, i] == pytest.approx(np.exp(result.x), rel=1e-3)


@pytest.mark.parametrize("law", [Overtraining(), TaskError()])
def test_slopes_are_those_of_the_curve(law):
    rng = np.random.default_rng(0)
    x = Inputs(**{name: np.exp(rng.normal(0, 1, 20)) for name in law.predictors})
    params = [np.exp(rng.normal(0, 0.5, (3, 1))) for _ in law.parameters]
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(slopes, by_step, rtol=1e-9)


def test_units_change_neither_law():
    for law, params, frame in ((Overtraining(), PARAMS, table()), (TaskError(), ERROR_PARAMS, table())):
        x = law.inputs(frame)
        scale = {name: 3.0 + i for i, name in enumerate(x)}
        named = dict(zip(law.names, params.T[:, :, None], strict=True))
        rescaled = law.rescaled(named, scale)
        scaled = law.curve(Inputs(**{name: values / scale[name] for name, values in x.items()}), *rescaled.values())
        np.testing.assert_allclose(scaled, law.predict(params, frame), rtol=1e-12)


def test_the_error_law_is_found_again():
    result = TaskError().estimate(table(multiples=(5, 20, 80)))
    assert dict(zip(TaskError().names, result.params[0], strict=True)) == pytest.approx(ERROR, rel=1e-3)


def test_error_is_predicted_from_predicted_loss():
    frame = table(multiples=(5, 20, 80))
    unmeasured = frame[["N", "D", "C"]]
    errors = TaskError().predict_from_law(ERROR_PARAMS, Overtraining(), PARAMS, unmeasured)
    assert errors.shape == (1, len(frame))
    assert errors[0] == pytest.approx(frame["error"].to_numpy())


@pytest.mark.parametrize(("losses", "errors"), [(4, 4), (4, 1), (1, 4)])
def test_resamples_are_chained_row_by_row(losses, errors):
    frame = table()
    loss_params = PARAMS * np.linspace(0.9, 1.1, losses)[:, None]
    error_params = ERROR_PARAMS * np.linspace(0.9, 1.1, errors)[:, None]
    result = TaskError().predict_from_law(error_params, Overtraining(), loss_params, frame)
    assert result.shape == (4, len(frame))
    for i in range(4):
        row = TaskError().predict_from_law(error_params[[i % errors]], Overtraining(), loss_params[[i % losses]], frame)
        np.testing.assert_allclose(result[i], row[0])
