"""Warnings of a study in the order of what they mean for its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openr1.analysis.fit.parabola_bias import bias_at
from openr1.analysis.formatting import count_rows, percent, scientific, share
from openr1.analysis.study import GroupedStudy, Study
from openr1.analysis.warning import RankedWarning, Severity

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit

SHOWN = 3  # warnings that are not folded
WASTED = 0.005  # share of the budget that a biased size may waste and still be good advice


@dataclass(frozen=True)
class StudyWarning:
    """A warning and the law or the group that it is about; no name if it is about the runs, or there is one law."""

    about: str
    warning: RankedWarning

    def __str__(self) -> str:
        return f"{self.about}: {self.warning.sentence}" if self.about else self.warning.sentence


def study_warnings(study: Study | GroupedStudy) -> list[StudyWarning]:
    """Return all warnings of a study: by their severity, those of laws that do not answer last."""
    own = [StudyWarning("", warning) for warning in study.runs.warnings]
    if isinstance(study, GroupedStudy):
        own += _of_groups(study)
        own += [StudyWarning(group, warning) for group, part in study.parts.items() for warning in _of_fit(part, part.main)]
        return _ranked(own)
    several = len(study.fits) + len(study.failed) > 1
    others: list[StudyWarning] = []
    for fit in study.fits.values():
        told = [StudyWarning(fit.law.title if several else "", warning) for warning in _of_fit(study, fit)]
        (own if fit is study.main else others).extend(told)
    for name, reason in study.failed.items():
        own.append(StudyWarning("", RankedWarning(f"the law {name} was not fitted: {reason}", Severity.NO_ANSWER)))
    return [*_ranked(own), *_ranked(others)]


def _ranked(warnings: list[StudyWarning]) -> list[StudyWarning]:
    return sorted(warnings, key=lambda told: told.warning.severity)


def _of_groups(study: GroupedStudy) -> list[StudyWarning]:
    """Return the warnings of groups that have no fit, and of rows that are in no group."""
    failed = [
        StudyWarning("", RankedWarning(f"{group} was not fitted: {reason}", Severity.NO_ANSWER))
        for group, reason in study.groups.failed.items()
    ]
    if not study.groups.unlabelled:
        return failed
    counted = count_rows(len(study.runs.frame), study.runs.frame)
    number = study.groups.unlabelled
    verbs = ("has", "is") if number == 1 else ("have", "are")
    outside = f"{number} of {counted} {verbs[0]} no {study.groups.by} and {verbs[1]} in no group"
    return [*failed, StudyWarning("", RankedWarning(outside, Severity.DATA))]


def _of_fit(study: Study, fit: Fit) -> list[RankedWarning]:
    """Return the warnings of a fit, with that of the bias of its parabolas at the target budget, if it has any."""
    known = fit.diagnostics.get("parabola_bias")
    if not known or not study.target_flops:
        return list(fit.diagnostics["warnings"])
    bias = bias_at(known, study.target_flops)
    text = (
        f"by the parametric law of the same runs, the parabolas' shape alone moves N* at {scientific(study.target_flops)} FLOPs"
        f" by {share(bias['shift'])}, which wastes {percent(bias['wasted'])} of the budget; law.curve=akima and law=chinchilla"
        " do not have this bias"
    )
    severity = Severity.MISLEADING if bias["wasted"] > WASTED else Severity.PARAMETER
    return [*fit.diagnostics["warnings"], RankedWarning(text, severity)]
