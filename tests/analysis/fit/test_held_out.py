"""Held-out errors: at the runs' own N, D and C, and on the best run of each budget."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.studies import study_of

from openr1.analysis import Bootstrap, Holdout, fit
from openr1.analysis.report.narrative import support
from openr1.analysis.report.tables import ranking
from openr1.analysis.sources.frame import tidy

NONE = Bootstrap(0)


def loss(n, d):
    return 1.8 + 480 * n**-0.35 + 2000 * d**-0.37


def off_optimum(budgets=12, ratios=(600.0, 1000.0)):
    """Return runs of a known law, one or more a budget, with far more tokens than is compute-optimal in the largest."""
    rows = []
    for i, flops in enumerate(np.geomspace(1e18, 1e21, budgets)):
        for ratio in ratios if i >= budgets - 2 else (5.0, 20.0, 80.0):
            n = np.sqrt(flops / 6 / ratio)
            rows.append({"N": n, "D": ratio * n, "C": flops, "loss": loss(n, ratio * n)})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("law", ["chinchilla", "overtraining"])
def test_runs_that_are_not_optimal_are_predicted_where_they_are(law):
    result = fit(tidy(off_optimum()).frame, law, Holdout(largest_budgets=2), NONE)
    own = [abs(row["predicted"] / row["measured"] - 1) for row in result.holdout["points"]]
    assert len(own) == result.holdout["n"] == 4
    assert result.error == pytest.approx(np.mean(own))
    assert result.error < (1e-4 if law == "chinchilla" else 0.02)
    best = result.holdout["best_runs"][-1]
    assert best["N"] == pytest.approx(np.sqrt(best["C"] / 6 / 600))
    assert best["frontier"] < 0.98 * best["measured"]  # the loss of another run, which was not trained


def test_a_law_of_the_frontier_is_checked_on_the_best_run_of_each_budget():
    result = fit(tidy(off_optimum()).frame, "power_law", Holdout(largest_budgets=2), NONE)
    assert result.holdout["points"] == [
        {name: row[name] for name in result.holdout["points"][0]} for row in result.holdout["best_runs"]
    ]
    assert result.error == result.holdout["best_runs_error"] > 0.02


def test_a_budget_that_improves_on_no_smaller_one_is_no_best_run():
    table = off_optimum()
    table.loc[table["C"] == table["C"].max(), "loss"] += 1
    result = fit(tidy(table).frame, "chinchilla", Holdout(largest_budgets=2), NONE)
    assert [row["C"] for row in result.holdout["best_runs"]] == pytest.approx([np.sort(table["C"].unique())[-2]])
    assert len(result.holdout["points"]) == 4


def test_laws_of_both_kinds_are_compared_on_the_same_runs(tmp_path):
    # the larger of two sizes is predicted worse, so that the two errors of a law differ
    options = ("holdout.largest_budgets=2", "bootstrap.resamples=0")
    study = study_of(tmp_path, off_optimum(), "compare=[chinchilla,overtraining,power_law]", *options)
    assert {fit.law.name for fit in study.ranked[-1:]} == {"power_law"}
    for result in study.fits.values():
        assert study.held_out_error(result) == result.holdout["best_runs_error"]
    assert [row[2].text for row in ranking(study).rows] == ["best runs of 2 budgets"] * 3
    alike = replace(study, fits={name: study.fits[name] for name in ("chinchilla", "overtraining")})
    assert [row[2].text for row in ranking(alike).rows] == ["4 runs"] * 2
    assert [alike.held_out_error(result) for result in alike.ranked] == [result.error for result in alike.ranked]


def test_the_answer_predicts_the_run_and_names_the_optimum_apart(tmp_path):
    options = ("law=chinchilla", "holdout.largest_budgets=2", "bootstrap.resamples=0")
    study = study_of(tmp_path, off_optimum(), *options)
    row = study.main.holdout["best_runs"][-1]
    text = " ".join(support(study))
    assert f"It predicts a loss of {row['predicted']:.3f} for the best run of 10²¹ FLOPs, at its" in text
    assert f"the measured loss is {row['measured']:.3f}" in text
    assert f"the compute-optimal run at the same cost would have a loss of {row['frontier']:.3f}." in text
    assert f"{row['predicted']:.3f}" != f"{row['frontier']:.3f}"
