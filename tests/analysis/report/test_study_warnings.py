"""Warnings of a study, ranked by what they mean for its answer."""

from dataclasses import replace

from helpers.studies import study_of_kind

from openr1.analysis.report.study_warnings import study_warnings
from openr1.analysis.warning import RankedWarning, Severity


def with_warnings(fit, *severities):
    warnings = [RankedWarning(f"{fit.law.name} {severity.name}", severity) for severity in severities]
    return replace(fit, diagnostics={**fit.diagnostics, "warnings": warnings, "parabola_bias": None})


def ranked(study):
    return [str(told) for told in study_warnings(study)]


def test_warnings_of_the_answer_come_by_their_severity_and_those_of_other_laws_last():
    study = study_of_kind("budgets")
    fits = {
        "isoflop": with_warnings(study.fits["isoflop"], Severity.NO_ANSWER),
        "chinchilla": with_warnings(study.fits["chinchilla"], Severity.PARAMETER, Severity.MISLEADING),
    }
    runs = replace(study.runs, warnings=[RankedWarning("the weights are odd", Severity.DATA)])
    study = replace(study, fits=fits, runs=runs, failed={"moe": "there are no experts"})
    assert ranked(study) == [
        "The law moe was not fitted: there are no experts.",
        "Parametric law: Chinchilla MISLEADING.",
        "Parametric law: Chinchilla PARAMETER.",
        "The weights are odd.",
        "IsoFLOP profiles: Isoflop NO_ANSWER.",
    ]


def test_a_law_that_was_asked_for_and_not_fitted_is_the_gravest():
    study = study_of_kind("budgets")
    study = replace(study, fits={"isoflop": study.fits["isoflop"]}, failed={"chinchilla": "N is missing"})
    assert ranked(study)[0] == "The law chinchilla was not fitted: N is missing."


def test_the_bias_of_parabolas_is_a_warning_of_their_law():
    study = study_of_kind("budgets")
    assert any(line.startswith("IsoFLOP profiles: By the parametric law of the same runs, the parab") for line in ranked(study))


def test_the_only_law_is_not_named():
    study = study_of_kind("budgets")
    study = replace(study, fits={"chinchilla": with_warnings(study.fits["chinchilla"], Severity.INTERVAL)})
    assert ranked(study) == ["Chinchilla INTERVAL."]
