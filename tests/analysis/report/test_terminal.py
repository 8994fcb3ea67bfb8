"""Summary of a study on the terminal."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.studies import KINDS, budgets, study_of, study_of_kind

from openr1.analysis.formatting import percent
from openr1.analysis.report import terminal
from openr1.analysis.warning import RankedWarning, Severity


def printed(study, capsys):
    terminal.show(study)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("kind", KINDS)
def test_every_law_is_shown(kind, capsys):
    study = study_of_kind(kind)
    text = printed(study, capsys)
    assert f"report: {study.report}" in text
    fit = study.main
    assert percent(study.held_out_error(fit)) in text
    for parameter in fit.law.parameters:
        assert (f"{parameter.name} " in text) or parameter.coefficient


def test_the_best_on_what_was_held_out_is_first(capsys):
    study = study_of_kind("budgets")
    text = printed(study, capsys)
    places = [text.index(percent(study.held_out_error(fit))) for fit in study.ranked]
    assert places == sorted(places)
    assert text.index("FLOPs, 10 times the largest run, train") < places[0]


def test_the_three_gravest_warnings_are_printed(capsys):
    study = study_of_kind("budgets")
    warnings = [RankedWarning(f"beware [of {i}]", Severity(6 - i)) for i in range(5)]
    fit = replace(study.main, diagnostics={**study.main.diagnostics, "warnings": warnings})
    text = printed(replace(study, fits={"chinchilla": fit}), capsys)
    places = [text.index(f"warning: Beware [of {i}].") for i in (4, 3, 2)]
    assert places == sorted(places)
    assert "of 1]" not in text
    assert "2 more warnings are in the report" in text


def test_what_was_left_out_and_what_failed_is_said(tmp_path, capsys):
    table = budgets()
    table.loc[3, "loss"] = np.nan
    table.loc[0, "C"] *= 30
    study = study_of(tmp_path, table, "compare=[chinchilla,isoflop,hyperparameter]", "bootstrap.resamples=0")
    text = printed(study, capsys)
    assert "19 runs, 1 left out (loss is missing or not a number)" in text
    assert "warning: C differs from 6ND by more than a factor of ten in 1 of 19 rows" in text


def test_the_budget_of_a_target_loss_is_said(capsys):
    study = study_of_kind("budgets")
    text = printed(replace(study, config=replace(study.config, target_loss=2.4)), capsys)
    assert "A loss of 2.4 takes" in text
