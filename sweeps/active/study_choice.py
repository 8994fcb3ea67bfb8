"""Active choice in a study of ``openr1 -m sweep=active``, from its finished runs in MLflow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from openr1.analysis.laws import LAWS
from openr1.analysis.sources.frame import MlflowRuns
from openr1.config.schema import Config
from openr1.options import one_of
from openr1.sweeps.active import choice
from openr1.sweeps.active.choice import Candidate, Choice
from openr1.sweeps.active.options import ActiveSweep
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.analysis.laws import Law


def create_law(sweep: ActiveSweep) -> Law:
    """Return the law that ``sweep.law`` names.

    :raises ConfigError: for an unknown law, an unknown option of it, or as :func:`choice.validate_choice` does.
    """
    one_of(sweep.law, "sweep.law", LAWS)
    options, known = sweep.law_options or {}, [field.name for field in fields(LAWS[sweep.law])]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ConfigError(f"sweep.law_options.{unknown[0]}: no such key; there are {', '.join(known)}")
    try:
        law = LAWS[sweep.law](**options)
    except ConfigError as error:
        raise ConfigError(f"sweep.law_options.{str(error).removeprefix('law.')}") from error
    try:
        choice.validate_choice(law, sweep)
    except ConfigError as error:
        raise ConfigError(f"sweep.{str(error).removeprefix('sweep.')}") from error
    return law


def choose_for_study(
    law: Law, sweep: ActiveSweep, config: Config, candidates: Sequence[Candidate], made: Collection[tuple[str, ...]]
) -> Choice:
    """Choose the next runs, given the study's finished runs of the same stage, family and data.

    :param config: of the study.
    :param made: overrides of candidates that are not to be run again, whatever became of them.
    """
    same = {"stage": config.stage.kind, "family": config.model.family, "data": config.data.name}
    source = MlflowRuns(columns=choice.TRACKED, where=same, uri=config.tracking.uri, study=config.study)
    tried = {candidate for candidate in candidates if candidate.overrides in made}
    return choice.choose(law, sweep, choice.read_finished(source, law), candidates, tried)
