import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws.base import TrainingFlops
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.power_law import PowerLaw
from openr1.system.errors import ConfigError

TRUTH = {"E": 1.5, "A": 40.0, "alpha": 0.2}


def table(x, offset=True, points=9, noise=0.0):
    values = np.geomspace(1e6, 1e9, points)
    loss = (TRUTH["E"] if offset else 0) + TRUTH["A"] * values ** -TRUTH["alpha"]
    loss *= np.exp(np.random.default_rng(0).normal(0, noise, points))
    return pd.DataFrame({x: values, "loss": loss, "budget": values})


def budgets(noise=0.002, seed=0):
    """Return eight budgets of six runs; the best of each follows the law up to noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for flops in np.geomspace(1e17, 1e20, 8):
        best = 1.7 + 300 * flops**-0.15
        for distance in np.linspace(-1, 1.2, 6):
            loss = best * (1 + 0.02 * distance**2) * np.exp(rng.normal(0, noise))
            rows.append({"C": flops, "budget": flops, "loss": loss})
    return pd.DataFrame(rows)


def draws(frame, resamples=200, seed=0):
    """Draw counts within each budget."""
    rng, budget = np.random.default_rng(seed), frame["budget"].to_numpy()
    weights = np.zeros((resamples, len(frame)))
    for label in np.unique(budget):
        rows = np.flatnonzero(budget == label)
        weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=resamples)
    return weights


@pytest.mark.parametrize("x", ["N", "D", "C"])
@pytest.mark.parametrize("offset", [True, False])
def test_the_law_of_each_variable_is_found_again(x, offset):
    frame, law = table(x, offset), PowerLaw(x=x, offset=offset)
    result = law.estimate(frame)
    truth = list(TRUTH.values()) if offset else [TRUTH["A"], TRUTH["alpha"]]
    assert result.params[0] == pytest.approx(truth, rel=1e-3)
    assert result.warnings == []
    assert law.predict(result.params, frame)[0] == pytest.approx(frame["loss"])
    assert [p.name for p in law.parameters] == (["E", "A", "alpha"] if offset else ["A", "alpha"])
    assert all(p.name in law.formula for p in law.parameters)
    assert law.needs == (x, "loss")


@pytest.mark.parametrize("objective", ["huber", "lad", "log_mse", "mse"])
def test_the_objective_is_a_choice(objective):
    frame = table("N", points=40)
    frame.loc[7, "loss"] *= 1.2
    law = PowerLaw(x="N", objective=objective)
    off = np.abs(law.estimate(frame).params[0] / list(TRUTH.values()) - 1).max()
    assert (off < 0.02) == (objective in ("huber", "lad"))  # an outlier moves the squares


@pytest.mark.parametrize("offset", [True, False])
def test_slopes_are_those_of_the_complex_step(offset):
    law = PowerLaw(x="D", offset=offset)
    x = Inputs(D=np.geomspace(0.1, 10, 7))
    params = [np.array([[0.7], [1.1]])] * offset + [np.array([[2.0], [0.3]]), np.array([[0.2], [0.9]])]
    values, slopes = law.slopes(x, *params)
    by_step = super(PowerLaw, law).slopes(x, *params)
    assert np.allclose(values, by_step[0])
    assert np.allclose(slopes, by_step[1])


def test_parameters_follow_a_change_of_unit():
    params = {name: np.array([[value]]) for name, value in TRUTH.items()}
    scaled = PowerLaw(x="N").rescaled(params, {"N": 1e6})
    x = np.array([1e5, 1e8])
    law = PowerLaw(x="N")
    assert np.allclose(law.curve(Inputs(N=x), *params.values()), law.curve(Inputs(N=x / 1e6), *scaled.values()))


def test_the_law_of_compute_is_that_of_the_best_runs():
    frame = budgets()
    worse = frame.copy()
    worst = worse.groupby("budget")["loss"].idxmax()
    worse.loc[worst, "loss"] *= 3
    assert np.array_equal(PowerLaw().estimate(frame).params, PowerLaw().estimate(worse).params)
    assert len(PowerLaw().fitted_rows(frame)) == 8


def test_a_budget_no_better_than_a_smaller_one_does_not_count():
    frame = budgets()
    largest = frame["budget"] == frame["budget"].max()
    frame.loc[largest, "loss"] += 1
    law = PowerLaw()
    without = law.estimate(frame[~largest]).params
    assert np.array_equal(law.estimate(frame).params, without)
    assert len(law.fitted_rows(frame)) == 7
    # and in resamples that drew every run
    assert law.resample(frame, without, np.ones((1, len(frame)))) == pytest.approx(without, rel=1e-3)


def test_each_resample_has_a_frontier_of_its_own():
    frame, law = budgets(), PowerLaw()
    params = law.estimate(frame).params
    weights = draws(frame, 5)
    weights[4] = 1
    weights[4, frame["loss"].idxmin()] = 0
    result = law.resample(frame, params, weights)
    for row, drawn in zip(result, weights, strict=True):
        alone = law.estimate(frame[drawn > 0]).params
        assert law.losses(row[None], np.array([1e18, 1e20])) == pytest.approx(
            law.losses(alone, np.array([1e18, 1e20])), rel=1e-4
        )


def test_resamples_scatter_as_the_noise_does():
    law = PowerLaw()
    studies = [budgets(seed=seed) for seed in range(40)]
    scatter = np.std([law.estimate(study).params[0, 2] for study in studies], ddof=1)
    spread = np.std(law.resample(studies[0], law.estimate(studies[0]).params, draws(studies[0]))[:, 2], ddof=1)
    assert 0.3 * scatter < spread < 3 * scatter


def test_a_weight_is_that_of_a_point():
    frame = table("N", noise=0.01)
    twice = pd.concat([frame, frame.tail(1)])
    weighted = frame.assign(weight=[1.0] * 8 + [2.0])
    law = PowerLaw(x="N")
    assert law.estimate(weighted).params == pytest.approx(law.estimate(twice).params, rel=1e-3)


@pytest.mark.parametrize("x", ["N", "C"])
def test_three_points_are_too_few_for_an_irreducible_loss(x):
    law, frame = PowerLaw(x=x), table(x, offset=False, points=3)
    result = law.estimate(frame)
    assert result.params[0] == pytest.approx([0, 40, 0.2], rel=1e-4)
    assert result.warnings == ["3 points are too few to fit an irreducible loss: E is set to 0"]
    again = law.resample(frame, result.params, np.array([[1, 1, 1], [2, 1, 0], [3, 0, 0]]))
    assert again[:2] == pytest.approx(np.repeat(result.params, 2, axis=0), rel=1e-3)
    assert np.isnan(again[2, 1:]).all()


def test_many_runs_of_three_sizes_are_three_points():
    frame = pd.concat([table("N", offset=False, points=3)] * 5)
    assert PowerLaw(x="N").estimate(frame).params[0, 0] == 0


@pytest.mark.parametrize(
    ("x", "message"),
    [("C", "at least 3 budgets that improve on the one before; there are 2"), ("N", "at least 3 values of N; there are 2")],
)
def test_two_points_are_refused(x, message):
    with pytest.raises(ConfigError, match=f"^law: power_law needs {message}"):
        PowerLaw(x=x).estimate(table(x, points=2))


def test_only_a_law_of_compute_has_a_frontier():
    params = np.array([list(TRUTH.values())])
    assert PowerLaw(x="N").frontier(params, np.array([1e8]), TrainingFlops()) == {}
    assert PowerLaw().frontier(params, np.array([1e8]), TrainingFlops())["loss"] == pytest.approx(1.5 + 40 * 1e8**-0.2)


def test_residuals_and_their_jacobian_are_of_the_frontier():
    frame, law = budgets(), PowerLaw()
    params = law.estimate(frame).params
    assert law.residuals(params, frame).shape == (8,)
    assert law.jacobian(params, frame).shape == (8, 3)
    assert PowerLaw(x="N").strata(table("N")) is None
    assert np.array_equal(law.strata(frame), frame["budget"])


def test_arrays_can_be_fitted_without_a_frame():
    law, x = PowerLaw(), np.geomspace(1e17, 1e20, 6)
    loss = 1.7 + 300 * x**-0.15
    result = law.solve(law.points_of(x, loss), law.floor(len(x)))
    assert result.params[0] == pytest.approx([1.7, 300, 0.15], rel=1e-3)
    batch = np.stack([loss, 2 * loss])
    again, _ = law.refine(law.points_of(x, batch), {}, result.params, np.ones((2, 6)))
    assert again[1] == pytest.approx([3.4, 600, 0.15], rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"), [({"x": "U"}, "law.x: 'U' is not one of C, N, D"), ({"delta": 0.0}, "law.delta: must be above 0")]
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        PowerLaw(**options)
