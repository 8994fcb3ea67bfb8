import numpy as np
import pytest

from openr1.analysis import Bootstrap, Fit, Prior, fit
from openr1.analysis.laws import Chinchilla
from openr1.system.errors import ConfigError

NONE, SMALL = Bootstrap(resamples=0), Bootstrap(resamples=200)


def test_a_fixed_parameter_keeps_its_value_and_the_others_are_fitted(runs, truth):
    frame = runs(budgets=6, sizes=6)
    for name in ("alpha", "A", "E"):
        result = fit(frame, fix={name: truth[name]}, bootstrap=NONE)
        assert result.params[name] == truth[name]
        assert result.params == pytest.approx(truth, rel=1e-3)
    assert fit(frame, fix={"E": 0}, bootstrap=NONE).params["E"] == 0


def test_tied_parameters_are_equal_in_the_estimate_and_in_every_resample(runs):
    result = fit(runs(noise=0.003, budgets=6, sizes=6), tie=[["alpha", "beta"]], bootstrap=SMALL)
    assert result.params["alpha"] == result.params["beta"]
    np.testing.assert_array_equal(result.draws[:, 2], result.draws[:, 4])


def test_a_tie_is_the_best_of_all_pairs_of_equal_parameters(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    tied = fit(frame, tie=[["alpha", "beta"]], bootstrap=NONE)
    for factor in (0.99, 1.01):
        fixed = dict.fromkeys(("alpha", "beta"), factor * tied.params["alpha"])
        assert fit(frame, fix=fixed, bootstrap=NONE).objective["value"] > tied.objective["value"]


def test_a_prior_pulls_as_far_as_it_is_sure(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    free = fit(frame, bootstrap=NONE).params["alpha"]
    far = free + 0.1
    sure, unsure = (fit(frame, priors={"alpha": {"mean": far, "sd": sd}}, bootstrap=NONE) for sd in (1e-5, 1e3))
    assert sure.params["alpha"] == pytest.approx(far, abs=1e-3)
    assert unsure.params["alpha"] == pytest.approx(free, abs=1e-3)


def test_an_interval_under_a_prior_is_that_of_both_sources(runs):
    """Two normal sources of equal precision give a posterior whose variance is half of each."""
    frame = runs(noise=0.003, budgets=8, sizes=8)
    free = fit(frame, Chinchilla(objective="log_mse"), bootstrap=Bootstrap(resamples=1000, interval="percentile"))
    prior = Prior(mean=free.params["alpha"], sd=free.se["alpha"])
    both = fit(
        frame,
        Chinchilla(objective="log_mse"),
        priors={"alpha": prior},
        bootstrap=Bootstrap(resamples=1000, interval="percentile"),
    )
    assert both.se["alpha"] == pytest.approx(free.se["alpha"] / np.sqrt(2), rel=0.15)


def test_a_log_normal_prior_holds_a_coefficient(runs, truth):
    result = fit(runs(noise=0.003, budgets=6, sizes=6), priors={"A": Prior(median=2 * truth["A"], log_sd=1e-6)}, bootstrap=NONE)
    assert result.params["A"] == pytest.approx(2 * truth["A"], rel=1e-3)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"fix": {"alfa": 0.3}}, "fix: chinchilla has no parameter 'alfa'; it has E, A, alpha, B, beta"),
        ({"fix": {"alpha": float("nan")}}, "fix.alpha: must be a finite number, not nan"),
        ({"fix": {"alpha": -1}}, "fix.alpha: must be 0 or a positive number, not -1"),
        ({"fix": {"alpha": 0}}, "fix.alpha: must be from 0.01 to 3, the range of alpha in chinchilla, not 0"),
        ({"fix": {"alpha": 1e9}}, "fix.alpha: must be from 0.01 to 3, the range of alpha in chinchilla, not 1e+09"),
        ({"fix": {"alpha": "x"}}, "fix.alpha: must be a finite number, not 'x'"),
        ({"fix": 3}, "fix: give parameters and their values"),
        ({"tie": [["alpha"]]}, "tie: each list names two or more different parameters"),
        ({"tie": [["alpha", "alpha"]]}, "tie: each list names two or more different parameters"),
        ({"tie": [["A", "B"]]}, "tie: A depends on the units of the runs"),
        ({"tie": [["alpha", "beta"]], "fix": {"beta": 0.3}}, "tie: beta is constrained twice"),
        ({"fix": {"E": 1.0}, "priors": {"E": Prior(mean=1, sd=1)}}, "priors: E is constrained twice"),
        ({"priors": {"E": {"mean": 1}}}, "priors.E: give mean and sd of a normal prior, or median and log_sd"),
        ({"priors": {"E": {"mean": 1, "sigma": 1}}}, "priors.E: must be like"),
        ({"priors": {"E": {"mean": 1, "sd": 0}}}, "priors.E.sd: must be above 0"),
    ],
)
def test_an_impossible_constraint_is_one_line(runs, options, line):
    with pytest.raises(ConfigError) as error:
        fit(runs(), bootstrap=NONE, **options)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_constraints_are_for_curves(runs):
    with pytest.raises(ConfigError, match="fix, tie and priors: are for laws that are one curve; isoflop is not"):
        fit(runs(), "isoflop", fix={"N_exponent": 0.5}, bootstrap=NONE)


def test_a_saved_fit_keeps_its_constraints(runs, tmp_path):
    result = fit(runs(noise=0.003), tie=[["alpha", "beta"]], priors={"E": Prior(mean=1.9, sd=0.1)}, bootstrap=SMALL)
    result.save(tmp_path)
    loaded = Fit.load(tmp_path)
    assert loaded.constraints == {"tie": [["alpha", "beta"]], "priors": {"E": {"mean": 1.9, "sd": 0.1}}}
    assert loaded.law.constraints.tied == {"beta": "alpha"}


def test_an_overprediction_that_counts_more_lowers_the_curve(runs):
    frame = runs(noise=0.01, budgets=6, sizes=6)
    shares = [
        np.mean(fit(frame, Chinchilla(overprediction=factor), bootstrap=NONE).predict(frame) > frame["loss"])
        for factor in (1, 10)
    ]
    assert shares[1] < shares[0] / 2


def test_a_prior_moves_all_parameters_even_where_the_runs_are_of_two_kinds(runs):
    one = runs(noise=0.003, budgets=6, sizes=6)
    frame = one.assign(loss=np.where(np.arange(len(one)) % 2, 1.05, 1.0) * one["loss"])
    pulled = fit(frame, priors={"E": {"mean": 1.7, "sd": 0.02}}, bootstrap=NONE)
    held = fit(frame, fix={"E": pulled.params["E"]}, bootstrap=NONE)
    assert pulled.objective["value"] <= held.objective["value"] * 1.001
    assert pulled.params == pytest.approx(held.params, rel=1e-3)


def test_a_law_whose_parameters_are_all_given_reports_its_errors(runs, truth):
    result = fit(runs(noise=0.003, budgets=6, sizes=6), fix=truth, bootstrap=SMALL)
    assert result.params == truth
    assert 0 < result.objective["value"] < 0.1


@pytest.mark.parametrize(
    ("name", "prior"),
    [
        ("alpha", {"mean": 0.3, "sd": 0.01}),
        ("alpha", {"mean": 0.6, "sd": 0.01}),
        ("E", {"median": 1.5, "log_sd": 0.03}),
        ("E", {"median": 1.7, "log_sd": 0.01}),
        ("A", {"median": 60.0, "log_sd": 0.01}),
    ],
)
def test_an_interval_under_a_prior_holds_the_estimate(runs, name, prior):
    """Resamples minimise what the estimate minimises, however far the prior is from the runs."""
    result = fit(runs(noise=0.003, budgets=6, sizes=6), priors={name: prior}, bootstrap=SMALL)
    for known, (low, high) in result.ci95.items():
        assert low <= result.params[known] <= high


def test_the_interval_under_a_tight_prior_is_that_of_the_prior(runs):
    frame, sd = runs(noise=0.003, budgets=6, sizes=6), 0.001
    for mean in (0.3, 0.6):
        result = fit(frame, priors={"alpha": {"mean": mean, "sd": sd}}, bootstrap=SMALL)
        low, high = result.ci95["alpha"]
        assert low < mean < high
        assert high - low == pytest.approx(2 * 1.96 * sd, rel=0.3)


def test_a_loose_prior_changes_no_interval(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    free, loose = (fit(frame, priors=priors, bootstrap=SMALL) for priors in ({}, {"alpha": {"mean": 0.5, "sd": 1e3}}))
    assert loose.params == pytest.approx(free.params, rel=1e-4)
    for name, ends in free.ci95.items():
        assert loose.ci95[name] == pytest.approx(ends, rel=1e-2)
