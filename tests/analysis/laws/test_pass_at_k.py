from math import comb

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws.pass_at_k import PassAtK, pass_at_k
from openr1.system.errors import ConfigError

TRUTH = (-1.8, -0.3)


def table(truth=TRUTH, noise=0.0):
    """Return a row per k."""
    k = 2 ** np.arange(11)
    scatter = np.random.default_rng(0).normal(0, noise, len(k))
    return pd.DataFrame({"k": k, "coverage": np.exp(truth[0] * k ** truth[1]) + scatter})


def problems(n=80, samples=64, seed=0):
    """Return a row per problem, some of them hard."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"samples": samples, "correct": rng.binomial(samples, rng.beta(0.3, 3, n))})


def drawn(n, resamples=300):
    return np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def test_pass_at_k_is_that_of_the_binomial_coefficients():
    n, c, k = np.meshgrid(np.arange(1, 13), np.arange(13), np.arange(1, 13))
    some = (c <= n) & (k <= n)
    n, c, k = n[some], c[some], k[some]
    exact = [1 - comb(a - b, d) / comb(a, d) for a, b, d in zip(n, c, k, strict=True)]
    assert pass_at_k(n, c, k) == pytest.approx(exact, abs=1e-14)


@pytest.mark.parametrize(
    ("samples", "correct", "k", "expected"),
    [
        (100_000, 1, 1, 1e-5),
        (100_000, 1, 50_000, 0.5),
        (10_000, 0, 10_000, 0),
        (10_000, 1, 10_000, 1),
        (10_000, 9_000, 9_000, 1),
    ],
)
def test_pass_at_k_of_many_samples_does_not_overflow(samples, correct, k, expected):
    assert pass_at_k(samples, correct, k) == pytest.approx(expected, rel=1e-9)


def test_pass_at_k_broadcasts():
    result = pass_at_k(np.array([[4], [10]]), np.array([[2], [0]]), np.array([1, 2]))
    assert result == pytest.approx(np.array([[1 / 2, 5 / 6], [0, 0]]))


def test_pass_at_k_has_no_bias():
    rng = np.random.default_rng(0)
    result = pass_at_k(20, rng.binomial(20, 0.1, 20_000), 5)
    assert result.mean() == pytest.approx(1 - 0.9**5, abs=4 * result.std() / np.sqrt(20_000))


@pytest.mark.parametrize(
    ("samples", "correct", "k", "message"),
    [
        (4, 1, 5, "runs.columns.samples: pass@k needs 1 <= k <= samples; k is 5, samples is 4"),
        (4, 1, 0, "k is 0, samples is 4"),
        (np.array([4, 4]), np.array([1, 5]), 1, "runs.columns.correct: must be from 0 to the number of samples"),
        (4, -1, 1, "runs.columns.correct"),
    ],
)
def test_impossible_counts_are_refused(samples, correct, k, message):
    with pytest.raises(ConfigError, match=message):
        pass_at_k(samples, correct, k)


@pytest.mark.parametrize("objective", ["mse", "log_mse", "huber", "lad"])
def test_the_law_is_found_again_from_coverage(objective):
    law = PassAtK(objective=objective)
    assert law.estimate(table()).params[0] == pytest.approx(TRUTH, rel=1e-3)


def test_a_coverage_of_zero_is_a_point_like_the_others():
    coverage = table((-12, -0.4))
    coverage.loc[0, "coverage"] = 0
    assert PassAtK().estimate(coverage).params[0] == pytest.approx((-12, -0.4), rel=0.02)


def test_the_coverage_of_problems_is_the_mean_of_their_estimates():
    runs = problems(samples=100)
    runs.loc[3] = (37, 2)  # the fewest samples: k goes up to 32
    result = PassAtK().fitted_rows(runs)
    assert result["k"].tolist() == [1, 2, 4, 8, 16, 32]
    each = [pass_at_k(runs["samples"], runs["correct"], k).mean() for k in result["k"]]
    assert result["coverage"].tolist() == pytest.approx(each)
    assert result["coverage"][0] == pytest.approx((runs["correct"] / runs["samples"]).mean())


def test_problems_and_their_coverage_give_one_fit():
    law = PassAtK()
    runs = problems()
    coverage = law.fitted_rows(runs)
    result = law.estimate(runs).params
    assert result == pytest.approx(law.estimate(coverage).params)
    assert law.fitted_rows(coverage).equals(coverage)
    assert law.observed(runs) == pytest.approx(law.observed(coverage))
    assert law.predict(result, runs) == pytest.approx(law.predict(result, coverage))
    assert law.residuals(result, runs) == pytest.approx(law.observed(coverage) - law.predict(result, coverage)[0])
    assert law.jacobian(result, runs) == pytest.approx(law.jacobian(result, coverage))


def test_any_number_of_samples_is_predicted():
    predicted = PassAtK().predict(np.array([TRUTH, (-1.0, -0.5)]), pd.DataFrame({"k": [1, 4]}))
    assert predicted == pytest.approx(np.exp([[-1.8, -1.8 * 4**-0.3], [-1, -0.5]]))


def test_a_resample_draws_problems():
    law = PassAtK()
    runs = problems()
    result = law.estimate(runs).params
    weights = drawn(len(runs))
    draws = law.resample(runs, result, weights)
    for row in range(3):
        repeated = runs.loc[np.repeat(np.arange(len(runs)), weights[row].astype(int))]
        assert draws[row] == pytest.approx(law.estimate(repeated).params[0], rel=1e-3)
    repeated = np.std([law.estimate(problems(seed=seed)).params[0] for seed in range(100)], axis=0)
    assert draws.std(axis=0) == pytest.approx(repeated, rel=0.5)


def test_a_resample_of_coverages_draws_ks():
    law = PassAtK()
    coverage = table(noise=0.01)
    result = law.estimate(coverage).params
    draws = law.resample(coverage, result, drawn(len(coverage)))
    assert (np.nanquantile(draws, 0.05, axis=0) < result[0]).all()
    assert (result[0] < np.nanquantile(draws, 0.95, axis=0)).all()


def test_a_resample_without_a_solved_problem_determines_nothing():
    runs = pd.DataFrame({"samples": [8, 8, 8], "correct": [0, 0, 3]})
    law = PassAtK()
    draws = law.resample(runs, law.estimate(runs).params, np.array([[1.0, 2, 0], [1, 1, 1], [0, 1, 2]]))
    assert np.isnan(draws).all(axis=1).tolist() == [True, False, False]


def test_weights_count_problems():
    runs = problems()
    twice = pd.concat([runs, runs[:20]])
    weighted = runs.assign(weight=np.where(np.arange(len(runs)) < 20, 2.0, 1.0))
    law = PassAtK()
    result = law.estimate(weighted).params
    assert result == pytest.approx(law.estimate(twice).params)
    ones = np.ones((1, len(runs)))
    assert law.resample(weighted, result, ones) == pytest.approx(result, rel=1e-4)


def test_the_slopes_are_those_of_the_curve():
    law = PassAtK()
    x = law.points(table()).x
    params = [np.array([[value]]) for value in TRUTH]
    values, slopes = law.slopes(x, *params)
    assert values == pytest.approx(law.curve(x, *params))
    _, stepped = super(PassAtK, law).slopes(x, *params)
    for closed, exact in zip(slopes, stepped, strict=True):
        assert closed == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table().head(2), "law: pass_at_k has 2 parameters and needs at least 3 points; there are 2"),
        (problems(samples=3), "needs at least 3 points; there are 2"),
        (table()[["k"]], "runs.columns.samples: pass_at_k needs samples and correct, a row per problem, or k and coverage"),
        (100 * table(), "runs.columns.coverage: must be from 0 to 1"),
        (table().assign(k=0), "runs.columns.k: must be above 0; the smallest is 0"),
        (problems().assign(correct=0), "law: pass_at_k needs a coverage between 0 and 1; it is 0 at every k"),
        (problems().assign(correct=64), "it is 1 at every k"),
        (problems().assign(correct=65), "runs.columns.correct"),
        (problems().assign(samples=np.nan), "runs.columns.samples: must be at least 1 in every row"),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(frame, message):
    with pytest.raises(ConfigError, match=message):
        PassAtK().estimate(frame)


def test_a_logarithm_of_no_coverage_is_refused():
    frame = table()
    frame.loc[0, "coverage"] = 0
    with pytest.raises(ConfigError, match=r"law\.objective: huber takes logarithms; a coverage of 0 needs mse"):
        PassAtK(objective="huber").estimate(frame)
