import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import isoflop_runs

from openr1.analysis import Bootstrap, fit
from openr1.analysis.formatting import quantity
from openr1.analysis.laws import Chinchilla, FormulaLaw, PowerLaw
from openr1.analysis.sources.frame import tidy

SOME = Bootstrap(200)


def warned(result, words):
    return any(words in warning for warning in result.diagnostics["warnings"])


def test_a_good_study_has_nothing_to_warn_of():
    result = fit(isoflop_runs(), Chinchilla(objective="log_mse"), bootstrap=SOME)
    assert result.diagnostics["warnings"] == []
    assert result.diagnostics["basins"] == 1
    assert result.diagnostics["condition"] < 60


def test_too_few_points_are_said():
    assert warned(fit(isoflop_runs(3, 3), "chinchilla", bootstrap=Bootstrap(0)), "only 9 points for 5 parameters")


def test_a_ridge_names_what_trades_off():
    """Runs at one ratio of tokens to parameters cannot tell the two terms apart."""
    frame = isoflop_runs(10, 8)
    frame["D"] = 20 * frame["N"]
    frame["loss"] = 1.8 + 480 * frame["N"] ** -0.35 + 2000 * frame["D"] ** -0.37
    result = fit(frame, Chinchilla(objective="log_mse"), bootstrap=Bootstrap(0))
    assert {"A", "B"} & set(result.diagnostics["ridge"])
    assert warned(result, "since they compensate each other")


def test_the_condition_does_not_depend_on_units():
    frame = isoflop_runs()
    scaled = frame.assign(N=frame["N"] / 1e9, D=frame["D"] / 1e9)
    first, second = (fit(runs, "chinchilla", bootstrap=Bootstrap(0)).diagnostics["condition"] for runs in (frame, scaled))
    assert first == pytest.approx(second, rel=1e-3)


def test_one_run_that_moves_the_fit_is_named():
    frame = isoflop_runs(5, 5)
    frame.loc[20, "loss"] *= 1.15
    result = fit(frame, Chinchilla(objective="log_mse"), bootstrap=SOME)
    worst = result.diagnostics["influence"][0]
    assert worst["run"] == "20"
    row = frame.iloc[20]
    size, tokens, flops = (quantity(name, row[name]) for name in ("N", "D", "C"))
    assert warned(result, f"leaving out the run with N = {size}, D = {tokens} and C = {flops} changes ")
    named = fit(frame.assign(name=[f"run {i}" for i in range(25)]), Chinchilla(objective="log_mse"), bootstrap=SOME)
    assert named.diagnostics["influence"][0]["run"] == "run 20"
    nameless = fit(frame.assign(name=None), Chinchilla(objective="log_mse"), bootstrap=SOME)
    assert nameless.diagnostics["influence"][0]["run"] == "20"
    assert worst["without"] == pytest.approx(
        fit(frame.drop(index=20).reset_index(drop=True), Chinchilla(objective="log_mse"), bootstrap=Bootstrap(0)).params[
            worst["parameter"]
        ],
        rel=1e-3,
    )


def test_residuals_that_bend_are_said():
    d = np.geomspace(1e6, 1e9, 40)
    frame = tidy(pd.DataFrame({"N": 1e6, "D": d, "C": 6e6 * d, "loss": 2 + 40 * d**-0.2})).frame
    result = fit(frame, PowerLaw(x="D", offset=False, objective="log_mse"), bootstrap=Bootstrap(0))
    assert warned(result, "residuals trend with D (bent")


def test_resamples_that_do_not_determine_the_law_are_counted():
    result = fit(isoflop_runs(3, 3, noise=0.02), "isoflop", bootstrap=SOME)
    assert result.bootstrap["failed"] > 10
    assert warned(result, "resamples do not determine the law")


def floorless():
    """Return runs whose loss is a sum of equal powers without a floor, so that every law of them has none."""
    frame = isoflop_runs()
    loss = 480 * frame["N"] ** -0.35 + 1400 * frame["D"] ** -0.35
    return frame.assign(loss=loss)


@pytest.mark.parametrize("law", ["chinchilla", "power_law", "isoflop", "overtraining"])
def test_a_floor_that_ends_at_zero_is_said(law):
    result = fit(floorless(), law, bootstrap=Bootstrap(0))
    assert result.diagnostics["at_zero"] == ["E"]
    assert "E" in result.diagnostics["at_bound"]
    assert warned(
        result, "is 0, at the edge of what is allowed: the runs do not show it, and predictions beyond them go without"
    )
    assert not warned(result, "do not determine E: the estimate")


@pytest.mark.parametrize("law", ["chinchilla", "power_law", "isoflop"])
def test_a_parameter_that_ends_at_zero_is_zero_wherever_it_is_written(law):
    frame = floorless()
    frame["loss"] *= np.exp(np.random.default_rng(0).normal(0, 0.001, len(frame)))
    result = fit(frame, law, bootstrap=Bootstrap(50))
    assert result.diagnostics["at_zero"] == ["E"]
    assert result.params["E"] == 0
    assert result.ci95["E"][0] == 0
    assert result.to_dict()["params"]["E"] == 0
    assert "$E$ & $0$ & $[0, " in result.to_latex()
    assert any(line.split()[:2] == ["E", "0"] for line in repr(result).splitlines())
    assert np.isfinite(result.predict(frame)).all()


def test_an_exponent_of_a_formula_that_ends_at_zero_is_zero():
    frame = isoflop_runs()
    frame["loss"] = (1.9 + 480 * frame["N"] ** -0.35) * np.exp(np.random.default_rng(0).normal(0, 0.002, len(frame)))
    result = fit(frame, FormulaLaw(formula="E*(D/1e9)**-d + A*N**-a"), bootstrap=Bootstrap(0), fix={"d": 0.0})
    assert result.params["d"] == 0
    rising = frame.assign(loss=frame["loss"] * (frame["D"] / 1e9) ** 0.01)
    result = fit(rising, FormulaLaw(formula="E*(D/1e9)**-d + A*N**-a"), bootstrap=Bootstrap(0))
    assert result.params["d"] == 0
    assert "d" in result.diagnostics["at_zero"]


def test_a_term_that_vanishes_is_said():
    frame = isoflop_runs()
    frame["loss"] = 1.8 + 2000 * frame["D"] ** -0.37
    result = fit(frame, Chinchilla(objective="log_mse"), bootstrap=Bootstrap(0))
    assert {"A", "alpha"} & set(result.diagnostics["at_zero"])
    assert warned(result, "of the model term) is 0, at the edge")


def test_a_floor_that_the_law_sets_to_zero_is_no_estimate():
    frame = isoflop_runs(3, 8)
    result = fit(frame, "power_law", bootstrap=Bootstrap(0))
    assert result.params["E"] == 0
    assert result.diagnostics["at_zero"] == result.diagnostics["at_bound"] == []
    assert fit(frame, "isoflop", bootstrap=Bootstrap(0)).diagnostics["at_zero"] == []


def test_an_additive_parameter_next_to_zero_is_not_called_undetermined():
    compute = np.geomspace(1, 300, 30)
    noise = np.random.default_rng(0).normal(0, 0.003, 30)
    frame = pd.DataFrame({"C": compute, "pass_at_1": np.clip(0.7 / (1 + (10 / compute) ** 1.5) + noise, 0, 1)})
    result = fit(frame, "rl_sigmoid", bootstrap=Bootstrap(0))
    assert result.params["R0"] < 0.01
    assert "R0" not in result.diagnostics["flat"]


@pytest.mark.parametrize("law", ["power_law", "rl_power"])
def test_intervals_of_one_run_a_stratum_are_not_of_width_zero(law):
    rng = np.random.default_rng(0)
    compute = np.geomspace(1e17, 1e21, 9)
    frame = tidy(pd.DataFrame({"C": compute, "loss": (1.9 + 5e3 * compute**-0.2) * np.exp(rng.normal(0, 0.003, 9))})).frame
    if law == "rl_power":
        size, steps = (part.ravel() for part in np.meshgrid(np.geomspace(5e8, 5e10, 8), np.geomspace(1e18, 1e20, 6)))
        share = 1 / (1 + 2e9 / size)
        error = np.exp(share * (2.0 + 0.02 * np.log(size) - 0.07 * np.log(steps)) + rng.normal(0, 0.01, len(size)))
        frame = pd.DataFrame({"N": size, "C": steps, "pass_at_1": 1 - error, "run": size.astype(str)})
    result = fit(frame, law, bootstrap=SOME)
    for name, (low, high) in result.ci95.items():
        assert high - low > 1e-3 * abs(result.params[name])
    assert result.ci95


def test_resamples_that_all_agree_give_no_interval_and_a_warning():
    frame = pd.DataFrame({"N": np.repeat([5e8, 2e9, 8e9], 6), "C": np.tile(np.geomspace(1e18, 1e20, 6), 3)})
    share = 1 / (1 + 2e9 / frame["N"])
    noise = np.random.default_rng(0).normal(0, 0.01, len(frame))
    frame["pass_at_1"] = 1 - np.exp(share * (2 + 0.02 * np.log(frame["N"]) - 0.07 * np.log(frame["C"])) + noise)
    frame["run"] = frame["N"].astype(str)  # a run of each of three sizes, all of which the law needs
    result = fit(frame, "rl_power", bootstrap=SOME)
    assert result.ci95 == {} == result.se
    assert warned(result, "have no interval, since all resamples agree")
    assert np.isnan(result.interval(frame)).all()


def law_of(frame):
    return 1.8 + 480 * frame["N"] ** -0.35 + 2000 * frame["D"] ** -0.37


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "d", "words"),
    [
        (np.full(15, 1e8), np.geomspace(1e9, 1e11, 15), "one model size"),
        (np.geomspace(1e7, 1e9, 15), np.full(15, 1e10), "one number of tokens"),
        (np.geomspace(1e7, 1e9, 15), 20 * np.geomspace(1e7, 1e9, 15), "all have D = 20 N"),
        (np.geomspace(1e7, 1e9, 15), 1e5 * np.geomspace(1e7, 1e9, 15) ** 0.5, r"D in proportion to N^0.50"),
        (np.geomspace(1e8, 1e9, 15), 1e18 / np.geomspace(1e8, 1e9, 15), "one budget"),
    ],
)
@pytest.mark.parametrize("law", ["chinchilla", "overtraining"])
def test_runs_along_one_line_give_no_advice(law, n, d, words):
    if law == "overtraining" and "20 N" in words:
        return  # it refuses them
    frame = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d})
    noise = np.random.default_rng(0).normal(0, 0.003, 15)
    result = fit(tidy(frame.assign(loss=law_of(frame) * np.exp(noise))).frame, law, bootstrap=Bootstrap(0))
    assert words in result.undetermined
    assert result.undetermined in result.diagnostics["warnings"]
    assert ": add " in result.undetermined


@pytest.mark.slow
def test_runs_whose_losses_hardly_differ_give_no_advice():
    n, d = (part.ravel() for part in np.meshgrid(np.geomspace(1e8, 1.2e8, 5), np.geomspace(1e9, 1.2e9, 5)))
    frame = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d})
    noise = np.random.default_rng(0).normal(0, 0.02, 25)
    result = fit(tidy(frame.assign(loss=law_of(frame) * np.exp(noise))).frame, "chinchilla", bootstrap=Bootstrap(0))
    assert "they hardly differ but for noise" in result.undetermined


def test_an_irreducible_loss_of_zero_gives_no_advice():
    frame = isoflop_runs(8, 8)
    frame["loss"] = (law_of(frame) - 1.8) * np.exp(np.random.default_rng(0).normal(0, 0.003, 64))
    assert "do not show an irreducible loss" in fit(frame, "chinchilla", bootstrap=Bootstrap(0)).undetermined


@pytest.mark.parametrize("law", ["chinchilla", "overtraining", "isoflop", "power_law"])
def test_runs_of_several_sizes_and_budgets_give_advice(law):
    assert fit(isoflop_runs(), law, bootstrap=Bootstrap(0)).undetermined == ""


@pytest.mark.slow
def test_parameters_that_change_no_prediction_have_no_interval():
    d = np.geomspace(1e9, 1e11, 20)
    frame = pd.DataFrame({"N": 1e8, "D": d, "C": 6e8 * d})
    noise = np.random.default_rng(0).normal(0, 0.003, 20)
    result = fit(tidy(frame.assign(loss=law_of(frame) * np.exp(noise))).frame, "chinchilla", bootstrap=SOME)
    assert not {"E", "A", "alpha"} & {*result.ci95, *result.se}
    assert {"B", "beta"} <= set(result.ci95)
    assert warned(result, "have no interval, since other values predict the runs equally")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of", "words"),
    [
        ("N", "two model sizes, which do not determine E, A and alpha"),
        ("D", "two numbers of tokens, which do not determine E, B and beta"),
    ],
)
def test_two_values_of_a_quantity_give_no_advice_whatever_the_noise(of, words):
    for seed in range(4):
        few, many = np.array([2e8, 2e9]), np.geomspace(1e9, 1e11, 8)
        pair = np.meshgrid(few if of == "N" else many / 30, many if of == "N" else few * 30)
        n, d = (part.ravel() for part in pair)
        frame = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d})
        noise = np.random.default_rng(seed).normal(0, 0.003, len(n))
        runs = tidy(frame.assign(loss=law_of(frame) * np.exp(noise))).frame
        assert words in fit(runs, "chinchilla", bootstrap=Bootstrap(0)).undetermined
    exponent = "alpha" if of == "N" else "beta"
    assert not fit(runs, "chinchilla", bootstrap=Bootstrap(0), fix={exponent: 0.35}).undetermined


def test_a_single_curve_is_told_to_have_points_that_depend_on_each_other():
    frame = isoflop_runs(4, 5).assign(run="the only one")
    assert warned(fit(frame, "chinchilla", bootstrap=Bootstrap(20)), "all rows are points of one run")


def test_two_optima_tell_how_to_divide_compute_and_no_loss_beyond_the_runs():
    frame = isoflop_runs(2, 9)
    result = fit(frame, "isoflop", bootstrap=Bootstrap(20))
    largest = float(frame["C"].max())
    assert result.known_at(10 * largest) == ("N", "D")
    assert result.known_at(largest) == ("N", "D", "loss")
