"""``sweep=active``: rounds of the runs that tell most about a target for their FLOPs, given all that is done in the study."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openr1.errors import ConfigError
from sweeps.active.options import ActiveOptions
from sweeps.designs.base import Design, Finished, Overrides

if TYPE_CHECKING:
    from analysis.laws import Law
    from sweeps.active.choice import Choice, Offer


@dataclass
class ActiveSweep(ActiveOptions):
    law: str = "chinchilla"  # a name in analysis.laws.LAWS
    law_options: Any = None  # its options, such as {objective: log_mse}


class Active(Design[ActiveSweep]):
    """The runs so far are those that MLflow has of the study, of the same stage, family and data, whatever made them."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [offer.overrides for offer in self._choice(finished).offers]

    def report(self, finished: Sequence[Finished]) -> list[str]:
        from sweeps.active.show import said

        return said(self._choice(finished), self.sweep)

    def _choice(self, finished: Sequence[Finished]) -> Choice:
        from analysis.frame import MlflowRuns
        from sweeps.active import choice

        try:
            choice.check(self.law, self.sweep)
        except ConfigError as error:
            raise ConfigError(f"sweep.{str(error).removeprefix('sweep.')}") from error
        config = self.compose(())
        if config.recipe is not None or not config.stage.trains or config.stage.rollouts:
            raise ConfigError("sweep: active chooses runs of one stage that trains on data, pretrain or sft, not of a recipe")
        same = {"stage": config.stage.kind, "family": config.model.family, "data": config.data.name}
        source = MlflowRuns(columns=choice.TRACKED, where=same, uri=config.tracking.uri, study=config.study)
        made = {run.overrides for run in finished}
        tried = {offer for offer in self.offers if offer.overrides in made}
        return choice.choose(self.law, self.sweep, choice.finished(source, self.law), self.offers, tried)

    @cached_property
    def law(self) -> Law:
        from analysis.laws import LAWS

        sweep = self.sweep
        if sweep.law not in LAWS:
            raise ConfigError(f"sweep.law: {sweep.law!r} is not one of {', '.join(LAWS)}")
        options, known = sweep.law_options or {}, [one.name for one in fields(LAWS[sweep.law])]
        unknown = [name for name in options if name not in known]
        if unknown:
            raise ConfigError(f"sweep.law_options.{unknown[0]}: no such key; there are {', '.join(known)}")
        try:
            return LAWS[sweep.law](**options)
        except ConfigError as error:
            raise ConfigError(f"sweep.law_options.{str(error).removeprefix('law.')}") from error

    @cached_property
    def offers(self) -> list[Offer]:
        """The candidates, priced as the runs that they would be."""
        from openr1.plan import plan
        from sweeps.active.choice import Offer

        found = []
        for scale, tokens in itertools.product(self.sweep.candidates.scale, self.sweep.candidates.tokens):
            priced = Offer(scale, tokens, 0.0, 0.0, 0.0)
            (stage,) = plan(self.compose(priced.overrides))
            found.append(Offer(scale, tokens, float(stage.work.params), stage.work.tokens, stage.work.flops))
        return found
