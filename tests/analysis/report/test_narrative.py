"""Sentences about a study."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.studies import KINDS, budgets, study_of, study_of_kind

from openr1.analysis.fit.diagnostics import describe_run
from openr1.analysis.formatting import Words, compute, percent, quantity, scientific, share, short, three_decimals
from openr1.analysis.report.narrative import answer, describe_diagnostics, support
from openr1.analysis.report.tables import ranking
from openr1.system.errors import ConfigError


def said(study):
    return " ".join([*answer(study), *support(study)])


def with_target(study, loss):
    return replace(study, config=replace(study.config, target_loss=loss))


def test_a_budget_is_divided_with_intervals_and_its_reach_is_told():
    study = study_of_kind("budgets")
    row = study.main.frontier(study.target_flops).iloc[0]
    n, d, loss = (f"{write(row[name])} ({write(row[f'{name}_low'])} to {write(row[f'{name}_high'])})"
                  for name, write in (("N", short), ("D", short), ("loss", three_decimals)))  # fmt: skip
    advice = f"train {n} parameters on {d} tokens; expect a loss of {loss} nats per token."
    assert answer(study) == [f"With 10²¹ FLOPs, 10 times the largest run, {advice}"]


def test_a_budget_within_the_runs_is_not_called_larger():
    study = replace(study_of_kind("budgets"), target_flops=1e19)
    assert answer(study)[0].startswith("With 10¹⁹ FLOPs, train")


def test_the_law_that_predicted_best_answers_and_the_others_are_told():
    study = study_of_kind("budgets")
    assert support(study)[0] == (
        "This is the answer of the Parametric law, which predicted the held-out runs best of the laws compared: an error of"
        f" {percent(study.held_out_error(study.fits['chinchilla']))} on the best run of a budget."
    )
    worse = replace(study.fits["chinchilla"], holdout={**study.fits["chinchilla"].holdout, "best_runs_error": 0.5})
    other = replace(study, fits={**study.fits, "chinchilla": worse})
    assert other.main is other.fits["isoflop"]


def test_a_law_that_predicted_better_but_cannot_answer_is_told_with_the_reason():
    study = study_of_kind("budgets")
    best = replace(study.fits["power_law"], holdout={**study.fits["power_law"].holdout, "best_runs_error": 1e-6})
    study = replace(study, fits={**study.fits, "power_law": best})
    assert study.main is study.fits["chinchilla"]
    assert support(study)[:2] == [
        "This is the answer of the Parametric law, which predicted the held-out runs best of the laws that divide compute: an"
        f" error of {percent(study.held_out_error(study.main))} on the best run of a budget.",
        "The Power law came closer (0.00 %), but does not divide compute into parameters and tokens.",
    ]


def test_no_compute_optimal_run_is_worse_than_a_run_of_its_cost(tmp_path):
    table = budgets()
    table["C"] *= np.linspace(0.9, 1.1, len(table))  # FLOPs that are not in proportion to ND
    study = study_of(tmp_path, table, "law=chinchilla", "bootstrap.resamples=0", "holdout.above_flops=4e19")
    rows = study.main.holdout["best_runs"]
    assert rows
    assert all(row["frontier"] <= row["predicted"] for row in rows)


def test_what_was_held_out_is_set_beside_its_prediction():
    study = study_of_kind("budgets")
    row = study.main.holdout["best_runs"][-1]
    side = "above" if row["relative_error"] < 0 else "below"
    assert f"Fitted without the 5 runs above {scientific(study.main.holdout['largest_fitted'])} FLOPs" in said(study)
    assert f"the measured loss is {three_decimals(row['measured'])}, {percent(abs(row['relative_error']))} {side} it." in said(
        study
    )


def test_held_out_runs_that_are_not_the_largest_are_called_no_more_than_held_out(tmp_path):
    study = study_of(tmp_path, budgets(), "law=chinchilla", "holdout.query='N < 1e8'", "bootstrap.resamples=0")
    count = int((study.runs.frame["N"] < 1e8).sum())
    assert f"Fitted without the {count} runs held out, the law predicts" in said(study)


def test_without_a_bootstrap_there_are_no_intervals(tmp_path):
    study = study_of(tmp_path, budgets(), "law=chinchilla", "holdout.largest_budgets=0", "bootstrap.resamples=0")
    assert "(" not in said(study)
    assert "No runs were held out" in said(study)


def test_a_target_loss_is_answered_with_its_budget():
    study = study_of_kind("budgets")
    result = study.main.budget_for(2.4)
    ends = f"{scientific(result['C_low'])} to {scientific(result['C_high'])}"
    size = f"{short(result['N'])} parameters on {short(result['D'])} tokens"
    assert f"A loss of 2.4 takes {scientific(result['C'])} ({ends}) FLOPs: {size}." in said(with_target(study, 2.4))
    assert "The budget for a loss of 1 is unknown: no budget reaches 1 by the law chinchilla." in said(with_target(study, 1.0))
    assert "The budget for a loss of 2 is unknown: rl_sigmoid has no frontier" in said(
        with_target(study_of_kind("rl_sigmoid"), 2.0)
    )


def test_exponents_that_leave_the_optimum_free_are_said_to():
    study = study_of_kind("budgets")
    free = replace(study.main, params={**study.main.params, "alpha": 1e-9, "beta": 1e-9})
    study = replace(study, fits={"chinchilla": free})
    assert answer(study)[0].startswith("There is no advice on 10²¹ FLOPs, since by the law, N* is 0: add runs")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("power_law", "With 10B parameters, 10 times the largest run, expect a loss of {0} (0L to 0H) nats per token."),
        ("task_error", "At a loss of 1.980, 10 % below the lowest of the runs, expect an error of {0} (0L to 0H)."),
        ("rl_sigmoid", "With 600 gpu hours, 10 times the largest of the runs, expect a pass rate of {0} (0L to 0H)."),
        (
            "pass_at_k",
            "With 640 samples per problem, 10 times the most of the runs, expect a coverage of {0} (0L to 0H)",
        ),
        ("distillation", "For the largest student, of 2B parameters trained on 50B tokens, the best teacher within the runs"),
    ],
)
def test_a_law_of_one_variable_is_asked_beyond_the_runs(kind, words):
    study = study_of_kind(kind)
    at = {"power_law": {"N": 1e10}, "task_error": {"loss": 0.9 * 2.2}, "rl_sigmoid": {"C": 600.0}, "pass_at_k": {"k": 640.0}}
    if kind in at:
        frame = pd.DataFrame([at[kind]])
        write = three_decimals if kind == "power_law" else share
        low, high = study.main.interval(frame)[:, 0]
        ends = f"({write(low)} to {write(high)})"
        words = words.replace("(0L to 0H)", ends).format(write(study.main.predict(frame)[0]))
    assert words in said(study)


def test_a_pass_rate_is_one_minus_the_error_with_the_ends_in_order():
    study = study_of_kind("rl_power")
    frame = pd.DataFrame({"N": [7e9], "C": [1e21]})
    low, high = 1 - study.main.interval(frame)[::-1, 0]
    rate = 1 - study.main.predict(frame)[0]
    assert low <= rate <= high
    assert f"a pass rate of {share(rate)} ({share(low)} to {share(high)})." in said(study)


def test_repeats_are_worth_what_the_decay_leaves_of_them():
    study = study_of_kind("data_constrained")
    decay = study.main.params["R_D"]
    assert f"3 more epochs over the same tokens are worth {decay * (1 - np.exp(-3 / decay)):.2f} (" in said(study)


def test_the_best_learning_rate_is_that_of_the_law():
    study = study_of_kind("hyperparameter")
    rate = study.main.predict(pd.DataFrame({"N": [1e9], "D": [2e10]}))[0]
    assert (
        f"For 1B parameters on 20B tokens, the largest of the runs, the best learning rate is {quantity('lr', rate)} ("
        in said(study)
    )


def test_compute_in_another_unit_is_not_called_flops():
    text = said(study_of_kind("rl_sigmoid"))
    assert "FLOPs" not in text
    assert f"above {compute(study_of_kind('rl_sigmoid').main.holdout['largest_fitted'])} gpu hours" in text


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_of_sentences(kind):
    study = study_of_kind(kind)
    for sentence in [*answer(study), *support(study)]:
        assert sentence[0].isupper() or sentence[0].isdigit()
        assert sentence.endswith(".")
        assert "nan" not in sentence


def test_a_diagnosis_names_the_run_that_moves_most():
    study = study_of_kind("budgets")
    row = study.main.diagnostics["influence"][0]
    text = " ".join(describe_diagnostics(study, study.main))
    errors = f"{abs(row['standard_errors']):.2g} standard errors"
    run = describe_run(study.runs.frame, row["run"])
    assert f"changes no parameter by more than {errors} ({row['parameter']}, without {run})." in text
    assert "Residuals of the fit to all runs show no trend." in text


def test_held_out_rows_beyond_the_interval_are_counted():
    study = study_of_kind("budgets")
    points = [{**row, "low": 0.0, "high": 9.0} for row in study.main.holdout["points"]]
    inside = replace(study.main, holdout={**study.main.holdout, "points": points})
    assert "lie outside" not in " ".join(describe_diagnostics(study, inside))
    points[0]["high"], points[1]["low"] = 0.1, 8.0
    assert f"Of {len(points)} held-out rows, 2 lie outside the 95 % interval" in " ".join(describe_diagnostics(study, inside))


def test_a_diagnosis_tells_of_ridges_basins_and_trends():
    study = study_of_kind("budgets")
    known = {**study.main.diagnostics, "ridge": ["E", "A"], "basins": 3, "agreeing": 0.25}
    known["trends"] = [{"with": "C", "shape": "bent", "correlation": -0.5, "p": 1e-5}]
    text = " ".join(describe_diagnostics(study, replace(study.main, diagnostics=known)))
    assert "Residuals of the fit to all runs trend with C (bent, -0.50)." in text
    assert "the runs do not determine E and A separately" in text
    assert "The starts reached 3 local optima; 25% of them reached the best one." in text


def test_losses_and_data_of_other_units_are_called_by_their_columns(tmp_path):
    table = budgets().rename(columns={"D": "images", "loss": "bits_per_byte"})
    columns = ("runs.columns.D=images", "runs.columns.loss=bits_per_byte", "bootstrap.resamples=0")
    text = said(study_of(tmp_path, table, "law=chinchilla", *columns))
    assert "nats" not in text
    assert "tokens" not in text
    assert "images; expect bits per byte of " in text
    assert "the measured bits per byte is " in text


def test_runs_that_cannot_tell_are_answered_with_what_to_add(tmp_path):
    d = np.geomspace(1e9, 1e11, 20)
    table = pd.DataFrame({"N": 1e8, "D": d, "C": 6e8 * d, "loss": 2.5 + 2000 * d**-0.37})
    table["loss"] *= np.exp(np.random.default_rng(0).normal(0, 0.002, 20))
    study = study_of(tmp_path, table, "law=chinchilla", "compare=[chinchilla,power_law]", "target_loss=2.0")
    text = said(study)
    assert "There is no advice on larger budgets, since the runs have one model size" in text
    assert "add runs of other sizes" in text
    assert "train " not in text
    assert "The budget for a loss of 2 is unknown." in text
    assert "compute-optimal" not in text
    row = next(row for row in ranking(study).rows if row[0].text == "Parametric law")
    assert [cell.text for cell in row[-3:]] == ["\u2013"] * 3


def test_compute_has_the_unit_of_its_column_in_every_sentence(tmp_path):
    table = budgets().assign(gpu_hours=lambda rows: rows["C"] / 3.6e18).drop(columns="C")
    study = study_of(tmp_path, table, "law=power_law", "runs.columns.C=gpu_hours", "runs.units.C=1", "target_loss=2.3")
    assert "gpu hours" in said(study)
    assert "FLOPs" not in said(study)


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("params.tokens_seen", "tokens"),
        ("d", "tokens"),
        ("images", "images"),
        ("relative time (process)", "'relative time (process)'"),
    ],
)
def test_the_word_for_tokens_is_the_name_of_their_column(column, word):
    assert Words.of(None, column, None).tokens == word


def test_a_unit_that_is_given_says_what_a_column_becomes(tmp_path):
    table = budgets().assign(images=lambda rows: rows["D"] / 524288).drop(columns="D")
    study = study_of(tmp_path, table, "runs.columns.D=images", "runs.units.D=524288")
    assert " tokens; expect" in said(study)
    assert "images" not in said(study)


def test_a_budget_without_flops_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="target_flops: the runs have no FLOPs"):
        study_of(tmp_path, budgets().drop(columns="C"), "target_flops=1e22")
