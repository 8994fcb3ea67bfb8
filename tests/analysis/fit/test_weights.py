import numpy as np
import pandas as pd
import pytest

from openr1.analysis import Bootstrap, fit
from openr1.analysis.fit.weights import run_weights
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)


def test_rules_weigh_by_compute():
    frame = pd.DataFrame({"C": [1e18, 1e20]})
    assert run_weights(frame, "sqrt_flops")[1] / run_weights(frame, "sqrt_flops")[0] == pytest.approx(10)
    assert run_weights(frame, "recency")[1] / run_weights(frame, "recency")[0] == pytest.approx(4)
    assert run_weights(frame, "recency").mean() == pytest.approx(1)


def test_inverse_variance_is_of_log_loss():
    frame = pd.DataFrame({"loss": [2.0, 4.0, 4.0], "loss_se": [0.02, 0.04, 0.08]})
    weights = run_weights(frame, "inverse_variance")
    assert weights[0] == pytest.approx(weights[1])
    assert weights[0] / weights[2] == pytest.approx(4)


def test_seeds_weigh_by_the_scatter_between_runs_of_one_configuration():
    rng = np.random.default_rng(0)
    size = np.repeat(np.geomspace(1e6, 1e9, 12), 20)
    noise = 0.1 * (size / 1e6) ** -0.25
    frame = pd.DataFrame({"N": size, "D": 20 * size, "C": 120 * size**2, "loss": 3 * np.exp(rng.normal(0, noise))})
    weights = run_weights(frame, "seeds")
    middle = weights[size == size[100]][0] / weights[size == size[80]][0]
    assert middle == pytest.approx((size[100] / size[80]) ** 0.5, rel=0.2)


def test_a_column_weighs_as_repeated_rows_do(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    frame["copies"] = np.arange(len(frame)) % 3
    repeated = frame.loc[frame.index.repeat(frame["copies"])].reset_index(drop=True)
    weighted = fit(frame, weights="copies", bootstrap=NONE).params
    assert weighted == pytest.approx(fit(repeated, bootstrap=NONE).params, rel=1e-4)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("nope", "weights: must be one of sqrt_flops, recency, inverse_variance, seeds, or a column of the runs"),
        (
            "inverse_variance",
            "weights: inverse_variance needs the standard error of every loss; name columns={'loss_se': ...}",
        ),
        ("seeds", "weights: seeds needs at least 3 configurations (N, D) that were run more than once"),
        ("negative", "weights: the column negative must hold numbers of at least 0"),
        ("words", "weights: the column words must hold numbers of at least 0"),
    ],
)
def test_weights_that_cannot_be_had_are_one_line(runs, rule, line):
    with pytest.raises(ConfigError) as error:
        fit(runs().assign(negative=-1.0, words="x"), weights=rule, bootstrap=NONE)
    assert str(error.value).startswith(line)


@pytest.mark.parametrize("law", ["chinchilla", "power_law"])
def test_rows_of_weight_0_do_not_count_as_points(runs, law):
    frame = runs(budgets=6, sizes=6)
    with pytest.raises(ConfigError, match=r"points of a weight above 0; there are [01]; columns=\{'weight': \.\.\.\}"):
        fit(frame.assign(weight=np.arange(len(frame)) == 0), law, weights="weight", bootstrap=NONE)
    with pytest.raises(ConfigError, match="not all of them 0"):
        fit(frame.assign(weight=0.0), law, weights="weight", bootstrap=NONE)


def test_weights_without_compute_are_one_line():
    with pytest.raises(ConfigError, match="weights: recency needs the FLOPs of every run"):
        run_weights(pd.DataFrame({"loss": [1.0]}), "recency")
