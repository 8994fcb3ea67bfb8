"""The choice of ``openr1 -m sweep=active``: among its candidates, from what MLflow has of the study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from analysis.laws import LAWS
from analysis.sources.frame import MlflowRuns
from openr1.config.schema import Config
from openr1.errors import ConfigError
from sweeps.active import choice
from sweeps.active.choice import Choice, Offer

if TYPE_CHECKING:
    from analysis.laws import Law
    from sweeps.designs.active import ActiveSweep


def law_of(sweep: ActiveSweep) -> Law:
    """The law that ``sweep.law`` names.

    :raises ConfigError: for one that is not there, an option that it does not have, and what :func:`choice.check` refuses.
    """
    if sweep.law not in LAWS:
        raise ConfigError(f"sweep.law: {sweep.law!r} is not one of {', '.join(LAWS)}")
    options, known = sweep.law_options or {}, [one.name for one in fields(LAWS[sweep.law])]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ConfigError(f"sweep.law_options.{unknown[0]}: no such key; there are {', '.join(known)}")
    try:
        law = LAWS[sweep.law](**options)
    except ConfigError as error:
        raise ConfigError(f"sweep.law_options.{str(error).removeprefix('law.')}") from error
    try:
        choice.check(law, sweep)
    except ConfigError as error:
        raise ConfigError(f"sweep.{str(error).removeprefix('sweep.')}") from error
    return law


def choose(law: Law, sweep: ActiveSweep, config: Config, offers: Sequence[Offer], made: Collection[tuple[str, ...]]) -> Choice:
    """The next runs.

    :param config: of the study: the runs so far are those that it has of the same stage, family and data, whatever made them.
    :param made: overrides of candidates that are not to be run again, whatever became of them.
    """
    same = {"stage": config.stage.kind, "family": config.model.family, "data": config.data.name}
    source = MlflowRuns(columns=choice.TRACKED, where=same, uri=config.tracking.uri, study=config.study)
    tried = {offer for offer in offers if offer.overrides in made}
    return choice.choose(law, sweep, choice.finished(source, law), offers, tried)
