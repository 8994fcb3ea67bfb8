import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import CRITICAL, batch_sizes

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws import BatchSize
from openr1.analysis.laws.batch_size import log_min_tokens
from openr1.system.errors import ConfigError

TRUTH = np.array([list(CRITICAL.values())])
NONE = Bootstrap(0)


def test_the_tokens_of_very_small_batches_solve_their_equation():
    rng = np.random.default_rng(0)
    tokens, batch = 10 ** rng.uniform(6, 13, 200), 10 ** rng.uniform(2, 9, 200)
    for coefficient, exponent in ((0.05, 0.46), (1e4, 1e-3), (1e3, 0.8)):
        d_min = np.exp(log_min_tokens(tokens, batch, np.array([[coefficient]]), np.array([[exponent]])))
        assert d_min * (1 + batch / (coefficient * d_min**exponent)) == pytest.approx(np.broadcast_to(tokens, (1, 200)))


def test_a_batch_of_the_critical_size_takes_twice_the_tokens():
    law, d_min = BatchSize(), 1e10
    critical = law.critical(TRUTH, np.array([d_min]))[0, 0]
    runs = pd.DataFrame({"N": 1e8, "D": [2 * d_min, d_min], "batch": [critical, 1e-3]})
    twice, small = law.predict(TRUTH, runs)[0]
    assert twice == pytest.approx(small)


def test_the_law_is_found_again():
    result = BatchSize().estimate(batch_sizes(noise=0.0))
    assert result.params[0] == pytest.approx(TRUTH[0], rel=0.02)


@pytest.mark.parametrize(("sizes", "given"), [(1, {"A": 0, "alpha": 0}), (2, {"E": 0})])
def test_few_model_sizes_determine_the_critical_batch_size(sizes, given):
    law = BatchSize()
    frame = batch_sizes(sizes, noise=0.0)
    result = fit(frame, law, bootstrap=NONE)
    assert {name: result.params[name] for name in given} == given
    at = np.array([1e10])
    assert law.critical(result.vector, at) == pytest.approx(law.critical(TRUTH, at), rel=0.1)
    assert any("E is set to 0" in warning for warning in result.diagnostics["warnings"]) == (sizes == 2)


@pytest.mark.slow
def test_the_best_of_runs_of_one_batch_size_counts():
    law, frame = BatchSize(), batch_sizes()
    worse = frame.assign(loss=frame["loss"] * 1.05, lr=1.0)
    both = pd.concat([worse, frame], ignore_index=True)
    assert law.estimate(both).params == pytest.approx(law.estimate(frame).params, rel=1e-3)
    assert len(law.fitted_rows(both)) == len(frame)


@pytest.mark.slow
def test_too_small_batches_leave_a_trend():
    frame = batch_sizes(noise=0.0)
    frame["loss"] += 0.02 * np.log(frame["batch"] / frame["batch"].median()) ** 2
    assert any(
        "residuals trend with batch" in warning for warning in fit(frame, "batch_size", bootstrap=NONE).diagnostics["warnings"]
    )


def test_the_slopes_are_those_of_the_curve():
    law = BatchSize()
    x = law.points(batch_sizes()).x
    params = [np.array([[value], [1.1 * value]]) for value in (1.7, 0.4, 0.5, 0.3, 0.4, 2.0, 0.5)]
    values, slopes = law.slopes(x, *params)
    assert values == pytest.approx(law.curve(x, *params))
    for j, closed in enumerate(slopes):
        above, below = ([*params[:j], params[j] * (1 + sign * 1e-6), *params[j + 1 :]] for sign in (1, -1))
        assert closed == pytest.approx((law.curve(x, *above) - law.curve(x, *below)) / (2e-6 * params[j]), rel=1e-4, abs=1e-8)


def test_rescaled_parameters_are_of_the_same_curve():
    law, frame = BatchSize(), batch_sizes(noise=0.0)
    points = law.points(frame)
    scaled = law.rescaled({name: np.array([[value]]) for name, value in CRITICAL.items()}, points.scale)
    assert law.curve(points.x, *scaled.values())[0] == pytest.approx(frame["loss"].to_numpy())


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame[frame["batch"] < 500],
        lambda frame: frame[frame["D"] == frame["D"].min()],
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(change):
    with pytest.raises(
        ConfigError, match="law: batch_size needs at least 3 batch sizes, one of them with two numbers of tokens"
    ):
        BatchSize().estimate(change(batch_sizes()).reset_index(drop=True))
