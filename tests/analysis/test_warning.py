"""Warnings with the severity that they are made with."""

import copy
import json
import pickle

import pytest
from helpers.studies import study_of_kind

from openr1.analysis.fit.result import Fit
from openr1.analysis.warning import RankedWarning, Severity, ranked

WARNING = RankedWarning("the runs have one size", Severity.NO_ANSWER)


def test_a_warning_is_its_text_and_a_sentence():
    assert WARNING == "the runs have one size"
    assert WARNING.sentence == "The runs have one size."


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_keeps_the_severity(copied):
    assert copied(WARNING).severity is Severity.NO_ANSWER


def test_the_gravest_come_first_else_in_their_order():
    first, second = RankedWarning("a", Severity.DATA), RankedWarning("b", Severity.DATA)
    assert ranked([first, second, WARNING]) == [WARNING, first, second]


def test_json_keeps_all_warnings_with_their_ranks(tmp_path):
    fit = study_of_kind("budgets").fits["isoflop"]
    path = fit.save(tmp_path)
    written = json.loads(path.read_text())["diagnostics"]["warnings"]
    assert [row["text"] for row in written] == fit.diagnostics["warnings"]
    assert [row["rank"] for row in written] == sorted(row["rank"] for row in written)
    assert written[0]["severity"] == Severity(written[0]["rank"]).name.lower()
    assert [known.severity for known in Fit.load(tmp_path).diagnostics["warnings"]] == [row["rank"] for row in written]


def test_warnings_of_an_earlier_version_are_read(tmp_path):
    fit = study_of_kind("budgets").fits["isoflop"]
    path = fit.save(tmp_path)
    values = json.loads(path.read_text())
    values["diagnostics"]["warnings"] = ["beware"]
    values["holdout"]["warnings"] = []
    path.write_text(json.dumps(values))
    (warning,) = Fit.load(tmp_path).diagnostics["warnings"]
    assert (warning, warning.severity) == ("beware", Severity.PARAMETER)
