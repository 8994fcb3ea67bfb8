import json

import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import LAW_STUDIES, isoflop_runs

from openr1.analysis import LAWS, Bootstrap, Fit, Holdout, fit
from openr1.analysis.laws import PowerLaw
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

SMALL = Bootstrap(resamples=60)
ALLOCATING = ("isoflop", "chinchilla", "power_law")


@pytest.mark.parametrize("law", ALLOCATING)
def test_held_out_runs_are_predicted_and_never_fitted(runs, law):
    frame = runs(noise=0.003)
    held = frame["budget"] == frame["budget"].max()
    before = fit(frame, law, Holdout(largest_budgets=1), SMALL)
    frame.loc[held, "loss"] *= 1.05
    after = fit(frame, law, Holdout(largest_budgets=1), SMALL)
    assert before.holdout["params"] == after.holdout["params"]
    assert before.params != after.params
    for first, second in zip(before.holdout["points"], after.holdout["points"], strict=True):
        assert first["predicted"] == second["predicted"]
        assert first["measured"] * 1.05 == pytest.approx(second["measured"])
    assert before.holdout["params"] == fit(frame[~held], law, bootstrap=SMALL).params


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        ("chinchilla", r"^runs: all \d+ rows have the same loss; a law needs runs that differ$"),
        ("power_law", "budgets that improve on the one before; there are 1"),
        ("isoflop", "isoflop needs at least 2 budgets whose minimum is inside"),
    ],
)
def test_runs_of_one_loss_determine_no_law(runs, law, reason):
    with pytest.raises(ConfigError, match=reason):
        fit(runs(noise=0.0).assign(loss=3.0), law, bootstrap=SMALL)


@pytest.mark.parametrize("law", ALLOCATING)
def test_the_largest_budget_is_predicted_from_the_smaller_ones(runs, law):
    result = fit(runs(noise=0.001), law, Holdout(), SMALL)
    (best,) = result.holdout["best_runs"]
    assert result.holdout["best_runs_error"] == pytest.approx(abs(best["predicted"] / best["measured"] - 1))
    assert result.error < 0.02
    assert best["low"] < best["predicted"] < best["high"]
    assert result.holdout["n"] == 5


def test_runs_above_a_number_of_flops_are_held_out(runs):
    result = fit(runs(), "chinchilla", Holdout(above_flops=1e12), Bootstrap(0))
    assert result.holdout["n"] == 15
    assert result.holdout["largest_fitted"] < 1e12
    assert len(result.holdout["best_runs"]) == 3
    assert result.error < 1e-3


@pytest.mark.parametrize(("query", "cut"), [("run_id == 'r3'", False), ("D > 3e7", True)])
def test_held_out_rows_that_continue_fitted_runs_are_said(query, cut):
    n, d = (grid.ravel() for grid in np.meshgrid([1e5, 2e5, 4e5, 8e5], [1e6, 4e6, 1.6e7, 6.4e7], indexing="ij"))
    frame = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "loss": 1.9 + 30 * n**-0.35 + 126 * d**-0.4})
    frame["run_id"] = [f"r{i}" for i in np.repeat(range(4), 4)]
    result = fit(frame, "chinchilla", Holdout(query=query), Bootstrap(0))
    said = [line for line in result.diagnostics["warnings"] if "4 of 4 held-out runs, such as r0, have earlier rows" in line]
    assert len(said) == cut


def test_a_holdout_that_leaves_too_little_is_a_warning(runs):
    result = fit(runs(), "chinchilla", Holdout(largest_budgets=4), Bootstrap(0))
    assert result.holdout is None
    assert result.error is None
    assert "nothing was held out: chinchilla has 5 parameters" in result.diagnostics["warnings"][0]


def test_a_law_without_flops_can_be_fitted_but_not_checked(table):
    frame = tidy(table().drop(columns="C")).frame
    assert fit(frame, "chinchilla", Holdout(), Bootstrap(0)).holdout is None
    with pytest.raises(ConfigError, match=r"columns=\{'C': \.\.\.\}: isoflop needs this column; .* flops_6nd=True"):
        fit(frame, "isoflop")
    with pytest.raises(ConfigError, match=r"law: 'chinchila' is not one of power_law, "):
        fit(frame, "chinchila")


def test_intervals_cover_the_truth_about_as_often_as_they_say(runs, truth):
    inside = [
        np.mean([low < truth[name] < high for name, (low, high) in result.ci95.items()])
        for result in (fit(runs(noise=0.003, sizes=7, seed=seed), "chinchilla", bootstrap=Bootstrap(60)) for seed in range(8))
    ]
    assert np.mean(inside) > 0.7


def test_the_same_seed_gives_the_same_bits_and_another_does_not(runs):
    frame = runs(noise=0.003)
    first, same, other = (fit(frame, "isoflop", bootstrap=Bootstrap(40, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.draws, same.draws)
    assert not np.array_equal(first.draws, other.draws)
    assert first.params == other.params


@pytest.mark.parametrize("study", LAW_STUDIES)
def test_every_law_is_fitted_checked_saved_and_loaded_whole(study, tmp_path):
    frame, law = LAW_STUDIES[study]()
    result = fit(frame, law, bootstrap=SMALL)
    names = [parameter.name for parameter in law.parameters]
    assert list(result.params) == names
    assert np.isfinite(list(result.params.values())).all()
    for kind in ("bca", "percentile"):
        assert list(result.intervals[kind]) == names
    assert result.ci95 == result.intervals["bca"]
    points = law.fitted_rows(frame)
    predicted = result.predict(points)
    # optimal learning rates are read off noisy parabolas, and coverage is no exact power
    tolerance = {"lr": 0.1, "tau": 0.1, "rollouts": 0.05, "coverage": 0.03, "score": 0.03}.get(law.response, 0.01)
    assert np.median(np.abs(predicted / law.observed(points) - 1)) < tolerance
    low, high = result.interval(points)
    assert (low <= high).all()

    result.save(tmp_path)
    text = (tmp_path / "fit.json").read_text()
    assert "NaN" not in text
    read = json.loads(text)
    keys = {"law", "params", "se", "ci95", "objective", "n_points", "holdout", "frontier", "diagnostics", "seconds"}
    assert keys <= set(read)
    assert read["law"] == law.name
    assert {"condition", "basins", "at_bound", "warnings"} <= set(read["diagnostics"])
    assert set(read["objective"]) == {"name", "delta", "value"}
    assert set(read["seconds"]) == {"fit", "bootstrap"}
    loaded = Fit.load(tmp_path)
    assert loaded == result
    assert np.allclose(loaded.draws, result.draws, rtol=1e-9)
    assert loaded.predict(points) == pytest.approx(predicted)
    pd.testing.assert_frame_equal(loaded.frontier([1e20]), result.frontier([1e20]), rtol=1e-5)


def test_every_law_has_a_study():
    assert {name.split(",")[0] for name in LAW_STUDIES} == set(LAWS)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_explains_itself(law):
    instance = LAWS[law]()
    assert instance.name == law
    assert instance.title
    assert "arXiv" in instance.source or law == "formula"
    assert all(parameter.meaning for parameter in instance.parameters)
    assert len({parameter.name for parameter in instance.parameters}) == len(instance.parameters)


def test_the_frontier_has_an_interval_that_widens_beyond_the_runs(runs):
    frontier = fit(runs(noise=0.003), "isoflop", bootstrap=SMALL).frontier([1e12, 1e15])
    names = ["C", "N", "N_low", "N_high", "D", "D_low", "D_high", "loss", "loss_low", "loss_high", "undetermined"]
    assert list(frontier.columns) == names
    inside, beyond = frontier["N_high"] / frontier["N_low"]
    assert 1 < inside < beyond


def test_a_law_of_size_alone_has_no_frontier(runs):
    result = fit(runs(), PowerLaw(x="N"), bootstrap=Bootstrap(0))
    assert result.frontier(1e13).empty
    assert np.isnan(result.interval(runs())).all()


def test_an_irreducible_loss_that_the_runs_do_not_show_is_named():
    values = np.geomspace(1e6, 1e8, 12)
    frame = tidy(pd.DataFrame({"N": values, "D": values, "C": 6 * values**2, "loss": 40 * values**-0.2})).frame
    result = fit(frame, PowerLaw(x="N"), bootstrap=Bootstrap(0))
    assert result.diagnostics["at_bound"] == ["E"]
    assert "E (irreducible loss, nats per token) is 0" in result.diagnostics["warnings"][0]


def test_the_points_of_a_run_are_drawn_together_and_widen_the_interval():
    rng = np.random.default_rng(0)
    runs = isoflop_runs(6, 6, noise=0).assign(run=np.arange(36))
    several = pd.concat([runs.assign(D=runs["D"] * share, C=runs["C"] * share) for share in (0.5, 0.7, 1.0)])
    noise = rng.normal(0, 0.004, 36)[several["run"]]
    several["loss"] = (1.8 + 480 * several["N"] ** -0.35 + 2000 * several["D"] ** -0.37) * np.exp(noise)
    together = fit(tidy(several).frame, "chinchilla", bootstrap=Bootstrap(300))
    apart = fit(tidy(several.drop(columns="run")).frame, "chinchilla", bootstrap=Bootstrap(300))
    assert together.params == apart.params
    assert together.se["alpha"] > 1.3 * apart.se["alpha"]


def test_the_budget_for_a_loss_is_where_the_frontier_reaches_it():
    result = fit(isoflop_runs(), "chinchilla", bootstrap=SMALL)
    wanted = result.frontier(1e22)["loss"].iloc[0]
    budget = result.budget_for(wanted)
    assert budget["C"] == pytest.approx(1e22, rel=1e-6)
    assert budget["N"] == pytest.approx(result.frontier(1e22)["N"].iloc[0], rel=1e-6)
    assert budget["C_low"] < 1e22 < budget["C_high"]
    with pytest.raises(ConfigError, match="no budget reaches 1"):
        result.budget_for(1.0)
    with pytest.raises(ConfigError, match="task_error has no frontier"):
        fit(*LAW_STUDIES["task_error"](), bootstrap=Bootstrap(0)).budget_for(0.5)


def test_training_off_the_optimum_costs_what_the_law_says():
    result = fit(isoflop_runs(), "chinchilla", bootstrap=Bootstrap(0))
    best = result.frontier(1e21)["N"].iloc[0]
    table = result.off_optimum(best * np.array([0.25, 0.5, 1, 2, 4]), 1e21)
    assert table["above"].iloc[2] == pytest.approx(0, abs=1e-9)
    assert table["wasted"].iloc[2] == pytest.approx(0, abs=1e-6)
    assert (np.diff(table["wasted"]) * [-1, -1, 1, 1] > 0).all()
    equivalent = result.frontier(table["C_equivalent"].to_numpy())["loss"]
    assert equivalent.to_numpy() == pytest.approx(table["loss"].to_numpy())
    with pytest.raises(ConfigError, match="isoflop does not predict the loss off the optimum"):
        fit(isoflop_runs(), "isoflop", bootstrap=Bootstrap(0)).off_optimum(best, 1e21)


@pytest.mark.parametrize("law", ["isoflop", "power_law", "envelope", "overtraining"])
def test_every_law_with_a_frontier_tells_the_budget_for_a_loss(law):
    result = fit(*LAW_STUDIES[law](), bootstrap=SMALL)
    target = 10 * result.runs["C"][1]
    wanted = result.frontier(target)["loss"].iloc[0]
    budget = result.budget_for(wanted)
    assert budget["C"] == pytest.approx(target, rel=1e-6)
    assert budget["C_low"] <= target <= budget["C_high"]


def test_a_frame_that_is_not_tidy_is_fitted_or_refused(table, runs):
    plain = table(noise=0.003)
    assert (
        fit(plain, "isoflop", bootstrap=Bootstrap(0)).params == fit(runs(noise=0.003), "isoflop", bootstrap=Bootstrap(0)).params
    )
    for values, line in (
        (plain["N"].map(str), "N: holds text or objects rather than numbers"),
        (plain["N"].mask(plain.index == 3), "N: 1 of 25 values are missing, not positive or infinite, the first in row 3"),
        (plain["N"].mask(plain.index == 4, 0), "N: 1 of 25 values are missing, not positive or infinite, the first in row 4"),
        (plain["N"].mask(plain.index == 4, np.inf), "N: 1 of 25 values are missing, not positive or infinite"),
    ):
        with pytest.raises(ConfigError) as error:
            fit(plain.assign(N=values), bootstrap=Bootstrap(0))
        assert str(error.value).startswith(line)
