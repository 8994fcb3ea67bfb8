"""``sweep=active``: rounds of the runs that tell most about a target for their FLOPs, given all that is done in the study."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openr1.config.schema import Config
from openr1.errors import ConfigError
from sweeps.active.options import ActiveOptions
from sweeps.designs.base import Design, Finished, Overrides

if TYPE_CHECKING:
    from sweeps.active.choice import Choice, Offer


@dataclass
class ActiveSweep(ActiveOptions):
    law: str = "chinchilla"  # a name in analysis.laws.LAWS
    law_options: Any = None  # its options, such as {objective: log_mse}


class Active(Design[ActiveSweep]):
    """The next batch of the candidates, until the allowance is used or the interval of the prediction is narrow enough."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [offer.overrides for offer in self._choice(finished).offers]

    @property
    def adapts(self) -> bool:
        return True

    def report(self, finished: Sequence[Finished]) -> list[str]:
        from sweeps.active.show import said

        return said(self._choice(finished), self.sweep)

    def _choice(self, finished: Sequence[Finished]) -> Choice:
        from sweeps.active import study

        law = study.law_of(self.sweep)
        return study.choose(law, self.sweep, self._config, self.offers, {run.overrides for run in finished})

    @cached_property
    def _config(self) -> Config:
        config = self.compose(())
        if config.recipe is not None or not config.stage.trains or config.stage.rollouts:
            raise ConfigError("sweep: active chooses runs of one stage that trains on data, pretrain or sft, not of a recipe")
        return config

    @cached_property
    def offers(self) -> list[Offer]:
        """The candidates, priced as the runs that they would be."""
        from openr1.runs.plan import plan
        from sweeps.active.choice import Offer

        found = []
        for scale, tokens in itertools.product(self.sweep.candidates.scale, self.sweep.candidates.tokens):
            (stage,) = plan(self.compose(Offer(scale, tokens, 0.0, 0.0, 0.0).overrides))
            found.append(Offer(scale, tokens, float(stage.estimate.params), stage.estimate.tokens, stage.estimate.flops))
        return found
