import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from analysis import LAWS, Bootstrap, fit
from analysis.frame import tidy
from analysis.laws import Chinchilla, Cost, PowerLaw
from openr1.errors import ConfigError

NONE = Bootstrap(resamples=0)


def test_the_parametric_law_is_found_again(runs, truth):
    found = fit(runs(), "chinchilla", bootstrap=NONE)
    assert found.params == pytest.approx(truth, rel=1e-3)
    assert found.diagnostics["agreeing"] > 0.9
    assert found.diagnostics["warnings"] == []


def test_outliers_do_not_move_the_parametric_law(runs, truth):
    frame = runs()
    frame.loc[[3, 11], "loss"] *= 1.1
    assert fit(frame, "chinchilla", bootstrap=NONE).params == pytest.approx(truth, rel=0.03)


@pytest.mark.parametrize("cost", [Cost(), Cost(54.0, 0.86)])
def test_the_frontier_is_the_best_size_at_each_cost(truth, true_loss, cost):
    frontier = Chinchilla().frontier(np.array([list(truth.values())]), np.array([1e12, 1e14]), cost)
    for i, flops in enumerate((1e12, 1e14)):
        best = minimize_scalar(
            lambda log_n, flops=flops: true_loss(np.exp(log_n), flops / cost(np.exp(log_n), 1)),
            bounds=(5, 20),
            options={"xatol": 1e-9},
        )
        assert frontier["loss"][0, i] == pytest.approx(best.fun, rel=1e-9)
        assert frontier["N"][0, i] == pytest.approx(np.exp(best.x), rel=1e-3)
        assert cost(frontier["N"][0, i], frontier["D"][0, i]) == pytest.approx(flops)


def test_the_cost_of_6nd_is_found_exactly(table):
    frame = tidy(table().drop(columns="C"), flops_6nd=True).frame
    cost = Cost.of(frame)
    assert (cost.coefficient, cost.exponent) == pytest.approx((6, 1))


@pytest.mark.parametrize("x", ["N", "D", "C"])
@pytest.mark.parametrize("offset", [True, False])
def test_a_power_law_of_each_variable_is_found_again(x, offset):
    values = np.geomspace(1e6, 1e8, 9)
    table = pd.DataFrame({"N": values, "D": values, "C": 6 * values**2})
    truth = {"E": 1.5, "A": 40.0, "alpha": 0.2} if offset else {"A": 40.0, "alpha": 0.2}
    table["loss"] = truth.get("E", 0) + 40 * table[x] ** -0.2
    found = fit(tidy(table).frame, PowerLaw(x=x, offset=offset), bootstrap=NONE)
    assert found.params == pytest.approx(truth, rel=1e-3)
    assert found.predict(table) == pytest.approx(table["loss"])


def test_a_power_law_of_compute_takes_the_best_run_of_each_budget(runs):
    frame = runs()
    frame.loc[frame.groupby("budget")["loss"].idxmax(), "loss"] *= 3
    assert fit(frame, "power_law", bootstrap=NONE).params == fit(runs(), "power_law", bootstrap=NONE).params


def test_a_budget_that_is_worse_than_a_smaller_one_is_not_on_the_frontier(runs):
    frame = runs()
    largest = frame["budget"] == frame["budget"].max()
    frame.loc[largest, "loss"] += 1
    assert fit(frame, "power_law", bootstrap=NONE).params == fit(frame[~largest], "power_law", bootstrap=NONE).params


@pytest.mark.parametrize("law", ["power_law", "isoflop"])
def test_three_budgets_are_too_few_for_an_irreducible_loss(runs, law):
    found = fit(runs(budgets=3), law, bootstrap=Bootstrap(50))
    assert found.params["E"] == 0
    assert found.diagnostics["at_bound"] == []
    assert any("too few for an irreducible loss" in warning for warning in found.diagnostics["warnings"])


def parabolas(exponent=0.45, budgets=5, shift=0.0):
    """Runs whose loss is a parabola in log N about N* = C^exponent, and C = 20 N^0.9 D."""
    rows = []
    for flops in np.geomspace(1e17, 1e19, budgets):
        optimum = flops**exponent
        for n in optimum * np.geomspace(0.25, 4, 7) * np.exp(shift):
            floor = 1.7 + 200 * flops**-0.14
            rows.append({"N": n, "D": flops / (20 * n**0.9), "C": flops, "loss": floor + 0.03 * np.log(n / optimum) ** 2})
    return pd.DataFrame(rows)


def test_isoflop_minima_are_found_again_without_6nd():
    found = fit(tidy(parabolas()).frame, "isoflop", bootstrap=NONE).params
    assert found["N_exponent"] == pytest.approx(0.45, rel=1e-6)
    assert found["N_coefficient"] == pytest.approx(1, rel=1e-4)
    assert found["D_exponent"] == pytest.approx(1 - 0.9 * 0.45, rel=1e-6)
    assert (found["E"], found["A"], found["gamma"]) == pytest.approx((1.7, 200, 0.14), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda runs: runs.assign(loss=2 * runs["loss"].mean() - runs["loss"]), "its parabola opens downward"),
        (lambda runs: runs[runs["N"] > runs["N"].median()], "its minimum is at or beyond the smallest model"),
        (lambda runs: runs[runs["N"] < runs["N"].median()], "its minimum is at or beyond the largest model"),
        (lambda runs: runs.iloc[2:4], "fewer than three model sizes"),
    ],
)
def test_a_budget_without_a_minimum_is_left_out_and_named(change, reason):
    table = parabolas()
    good, bad = table[table["C"] < 1e19], table[table["C"] >= 1e19]
    found = fit(tidy(pd.concat([good, change(bad)])).frame, "isoflop", bootstrap=NONE)
    assert found.params["N_exponent"] == pytest.approx(0.45, rel=1e-6)
    assert found.tables["budgets"][-1]["excluded"] == reason
    assert found.diagnostics["warnings"] == [f"left out, {reason}: 1 of 5 budgets (10\u00b9\u2079 FLOPs)"]


@pytest.mark.parametrize(
    ("law", "frame", "message"),
    [
        ("chinchilla", parabolas().head(5), "needs at least 6 runs; there are 5"),
        ("power_law", parabolas(budgets=2), "needs at least 3 budgets that improve on the one before; there are 2"),
        ("isoflop", parabolas(budgets=1), "needs at least 2 budgets whose minimum is inside; there are 1"),
        ("isoflop", parabolas(shift=3.0), "there are 0; left out, its minimum is at or beyond the smallest model"),
    ],
)
def test_too_few_runs_are_refused(law, frame, message):
    with pytest.raises(ConfigError, match=message):
        fit(tidy(frame).frame, law)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_explains_itself(law):
    made = LAWS[law]()
    assert made.title
    assert made.source
    assert all(parameter.name in made.formula and parameter.meaning for parameter in made.parameters)
